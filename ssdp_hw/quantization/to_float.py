"""``dequantize``: what a chip's integers mean, as a float network.

With ``s`` units of the chip's state in a volt a step of the chip is ``U <- d_u U + W S``, ``V <- d_v V + U + b``
in volts above the reset, where ``d = 1 - register / 2**bits``, ``W = weight * 2**(weight_exp + shift) / s`` and
``b = bias / s``. It is NIR's neuron under forward Euler with ``tau = dt / (1 - d)``, ``r`` and ``w_in`` of
``1 / (1 - d)`` and ``v_leak = b / (1 - d)``; without leak it is I or IF.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ssdp_hw.arrays import Real
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.models.base import Kind
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.network.float_network import Network, Population, Projection, Semantics
from ssdp_hw.network.graph import Comparison
from ssdp_hw.network.model_neuron import ModelNeuron
from ssdp_hw.network.neurons import NEURON_MODELS
from ssdp_hw.quantization.model_registers import float_parameters, register_values
from ssdp_hw.quantization.payloads import input_shift, payload_unit

# NIR has no current-based neuron without a leak of the voltage. This leak is so small that a voltage of 24 bits does
# not change by one unit in 65,536 steps.
_NO_LEAK = 2.0**-40


def dequantize(network: FixedNetwork) -> Network:
    """The float network that a fixed one rounds: the same step without rounding, wrapping and saturation.

    Where the scale of a projection is known the weights are those of the float network that it came from, up to
    their rounding; otherwise they are volts a spike. Where the scale of a population is unknown a volt is one unit
    of the chip's voltage, and where dt is unknown a step is 1 s. What a float neuron cannot state is
    approximated and noted: a current without a leak of the voltage (which leaks 2**-40 a step), and thresholds of
    0 (which stand at half a unit).

    Raises:
        ParameterError: no fixed network, or scales that lead out of the range of float64.
        UnsupportedError: a convolution whose channels differ in scale and that is too large to be unrolled.
    """
    if not isinstance(network, FixedNetwork):
        raise ParameterError(f"dequantize takes a FixedNetwork, not {type(network).__name__}")
    notes = [*network.notes, f"rounding and overflow of the integers of chip '{network.limits.name}' are left out"]
    if network.dt is None:
        notes.append("the length of a step is unknown: it is taken for 1 s, so that time constants count steps")
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # values that are not finite are refused below
        gains = {p.name: _gain(network, p) for p in network.populations}
        populations = [_population(network, p, gains[p.name], notes) for p in network.populations]
        projections = [_projection(network, p, gains[p.post]) for p in network.projections]
    semantics = Semantics(1.0 if network.dt is None else network.dt)
    return Network(network.inputs, populations, projections, network.outputs, semantics, notes)


def _scale(p: FixedPopulation) -> Real:
    """Units of the chip's voltage in a volt, shape (n,)."""
    return np.ones(p.size) if p.scale is None else np.asarray(p.scale)


def _volts(network: FixedNetwork, p: FixedProjection) -> Real:
    """Volts that a spike, or a volt of what it carries, adds through a stored weight of 1, shape (post,)."""
    post, chip = network.population(p.post), network.limits
    exponent = p.weight_exp + chip.activation_shift - input_shift(post.declared, chip)
    return np.asarray(2.0**exponent / _scale(post)) * _carried(network, p.pre)


def _carried(network: FixedNetwork, sender: str) -> float:
    """Integers of a payload in a volt of it; 1 where spikes carry nothing.

    Raises:
        UnsupportedError: neurons whose payloads are on different scales.
    """
    if sender in network.input_names or not network.population(sender).payload:
        return 1.0
    p = network.population(sender)
    scales = np.unique(_scale(p))
    if scales.size > 1:
        raise UnsupportedError(f"population '{sender}': its spikes carry '{p.payload}' on a scale for each neuron")
    return payload_unit(p.declared, float(scales[0]), network.limits)


