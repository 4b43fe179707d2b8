"""The networks between a float network and its fixed form.

They are float networks in the units of the chip: with scale s (units of the chip's state in a volt) the
normal form ``U <- d_u U + g S``, ``V <- d_v V + U + bias`` of :mod:`ssdp_hw.quantization.normal_form` times s.
There the chip's integers are a decay of ``1 - (du + offset) / 2**bits``, a threshold of ``vth << shift``, a bias
of ``bias_mant << bias_exp`` and weights of ``weight * 2**weight_exp << shift``, all of them exact in float64,
so that a voltage that meets its threshold exactly on the chip does so here. Values that are not rounded yet
are those of the float network times s.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.analysis.ladder.step import Step
from ssdp_hw.arrays import Real
from ssdp_hw.chips import Chip
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import Kind, NeuronModel, Unit
from ssdp_hw.models.scaling import other_width, scaling
from ssdp_hw.network.fixed_network import FixedNetwork, FixedProjection
from ssdp_hw.network.float_network import Network, Population, Projection
from ssdp_hw.network.formats import MAX_SCALE_BITS, SignMode, WeightFormat
from ssdp_hw.network.model_neuron import ModelNeuron
from ssdp_hw.network.neurons import Discretization, Neuron, StepCoefficients, UpdateOrder, known_neuron
from ssdp_hw.quantization.bias_sources import bias_sources
from ssdp_hw.quantization.channels import in_own_units
from ssdp_hw.quantization.decays import leak_ratio
from ssdp_hw.quantization.model_registers import register_values
from ssdp_hw.quantization.normal_form import Incoming, NormalPopulation, normal_form
from ssdp_hw.quantization.options import ProjectionOptions
from ssdp_hw.quantization.parts import fixed_population, fixed_projections
from ssdp_hw.quantization.payloads import input_shift, payload_unit
from ssdp_hw.quantization.split import parts_of, units_of
from ssdp_hw.running.drive import AnyNetwork

# Decays of 22 bits are a thousand times finer than a chip's 12; the product with a state of 40 bits fits int64.
_FINE_DECAY_BITS = 22
_WIDE_STATE_BITS = 62 - _FINE_DECAY_BITS
# Further bits of the state where only its overflow counts, as far as the other registers allow.
_FINE_STATE_BITS = 30


@known_neuron
@dataclass(frozen=True, eq=False, kw_only=True)
class StepReadout(Neuron):
    """A readout that is given by its step: any decay, 0 and 1 included, whatever the time constants."""

    decay_u: Real
    gain_u: Real
    decay_v: Real
    gain_v: Real
    drift: Real

    spiking: ClassVar[bool] = False
    has_current: ClassVar[bool] = True

    def coefficients(self, dt: float, method: Discretization) -> StepCoefficients:
        """The step as it is given."""
        return StepCoefficients(self.decay_u, self.gain_u, self.decay_v, self.gain_v, self.drift)


@known_neuron
@dataclass(frozen=True, eq=False, kw_only=True)
class StepNeuron(StepReadout):
    """A spiking neuron that is given by its step."""

    v_threshold: Real
    v_reset: Real

    spiking: ClassVar[bool] = True


@known_neuron
@dataclass(frozen=True, eq=False, kw_only=True)
class StepModelNeuron(ModelNeuron):
    """Neurons of a declared model that are given by what their step needs of every parameter."""

    values: Mapping[str, Real]

    def step_values(self, dt: float, method: Discretization) -> dict[str, Real]:
        """The values as they are given."""
        return dict(self.values)


def in_chip_timing(network: Network) -> Network:
    """The float network in the chip's order of updates, its constant currents from neurons that always fire."""
    lowered, _ = bias_sources(network)
    return replace(lowered, semantics=replace(lowered.semantics, update_order=UpdateOrder.CURRENT_FIRST))


