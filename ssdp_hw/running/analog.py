"""Analog input: real values in every step, which act through the projections of an input as spikes do.

The values of step t act in step t + 1 + delay, each like that many spikes at once: the synaptic input of a population
is the product of its weights and these values. The host multiplies, once for all targets. In a fixed network the sum
of every step is rounded to a whole unit of synaptic input (a sum of ``weight * 2**weight_exp``), so that every target
adds the same integers to what spikes bring.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers, Real
from ssdp_hw.checks import check_memory
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.network.fixed_network import FixedNetwork, FixedProjection
from ssdp_hw.network.fixed_parts import activation_bound
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.formats import round_to_int
from ssdp_hw.network.projection import BaseProjection


@dataclass(frozen=True, eq=False)
class Analog:
    """Values of shape (time, batch, channels) that are analog input even where all of them are 0 or 1."""

    values: Real


@dataclass(frozen=True, eq=False)
class Values:
    """Values of one input.

    Attributes:
        frames: shape (frame, batch, channels).
        of_step: for every step the number of its frame, shape (time,).
        before: values of the steps before step 0, shape (time, batch, channels), from the previous piece of a stream.
    """

    frames: Real
    of_step: NDArray[np.int64]
    before: Real

    def last(self, count: int) -> Real:
        """The values of the last ``count`` steps, fewer where there are fewer."""
        whole = np.concatenate([self.before, self.frames[self.of_step[-count:]]]) if count else self.before[:0]
        return whole[-count:] if count else whole


@dataclass(frozen=True, eq=False)
class Currents:
    """Synaptic input that analog input brings, beside that of spikes.

    Attributes:
        frames: by population, shape (frame, batch, n); int64 in a fixed network. Populations that are missing receive
            no analog input.
        of_step: for every step the number of its frame, shape (time,).
        rounding: by population the largest difference that rounding to integers made, in units of synaptic input.
    """

    frames: Mapping[str, Numbers] = field(default_factory=dict)
    of_step: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    rounding: Mapping[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.frames)

    def at(self, step: int, population: str) -> Any:
        """The input of a population in a step, shape (batch, n); 0 if it receives none."""
        return self.frames[population][self.of_step[step]] if population in self.frames else 0

    def select(self, start: int, stop: int) -> Currents:
        """The currents of the samples ``start .. stop - 1`` alone."""
        return Currents({k: f[:, start:stop] for k, f in self.frames.items()}, self.of_step, self.rounding)

    def by_time(self, population: str) -> Numbers:
        """The input of a population in every step, shape (time, batch, n)."""
        return self.frames[population][self.of_step]


def currents_of(
    network: Network | FixedNetwork, values: Mapping[str, Values], steps: int, batch: int, max_bytes: int
) -> Currents:
    """The synaptic input of every population from the analog ``values`` of inputs, in a run of that many steps.

    Raises:
        ParameterError: more than a register holds, or than fits ``max_bytes``.
        UnsupportedError: a convolution of too many synapses, a projection that feeds a port of its own.
    """
    reached = [p for p in network.projections if p.pre in values]
    for p in reached:
        if p.port:
            raise UnsupportedError(
                f"projection '{p.name}' feeds port '{p.port}' of '{p.post}', which analog input cannot reach; "
                "encode the values as spikes (ssdp_hw.encode)"
            )
    parts = [(p, int(d)) for p in reached for d in np.unique(p.synapse_delays)]
    arriving = [_frames(values[p.pre], np.arange(steps) - 1 - delay) for p, delay in parts]
    # Steps in which the same arrives at every projection have one frame; there is one if nothing can arrive.
    together, numbers = np.unique(np.stack([np.zeros(steps, np.int64), *arriving]), axis=1, return_inverse=True)
    of_step = numbers.reshape(-1)  # in NumPy 2.0 it has an axis more
    names = list(dict.fromkeys(p.post for p in reached))
    cells = sum(network.size_of(name) for name in names) * batch * together.shape[1]
    check_memory(8 * cells, max_bytes, f"the currents of {steps} steps of analog input")
    sums: dict[str, Real] = {name: np.zeros((together.shape[1], batch, network.size_of(name))) for name in names}
    for position, (p, delay) in enumerate(parts):
        weights, made = _weights(p, delay), dict[int, Real]()
        for number, frame in enumerate(together[position + 1].tolist()):
            if frame == _NOTHING:
                continue
            if frame not in made:
                source = values[p.pre]
                x = source.frames[frame] if frame >= 0 else source.before[frame]
                made[frame] = np.asarray(weights @ x.T, np.float64).T
            sums[p.post][number] += made[frame]
    if isinstance(network, Network):
        return Currents(sums, of_step)
    rounded: dict[str, NDArray[np.int64]] = {}
    lost: dict[str, float] = {}
    for name, exact in sums.items():
        _check_register(network, name, exact, values)
        rounded[name] = round_to_int(exact)
        lost[name] = float(np.max(np.abs(rounded[name] - exact), initial=0.0))
    return Currents(rounded, of_step, lost)


# In place of a frame's number: no value arrives. The numbers -1, -2, ... stand for the steps before step 0.
_NOTHING = -(1 << 40)


def _frames(source: Values, steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the frame of each step."""
    found = np.where((steps >= -len(source.before)) & (steps < 0), steps, _NOTHING)
    own = (steps >= 0) & (steps < len(source.of_step))
    found[own] = source.of_step[steps[own]]
    return found


def _weights(p: BaseProjection, delay: int) -> sp.csr_array:
    """The weights of the synapses that have that delay, as a sparse matrix (post, pre).

    A sparse product adds in an order that does not depend on the batch; that of a dense one may.
    """
    mine = p.synapse_delays == delay
    rows, cols = (index[mine] for index in p.synapse_indices)
    gain = 2.0**p.weight_exp if isinstance(p, FixedProjection) else 1.0
    return sp.csr_array((p.synapse_weights[mine] * gain, (rows, cols)), shape=p.shape)


def _check_register(network: FixedNetwork, name: str, current: Real, values: Collection[str]) -> None:
    """Raise if analog input and all spikes at once could leave the register of one step.

    The limits are those of :func:`ssdp_hw.network.design_rules.activation_register`.

    Raises:
        ParameterError: they could.
    """
    chip, p = network.limits, network.population(name)
    unit, turn = float(1 << chip.activation_shift), 2.0**chip.state_bits
    lasting = (p.du + chip.current_decay_offset) / 2.0**chip.decay_bits
    growth = (2.0 ** (chip.activation_bits - 1) - 1 - turn - (chip.bias_mant_max << chip.bias_exp_max)) * lasting
    if not p.is_cuba_lif:  # the check of all inputs at once covers this step
        growth = np.full(p.size, float(network.step_form(name).largest_arriving))
    spikes = activation_bound(p.size, [q for q in network.incoming(name) if q.pre not in values], network.payloads)
    room = np.maximum(turn, growth) / unit - spikes
    largest = np.abs(current).reshape(-1, p.size).max(axis=0, initial=0.0)
    if np.any(largest > room):
        neuron = int(np.argmax(largest - room))
        raise ParameterError(
            f"population '{name}', neuron {neuron}: analog input asks for a synaptic input of {largest[neuron]:.0f} in "
            f"one step, and chip '{chip.name}' has room for {room[neuron]:.0f}; scale the input down"
        )
