"""The largest values of u and v of a population: bounded in closed form, or measured on a calibration input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.arrays import Real
from ssdp_hw.chips import Chip
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import Unit
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.graph import Reset
from ssdp_hw.network.model_neuron import ModelNeuron
from ssdp_hw.quantization.decays import decay_registers
from ssdp_hw.quantization.normal_form import NormalPopulation, normal_form
from ssdp_hw.running.drive import DirectInput, make_drive
from ssdp_hw.running.result import RunResult
from ssdp_hw.running.run import run

# The closed form assumes the worst input: every inhibitory synapse (of a population without spikes: every synapse)
# is active in every step. For a leak with a time constant of up to this many steps, v has a bound under that input
# however long it lasts. A slower leak, or none, has no useful bound: there the input is assumed to last this many
# steps, and v may saturate if it lasts longer.
LONGEST_BURST = 64


@dataclass(frozen=True)
class Peaks:
    """The largest values that the registers of a population are expected to reach, in volts.

    Attributes:
        v, u: largest |V| before the reset, and largest |U|.
        bias: largest |bias|, with what a direct input adds to it.
        bound: how the values were found: ``calibration`` or ``closed form``.
        reached: largest V that was measured (or, in closed form, is possible) without counting the threshold itself as
            a voltage that is reached.
        payload: largest value that spikes carry.
        states: largest |value| of every state in volts of a declared model, by its name; each has its own register.
    """

    v: float
    u: float
    bias: float
    bound: str
    reached: float = math.inf
    payload: float = 0.0
    states: Mapping[str, float] = field(default_factory=dict)


def register_peaks(p: NormalPopulation, peaks: Peaks, chip: Chip) -> list[tuple[float, float]]:
    """The largest value of each register of a voltage in chip units, with the volts that are expected there.

    A state of a declared model may have more or fewer bits than the chip's; the one that is compared with the threshold
    reaches it.
    """
    if p.model is None:
        return [(float(chip.state_max), peaks.v)]
    voltage = "v" if "v" in peaks.states else p.model.voltage
    threshold = 0.0 if p.threshold is None else _largest(p.threshold)
    found = []
    for state in p.model.states:
        if state.name in peaks.states:
            volts = max(peaks.states[state.name], threshold if state.name == voltage else 0.0)
            found.append((float(state.limits(chip)[1]), volts))
    return found if voltage in peaks.states else [*found, (float(chip.state_max), threshold)]


def closed_form_peaks(p: NormalPopulation, chip: Chip) -> Peaks:
    """Peaks of one population that no input can exceed, computed with the decays as the chip rounds them.

    With A+ and A- the sums of all excitatory and of all inhibitory weights,
    ``-A- / (1 - d_u) <= U <= A+ / (1 - d_u)``, and V moves by at most ``step = U + bias`` in a step.
    A leak bounds V by ``step / (1 - d_v)``; a neuron that fires returns to 0, so that V is at most
    threshold + step; subtracting the threshold bounds it likewise if the step is no larger.

    If the time constant of the leak is longer than ``LONGEST_BURST`` steps, the bound of V holds for an input that
    drives it in one direction for at most ``LONGEST_BURST`` steps.
    """
    if p.model is not None:
        raise ParameterError(
            f"population '{p.name}': how far the states of {p.model} go is not known in closed form; give quantize a "
            "calibration input"
        )
    unity = 1 << chip.decay_bits
    du, dv = decay_registers(p, chip)
    up, down = np.maximum(p.constant_current, 0.0), np.maximum(-p.constant_current, 0.0)
    for q in p.incoming:
        excitatory, inhibitory = q.weight.signed_row_sums()
        up, down = up + excitatory, down + inhibitory
    lasting = unity / np.maximum(du + chip.current_decay_offset, 1)
    up, down = up * lasting, down * lasting
    u = np.maximum(up, down)
    step_up, step_down = np.maximum(up + p.bias, 0.0), np.maximum(down - p.bias, 0.0)
    steps = np.minimum(unity / np.maximum(dv + chip.voltage_decay_offset, 1), LONGEST_BURST)
    v_up = np.maximum(steps * step_up, p.v_init)
    if p.threshold is not None:
        once = np.maximum(p.threshold, p.v_init) + step_up
        returns = (p.reset is Reset.ZERO) | (step_up <= p.threshold)
        v_up = np.where(returns, once, np.maximum(once, v_up))
    below = np.maximum(steps * step_down, -p.v_init)
    v = np.maximum(v_up, below)
    free = np.maximum(np.maximum(steps * step_up, p.v_init), below)
    return Peaks(_largest(v), _largest(u), _largest(p.bias), "closed form", _largest(free))


def calibrated_peaks(
    network: Network,
    inputs: ArrayLike | Mapping[str, ArrayLike] | DirectInput,
    factors: Mapping[str, Real] | None = None,
) -> dict[str, Peaks]:
    """Peaks of every population, measured in a run of the float network on the calibration input.

    Args:
        network: the float network.
        inputs: the calibration input, as for :func:`ssdp_hw.run`.
        factors: by population the factors, shape (n,), that multiply the voltages of its neurons; None for 1.
    """
    drive = make_drive(network, inputs)
    states = dict.fromkeys(s for p in network.populations for s in p.state_names)
    result = run(network, inputs, record=("v", "u", *(s for s in states if s not in ("v", "u"))))
    peaks = {}
    for name in network.population_names:
        if isinstance(network.population(name).neuron, ModelNeuron):
            peaks[name] = _model_peaks(normal_form(network, name), result, None if factors is None else factors[name])
            continue
        p, c, neuron = normal_form(network, name), network.coefficients(name), network.population(name).neuron
        # The chip adds a constant input to v. In the float network it is part of the current u, except in
        # current-based neurons, whose constant input reaches u through a synapse on the chip, too.
        constant = 0.0 if neuron.has_current else c.gain_u * c.gain_v * drive.float_bias(network, name)
        bias = _largest_each(p.drift + constant)
        u = _largest_each(result.u[name] * c.gain_v - constant)
        # The run records v after the reset. Before the reset v was higher by at most the u and bias of one step.
        v = _largest_each(result.v[name] - neuron.parameter("v_reset"))
        reached = v
        if p.threshold is not None:
            v = np.maximum(v, p.threshold)
        f = 1.0 if factors is None else factors[name]
        peaks[name] = Peaks(
            _largest(f * (v + u + bias)), _largest(f * u), _largest(f * bias), "calibration", _largest(f * reached)
        )
    return peaks


def _model_peaks(p: NormalPopulation, result: RunResult, factors: Real | None) -> Peaks:
    """The largest values, at the ends of steps, of the states of a declared model that are in volts.

    A neuron that fired had a voltage of at least the threshold before its reset; how much more is not recorded.
    """
    assert p.model is not None
    f = 1.0 if factors is None else factors
    states = {
        state.name: _largest_each(result.recorded(state.name)[p.name])
        for state in p.model.states
        if state.unit is Unit.VOLTAGE and state.name != p.payload
    }
    found = np.maximum.reduce([np.zeros(len(p.bias)), *states.values()])
    reached = found
    if p.threshold is not None:
        found = np.maximum(found, p.threshold)
    payload = _largest(result.recorded(p.payload)[p.name]) if p.payload else 0.0
    return Peaks(
        _largest(f * found),
        0.0,
        _largest(f * p.bias),
        "calibration",
        _largest(f * reached),
        payload,
        {name: _largest(f * values) for name, values in states.items()},
    )


def _largest_each(values: Real) -> Real:
    """Largest |value| of every neuron, the last axis."""
    return np.asarray(np.abs(values).reshape(-1, values.shape[-1]).max(axis=0))


def _largest(values: Real) -> float:
    return float(np.max(np.abs(values), initial=0.0))
