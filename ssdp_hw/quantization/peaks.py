"""How large u and v of a population become: in closed form, or seen on a calibration input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.chips import Chip
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.graph import Reset
from ssdp_hw.quantization.decays import decay_registers
from ssdp_hw.quantization.normal_form import NormalPopulation, Real, normal_form, signed_row_sums
from ssdp_hw.running.drive import DirectInput, make_drive
from ssdp_hw.running.run import run

# For how many steps on end all inhibitory (in a readout: any) synapses may be active at once before
# the closed form lets v saturate. Time constants up to this many steps are bounded for ever.
LONGEST_BURST = 64


@dataclass(frozen=True)
class Peaks:
    """What is to be expected of a population, in volts.

    Attributes:
        v, u: largest |V| before the reset, and largest |U|.
        bias: largest |bias|, with what a direct input adds to it.
        bound: where they come from: ``calibration`` or ``closed form``.
    """

    v: float
    u: float
    bias: float
    bound: str


def closed_form_peaks(p: NormalPopulation, chip: Chip) -> Peaks:
    """Bounds for any input, with the decays that the chip holds.

    With A+ and A- the sums of all excitatory and of all inhibitory weights,
    ``-A- / (1 - d_u) <= U <= A+ / (1 - d_u)``, and V moves by at most ``step = U + bias`` in a step.
    A leak bounds V by ``step / (1 - d_v)``; a neuron that fires returns to 0, so that V is at most
    threshold + step; subtracting the threshold bounds it likewise if the step is no larger.

    Where the leak is slower than ``LONGEST_BURST`` steps, V is bounded for that many steps.
    """
    unity = 1 << chip.decay_bits
    du, dv = decay_registers(p, chip)
    up, down = np.maximum(p.constant_current, 0.0), np.maximum(-p.constant_current, 0.0)
    for q in p.incoming:
        excitatory, inhibitory = signed_row_sums(q.weight)
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
    v = np.maximum(v_up, np.maximum(steps * step_down, -p.v_init))
    return Peaks(_largest(v), _largest(u), _largest(p.bias), "closed form")


def calibrated_peaks(
    network: Network,
    inputs: ArrayLike | Mapping[str, ArrayLike] | DirectInput,
    factors: Mapping[str, Real] | None = None,
) -> dict[str, Peaks]:
    """Peaks of every population on the calibration input, from a float run.

    ``factors`` has for each population what its neurons' voltages are multiplied by, shape (n,).
    """
    drive = make_drive(network, inputs)
    result = run(network, inputs, record=("v", "u"))
    peaks = {}
    for name in network.population_names:
        p, c, neuron = normal_form(network, name), network.coefficients(name), network.population(name).neuron
        # The chip adds what is constant to v; the float current holds it, except in a current-based neuron.
        constant = 0.0 if neuron.has_current else c.gain_u * c.gain_v * drive.float_bias(network, name)
        bias = _largest_each(p.drift + constant)
        u = _largest_each(result.u[name] * c.gain_v - constant)
        # v is recorded after the reset: before it, it was at most one step higher.
        v = _largest_each(result.v[name] - neuron.parameter("v_reset"))
        if p.threshold is not None:
            v = np.maximum(v, p.threshold)
        f = 1.0 if factors is None else factors[name]
        peaks[name] = Peaks(_largest(f * (v + u + bias)), _largest(f * u), _largest(f * bias), "calibration")
    return peaks


def _largest_each(values: Real) -> Real:
    """Largest |value| of every neuron, the last axis."""
    return np.asarray(np.abs(values).reshape(-1, values.shape[-1]).max(axis=0))


def _largest(values: Real) -> float:
    return float(np.max(np.abs(values), initial=0.0))
