"""``verify``: the source of a network and the network side by side, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.analysis.layer_recordings import (
    Layers,
    Source,
    flat_samples,
    lasting,
    module_recording,
    population_by_layer,
    shaped_samples,
    source_layers,
)
from ssdp_hw.arrays import Bool, Real
from ssdp_hw.conversion.alignment import Timing, lags
from ssdp_hw.display import Table, shown
from ssdp_hw.errors import ParameterError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation
from ssdp_hw.network.float_network import Network
from ssdp_hw.running.drive import AnyNetwork, Inputs, check_network
from ssdp_hw.running.run import run

# If a voltage misses the threshold by less than this share of the distance from reset to threshold, rounding in
# float32 can be the cause.
ROUNDING = 1e-5


@shown
@dataclass(frozen=True)
class FirstDifference:
    """The earliest spike of a layer that one side has and the other has not.

    Attributes:
        step: in the time of the source; ``our_step`` is that of the network.
        sample, neuron: where.
        source_fired: whether the source fired there; the network did the opposite.
        miss: by how much the voltage of the silent side missed the threshold, in its own units; None if
            the source is silent and gives no voltages, or the scale of the fixed population is unknown.
        follows: name of an earlier layer that differs in this sample no later, which is then the cause; else None.
        rounding: whether float rounding explains it: the source agrees once it is run in float64, or (where
            that is not possible) the miss is below a part of the threshold.
    """

    step: int
    our_step: int
    sample: int
    neuron: int
    source_fired: bool
    miss: float | None
    follows: str | None
    rounding: bool


@shown
@dataclass(frozen=True)
class LayerCheck:
    """One layer of the source and the population of the network that stands for it.

    Attributes:
        layer, population: their names.
        lag: steps that the population is behind the source.
        source_spikes, our_spikes: how many.
        different: (step, sample, neuron) that fired on one side only.
        first: the earliest of them, or None.
        voltage: largest difference of voltages, where neither side fires and up to the first difference of
            the sample, in volts of the source (of a fixed population by its scale, from a reset at 0); None
            if the source gives none, or the scale is unknown.
    """

    layer: str
    population: str
    lag: int
    source_spikes: int
    our_spikes: int
    different: int
    first: FirstDifference | None
    voltage: float | None


@shown
@dataclass(frozen=True)
class Stepwise:
    """Every step of a torch module, from the state and spikes that it had, against that of a float network.

    Attributes:
        compared: how many (step, sample, neuron).
        ties: those in which one side alone fires, and the voltage lies within rounding of the threshold.
        worst: largest difference of a voltage or current, as a part of what rounding explains.
        wrong: the first step that differs by more, in words; empty if none does.
        outside: those that were left out, since a voltage stayed above its threshold after a reset, where snnTorch
            with ``reset_delay=False`` subtracts twice, and the network does not.
    """

    compared: int
    ties: int
    worst: float
    wrong: str
    outside: int = 0


@shown
@dataclass(frozen=True)
class Verification:
    """What :func:`verify` found; ``stepwise`` is None unless the source is a torch module and the network float."""

    layers: tuple[LayerCheck, ...]
    source: str
    steps: int
    samples: int
    stepwise: Stepwise | None = None

    @property
    def equal(self) -> bool:
        """Whether every spike is the same, and every step by itself (see :class:`Stepwise`)."""
        return not any(layer.different for layer in self.layers) and self._steps_equal

    @property
    def agrees(self) -> bool:
        """Whether every layer is equal, or its first difference is one of float rounding or follows from one."""
        return all(layer.first is None or layer.first.rounding for layer in self.layers) and self._steps_equal

    @property
    def _steps_equal(self) -> bool:
        return self.stepwise is None or not self.stepwise.wrong

    def _table(self) -> Table:
        said = "every spike is equal" if self.equal else "agrees within rounding" if self.agrees else "DIFFERS"
        notes = [] if self.stepwise is None else [_stepwise_said(self.stepwise)]
        title = f"{self.source}: {said} ({self.steps} steps, {self.samples} samples)"
        return Table(title, _HEADER, [_cells(layer) for layer in self.layers], notes)

    def to_dict(self) -> dict[str, JSON]:
        """Plain values, for JSON."""
        return {**asdict(self), "equal": self.equal, "agrees": self.agrees}

    def to_markdown(self) -> str:
        """A Markdown table, one row a layer."""
        rows = [_HEADER, tuple("---" for _ in _HEADER), *(_cells(layer) for layer in self.layers)]
        lines = [f"| {' | '.join(row)} |" for row in rows]
        if self.stepwise is not None:
            lines += ["", _stepwise_said(self.stepwise)]
        return "\n".join(lines)


_HEADER = ("layer", "lag", "spikes, source", "spikes, here", "different", "voltage within", "first difference")


def _stepwise_said(steps: Stepwise) -> str:
    said = steps.wrong or f"equal within {steps.worst:.2g} of what rounding explains, {steps.ties} ties"
    if steps.outside:
        said += (
            f"; {steps.outside} left out, where a voltage stayed above its threshold after the reset: snnTorch with "
            "reset_delay=False subtracts twice there, and the network does not (train with reset_delay=True)"
        )
    return f"Step by step, {steps.compared} steps of neurons: {said}."


def verify(
    model: Source,
    network: AnyNetwork,
    samples: Inputs,
    *,
    timing: Timing | str | None = None,
    names: Mapping[str, str] | None = None,
    target: str | None = None,
    rounding: float = ROUNDING,
) -> Verification:
    """Run a source and the network made of it on the same samples, and compare every layer.

    Args:
        model: the source: a torch module (see :func:`ssdp_hw.from_torch`; its own forward is run, from rest and
            in its own precision, and a float network is held to every step of it besides), another Network
            or FixedNetwork, a callable that takes the samples and returns a recording, or a recording: for
            each layer its spikes, shape (time, batch, n), or a pair of spikes and voltages.
        network: float or fixed.
        samples: input spikes of 0 and 1 or analog values, shape (time, batch, *shape), or a
            :class:`~ssdp_hw.DirectInput`; for several inputs a dict by name. A module that loops over one
            input for all steps takes a DirectInput, or an array that is the same in every step.
        timing: when spikes act in the source, see :mod:`ssdp_hw.conversion.alignment`; default ``projections`` for a
            network, else ``same_step``.
        names: population by layer; default: the same names, else the same order.
        target: where the network is run; default as for :func:`ssdp_hw.run`.
        rounding: part of the way from reset to threshold below which a voltage that misses the threshold
            does so by rounding, for sources that cannot be run in float64.

    Raises:
        ParameterError, ShapeError: layers, names or shapes that do not fit.
        UnsupportedError: a torch module that cannot be read, see :func:`ssdp_hw.from_torch`.
    """
    check_network(network)
    given = (
        {str(k): shaped_samples(v) for k, v in samples.items()}
        if isinstance(samples, Mapping)
        else shaped_samples(samples)
    )
    if isinstance(given, dict) and not given:
        raise ParameterError("verify: samples holds no input; give an array, or one by input")
    recorded = module_recording(model, given, network)
    if recorded is not None:
        given = lasting(given, recorded.steps)
    shaped = list(given.values()) if isinstance(given, dict) else [given]
    length, batch = shaped[0].shape[:2]
    flat = flat_samples(given, samples)
    if recorded is None:
        title, theirs = source_layers(model, given, flat, (length, batch), target)
    else:
        title, theirs = f"torch module {type(model).__name__}", recorded.layers()
    pairs = population_by_layer(network, theirs, names, whole=recorded is not None)
    if recorded is not None and timing is None and all(layer == own for layer, own in pairs.items()):
        lag = dict.fromkeys(network.population_names, 0) | recorded.lags
    else:
        default = Timing.PROJECTIONS if isinstance(model, Network | FixedNetwork) else Timing.SAME_STEP
        lag = lags(network, default if timing is None else Timing(timing))
    steps = length + max(lag.values())
    result = run(network, flat, target, record=("spikes", "v"), steps=steps, on_overflow="ignore")
    checks: list[LayerCheck] = []
    begun: dict[str, NDArray[np.int64]] = {}
    for layer, population in pairs.items():
        part = slice(lag[population], lag[population] + length)
        ours = result.spikes[population][part], result.v[population][part].astype(np.float64)
        checks.append(_check(layer, population, network, ours, theirs[layer], begun, lag[population], rounding))
    stepwise = None
    if recorded is not None:
        if any(check.different for check in checks):
            exact = recorded.exact_layers()
            checks = [_settled(check, exact, result.spikes, length) for check in checks]
        if isinstance(network, Network):
            found = recorded.check(network, lag, pairs)
            stepwise = Stepwise(found.steps, found.ties, found.worst, found.wrong, found.outside)
    return Verification(tuple(checks), title, length, batch, stepwise)


def _check(
    layer: str,
    name: str,
    network: AnyNetwork,
    ours: tuple[Bool, Real],
    theirs: tuple[Bool, Real | None],
    begun: dict[str, NDArray[np.int64]],
    lag: int,
    rounding: float,
) -> LayerCheck:
    fired, v = ours
    source_fired, source_v = theirs
    different = fired != source_fired
    steps = len(different)
    # For each sample the first step with a difference; the number of steps if there is none.
    onset = np.where(different.any(axis=(0, 2)), different.any(axis=2).argmax(axis=0), steps)
    earlier = dict(begun)
    begun[layer] = onset
    scale = _scale(network, name)
    voltage = None
    if source_v is not None and scale is not None:
        limit = np.minimum.reduce([onset, *earlier.values()])
        compared = ~fired & ~source_fired & (np.arange(steps)[:, None, None] < limit[None, :, None])
        voltage = float(np.max(np.abs(v / scale - source_v), where=compared, initial=0.0))
    first = None
    if different.any():
        step, sample, neuron = (int(k) for k in np.argwhere(different)[0])
        there = bool(source_fired[step, sample, neuron])
        threshold, distance = _threshold(network, name, neuron)
        miss = None
        if network.population(name).payload:
            miss = None  # it is not the voltage that reaches the threshold
        elif there:
            miss = threshold - float(v[step, sample, neuron])
        elif source_v is not None and scale is not None:
            miss = threshold / float(scale[neuron]) - float(source_v[step, sample, neuron])
        follows = next((other for other, at in earlier.items() if at[sample] <= step), None)
        # Float rounding explains nothing in the integers of a fixed network.
        near = isinstance(network, Network) and miss is not None and abs(miss) <= rounding * distance
        first = FirstDifference(step, step + lag, sample, neuron, there, miss, follows, follows is None and near)
    return LayerCheck(
        layer, name, lag, int(source_fired.sum()), int(fired.sum()), int(np.count_nonzero(different)), first, voltage
    )


def _settled(check: LayerCheck, exact: Layers, spikes: Mapping[str, Bool], steps: int) -> LayerCheck:
    """The check with rounding decided by the source in float64, which is empty if it cannot be run so."""
    if check.first is None or not exact:
        return check
    same = np.array_equal(exact[check.layer][0], spikes[check.population][check.lag : check.lag + steps])
    return replace(check, first=replace(check.first, rounding=same))


def _scale(network: AnyNetwork, name: str) -> Real | None:
    """Units of the network's voltage in one volt of the source, shape (n,); None if unknown."""
    population = network.population(name)
    scale: Real | None = population.scale if isinstance(population, FixedPopulation) else np.ones(population.size)
    return scale