def check_match(lowered: Network, fixed: FixedNetwork) -> None:
    """Refuse a fixed network that is not the float network's.

    Raises:
        ParameterError: other names or sizes, unknown scales, or thresholds of 0.
    """
    whole = [q for p in lowered.projections for q in parts_of(fixed, p.name)[1:]]
    if _names_and_sizes(lowered) != _names_and_sizes(fixed, without=whole):
        raise ParameterError(
            "the fixed network is not this float network's: its inputs, populations or projections differ in name or "
            "size; quantise this network, or leave 'fixed' out"
        )
    for p in fixed.populations:
        if p.scale is None:
            raise ParameterError(
                f"population '{p.name}': the scale of its integers is unknown, so they mean no volts; ssdp_hw.quantize "
                "states it"
            )
        if p.is_cuba_lif and p.spiking and not np.all(p.vth):
            raise ParameterError(
                f"population '{p.name}': neuron {int(np.argmin(p.vth))} has a threshold of 0 on the chip, for which "
                "there is no float neuron; quantise with another scale"
            )


def _names_and_sizes(
    network: AnyNetwork, without: Collection[FixedProjection] = ()
) -> tuple[dict[str, int], dict[str, tuple[str, str, tuple[int, int]]]]:
    sizes = {name: network.size_of(name) for name in (*network.input_names, *network.population_names)}
    return sizes, {p.name: (p.pre, p.post, p.shape) for p in network.projections if p not in without}


def rounded(lowered: Network, fixed: FixedNetwork, *steps: Step, layers: Collection[str] | None = None) -> Network:
    """The float network in the chip's timing and units, with those parameters of ``fixed`` that the steps name.

    Args:
        lowered, fixed: the float network in the chip's timing, and its fixed form.
        steps: which kinds of parameters are rounded.
        layers: populations whose parameters, and the weights into them, are rounded; None for all.
    """

    def of(population: str) -> Collection[Step]:
        return steps if layers is None or population in layers else ()

    normal = {name: normal_form(lowered, name) for name in lowered.population_names}
    populations = [_population(p, normal[p.name], fixed, of(p.name)) for p in lowered.populations]
    incoming = {q.name: q for p in normal.values() for q in p.incoming}
    projections = [_projection(p, incoming[p.name], fixed, of(p.post)) for p in lowered.projections]
    return replace(lowered, populations=populations, projections=projections)


def _population(p: Population, exact: NormalPopulation, fixed: FixedNetwork, steps: Collection[Step]) -> Population:
    chip, q = fixed.limits, fixed.population(p.name)
    scale = _scale(fixed, p.name)
    if isinstance(p.neuron, ModelNeuron):
        return _model_population(p, p.neuron, exact, fixed, steps)
    decay_u, decay_v, bias = exact.decay_u, exact.decay_v, exact.bias * scale
    v_init: Real = exact.v_init * scale
    threshold: Real = p.neuron.threshold_distance * scale
    ratio = leak_ratio(exact, q.dv, chip)  # a rounded leak has a bias of its own
    if Step.DECAYS in steps:
        unity = float(1 << chip.decay_bits)
        decay_u = 1.0 - (q.du + chip.current_decay_offset) / unity
        decay_v = 1.0 - (q.dv + chip.voltage_decay_offset) / unity
        bias = bias * ratio
    if Step.THRESHOLDS in steps:
        bias = np.asarray(q.bias if Step.DECAYS in steps else q.bias / ratio, np.float64)
        v_init, threshold = (np.asarray(x, np.float64) for x in (q.v_init, q.vth << chip.activation_shift))
    values: dict[str, Any] = {
        "size": p.size,
        "v_init": v_init,
        "decay_u": decay_u,
        "gain_u": np.ones(p.size),
        "decay_v": decay_v,
        "gain_v": np.ones(p.size),
        "drift": bias,
    }
    neuron = (
        StepNeuron(**values, v_threshold=threshold, v_reset=np.zeros(p.size)) if p.spiking else StepReadout(**values)
    )
    return replace(p, neuron=neuron, bias=0.0)


