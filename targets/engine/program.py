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
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ssdp_hw.chips import Chip
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.network.float_network import Network, Population
from ssdp_hw.network.graph import Comparison, Reset
from ssdp_hw.network.model_neuron import ModelNeuron
from ssdp_hw.network.neurons import StepCoefficients
from ssdp_hw.running.drive import AnyNetwork, Drive

from .convolution import channels_last
from .generated import narrowest, state_slots, step_address
from .jit import of_one_type
from .segments import CONVOLUTION, DENSE, GRADED, Array, Ends, Places, Segments, Wiring, padded
from .types import (
    BoolArray,
    Int64Array,
    IntegerNumber,
    IntegerStateArray,
    IntegerType,
    Number,
    RealStateArray,
    RealType,
    StateArray,
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


class Analog(NamedTuple):
    """Synaptic input of analog inputs."""

    frames: StateArray  # (frame, batch, neurons); no frame if there is none
    of_step: Int64Array  # for each step of the raster its frame


class FixedNeurons(NamedTuple):
    """Parameters of every neuron of a fixed network, and widths of the chip, all in the type of the state."""

    decay_factor_u: IntegerStateArray  # 2**bits - du - offset
    decay_factor_v: IntegerStateArray
    fire_above: IntegerStateArray  # a neuron fires if v exceeds this
    down: IntegerStateArray  # a spike sets v to (v - down) & reset_mask
    reset_mask: IntegerStateArray
    v_init: IntegerStateArray
    models: Int64Array  # for each population the address of its model's step, or 0 for the step written by hand
    parameters: IntegerStateArray  # of declared models: what a neuron is, then each parameter, all neurons
    simple: BoolArray  # for each population whether it _is_simple
    decay_bits: IntegerNumber
    state_half: IntegerNumber
    activation_shift: IntegerNumber


class FloatNeurons(NamedTuple):
    """Step coefficients of every neuron of a float network."""

    decay_u: RealStateArray
    gain_u: RealStateArray
    decay_v: RealStateArray
    gain_v: RealStateArray
    drift: RealStateArray
    fire_above: RealStateArray
    down: RealStateArray  # amount that a subtracting reset subtracts from v
    v_reset: RealStateArray
    subtract: BoolArray
    old_current: BoolArray
    v_init: RealStateArray
    models: Int64Array  # for each population the address of its model's step, or 0 for NIR's neurons
    parameters: RealStateArray  # as in FixedNeurons


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
        """The arguments of the compiled loops that all runs have in common."""
        return of_one_type((self.layout, self.wiring, self.neurons))

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


def _weight_type(network: FixedNetwork) -> type[np.int8] | type[np.int16] | type[np.int32]:
    """The narrowest type of which _FEW_ROWS weights add up within 16 bits, else int32."""
    lowest = min((q.format.mantissa_min for q in network.projections), default=0)
    highest = max((q.format.mantissa_max for q in network.projections), default=0)
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
    segments = Segments(_weight_type(network) if isinstance(network, FixedNetwork) else real)
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
        found = segments.add(p, values, ends, shift, plastic=p.name in plastic)
        if p.name in plastic:
            places[p.name] = found
    bias = bias_table(network, Drive({}, 0, 0), layout.zero.dtype)
    if isinstance(network, FixedNetwork):
        wiring = segments.wiring(_largest_weight(network))
        neurons: FixedNeurons | FloatNeurons = _fixed_neurons(network, fast_paths)
    else:
        wiring, neurons = segments.wiring(0), _float_neurons(network, real)
    further = max((len(set(p.state_names) - {"u", "v"}) for p in network.populations), default=0)
    return Program(layout, wiring, neurons, bias, places, further, len(names)).ordered()


def fed_ports(network: AnyNetwork) -> list[tuple[str, str]]:
    """The synaptic inputs beside the first that are fed, as (population, port), in order."""
    return [(name, port) for name in network.population_names for port in network.ports(name)]


def _payload_slot(p: FixedPopulation | Population) -> int:
    return state_slots(p.state_names)[p.payload] if p.payload else -1


def _joined(network: AnyNetwork, parts: list[Array], dtype: DTypeLike, fill: Number = 0) -> Array:
    """Arrays (n,), one for each population, as one array over the index space of neurons.

    Padding and the neurons of ports have the value ``fill``.
    """
    blocks = []
    for part in parts:
        block = np.full(padded(part.shape[-1]), fill, dtype)
        block[: part.shape[-1]] = part
        blocks.append(block)
    blocks += [np.full(padded(network.size_of(name)), fill, dtype) for name, _ in fed_ports(network)]
    return np.concatenate(blocks)


def _flags(populations: Sequence[FixedPopulation | Population], flags: list[bool]) -> list[Array]:
    return [np.full(p.size, flag) for p, flag in zip(populations, flags, strict=True)]


def state_type(chip: Chip) -> IntegerType:
    """The integer type in which no step of this chip's neurons can overflow.

    The type must hold u before its wrap (by the design rule of the activation register), a state plus or minus the
    range of its register, threshold and bias, and the low bits of the state times a decay factor.
    """
    needed = max(
        chip.activation_bits,
        chip.state_bits + 2,
        chip.threshold_bits + chip.activation_shift + 1,
        chip.bias_mant_bits + chip.bias_exp_max,
        2 * chip.decay_bits + 2,
    )
    return np.int32 if needed <= 32 else np.int64


def network_state_type(network: FixedNetwork, fast_paths: bool) -> IntegerType:
    """The integer type of all states of a network: :func:`state_type`, or wider where a declared model needs it."""
    bits = 32 if state_type(network.limits) is np.int32 else 64
    for name in declared_populations(network, fast_paths):
        bits = max(bits, narrowest(network.step_form(name)).leaf_bits)
    return np.int32 if bits <= 32 else np.int64


def declared_populations(network: AnyNetwork, fast_paths: bool = True) -> list[str]:
    """The populations whose step is not written by hand."""
    if isinstance(network, FixedNetwork):
        return [p.name for p in network.populations if not (fast_paths and p.is_cuba_lif)]
    return [p.name for p in network.populations if isinstance(p.neuron, ModelNeuron)]


def _models(network: AnyNetwork, state: IntegerType | RealType, *, fast_paths: bool) -> tuple[Int64Array, Any]:
    """The addresses of the steps of declared models, and their parameters, a row after the other."""
    declared = declared_populations(network, fast_paths)
    names = network.population_names
    addresses = [step_address(network.step_form(name), state) if name in declared else 0 for name in names]
    acting: dict[str, list[Array]] = {name: [] for name in names}
    for name in declared:
        values = network.acting_parameters(name)
        fires = np.full(network.size_of(name), 2 + int(network.population(name).spiking))  # see generated.py, _body
        form = network.step_form(name)
        further = [np.full(network.size_of(name), distance) for distance in _port_distances(network, name)]
        acting[name] = [fires, *(values[q] for q in form.model.acting_names), *further]

    def row(k: int) -> Array:
        own = [acting[name][k] if k < len(acting[name]) else np.zeros(network.size_of(name)) for name in names]
        return _joined(network, own, state)

    rows = [row(k) for k in range(max(map(len, acting.values())))]
    addresses += [0] * len(fed_ports(network))
    return np.array(addresses, np.int64), np.concatenate(rows) if rows else np.zeros(0, state)


def _port_distances(network: AnyNetwork, name: str) -> list[int]:
    """From the neurons of a population to those of each of its fed ports, in the index space of neurons."""
    groups = [*((other, "") for other in network.population_names), *fed_ports(network)]
    starts = dict(zip(groups, np.cumsum([0, *(padded(network.size_of(n)) for n, _ in groups)]).tolist(), strict=False))
    return [starts[name, port] - starts[name, ""] for port in network.ports(name)]


def _is_simple(chip: Chip, p: FixedPopulation) -> bool:
    """Whether all neurons have the same parameters, and their currents decay to 0 within a step."""
    if not p.is_cuba_lif or not p.uniform or p.du[0] + chip.current_decay_offset != 1 << chip.decay_bits:
        return False
    return not (p.spiking and p.vth[0] == 0)  # the padding's neurons, whose voltage is 0, would fire at 0 >= 0


def _fixed_neurons(network: FixedNetwork, fast_paths: bool) -> FixedNeurons:
    chip, populations = network.limits, network.populations
    unity, integer = 1 << chip.decay_bits, network_state_type(network, fast_paths)
    models, parameters = _models(network, integer, fast_paths=fast_paths)
    never = np.iinfo(integer).max
    thresholds = [p.vth << chip.activation_shift for p in populations]
    inclusive = [p.threshold is Comparison.AT_LEAST for p in populations]
    fire_above = [
        t - at_least if p.spiking else np.full(p.size, never)
        for p, t, at_least in zip(populations, thresholds, inclusive, strict=True)
    ]
    reset_mask = [np.full(p.size, -1 if p.reset is Reset.SUBTRACT else 0) for p in populations]
    return FixedNeurons(
        decay_factor_u=_joined(network, [unity - chip.current_decay_offset - p.du for p in populations], integer),
        decay_factor_v=_joined(network, [unity - chip.voltage_decay_offset - p.dv for p in populations], integer),
        fire_above=_joined(network, fire_above, integer, never),
        down=_joined(network, thresholds, integer),
        reset_mask=_joined(network, reset_mask, integer),
        v_init=_joined(network, [p.v_init for p in populations], integer),
        models=models,
        parameters=parameters,
        simple=np.array([*(_is_simple(chip, p) for p in populations), *([False] * len(fed_ports(network)))]),
        decay_bits=integer(chip.decay_bits),
        state_half=integer(1 << (chip.state_bits - 1)),
        activation_shift=integer(chip.activation_shift),
    )


def _float_neurons(network: Network, real: RealType) -> FloatNeurons:
    populations = network.populations
    declared = declared_populations(network)
    nothing = {p.name: np.zeros(p.size) for p in populations}
    steps = [
        StepCoefficients(*[nothing[p.name]] * 5) if p.name in declared else network.coefficients(p.name)
        for p in populations
    ]
    models, parameters = _models(network, real, fast_paths=True)

    def parameter(name: str) -> Array:
        return _joined(network, [p.neuron.parameter(name) for p in populations], real)

    def step(name: str) -> Array:
        return _joined(network, [getattr(c, name) for c in steps], real)

    fire_above = [p.neuron.parameter("v_threshold").astype(real) for p in populations]
    for k, p in enumerate(populations):
        if not p.spiking:
            fire_above[k] = np.full(p.size, np.inf, real)
        elif p.threshold is Comparison.AT_LEAST:  # v >= x is the same as v > the largest float below x
            fire_above[k] = np.nextafter(fire_above[k], real(-np.inf))
    return FloatNeurons(
        decay_u=step("decay_u"),
        gain_u=step("gain_u"),
        decay_v=step("decay_v"),
        gain_v=step("gain_v"),
        drift=step("drift"),
        fire_above=_joined(network, fire_above, real, np.inf),
        down=parameter("v_threshold") - parameter("v_reset"),
        v_reset=parameter("v_reset"),
        subtract=_joined(network, _flags(populations, [p.reset is Reset.SUBTRACT for p in populations]), np.bool_),
        old_current=_joined(
            network, _flags(populations, [network.uses_old_current(p.name) for p in populations]), np.bool_
        ),
        v_init=_joined(network, [p.neuron.v_init for p in populations], real),
        models=models,
        parameters=parameters,
    )


def bias_table(network: AnyNetwork, drive: Drive, dtype: DTypeLike) -> Array:
    """Biases of every step, shape (1, neurons): all samples have the same."""
    parts: list[Array]
    if isinstance(network, FixedNetwork):
        parts = [drive.fixed_bias(network, p.name) for p in network.populations]
    else:
        parts = [drive.float_bias(network, p.name) for p in network.populations]
    batch = max(len(part) for part in parts)
    return np.stack([_joined(network, [part[k % len(part)] for part in parts], dtype) for k in range(batch)])


def analog_input(network: AnyNetwork, program: Program, drive: Drive) -> Analog:
    """What analog inputs bring to all neurons, in the order of the program."""
    dtype, currents = program.layout.zero.dtype, drive.currents
    if not currents:
        none: Any = np.zeros((0, 0, 0), dtype)
        return Analog(none, np.zeros(0, np.int64))
    count = len(next(iter(currents.frames.values())))
    frames: Any = np.zeros((count, drive.batch, len(program.neurons.v_init)), dtype)
    start = 0
    for p in network.populations:
        if p.name in currents.frames:
            frames[:, :, start : start + p.size] = currents.frames[p.name]
        start += padded(p.size)
    return Analog(program.in_order(frames), currents.of_step)


def input_raster(network: AnyNetwork, drive: Drive) -> NDArray[np.bool_]:
    """Spikes of all inputs side by side, shape (time, batch, channels)."""
    arrays = [drive.spikes[name] for name in network.input_names]
    return np.ascontiguousarray(arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=2))