def _gain(network: FixedNetwork, population: FixedPopulation) -> Real:
    """Volts that a float weight of 1 brings: from the first projection that states it, else 1; shape (n,)."""
    for p in network.incoming(population.name):
        if p.scale is not None and np.all(p.scale):
            return np.asarray(p.scale * _volts(network, p))
    return np.ones(population.size)


def unit_weights(network: FixedNetwork, p: FixedProjection) -> Real:
    """What a stored weight of 1 is in the float network of :func:`dequantize`, one value for each stored weight."""
    ones = p.stored.with_values(np.ones(p.stored_weights.size))
    return ones.times_rows(_volts(network, p) / _gain(network, network.population(p.post))).values


def _projection(network: FixedNetwork, p: FixedProjection, gain: Real) -> Projection:
    weight = p.stored.times_rows(_volts(network, p) / gain)
    return Projection(pre=p.pre, post=p.post, name=p.name, weight=weight, delay=p.delay, port=p.port)


def _model_population(network: FixedNetwork, p: FixedPopulation, notes: list[str]) -> Population:
    """A population of a declared model: its parameters are what the registers hold."""
    chip, scale, dt = network.limits, _scale(p), network.dt or 1.0
    values = {q.name: register_values(q, p.registers[q.name], scale, chip) for q in p.declared.parameters}
    notes += [
        f"population '{p.name}': {q.name} keeps its state without loss: a loss of 2**-40 a step stands for that"
        for q in p.declared.parameters
        if q.kind is Kind.DECAY and np.any(values[q.name] == 1.0)
    ]
    neuron = ModelNeuron(
        model=p.declared,
        size=p.size,
        v_init=p.v_init / scale,
        fires=p.spiking,
        parameters=float_parameters(values, p.declared.parameters, dt),
    )
    return Population(name=p.name, neuron=neuron, bias=p.bias / scale, reset=p.reset, threshold=p.threshold)


def _population(network: FixedNetwork, p: FixedPopulation, gain: Real, notes: list[str]) -> Population:
    if not p.is_cuba_lif:
        return _model_population(network, p, notes)
    chip, scale = network.limits, _scale(p)
    dt, unity = network.dt or 1.0, float(1 << chip.decay_bits)
    leak_u, leak_v = (p.du + chip.current_decay_offset) / unity, (p.dv + chip.voltage_decay_offset) / unity
    owner, bias = f"population '{p.name}'", p.bias / scale
    current = bool(np.any(leak_u < 1))
    values: dict[str, Any] = {"size": p.size, "v_init": p.v_init / scale}
    if not current and not np.any(leak_v):
        kind = "I"
        values["r"] = gain / dt
        bias = bias / gain
    else:
        kind = "CubaLI" if current else "LI"
        for what, leak in (("voltage", leak_v), ("current", leak_u)):
            if not np.all(leak):
                notes.append(f"{owner}: no such neuron is without a leak of the {what}: 2**-40 a step stands for it")
        leak_u, leak_v = (np.where(leak > 0, leak, _NO_LEAK) for leak in (leak_u, leak_v))
        values |= {"tau_mem": dt / leak_v, "r": gain / leak_v, "v_leak": bias / leak_v}
        if current:
            values |= {"tau_syn": dt / leak_u, "w_in": 1.0 / leak_u}
        bias = np.zeros(p.size)
    if p.spiking:
        kind = {"I": "IF", "LI": "LIF", "CubaLI": "CubaLIF"}[kind]
        values["v_threshold"] = np.where(p.vth > 0, p.vth << chip.activation_shift, 0.5) / scale
        if not np.all(p.vth):
            rest = " and does not fire at rest, as the chip does" if p.threshold is Comparison.AT_LEAST else ""
            notes.append(f"{owner}: a threshold of 0 stands at half a unit of the chip's voltage{rest}")
    try:
        neuron = NEURON_MODELS[kind](**values)
    except ParameterError as error:
        raise ParameterError(f"{owner}: {error}") from None
    return Population(name=p.name, neuron=neuron, bias=bias, reset=p.reset, threshold=p.threshold)
