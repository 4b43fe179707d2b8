"""What a network receives from outside during a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.arrays import Array
from ssdp_hw.checks import as_array, as_int, check_memory, real_array
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.graph_parts import Input
from ssdp_hw.running.analog import Analog, Currents, Values, currents_of

AnyNetwork = Network | FixedNetwork

# Default limit of the memory for a run's input, and of that for its recordings, in bytes.
DEFAULT_MAX_BYTES = 8 << 30


@shown
@dataclass(frozen=True, eq=False)
class DirectInput:
    """Constant analog input: in every step each channel acts like ``value`` spikes at once.

    It is the same as an array of shape (time, batch, channels) with these values in every step. Like spikes they
    act a step later, and biases of a network that was imported with its source's timing begin with them.

    Attributes:
        values: shape (batch, channels), or (batch, *shape) with as many values in a sample as there are channels.
        steps: number of steps.
    """

    values: NDArray[np.float64]
    steps: int


Inputs: TypeAlias = ArrayLike | Mapping[str, ArrayLike] | DirectInput


@dataclass(frozen=True, eq=False)
class Drive:
    """Checked input of a batch of independent samples; each starts from the initial state.

    Attributes:
        spikes: for every input, bool of shape (time, batch, channels); none where the input is analog.
        steps, batch: number of steps and of samples.
        currents: the synaptic input that analog inputs bring to populations.
        values: analog inputs, by name.
    """

    spikes: Mapping[str, NDArray[np.bool_]]
    steps: int
    batch: int
    currents: Currents = field(default_factory=Currents)
    values: Mapping[str, Values] = field(default_factory=dict)

    def fixed_bias(self, network: FixedNetwork, name: str) -> NDArray[np.int64]:
        """The bias that is added to v in every step, shape (1, n): all samples share it."""
        return network.population(name).bias[None, :]

    def float_bias(self, network: Network, name: str) -> NDArray[np.float64]:
        """The bias, the constant part of the synaptic input S, shape (1, n): all samples share it."""
        return np.asarray(network.population(name).bias, np.float64)[None, :]

    def arrays(self) -> dict[str, Array]:
        """For every input its spikes, or its values, shape (time, batch, channels)."""
        found: dict[str, Array] = dict(self.spikes)
        for name, values in self.values.items():
            found[name] = self.spikes[name].astype(np.float64)
            found[name][: len(values.of_step)] += values.frames[values.of_step]  # a run may be longer than its input
        return found

    def select(self, start: int, stop: int) -> Drive:
        """The samples ``start .. stop - 1`` alone."""
        return Drive(
            {k: s[:, start:stop] for k, s in self.spikes.items()},
            self.steps,
            min(stop, self.batch) - start,
            self.currents.select(start, stop),
            {k: Values(v.frames[:, start:stop], v.of_step, v.before[:, start:stop]) for k, v in self.values.items()},
        )


def check_network(network: object) -> None:
    """Raise if ``network`` is neither a float nor a fixed network.

    Raises:
        ParameterError: it is neither.
    """
    if not isinstance(network, Network | FixedNetwork):
        raise ParameterError(
            f"a Network or FixedNetwork is needed, not {type(network).__name__}: from_nir, from_torch and from_lava_dl "
            "read one, quantize makes the fixed one"
        )


def make_drive(
    network: AnyNetwork,
    inputs: Inputs,
    steps: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
    *,
    after: Drive | None = None,
) -> Drive:
    """Check the input of a run against a network.

    Args:
        network: the network to be run.
        inputs: spikes of 0 and 1, or other real values, which are analog input (see
            :mod:`ssdp_hw.running.analog`), shape (time, batch, channels), torch tensors included; one array if the
            network has one input, else a dict with an array for each input; a :class:`DirectInput` may stand in the
            place of any array.
        steps: length of the run; beyond the last spike or value nothing arrives, a :class:`DirectInput` goes on.
            Default: that of the input. ``len(spikes) + network.latency`` lets the last spike reach the output.
        max_bytes: limit of what the input may occupy in memory.
        after: the drive of the previous piece, where a run comes in pieces.

    Raises:
        ShapeError: the array is not 3-D, or its channels do not fit the input.
        ParameterError: values that are no numbers, no step, no sample, steps below the input's; analog input beyond
            the chip's register.
        UnsupportedError: analog input through a convolution of too many synapses.
    """
    check_network(network)
    given = dict(inputs) if isinstance(inputs, Mapping) else _single(network, inputs)
    missing = set(network.input_names) ^ set(given)
    if missing:
        raise ParameterError(f"spikes are given for {sorted(given)}, but the inputs are {sorted(network.input_names)}")
    constant = {k: _constant(network, k, v, steps) for k, v in given.items() if isinstance(v, DirectInput)}
    arrays = {i.name: _array(i, given[i.name]) for i in network.inputs if i.name not in constant}
    lengths = {a.shape[:2] for a in arrays.values()}
    ends = {len(values) for values, _ in constant.values()}
    if len(lengths) > 1:
        raise ShapeError(f"the inputs differ in (time, batch): {sorted(lengths)}")
    batches = {*ends, *(batch for _, batch in lengths)}
    if len(batches) > 1:
        raise ShapeError(f"the inputs differ in their number of samples: {sorted(batches)}")
    first, batch = min((time for time, _ in lengths), default=0), batches.pop()
    shortest = first if arrays else min(length for _, length in constant.values())
    if shortest < 1 or batch < 1:
        raise ParameterError(f"spikes of {shortest} steps and {batch} samples; at least 1 of each is needed")
    total = shortest if steps is None else as_int(steps, "steps")
    if total < first:
        raise ParameterError(f"steps = {total} is below the {first} steps of the spikes")
    check_memory(total * batch * sum(i.size for i in network.inputs), max_bytes, f"input of {total} steps")
    values = {name: Values(v[None], np.zeros(total, np.int64), _nothing_before(v)) for name, (v, _) in constant.items()}
    spikes: dict[str, NDArray[np.bool_]] = {}
    for source in network.inputs:
        array = arrays.get(source.name)
        if array is not None and array.dtype != bool:
            values[source.name] = Values(array, np.arange(len(array)), _nothing_before(array[0]))
        if array is None or array.dtype != bool:
            array = np.zeros((0, batch, source.size), bool)
        if len(array) < total:
            array = np.concatenate([array, np.zeros((total - len(array), *array.shape[1:]), bool)])
        spikes[source.name] = array
    if after is not None:
        _follow(network, values, after, batch, total)
    currents = currents_of(network, values, total, batch, max_bytes) if values else Currents()
    return Drive(spikes, total, batch, currents, values)


def _follow(network: AnyNetwork, values: dict[str, Values], after: Drive, batch: int, steps: int) -> None:
    """Add to ``values`` those of the previous piece that delays let arrive in this one, which has ``steps`` steps."""
    reach = network.max_delay + 1
    for name, old in after.values.items():
        before = old.last(reach)
        if before.shape[1] != batch:
            return  # pieces of different batches are refused by the caller
        mine = values.get(name)
        # In a piece that brings spikes in place of values, the values are 0 for as many steps.
        silent = np.zeros((1, *before.shape[1:])), np.zeros(steps, np.int64)
        frames, of_step = silent if mine is None else (mine.frames, mine.of_step)
        values[name] = Values(frames, of_step, before)


def _nothing_before(like: NDArray[np.float64]) -> NDArray[np.float64]:
    """``Values.before`` of an input whose first step has no values before it; ``like`` is one frame of it."""
    return np.zeros((0, *like.shape))


def _single(network: AnyNetwork, inputs: ArrayLike | DirectInput) -> dict[str, ArrayLike | DirectInput]:
    if len(network.inputs) != 1:
        raise ParameterError(
            f"the network has {len(network.inputs)} inputs; give a dict with spikes for each of "
            f"{list(network.input_names)}"
        )
    return {network.inputs[0].name: inputs}


def _array(source: Input, value: object) -> Array:
    """Spikes as bool, other real values as float64, shape (time, batch, channels)."""
    if isinstance(value, Analog):
        _check_payload(source, np.asarray(value.values, np.float64))
        return np.asarray(value.values, np.float64)
    if value is None or hasattr(value, "tocsr"):
        given = "None" if value is None else f"a {type(value).__name__} of scipy, which has no axis of time"
        raise ShapeError(f"input '{source.name}': spikes: {given}; give an array (time, batch, {source.size})")
    array = as_array(value, f"input '{source.name}': spikes")
    if array.ndim != 3 or array.shape[2] != source.size:
        raise ShapeError(
            f"input '{source.name}': spikes of shape {array.shape}; expected (time, batch, {source.size})"
            + _advice(array, source.size)
        )
    if array.dtype == bool:
        return array
    if array.dtype.kind not in "iuf":
        raise ParameterError(
            f"input '{source.name}': spikes of type {array.dtype}; 0 and 1 are spikes, other real numbers analog input"
        )
    if np.all((array == 0) | (array == 1)):
        return np.asarray(array != 0)
    values = real_array(array, f"input '{source.name}'")
    _check_payload(source, values)
    return values


def _check_payload(source: Input, values: NDArray[np.float64]) -> None:
    """Raise unless the values of an input are graded spikes: whole numbers that fit its payload.

    Raises:
        ParameterError: one is not whole, or beyond the payload's bits.
    """
    largest = source.largest_payload
    bad = values[(values != np.rint(values)) | (np.abs(values) > largest)] if source.payload_bits else values[:0]
    if bad.size:
        raise ParameterError(
            f"input '{source.name}': {bad.flat[0]:g} is no payload of {source.payload_bits} bits: whole numbers in "
            f"{-largest} .. {largest}; an input without payload_bits takes real values as analog input"
        )


def _advice(array: Array, channels: int) -> str:
    """What to do about an array of another shape; empty if nothing is obvious."""
    if array.ndim > 3 and array.shape[2:] and int(np.prod(array.shape[2:])) == channels:
        return f"; reshape to {(*array.shape[:2], channels)}"
    if array.ndim == 2 and array.shape[1] == channels:
        return "; one sample needs an axis of its own: spikes[:, None]; a constant input is ssdp_hw.DirectInput"
    if array.ndim == 2 and array.shape[1] == 2 and array.dtype.kind in "iu":
        return (
            f"; of a list of (step, neuron) make spikes: x = numpy.zeros((steps, 1, {channels}), bool), "
            "x[events[:, 0], 0, events[:, 1]] = True"
        )
    if array.ndim == 3 and channels in array.shape[:2]:
        return "; move the axis of the channels to the end (numpy.moveaxis)"
    return ""


def _constant(
    network: AnyNetwork, name: str, direct: DirectInput, steps: int | None
) -> tuple[NDArray[np.float64], int]:
    """The values of a constant input, shape (batch, channels), and its steps."""
    size = network.size_of(name)
    values = real_array(direct.values, "direct input")
    if values.ndim < 2 or math.prod(values.shape[1:]) != size or not values.shape[0]:
        raise ShapeError(f"direct input of shape {values.shape}; expected (batch, {size})")
    values = values.reshape(len(values), size)
    _check_payload(next(i for i in network.inputs if i.name == name), values)
    total = as_int(direct.steps if steps is None else steps, "steps")
    if total < 1:
        raise ParameterError(f"direct input of steps = {total}; at least 1 is needed")
    return values, total
