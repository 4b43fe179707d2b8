"""What a network receives from outside during a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.arithmetic import shift
from ssdp_hw.checks import as_array, as_int, check_memory, real_array
from ssdp_hw.errors import ParameterError, ShapeError, UnsupportedError
from ssdp_hw.network.fixed_network import FixedNetwork, FixedProjection
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.formats import round_to_int
from ssdp_hw.network.graph import Input

AnyNetwork = Network | FixedNetwork

# Default limit of the memory for a run's input, and of that for its recordings, in bytes.
DEFAULT_MAX_BYTES = 8 << 30


@dataclass(frozen=True, eq=False)
class DirectInput:
    """Constant real-valued input: each channel acts in every step like ``value`` spikes at once.

    Attributes:
        values: shape (batch, channels).
        steps: number of steps.
    """

    values: NDArray[np.float64]
    steps: int


@dataclass(frozen=True, eq=False)
class Drive:
    """Checked input of a batch of independent samples; each starts from the initial state.

    Attributes:
        spikes: for every input, bool of shape (time, batch, channels).
        steps, batch: their first two lengths.
        bias: for driven populations only, shape (batch, n). In a float network it is added to the
            synaptic input S of every step. In a fixed network it is the bias mantissa that stands in
            place of the population's own (which it already contains).
        bias_exp: the exponent of those mantissas (fixed networks only).
    """

    spikes: Mapping[str, NDArray[np.bool_]]
    steps: int
    batch: int
    bias: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    bias_exp: Mapping[str, int] = field(default_factory=dict)

    def fixed_bias(self, network: FixedNetwork, name: str) -> NDArray[np.int64]:
        """The bias that is added to v in every step: shape (batch, n), or (1, n) if all samples share it."""
        if name in self.bias:
            return shift(self.bias[name], self.bias_exp[name])
        return network.population(name).bias[None, :]

    def float_bias(self, network: Network, name: str) -> NDArray[np.float64]:
        """Constant part of S: shape (batch, n), or (1, n) if all samples share it."""
        own = np.asarray(network.population(name).bias)[None, :]
        return np.asarray(own + self.bias[name] if name in self.bias else own, np.float64)

    def select(self, start: int, stop: int) -> Drive:
        """The samples ``start .. stop - 1`` alone."""
        return Drive(
            {k: s[:, start:stop] for k, s in self.spikes.items()},
            self.steps,
            min(stop, self.batch) - start,
            {k: b[start:stop] for k, b in self.bias.items()},
            self.bias_exp,
        )


def make_drive(
    network: AnyNetwork,
    inputs: ArrayLike | Mapping[str, ArrayLike] | DirectInput,
    steps: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Drive:
    """Check the input of a run against a network.

    Args:
        network: the network to be run.
        inputs: spikes of shape (time, batch, channels), of 0 and 1; one array if the network has
            one input, else one an input by name; or a :class:`DirectInput`.
        steps: length of the run; beyond the last spike nothing arrives. Default: that of the
            spikes. ``len(spikes) + network.latency`` lets the last spike reach the output.
        max_bytes: limit of what the input may occupy in memory.

    Raises:
        ShapeError: the array is not 3-D, or its channels do not fit the input.
        ParameterError: values other than 0 and 1, no step, no sample, steps below the spikes'.
        UnsupportedError: a direct input on a network that has no bias path for it.
    """
    if isinstance(inputs, DirectInput):
        return _direct_drive(network, inputs, steps, max_bytes)
    arrays = dict(inputs) if isinstance(inputs, Mapping) else _single(network, inputs)
    missing = set(network.input_names) ^ set(arrays)
    if missing:
        raise ParameterError(f"spikes are given for {sorted(arrays)}, but the inputs are {sorted(network.input_names)}")
    checked = {i.name: _spikes(i, arrays[i.name]) for i in network.inputs}
    lengths = {a.shape[:2] for a in checked.values()}
    if len(lengths) > 1:
        raise ShapeError(f"the inputs differ in (time, batch): {sorted(lengths)}")
    given, batch = next(iter(lengths))
    if given < 1 or batch < 1:
        raise ParameterError(f"spikes of {given} steps and {batch} samples; at least 1 of each is needed")
    total = given if steps is None else as_int(steps, "steps")
    if total < given:
        raise ParameterError(f"steps = {total} is below the {given} steps of the spikes")
    check_memory(total * batch * sum(i.size for i in network.inputs), max_bytes, f"input of {total} steps")
    if total > given:
        checked = {k: np.concatenate([a, np.zeros((total - given, *a.shape[1:]), bool)]) for k, a in checked.items()}
    return Drive(checked, total, batch)


def _single(network: AnyNetwork, inputs: ArrayLike) -> dict[str, ArrayLike]:
    if len(network.inputs) != 1:
        raise ParameterError(
            f"the network has {len(network.inputs)} inputs; give a dict with spikes for each of "
            f"{list(network.input_names)}"
        )
    return {network.inputs[0].name: inputs}


def _spikes(source: Input, value: ArrayLike) -> NDArray[np.bool_]:
    array = as_array(value, f"input '{source.name}': spikes")
    if array.ndim != 3 or array.shape[2] != source.size:
        raise ShapeError(f"input '{source.name}': spikes of shape {array.shape}; expected (time, batch, {source.size})")
    if array.dtype == bool:
        return array
    if array.dtype.kind not in "iuf" or not np.all((array == 0) | (array == 1)):
        raise ParameterError(
            f"input '{source.name}': spikes must be 0 or 1; encode other values first (ssdp_hw.encode)"
        )
    return np.asarray(array != 0)


def _direct_drive(network: AnyNetwork, direct: DirectInput, steps: int | None, max_bytes: int) -> Drive:
    """Constant input through the bias path: the host multiplies each sample by the first weights once."""
    if len(network.inputs) != 1:
        raise UnsupportedError("direct input needs a network with exactly one input")
    source = network.inputs[0]
    values = real_array(direct.values, "direct input")
    if values.ndim != 2 or values.shape[1] != source.size or not values.shape[0]:
        raise ShapeError(f"direct input of shape {values.shape}; expected (batch, {source.size})")
    total = as_int(direct.steps if steps is None else steps, "steps")
    if total < 1:
        raise ParameterError(f"direct input of steps = {total}; at least 1 is needed")
    check_memory(total * values.size, max_bytes, f"input of {total} steps")
    spikes = {source.name: np.zeros((total, values.shape[0], source.size), bool)}
    bias: dict[str, NDArray[Any]] = {}
    exponents: dict[str, int] = {}
    for target in dict.fromkeys(p.post for p in network.projections if p.pre == source.name):
        if tuple(network.population(target).state_names) != ("u", "v"):
            raise UnsupportedError(
                f"population '{target}': direct input takes the bias path of the CUBA LIF; encode the values as spikes"
            )
        current = np.zeros((values.shape[0], network.size_of(target)))
        for p in network.incoming(target):
            if p.pre == source.name:
                gain = 2.0**p.weight_exp if isinstance(p, FixedProjection) else 1.0
                current += np.asarray(p.matrix @ values.T, np.float64).T * gain
        if isinstance(network, Network):
            bias[target] = current
        else:
            bias[target], exponents[target] = _bias_mantissa(network, target, current)
    return Drive(spikes, total, values.shape[0], bias, exponents)


def _bias_mantissa(network: FixedNetwork, name: str, current: NDArray[np.float64]) -> tuple[NDArray[np.int64], int]:
    population, chip = network.population(name), network.limits
    if np.any(population.du != chip.decay_max):
        raise UnsupportedError(
            f"population '{name}': direct input takes the bias path, which bypasses the synaptic current; "
            f"it needs du = {chip.decay_max} (a neuron without synaptic current)"
        )
    total = current * 2.0**chip.activation_shift + population.bias[None, :]
    largest = float(np.max(np.abs(total), initial=0.0))
    exponent = 0
    while largest / 2.0**exponent > chip.bias_mant_max and exponent < chip.bias_exp_max:
        exponent += 1
    mantissa = round_to_int(total / 2.0**exponent)
    if np.any(np.abs(mantissa) > chip.bias_mant_max):
        raise ParameterError(
            f"population '{name}': direct input asks for a bias of {largest:.0f}, above the chip's "
            f"{chip.bias_mant_max << chip.bias_exp_max}; scale the input down"
        )
    return mantissa, exponent