def _model_population(
    p: Population, neuron: ModelNeuron, exact: NormalPopulation, fixed: FixedNetwork, steps: Collection[Step]
) -> Population:
    """A population of a declared model: levels are rounded with the thresholds, all else with the decays."""
    chip, q, scale = fixed.limits, fixed.population(p.name), _scale(fixed, p.name)
    values = {}
    for parameter in neuron.declared.parameters:
        name, level = parameter.name, parameter.kind is Kind.LEVEL
        unit = scale if level else 1.0
        values[name] = exact.values[name] * unit
        if (Step.THRESHOLDS if level else Step.DECAYS) in steps:
            values[name] = register_values(parameter, q.registers[name], 1.0, chip)
    bias, v_init = (q.bias, q.v_init) if Step.THRESHOLDS in steps else (exact.bias * scale, exact.v_init * scale)
    step = StepModelNeuron(
        model=neuron.model,
        size=p.size,
        parameters=neuron.parameters,
        fires=neuron.fires,
        v_init=np.asarray(v_init, np.float64),
        values=values,
    )
    return replace(p, neuron=step, bias=np.asarray(bias, np.float64))


def _projection(p: Projection, exact: Incoming, fixed: FixedNetwork, steps: Collection[Step]) -> Projection:
    if Step.WEIGHTS in steps:
        units, chip, scale = units_of(fixed, p.name), fixed.limits, carried_scale(fixed, p.pre)
        # What a payload of this network is in integers, and the shift of what arrives.
        per_payload = payload_unit(fixed.population(p.pre).declared, scale, chip) / scale if scale else 1.0
        shift = chip.activation_shift - input_shift(fixed.population(p.post).declared, chip)
        return replace(p, weight=units.with_values(units.values * 2.0**shift * per_payload))
    return replace(p, weight=exact.weight.times_rows(_scale(fixed, p.post) / (carried_scale(fixed, p.pre) or 1.0)))


def carried_scale(fixed: FixedNetwork, sender: str) -> float:
    """Units of the chip's voltage in a volt of what a sender's spikes carry; 0 where they carry no volts."""
    if sender in fixed.input_names or not fixed.population(sender).payload:
        return 0.0
    p = fixed.population(sender)
    return 0.0 if scaling(p.declared).payload_counts else float(_scale(fixed, sender)[0])


def _scale(fixed: FixedNetwork, name: str) -> Real:
    """Units of the chip's state in a volt of that population, shape (n,)."""
    scale = fixed.population(name).scale
    assert scale is not None
    return np.asarray(scale)


def without_overflow(fixed: FixedNetwork) -> FixedNetwork:
    """The same integers on a chip whose registers are so wide that nothing wraps or saturates."""
    chip = replace(fixed.limits, name=f"{fixed.limits.name}-wide", activation_bits=63)
    return _as_wide_as_possible(fixed, replace(chip, state_bits=62 - chip.decay_bits), fixed.limits.state_bits)


def _as_wide_as_possible(network: FixedNetwork, chip: Chip, narrowest: int) -> FixedNetwork:
    """The network on that chip, or on one whose states are so much narrower that 64 bits hold every step.

    Products of declared models may need more bits than the chip's own neuron, which the widths are made for.
    """
    while True:
        found = replace(network, chip=chip)
        if chip.state_bits <= narrowest or all(_fits_64_bits(found, p.name) for p in found.populations):
            return found
        chip = replace(chip, state_bits=chip.state_bits - 1)


def _fits_64_bits(network: FixedNetwork, name: str) -> bool:
    """Whether integers of 64 bits hold every value of a population's step."""
    try:
        network.step_form(name).graph()
    except ParameterError:
        return False
    return True


