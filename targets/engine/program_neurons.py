"""The neurons of a network as arrays of the compiled loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ssdp_hw.chips import Chip
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation
from ssdp_hw.network.float_network import Network, Population
from ssdp_hw.network.graph import Comparison, Reset
from ssdp_hw.network.model_neuron import ModelNeuron
from ssdp_hw.network.neurons import StepCoefficients
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.result import CUBA_LIF_COUNTS

from .generated import narrowest, step_address
from .segments import Array, padded
from .types import (
    BoolArray,
    Int64Array,
    IntegerNumber,
    IntegerStateArray,
    IntegerType,
    Number,
    RealStateArray,
    RealType,
)


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
    counts: int  # of each population and lane in the array of overflow counts


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
    counts: int  # as in FixedNeurons


def fed_ports(network: AnyNetwork) -> list[tuple[str, str]]:
    """The synaptic inputs beside the first that are fed, as (population, port), in order."""
    return [(name, port) for name in network.population_names for port in network.ports(name)]


def joined(network: AnyNetwork, parts: list[Array], dtype: DTypeLike, fill: Number = 0) -> Array:
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
        return joined(network, own, state)

    rows = [row(k) for k in range(max(map(len, acting.values())))]
    addresses += [0] * len(fed_ports(network))
    return np.array(addresses, np.int64), np.concatenate(rows) if rows else np.zeros(0, state)


def _port_distances(network: AnyNetwork, name: str) -> list[int]:
    """From the neurons of a population to those of each of its fed ports, in the index space of neurons."""
    groups = [*((other, "") for other in network.population_names), *fed_ports(network)]
    starts = dict(zip(groups, np.cumsum([0, *(padded(network.size_of(n)) for n, _ in groups)]).tolist(), strict=False))
    return [starts[name, port] - starts[name, ""] for port in network.ports(name)]


def most_overflow_counts(network: FixedNetwork) -> int:
    """How many overflow counts the population with the most of them has."""
    declared = [len(network.step_form(p.name).count_names) for p in network.populations if not p.is_cuba_lif]
    return max([len(CUBA_LIF_COUNTS), *declared])


def _is_simple(chip: Chip, p: FixedPopulation) -> bool:
    """Whether all neurons have the same parameters, and their currents decay to 0 within a step."""
    if not p.is_cuba_lif or not p.uniform or p.du[0] + chip.current_decay_offset != 1 << chip.decay_bits:
        return False
    return not (p.spiking and p.vth[0] == 0)  # the padding's neurons, whose voltage is 0, would fire at 0 >= 0


def fixed_neurons(network: FixedNetwork, fast_paths: bool) -> FixedNeurons:
    """Parameters of all neurons of a fixed network."""
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
        decay_factor_u=joined(network, [unity - chip.current_decay_offset - p.du for p in populations], integer),
        decay_factor_v=joined(network, [unity - chip.voltage_decay_offset - p.dv for p in populations], integer),
        fire_above=joined(network, fire_above, integer, never),
        down=joined(network, thresholds, integer),
        reset_mask=joined(network, reset_mask, integer),
        v_init=joined(network, [p.v_init for p in populations], integer),
        models=models,
        parameters=parameters,
        simple=np.array([*(_is_simple(chip, p) for p in populations), *([False] * len(fed_ports(network)))]),
        decay_bits=integer(chip.decay_bits),
        state_half=integer(1 << (chip.state_bits - 1)),
        activation_shift=integer(chip.activation_shift),
        counts=most_overflow_counts(network),
    )


def float_neurons(network: Network, real: RealType) -> FloatNeurons:
    """Parameters of all neurons of a float network, which computes in the type ``real``."""
    populations = network.populations
    declared = declared_populations(network)
    nothing = {p.name: np.zeros(p.size) for p in populations}
    steps = [
        StepCoefficients(*[nothing[p.name]] * 5) if p.name in declared else network.coefficients(p.name)
        for p in populations
    ]
    models, parameters = _models(network, real, fast_paths=True)

    def parameter(name: str) -> Array:
        return joined(network, [p.neuron.parameter(name) for p in populations], real)

    def step(name: str) -> Array:
        return joined(network, [getattr(c, name) for c in steps], real)

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
        fire_above=joined(network, fire_above, real, np.inf),
        down=parameter("v_threshold") - parameter("v_reset"),
        v_reset=parameter("v_reset"),
        subtract=joined(network, _flags(populations, [p.reset is Reset.SUBTRACT for p in populations]), np.bool_),
        old_current=joined(
            network, _flags(populations, [network.uses_old_current(p.name) for p in populations]), np.bool_
        ),
        v_init=joined(network, [p.neuron.v_init for p in populations], real),
        models=models,
        parameters=parameters,
        counts=0,
    )


def bias_table(network: AnyNetwork, drive: Drive, dtype: DTypeLike) -> Array:
    """Biases of every step, shape (1, neurons): all samples have the same."""
    parts: list[Array]
    if isinstance(network, FixedNetwork):
        parts = [drive.fixed_bias(network, p.name) for p in network.populations]
    else:
        parts = [drive.float_bias(network, p.name) for p in network.populations]
    batch = max(len(part) for part in parts)
    return np.stack([joined(network, [part[k % len(part)] for part in parts], dtype) for k in range(batch)])
