"""``loss_ladder``: every rung run on the same samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.analysis.comparison import Inputs
from ssdp_hw.analysis.ladder import rungs
from ssdp_hw.analysis.ladder.result import LayerAgreement, LossLadder, Rung
from ssdp_hw.analysis.ladder.step import ALONE, PARAMETERS, Step
from ssdp_hw.analysis.statistics import wilson
from ssdp_hw.checks import as_array, class_labels
from ssdp_hw.deprecation import renamed
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.quantization import quantize
from ssdp_hw.running.decoding import UNDECIDED, required_record
from ssdp_hw.running.drive import AnyNetwork, make_drive
from ssdp_hw.running.run import run
from ssdp_hw.running.target import fastest_target, get_target, targets_by_speed

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Seen:
    """One rung's run: predictions (batch,) and, by population, spikes (of readouts: volts) (time, batch, n)."""

    predictions: NDArray[np.int64]
    spikes: dict[str, Bools]
    volts: dict[str, NDArray[np.float64]]
    overflow: int | None = None


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
    decode: str = "spike_count",
    steps: int | None = None,
    **quantization: Any,
) -> LossLadder:
    """Take the loss from a source model to a chip apart.

    The rungs: the source framework's predictions if given, our float network, the chip's timing (current
    before voltage; a constant current comes from a neuron that always fires), weights rounded, decays
    rounded, thresholds and biases rounded, integer state (sums floored and decays truncated, in registers
    without end), and the registers' wrap and saturation. The last rung is the fixed network.

    Taken alone, a step starts from the float network in the chip's timing. The integer state and its
    overflow alone are integer runs with parameters rounded so finely that only the state's own rounding or
    range is left (see :func:`ssdp_hw.analysis.ladder.rungs.exact_parameters`); sums floored by a negative
    ``weight_exp`` are seen on the cumulative rung only.

    Args:
        network: the float network.
        inputs, labels: samples and their classes, as for :func:`ssdp_hw.compare`.
        fixed: the fixed network; default ``quantize(network, **quantization)``.
        source: predictions of the source framework for the same samples, shape (batch,); -1 for undecided.
        target: where to run, a target that runs registers of any width; default the fastest of those.
        alone: whether to take each step alone, too.
        decode: rule by which outputs become classes, see :func:`ssdp_hw.running.decoding.decode`.
        steps: length of the runs; default that of the input plus ``network.latency``.
        quantization: options of :func:`ssdp_hw.quantize`, ``chip`` among them.

    Raises:
        ParameterError, ShapeError: options, labels, inputs or networks that do not fit.
    """
    if not isinstance(network, Network):
        raise ParameterError(f"loss_ladder takes a float Network, not {type(network).__name__}")
    runner = fastest_target(any_register_width=True) if target is None else get_target(target)
    if not runner.any_register_width:
        able = " or ".join(t.name for t in targets_by_speed() if t.any_register_width)
        raise ParameterError(f"target '{target}' cannot run every rung of the ladder; choose {able}")
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
    required_record(decode)
    length = drive.steps + network.latency if steps is None else steps
    climb = _Climb(network, fixed, inputs, classes, runner.name, decode, length)
    start, on_chip, last = climb.run(network), climb.run(timed), climb.run(fixed)
    cumulative = [(Step.FLOAT, start), (Step.TIMING, on_chip)]
    cumulative += [
        (step, climb.run(rungs.rounded(timed, fixed, *PARAMETERS[: k + 1]))) for k, step in enumerate(PARAMETERS)
    ]
    # If no register of the last run overflowed, a run with wider registers would give the same result.
    endless = climb.run(rungs.without_overflow(fixed)) if last.overflow else last
    cumulative += [(Step.STATE, endless), (Step.OVERFLOW, last)]
    if source is not None:
        cumulative.insert(0, (Step.SOURCE, _Seen(_source_predictions(source, drive.batch), {}, {})))
    before, found = None, []
    for step, seen in cumulative:
        found.append(climb.rung(step, seen, start, before))
        before = seen
    lone = []
    for step in ALONE if alone else ():
        make = rungs.rounded if step in PARAMETERS else rungs.exact_parameters
        lone.append(climb.rung(step, climb.run(make(timed, fixed, step)), start, on_chip, alone=True))
    report = None if fixed.report is None else fixed.report.to_dict()
    return LossLadder(
        tuple(found),
        tuple(lone),
        decode,
        climb.steps,
        drive.batch,
        runner.name,
        fixed.limits.name,
        report,
    )