def exact_parameters(lowered: Network, fixed: FixedNetwork, step: Step) -> FixedNetwork | None:
    """Integer state, or its overflow alone, with parameters rounded far finer than on the chip.

    For ``STATE`` the unit of u and v is the chip's, in registers that do not overflow. For ``OVERFLOW`` the
    range of u and v is the chip's, in units as much finer as the other registers allow (64 times for 24 bits).
    Where a declared model's step needs more than 64 bits then, its registers have as many bits less as it takes; None
    where that leaves it no more than the chip's own, or where its step writes the width of Loihi's decays as a number;
    for ``OVERFLOW`` also where registers of voltages have widths of their own, which finer units would not fit.
    """
    models = [p.neuron.declared for p in lowered.populations if isinstance(p.neuron, ModelNeuron)]
    finer = step is not Step.STATE
    if any(other_width(model, _FINE_DECAY_BITS) or (finer and _own_widths(model)) for model in models):
        return None
    bits = fixed.limits.state_bits
    widest = _WIDE_STATE_BITS if step is Step.STATE else max(_FINE_STATE_BITS, bits)
    for state_bits in range(widest, bits - 1, -1):
        made = _on_finer_chip(lowered, fixed, state_bits, 0 if step is Step.STATE else state_bits - bits)
        if all(_fits_64_bits(made, p.name) for p in made.populations):
            return made
    return None


def _own_widths(model: NeuronModel) -> bool:
    """Whether a model says itself how wide one of its registers of voltages is."""
    states = [s.bits for s in model.states if s.unit is Unit.VOLTAGE]
    return any(bits is not None for bits in (*states, *(q.bits for q in model.parameters if q.kind is Kind.LEVEL)))


def _on_finer_chip(lowered: Network, fixed: FixedNetwork, state_bits: int, finer: int) -> FixedNetwork:
    """The network with states of so many bits, in units that are ``2**finer`` times finer than the chip's."""
    chip = fixed.limits
    fine = replace(
        chip,
        name=f"{chip.name}-fine",
        weight_bits=MAX_SCALE_BITS,
        weight_scale_bits=MAX_SCALE_BITS,
        weight_exp_min=-31,
        weight_exp_max=31,
        decay_bits=_FINE_DECAY_BITS,
        activation_shift=0,
        activation_bits=63,
        state_bits=state_bits,
        # A threshold above the state, which is never reached, may stay as high above it as on the chip.
        threshold_bits=min(31, state_bits - 1),
        bias_mant_bits=32,
        bias_exp_max=7,
    )
    # In the units of the chip the scale is that of the finer state.
    normal = {name: in_own_units(normal_form(lowered, name), _scale(fixed, name)) for name in lowered.population_names}
    incoming = {q.name: q for p in normal.values() for q in p.incoming}
    scale, options = 2.0**finer, ProjectionOptions()
    populations = [
        replace(fixed_population(p, scale, fine), scale=_scale(fixed, name) * scale) for name, p in normal.items()
    ]
    projections = [
        q
        for p in lowered.projections
        for q in fixed_projections(p, incoming[p.name], scale, fine, _fine_format(p.shape[1]), options)
    ]
    return FixedNetwork(lowered.inputs, populations, projections, lowered.outputs, fine, fixed.dt)


def _fine_format(fan_in: int) -> WeightFormat:
    """As many bits as weights may have whose sums fit int32."""
    return WeightFormat(min(24, 30 - fan_in.bit_length()), SignMode.MIXED, MAX_SCALE_BITS)


def in_volts(network: Network, which: AnyNetwork, fixed: FixedNetwork, name: str, v: NDArray[np.int64] | Real) -> Real:
    """Voltages of a population of any rung as volts of the float network."""
    if isinstance(which, FixedNetwork):
        scale = _scale(which, name)
    elif isinstance(which.population(name).neuron, StepReadout | StepModelNeuron):
        scale = _scale(fixed, name)
    else:
        return np.asarray(v)
    return np.asarray(v / scale + network.population(name).neuron.parameter("v_reset"))