def _threshold(network: AnyNetwork, name: str, neuron: int) -> tuple[float, float]:
    """Threshold of a neuron, and its distance from the reset, in the network's units."""
    if isinstance(network, Network):
        model = network.population(name).neuron
        return float(model.parameter("v_threshold")[neuron]), float(model.threshold_distance[neuron])
    vth = float(network.population(name).vth[neuron] << network.limits.activation_shift)
    return vth, vth


def _cells(check: LayerCheck) -> tuple[str, ...]:
    voltage = "-" if check.voltage is None else f"{check.voltage:.1e}"
    name = check.layer if check.layer == check.population else f"{check.layer} ({check.population})"
    return (
        name,
        str(check.lag),
        str(check.source_spikes),
        str(check.our_spikes),
        str(check.different),
        voltage,
        "none" if check.first is None else _sentence(check.first),
    )


def _sentence(first: FirstDifference) -> str:
    who = "only the source fires" if first.source_fired else "only the network fires"
    text = f"step {first.step} (here {first.our_step}), sample {first.sample}, neuron {first.neuron}: {who}"
    if first.miss is not None:
        silent = "the network" if first.source_fired else "the source"
        text += f", {silent} misses the threshold by {first.miss:.3g}"
    if first.rounding:
        return f"{text}; float rounding explains it"
    return f"{text}; follows from '{first.follows}'" if first.follows else f"{text}; rounding does not explain it"
