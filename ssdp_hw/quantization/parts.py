"""The populations and projections of a fixed network, once their scales are chosen."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssdp_hw.checks import synapse_values, with_synapse_values
from ssdp_hw.chips import Chip
from ssdp_hw.fixed import FixedPopulation, FixedProjection
from ssdp_hw.formats import WeightFormat, round_to_int
from ssdp_hw.network import Projection
from ssdp_hw.quantization.decays import decay_registers, leak_ratio
from ssdp_hw.quantization.exponent import weight_exponent
from ssdp_hw.quantization.normal_form import Incoming, NormalPopulation
from ssdp_hw.quantization.options import ProjectionOptions


def fixed_population(p: NormalPopulation, scale: float, chip: Chip) -> FixedPopulation:
    """A population in chip integers, ``scale`` of the state's to a volt."""
    du, dv = decay_registers(p, chip)
    vth: Any = 0
    if p.threshold is not None:
        vth = np.clip(round_to_int(p.threshold * scale / (1 << chip.activation_shift)), 0, chip.threshold_max)
    bias = p.bias * leak_ratio(p, dv, chip) * scale
    exponent = 0
    while np.max(np.abs(bias)) / 2.0**exponent > chip.bias_mant_max and exponent < chip.bias_exp_max:
        exponent += 1
    return FixedPopulation(
        name=p.name, size=len(du), du=du, dv=dv, vth=vth, bias_mant=round_to_int(bias / 2.0**exponent),
        bias_exp=exponent, v_init=round_to_int(p.v_init * scale), reset=p.reset, threshold=p.comparison,
        spiking=p.threshold is not None, scale=scale,
    )


def fixed_projection(
    p: Projection, q: Incoming, scale: float, chip: Chip, number: WeightFormat, options: ProjectionOptions
) -> FixedProjection:
    """Synapses in chip integers into a population of that scale; ``q`` is the projection in the form of the chip."""
    per_volt = scale / (1 << chip.activation_shift)  # units of the activation
    exponent = weight_exponent(synapse_values(q.weight) * per_volt, options, number, chip)
    per_volt /= 2.0**exponent
    rounded, _ = number.nearest(synapse_values(q.weight) * per_volt)
    return FixedProjection(
        source=p.source, target=p.target, name=p.name, delay=p.delay, weight_exp=exponent, format=number,
        weight=with_synapse_values(q.weight, rounded), scale=q.gain * per_volt,
    )
