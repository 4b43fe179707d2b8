"""A network flattened into the arrays that the compiled loops read.

A group is an input or a population. All groups share one index space of *sources*, which may fire; its second part,
the populations, is the index space of *neurons*, which have state. Each group begins at a multiple of ``LANES`` and is
padded to one, so that the loops work on whole vectors: a padding neuron has no input and never fires.
After the populations there is a group for each synaptic input of a population beside the first that is fed: its
neurons never fire; what arrives at them is read by the steps of the population, and then cleared by their own.
The sources of a group are in the network's order, except in populations that convolutions reach: their channels are
the last axis. Rasters and traces are always in the network's order.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.network.float_network import Population
from ssdp_hw.running.drive import AnyNetwork, Drive

from .convolution import channels_last
from .generated import state_slots
from .packed import packed
from .program_neurons import (
    FixedNeurons,
    FloatNeurons,
    bias_table,
    fed_ports,
    fixed_neurons,
    float_neurons,
    network_state_type,
)
from .segments import CONVOLUTION, DENSE, GRADED, Array, Ends, Places, Segments, Wiring, padded
from .types import (
    BoolArray,
    Int64Array,
    RealType,
    StateNumber,
)


class Layout(NamedTuple):
    """The places of all groups in the arrays: inputs first, then populations."""

    channel_start: Int64Array  # first channel of each input in the raster, with the total at the end
    source_start: Int64Array  # first source of each group, with the total at the end
    source_size: Int64Array  # number of sources of each group, without padding
    moved: BoolArray  # for each group whether its sources are in another order than the network's
    number: Int64Array  # for each source its number in the network's order of its group
    payload: Int64Array  # for each group the place of the state that its spikes carry, or -1; see generated.state_slots
    slots: int  # length of the ring of synaptic input: the longest delay + 1
    zero: StateNumber  # 0 in the type of the state


@dataclass(frozen=True, eq=False)
class Program:
    """All arrays of a network that the compiled loops need.

    ``bias`` of shape (1, neurons) is added in every step unless the drive has biases of its own. ``places`` has for
    each plastic projection the places of its stored weights in ``wiring.weights``.
    """

    layout: Layout
    wiring: Wiring
    neurons: FixedNeurons | FloatNeurons
    bias: Array
    places: dict[str, Places]
    further_states: int  # states of a neuron beside u and v, at most
    groups: int  # inputs and populations of the network, which the groups of ports follow

    def start(self, group: int) -> int:
        """The first source of a group."""
        return int(self.layout.source_start[group])

    @property
    def channels(self) -> int:
        """The number of sources before the first neuron, padding included."""
        return self.start(len(self.layout.channel_start) - 1)

    @cached_property
    def tables(self) -> tuple[Layout, Wiring, FixedNeurons | FloatNeurons]:
        """What the simulations of all runs have in common, in memory."""
        return packed(self.layout), packed(self.wiring), packed(self.neurons)

    @cached_property
    def spare_memory(self) -> tuple[list[Any], list[Any]]:
        """Memory of threads that no run uses now: for :mod:`.step_loops`, and for :mod:`.layer_loops`."""
        return [], []

    @cached_property
    def divisible(self) -> bool:
        """Whether several threads can share the neurons of a sample.

        They cannot share the runs of a convolution, nor payloads, which the next step overwrites.
        """
        return not np.isin(self.wiring.kind, (CONVOLUTION, GRADED)).any()

    @cached_property
    def layered(self) -> bool:
        """Whether :mod:`.layer_loops` can run one population after the other, each for many steps.

        The network must have no loops and no long delays. In a float network all projections to a population must
        have the same delay, since otherwise their inputs would be added in another order than step by step.
        """
        w = self.wiring
        if len(self.layout.payload) > self.groups:  # what arrives at a port is in the ring alone
            return False
        if (w.kind != DENSE).any() or (w.pre >= w.post).any() or self.layout.slots > _FEW_SLOTS:
            return False
        return isinstance(self.neurons, FixedNeurons) or all(
            len(set(w.delay[w.post == post].tolist())) == 1 for post in set(w.post.tolist())
        )

    def in_order(self, values: Array) -> Array:
        """Values of all neurons (last axis), given in the network's order, in the order of the program."""
        if not self.layout.moved.any():
            return values
        starts = np.repeat(self.layout.source_start[:-1], np.diff(self.layout.source_start))
        return np.ascontiguousarray(values[..., (starts + self.layout.number)[self.channels :] - self.channels])

    def ordered(self) -> Program:
        """The program with neurons and biases permuted from the network's order to that of the program."""
        neurons: Any = self.neurons
        each = len(neurons.v_init)  # the other arrays have one value for each population, or none

        def moved_array(x: Array) -> Array:
            rows = np.size(x) // each
            if np.size(x) != rows * each or not rows:
                return x
            return self.in_order(np.reshape(x, (rows, each))).reshape(-1)

        moved = neurons._make(moved_array(x) for x in neurons)
        return replace(self, neurons=moved, bias=self.in_order(self.bias))


_FEW_SLOTS = 16  # longest ring for layer_loops.py, which lists the spikes of all its steps again for each block
_FEW_WEIGHTS = 1 << 15  # most entries of a small sparse projection, zeros included
_FEW_ROWS = 8  # fewest rows whose sum must fit 16 bits for partial sums of 16 bits to be faster

_compiled: weakref.WeakKeyDictionary[Any, dict[Any, Program]] = weakref.WeakKeyDictionary()


