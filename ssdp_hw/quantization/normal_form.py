"""The float network in the form of the chip: weights and voltages in one unit, v_reset at 0.

A step of the float network is ``u <- d_u u + g_u S``, ``v <- d_v v + g_v u + drift``. With
``U = g_v u`` and ``V = v - v_reset`` it becomes ``U <- d_u U + g S``, ``V <- d_v V + U + bias`` where
``g = g_u g_v``: a chip's neuron, up to one scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ssdp_hw.arrays import Real
from ssdp_hw.chips import Chip
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.models.base import Kind, NeuronModel
from ssdp_hw.models.scaling import scaling
from ssdp_hw.network.float_network import Network, Population, Projection
from ssdp_hw.network.graph import Comparison, Reset
from ssdp_hw.network.model_neuron import ModelNeuron
from ssdp_hw.network.weight import Weight


@dataclass(frozen=True, eq=False)
class Incoming:
    """One projection with the gain of its postsynaptic neurons folded in: volts that one spike adds to U."""

    name: str
    weight: Weight  # shape (post, pre)
    gain: Real  # (post,)
    largest: int = 1  # by how much a spike may multiply a weight


@dataclass(frozen=True, eq=False, kw_only=True)
class NormalPopulation:
    """One population in the form of the chip, in volts above its reset.

    Attributes:
        decay_u, decay_v, v_init: shape (n,); ``threshold`` likewise, or None for a readout.
        bias: what is added to V in every step, shape (n,); ``drift`` is the part of it that comes
            from v_leak and v_reset, not from the synaptic input.
        constant_current: what the bias of a current-based neuron adds to U in every step; it has
            no register on the chip. Zeros elsewhere.
        reset, comparison: as in the float population.
        incoming: its projections.
        fires: False for a readout.
        model: the neuron model, where it is a declared one; decays and drift above then mean nothing.
        payload: the state that its spikes carry; empty where they carry nothing.
        values: of a declared model, what its step needs of every parameter; see
            :meth:`ssdp_hw.ModelNeuron.step_values`.
    """

    name: str
    decay_u: Real
    decay_v: Real
    drift: Real
    bias: Real
    v_init: Real
    threshold: Real | None
    constant_current: Real
    reset: Reset
    comparison: Comparison
    incoming: tuple[Incoming, ...]
    fires: bool = True
    model: NeuronModel | None = None
    payload: str = ""
    values: Mapping[str, Real] = field(default_factory=dict)

    def levels(self, chip: Chip) -> list[tuple[Real, float]]:
        """Every parameter in volts, shape (n,), with the largest value of its register in chip units."""
        if self.model is None:
            largest = float(chip.threshold_max << chip.activation_shift)
            return [] if self.threshold is None else [(self.threshold, largest)]
        return [
            (self.values[q.name], float(q.code_range(chip)[1] << q.shift(chip)))
            for q in self.model.parameters
            if q.kind is Kind.LEVEL
        ]


def normal_form(network: Network, name: str) -> NormalPopulation:
    """Population ``name`` of a float network in the form of the chip."""
    population = network.population(name)
    neuron = population.neuron
    if isinstance(neuron, ModelNeuron):
        return _normal_model(network, population, neuron)
    c = network.coefficients(name)
    v_reset = neuron.parameter("v_reset")
    gain = c.gain_u * c.gain_v
    drift = c.drift + (c.decay_v - 1.0) * v_reset
    through_u = gain * np.asarray(population.bias)
    has_current = neuron.has_current
    return NormalPopulation(
        name=name,
        decay_u=c.decay_u,
        decay_v=c.decay_v,
        drift=drift,
        v_init=neuron.v_init - v_reset,
        bias=drift if has_current else drift + through_u,
        constant_current=through_u if has_current else np.zeros(population.size),
        threshold=neuron.threshold_distance if neuron.spiking else None,
        fires=neuron.spiking,
        reset=population.reset,
        comparison=population.threshold,
        incoming=tuple(Incoming(p.name, scaled_rows(p, gain), gain) for p in network.incoming(name)),
    )


def _normal_model(network: Network, population: Population, neuron: ModelNeuron) -> NormalPopulation:
    """A population of a declared model: its step is already that of the chip, up to one scale."""
    try:
        scaling(neuron.declared)
    except ParameterError as error:
        raise UnsupportedError(
            f"population '{population.name}': {error}; or write the integers yourself, as a FixedPopulation"
        ) from None
    nothing, ones = np.zeros(population.size), np.ones(population.size)
    semantics, threshold = network.semantics, neuron.parameter("v_threshold")
    return NormalPopulation(
        name=population.name,
        decay_u=nothing,
        decay_v=nothing,
        drift=nothing,
        bias=np.asarray(population.bias),
        v_init=np.asarray(neuron.v_init),
        threshold=threshold if neuron.spiking and np.all(threshold > 0) else None,
        constant_current=nothing,
        reset=population.reset,
        comparison=population.threshold,
        incoming=tuple(Incoming(p.name, p.stored, ones) for p in network.incoming(population.name)),
        fires=neuron.spiking,
        model=neuron.declared,
        payload=neuron.declared.payload,
        values=neuron.step_values(semantics.dt, semantics.discretization),
    )


def scaled_rows(p: Projection, gain: Real) -> Weight:
    """The weight with row j multiplied by gain[j]; stored zeros stay synapses.

    A convolution stays one while the neurons of each of its channels share their gain.
    """
    scaled = p.stored.times_outputs(gain)
    return p.unshared.times_rows(gain) if scaled is None else scaled