def _source_predictions(source: ArrayLike, batch: int) -> NDArray[np.int64]:
    array = as_array(source, "source predictions")
    if array.shape != (batch,) or not np.issubdtype(array.dtype, np.integer):
        raise ShapeError(
            f"source predictions of shape {array.shape} and type {array.dtype}; expected integers ({batch},), "
            "one a sample"
        )
    return array.astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Climb:
    """Networks, samples and options that all rungs of a ladder have in common."""

    network: Network
    fixed: FixedNetwork
    inputs: Inputs
    classes: NDArray[np.int64]
    target: str
    decode: str
    steps: int

    def run(self, which: AnyNetwork) -> _Seen:
        """Run one network; its own populations only, without the neurons that the chip's timing added."""
        names = self.network.population_names
        readouts = [p.name for p in self.network.populations if not p.spiking]
        wants_v = bool(readouts) or required_record(self.decode) == "v"
        result = run(
            which,
            self.inputs,
            self.target,
            record=("spikes", "v") if wants_v else ("spikes",),
            populations=names,
            steps=self.steps,
            on_overflow="ignore",
        )
        own = [p.name for p in self.network.populations if p.spiking and p.name not in self.network.helpers]
        spikes = {name: result.spikes[name] for name in own}
        volts = {n: rungs.in_volts(self.network, which, self.fixed, n, result.v[n]) for n in readouts}
        predictions = result.predict(self.decode)
        if result.overflow is None:
            return _Seen(predictions, spikes, volts)
        return _Seen(predictions, spikes, volts, sum(count.total for count in result.overflow.values()))

    def rung(self, step: Step, seen: _Seen, start: _Seen, before: _Seen | None, *, alone: bool = False) -> Rung:
        """One row of the ladder."""
        right = seen.predictions == self.classes
        right_before = right if before is None else before.predictions == self.classes
        cells = sum(s.size for s in seen.spikes.values())
        return Rung(
            step,
            alone,
            wilson(int(np.count_nonzero(right)), len(right)),
            int(np.count_nonzero(seen.predictions == UNDECIDED)),
            int(np.count_nonzero(right_before & ~right)),
            int(np.count_nonzero(right & ~right_before)),
            float(np.mean(seen.predictions == start.predictions)),
            sum(int(np.count_nonzero(s)) for s in seen.spikes.values()) / cells if cells else None,
            _agreements(seen, start),
            () if before is None else _agreements(seen, before),
            seen.overflow,
        )


def _agreements(left: _Seen, right: _Seen) -> tuple[LayerAgreement, ...]:
    """The agreement of every population that both runs recorded."""
    names = left.spikes.keys() | left.volts.keys()
    order = [n for n in (*left.spikes, *left.volts) if n in names and (n in right.spikes or n in right.volts)]
    return tuple(_agreement(name, left, right) for name in order)


def _agreement(name: str, left: _Seen, right: _Seen) -> LayerAgreement:
    if name in left.volts:
        a, b = left.volts[name], right.volts[name]
        step, sample, neuron = _first(a != b)
        return LayerAgreement(name, 0, 0, 0, 1.0, step, sample, neuron, float(np.max(np.abs(a - b), initial=0.0)))
    x, y = left.spikes[name], right.spikes[name]
    different, either = int(np.count_nonzero(x ^ y)), int(np.count_nonzero(x | y))
    share = 1.0 - different / either if either else 1.0
    step, sample, neuron = _first(x ^ y)
    counts = int(np.count_nonzero(x)), int(np.count_nonzero(y)), different
    return LayerAgreement(name, *counts, share, step, sample, neuron, None)


def _first(different: Bools) -> tuple[int | None, int | None, int | None]:
    """Step, sample and neuron of the first entry, in order of steps."""
    if not different.any():
        return None, None, None
    step = int(np.argmax(different.any(axis=(1, 2))))
    sample, neuron = np.unravel_index(int(np.argmax(different[step])), different.shape[1:])
    return step, int(sample), int(neuron)