def compiled_program(network: AnyNetwork, real: RealType = np.float64, *, fast_paths: bool = True) -> Program:
    """The program of a network, which is made once, since the arrays of a network are read-only."""
    programs = _compiled.setdefault(network, {})
    key = real, fast_paths
    if key not in programs:
        programs[key] = compile_program(network, real, fast_paths=fast_paths)
    return programs[key]


def _largest_weight(network: FixedNetwork) -> int:
    """The largest magnitude that any stored weight integer can take."""
    formats = [q.format for q in network.projections]
    return max((max(-f.mantissa_min, f.mantissa_max) for f in formats), default=1)


def _in_parts(network: FixedNetwork, plastic: Collection[str]) -> set[str]:
    """The small sparse projections of a network in which all others are dense; they are stored as dense segments.

    A teacher's synapses, one or two for each neuron, would else keep a network from :mod:`.layer_loops`, which runs
    dense segments only, and their weights of 8 bits without a sign would make those of all projections wider. A weight
    beyond the type is the sum of several, which a negative exponent would round one by one.
    """
    graded = {p.name for p in network.populations if p.payload}
    rest = [q for q in network.projections if q.name in plastic or q.pre in graded or not _is_small(q)]
    dense = [not q.is_sparse and not q.is_convolution and np.unique(q.delay).size <= 1 for q in rest]
    return {q.name for q in network.projections} - {q.name for q in rest} if dense and all(dense) else set()


def _is_small(q: FixedProjection) -> bool:
    post, pre = q.shape
    copies = np.unique(q.synapse_delays).size
    return q.is_sparse and q.format.lsb_shift + q.weight_exp >= 0 and pre * padded(post) * copies <= _FEW_WEIGHTS


def _weight_type(network: FixedNetwork, in_parts: Collection[str]) -> type[np.int8] | type[np.int16] | type[np.int32]:
    """The narrowest type of which _FEW_ROWS weights add up within 16 bits, else int32.

    Those that are stored ``in_parts`` may be wider.
    """
    formats = [q.format for q in network.projections if q.name not in in_parts]
    lowest = min((f.mantissa_min for f in formats), default=0)
    highest = max((f.mantissa_max for f in formats), default=0)
    if lowest >= -128 and highest <= 127:
        return np.int8
    return np.int16 if _largest_weight(network) * _FEW_ROWS <= np.iinfo(np.int16).max else np.int32


def compile_program(
    network: AnyNetwork, real: RealType = np.float64, plastic: Collection[str] = (), *, fast_paths: bool = True
) -> Program:
    """Flatten a network; a float network computes in the type ``real``.

    Without ``fast_paths`` the CUBA LIF runs by its declaration, as any other model.

    If there are ``plastic`` projections, all neurons stay in the network's order, in which the learning loops read
    them, and convolutions with several output channels are unrolled, with copies of their weights.
    """
    names = [*network.input_names, *network.population_names]
    groups = [*((name, "") for name in names), *fed_ports(network)]
    sizes = np.array([network.size_of(name) for name, _ in groups], np.int64)
    channels = np.concatenate([[0], np.cumsum(sizes[: len(network.inputs)])])
    orders = {} if plastic else channels_last(network)
    numbers = [orders.get(name, np.arange(size)) for (name, _), size in zip(groups, sizes, strict=True)]
    layout = Layout(
        channels,
        np.concatenate([[0], np.cumsum(padded(sizes))]),
        sizes,
        np.array([name in orders for name, _ in groups]),
        np.concatenate([np.append(k, np.arange(len(k), padded(len(k)))) for k in numbers]),
        np.array(
            [-1] * len(network.inputs)
            + [_payload_slot(p) for p in network.populations]
            + [-1] * (len(groups) - len(names)),
            np.int64,
        ),
        network.max_delay + 1,
        network_state_type(network, fast_paths)(0) if isinstance(network, FixedNetwork) else real(0),
    )
    in_parts = _in_parts(network, plastic) if isinstance(network, FixedNetwork) else set()
    segments = Segments(_weight_type(network, in_parts) if isinstance(network, FixedNetwork) else real)
    places = {}
    for p in network.projections:
        values, shift = p.stored_weights, 0
        if isinstance(p, FixedProjection):
            values, shift = p.mantissa, p.format.lsb_shift + p.weight_exp
        pre, post = names.index(p.pre), groups.index((p.post, p.port))
        ends = Ends(pre, post, orders.get(p.pre), orders.get(p.post))
        if layout.payload[pre] >= 0:
            segments.add_graded(p, values, ends, shift)
            continue
        found = segments.add(p, values, ends, shift, plastic=p.name in plastic, in_parts=p.name in in_parts)
        if p.name in plastic:
            places[p.name] = found
    bias = bias_table(network, Drive({}, 0, 0), layout.zero.dtype)
    if isinstance(network, FixedNetwork):
        wiring = segments.wiring(_largest_weight(network))
        neurons: FixedNeurons | FloatNeurons = fixed_neurons(network, fast_paths)
    else:
        wiring, neurons = segments.wiring(0), float_neurons(network, real)
    further = max((len(set(p.state_names) - {"u", "v"}) for p in network.populations), default=0)
    return Program(layout, wiring, neurons, bias, places, further, len(names)).ordered()


def _payload_slot(p: FixedPopulation | Population) -> int:
    return state_slots(p.state_names)[p.payload] if p.payload else -1
