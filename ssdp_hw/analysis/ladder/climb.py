"""``loss_ladder``: every rung run on the same samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.analysis.comparison import Inputs
from ssdp_hw.analysis.ladder import rungs
from ssdp_hw.analysis.ladder.result import LayerLoss, LossLadder
from ssdp_hw.analysis.ladder.step import ALONE, PARAMETERS, Step
from ssdp_hw.analysis.ladder.tally import LayerTally, Seen, Tally
from ssdp_hw.checks import as_array, as_int, class_labels
from ssdp_hw.deprecation import renamed
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.quantization import quantize
from ssdp_hw.running.batches import BATCH_BYTES, batch_size, batches, stopped
from ssdp_hw.running.decoding import decoding_rules, required_record
from ssdp_hw.running.drive import AnyNetwork, make_drive
from ssdp_hw.running.progress import progress as show_progress
from ssdp_hw.running.run import run
from ssdp_hw.running.target import Target
from ssdp_hw.running.target_registry import fastest_target, get_target, targets_by_speed
from ssdp_hw.running.time_limit import STOPS, limited_time, with_result

# Up to so many layers the ladder says by itself what rounding each of them costs.
LAYERS = 16


@renamed(readout="decode")
def loss_ladder(
    network: Network,
    inputs: Inputs,
    labels: ArrayLike,
    fixed: FixedNetwork | None = None,
    *,
    source: ArrayLike | None = None,
    target: str | None = None,
    alone: bool = True,
    by_layer: bool | None = None,
    decode: str | None = None,
    steps: int | None = None,
    max_batch_bytes: int = BATCH_BYTES,
    progress: bool | None = None,
    time_limit: float | None = None,
    **quantization: Any,
) -> LossLadder:
    """Take the loss from a source model to a chip apart.

    The rungs: the source framework's predictions if given, our float network, the chip's timing (current
    before voltage; a constant current comes from a neuron that always fires), weights rounded, decays
    rounded, thresholds and biases rounded, integer state (sums floored and decays truncated, in registers
    without end), and the registers' wrap and saturation. The last rung is the fixed network.

    Taken alone, a step starts from the float network in the chip's timing. The integer state and its
    overflow alone are integer runs with parameters rounded so finely that only the state's own rounding or
    range is left (see :func:`ssdp_hw.analysis.ladder.rungs.exact_parameters`), and are left out between graded neurons
    and where no finer step of a declared model fits 64 bits; sums floored by a negative ``weight_exp`` are seen on the
    cumulative rung only.

    Args:
        network: the float network.
        inputs, labels: samples and their classes, as for :func:`ssdp_hw.compare`.
        fixed: the fixed network; default ``quantize(network, **quantization)``.
        source: predictions of the source framework for the same samples, shape (batch,); -1 for undecided.
        target: where to run, a target that runs registers of any width; default the fastest of those.
        alone: whether to take each step alone, too.
        by_layer: whether to round one layer at a time, and all but one: two runs a layer. Rounded are its parameters,
            that is decays, thresholds, biases and the weights into it; the state stays exact. None: where there are
            2 to ``LAYERS`` (16) layers; with one it is the rung ``thresholds``.
        decode: rule by which outputs become classes, see :func:`ssdp_hw.running.decoding.decode`; default
            ``spike_count``, of a readout ``max_membrane``.
        steps: length of the runs; default that of the input plus ``network.latency``.
        max_batch_bytes: samples run in batches whose recordings together stay within so much memory; the numbers are
            the same.
        progress: whether to show how many runs are done; default on a terminal and in a notebook.
        time_limit: seconds after which it ends; default none.
        quantization: options of :func:`ssdp_hw.quantize`, ``chip`` among them.

    Raises:
        ParameterError, ShapeError: options, labels, inputs or networks that do not fit.
        Interrupted, TimeLimitError: Ctrl-C, or over the time limit, after at least one batch of samples: its ``result``
            is the ladder of those.
    """
    if not isinstance(network, Network):
        raise ParameterError(f"loss_ladder takes a float Network, not {type(network).__name__}")
    runner = _able_target(target)
    if fixed is None:
        fixed = quantize(network, **quantization)
    elif quantization:
        raise ParameterError(f"a fixed network and options of quantize ({', '.join(quantization)}): give one of both")
    if not isinstance(fixed, FixedNetwork):
        raise ParameterError(f"the fixed network is a {type(fixed).__name__}")
    if len(network.outputs) != 1:
        raise ParameterError(f"the ladder needs one output; the network has {list(network.outputs)}")
    timed = rungs.in_chip_timing(network)
    rungs.check_match(timed, fixed)
    drive = make_drive(network, inputs)
    classes = class_labels(labels, drive.batch, network.size_of(network.outputs[0]), drive.steps)
    [decode] = decoding_rules(decode, network).values()
    length = drive.steps + network.latency if steps is None else as_int(steps, "steps")
    climb = _Climb(network, fixed, runner.name, decode, length)
    given = None if source is None else _source_predictions(source, drive.batch)
    parameters = [rungs.rounded(timed, fixed, *PARAMETERS[: k + 1]) for k in range(len(PARAMETERS))]
    make = {step: rungs.rounded if step in PARAMETERS else rungs.exact_parameters for step in ALONE}
    # Between graded neurons no integer weights are much finer than the chip's, since payloads have the chip's unit.
    graded = any(p.payload for p in fixed.populations)
    by_itself = [step for step in ALONE if alone and (step in PARAMETERS or not graded)]
    lone = {step: made for step in by_itself if (made := make[step](timed, fixed, step)) is not None}
    layered = _LayerRuns.of(timed, fixed, by_layer)
    tallies: dict[tuple[Step, bool], Tally] = {}
    size = climb.batch_size(max_batch_bytes)
    runs = len(PARAMETERS) + 4 + len(lone) + 2 * len(layered.networks)
    total = runs * -(-drive.batch // size)
    done, whole = 0, (tallies, layered)
    try:
        shown = show_progress("taking the loss apart, run by run", total, progress)
        with limited_time(time_limit), shown as advance:
            climb = replace(climb, ran=lambda: advance(1))
            for part, samples in batches(inputs, drive.batch, size):
                whole, done = (deepcopy(tallies), replace(layered, tallies=deepcopy(layered.tallies))), part.start
                seen = climb.upwards(samples, timed, parameters)
                start, on_chip, all_rounded = seen[Step.FLOAT], seen[Step.TIMING], seen[PARAMETERS[-1]]
                if given is not None:
                    seen = {Step.SOURCE: Seen(given[part], {}, {}), **seen}
                before = None
                for step, now in seen.items():
                    tally = tallies.setdefault((step, False), Tally(step, False))
                    tally.add(now, start, before, classes[part], part.start)
                    before = now
                for step, which in lone.items():
                    tally = tallies.setdefault((step, True), Tally(step, True))
                    tally.add(climb.run(which, samples), start, on_chip, classes[part], part.start)
                layered.add(partial(climb.run, inputs=samples), on_chip, all_rounded, classes[part])
    except STOPS as stop:
        if not done:
            raise
        raise with_result(stop, stopped(done, drive.batch, "the ladder"), climb.ladder(*whole, done)) from None
    return climb.ladder(tallies, layered, drive.batch)


def _able_target(name: str | None) -> Target:
    """The target of that name, or the fastest, which must run registers of any width."""
    found = fastest_target(any_register_width=True) if name is None else get_target(name)
    if not found.any_register_width:
        able = " or ".join(t.name for t in targets_by_speed() if t.any_register_width)
        raise ParameterError(f"target '{name}' cannot run every rung of the ladder; choose {able}")
    return found


def _source_predictions(source: ArrayLike, batch: int) -> NDArray[np.int64]:
    array = as_array(source, "source predictions")
    if array.shape != (batch,) or not np.issubdtype(array.dtype, np.integer):
        raise ShapeError(
            f"source predictions of shape {array.shape} and type {array.dtype}; expected integers ({batch},), "
            "one a sample"
        )
    return array.astype(np.int64)


@dataclass(frozen=True, eq=False)
class _LayerRuns:
    """The networks of which one layer alone, or all but one, is rounded, and what their runs added up to.

    Attributes:
        networks: by layer the network with it alone rounded, and that with all others rounded.
        tallies: by layer those of both.
    """

    networks: Mapping[str, tuple[Network, Network]]
    tallies: Mapping[str, tuple[LayerTally, LayerTally]]

    @classmethod
    def of(cls, timed: Network, fixed: FixedNetwork, wanted: bool | None) -> _LayerRuns:
        names = [p.name for p in timed.populations if p.name not in timed.helpers]
        if not (1 < len(names) <= LAYERS if wanted is None else wanted):
            return cls({}, {})
        networks = {}
        for name in names:
            rest = set(timed.population_names) - {name}
            only, others = (rungs.rounded(timed, fixed, *PARAMETERS, layers=which) for which in ({name}, rest))
            networks[name] = (only, others)
        return cls(networks, {name: (LayerTally(), LayerTally()) for name in names})

    def add(
        self, run_of: Callable[[Network], Seen], exact: Seen, all_rounded: Seen, classes: NDArray[np.int64]
    ) -> None:
        """Add a batch: a layer alone is set against nothing rounded, all others against all rounded."""
        for name, (only, others) in self.networks.items():
            alone, rest = self.tallies[name]
            with_it = run_of(only).predictions == classes
            alone.add(with_it, before=exact.predictions == classes, after=with_it)
            without_it = run_of(others).predictions == classes
            rest.add(without_it, before=without_it, after=all_rounded.predictions == classes)

    def losses(self) -> tuple[LayerLoss, ...]:
        """What was found, layer by layer."""
        return tuple(
            LayerLoss(name, *alone.result(), *others.result()) for name, (alone, others) in self.tallies.items()
        )


@dataclass(frozen=True, eq=False)
class _Climb:
    """What all rungs of a ladder have in common; ``ran`` is called after every run."""

    network: Network
    fixed: FixedNetwork
    target: str
    decode: str
    steps: int
    ran: Callable[[], None] = lambda: None

    def ladder(self, tallies: Mapping[tuple[Step, bool], Tally], layered: _LayerRuns, samples: int) -> LossLadder:
        """What was found on so many samples."""
        found = [tally.rung() for tally in tallies.values()]
        return LossLadder(
            tuple(r for r in found if not r.alone),
            tuple(r for r in found if r.alone),
            self.decode,
            self.steps,
            samples,
            self.target,
            self.fixed.limits.name,
            None if self.fixed.report is None else self.fixed.report.to_dict(),
            layered.losses(),
        )

    @property
    def record(self) -> tuple[str, ...]:
        """Spikes; the voltages too, where a readout has nothing else or decoding needs them."""
        readouts = any(not p.spiking for p in self.network.populations)
        return ("spikes", "v") if readouts or required_record(self.decode) == "v" else ("spikes",)

    def batch_size(self, max_bytes: int) -> int:
        """Samples of a batch, of which the recordings of four rungs are kept at once."""
        return batch_size(self.network, self.steps, self.record, max_bytes // 4)

    def upwards(self, inputs: Inputs, timed: Network, parameters: Sequence[Network]) -> dict[Step, Seen]:
        """Run a batch on all rungs, from the float network to the fixed one.

        Args:
            inputs: the batch.
            timed: the float network in the chip's timing.
            parameters: that with the parameters rounded of one step of ``PARAMETERS`` after the other.
        """
        start, on_chip, last = (self.run(which, inputs) for which in (self.network, timed, self.fixed))
        seen = {Step.FLOAT: start, Step.TIMING: on_chip}
        seen |= {step: self.run(which, inputs) for step, which in zip(PARAMETERS, parameters, strict=True)}
        # If no register of the last run overflowed, a run with wider registers would give the same result.
        if last.overflow:
            endless = self.run(rungs.without_overflow(self.fixed), inputs)
        else:
            endless = last
            self.ran()
        return {**seen, Step.STATE: endless, Step.OVERFLOW: last}

    def run(self, which: AnyNetwork, inputs: Inputs) -> Seen:
        """Run one network; its own populations only, without the neurons that the chip's timing added."""
        names = self.network.population_names
        readouts = [p.name for p in self.network.populations if not p.spiking]
        result = run(
            which,
            inputs,
            self.target,
            record=self.record,
            populations=names,
            steps=self.steps,
            on_overflow="ignore",
        )
        self.ran()
        own = [p.name for p in self.network.populations if p.spiking and p.name not in self.network.helpers]
        spikes = {name: result.spikes[name] for name in own}
        volts = {n: rungs.in_volts(self.network, which, self.fixed, n, result.v[n]) for n in readouts}
        predictions = result.predict(self.decode)
        if result.overflow is None:
            return Seen(predictions, spikes, volts)
        return Seen(predictions, spikes, volts, sum(count.total for count in result.overflow.values()))
