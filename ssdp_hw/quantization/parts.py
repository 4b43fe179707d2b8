"""The populations and projections of a fixed network, once their scales are chosen."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssdp_hw.arrays import Real
from ssdp_hw.chips import Chip
from ssdp_hw.models.cuba_lif import MODEL as CUBA_LIF
from ssdp_hw.network.fixed_network import FixedPopulation, FixedProjection
from ssdp_hw.network.fixed_parts import FIELDS
from ssdp_hw.network.float_network import Projection
from ssdp_hw.network.formats import WeightFormat, round_to_int
from ssdp_hw.quantization.decays import decay_registers, leak_ratio
from ssdp_hw.quantization.model_registers import register_codes
from ssdp_hw.quantization.normal_form import Incoming, NormalPopulation
from ssdp_hw.quantization.options import ProjectionOptions
from ssdp_hw.quantization.split import part_name, split_weights


def fixed_population(p: NormalPopulation, scale: float, chip: Chip, payload_bits: int = 0) -> FixedPopulation:
    """A population in chip integers.

    Args:
        p: the population.
        scale: how many units of the chip's voltage a volt is.
        chip: the chip.
        payload_bits: width of what its spikes carry, without the sign.
    """
    if p.model is None:
        registers, bias = _cuba_lif_registers(p, scale, chip)
    else:
        owner = f"population '{p.name}'"
        registers = {q.name: register_codes(q, p.values[q.name], scale, chip, owner) for q in p.model.parameters}
        bias = p.bias * scale
    fields: dict[str, Any] = {name: registers.pop(name) for name in FIELDS if name in registers}
    exponent = _bias_exponent(bias, chip)
    return FixedPopulation(
        name=p.name,
        size=len(p.bias),
        model=CUBA_LIF if p.model is None else p.model,
        parameters=registers,
        **fields,
        bias_mant=round_to_int(bias / 2.0**exponent),
        bias_exp=exponent,
        v_init=round_to_int(p.v_init * scale),
        reset=p.reset,
        threshold=p.comparison,
        spiking=p.fires,
        scale=scale,
        payload_bits=payload_bits,
    )


def _cuba_lif_registers(p: NormalPopulation, scale: float, chip: Chip) -> tuple[dict[str, Any], Real]:
    """Registers of the chip's own neuron, and its bias in chip units, corrected for the rounding of the leak."""
    du, dv = decay_registers(p, chip)
    vth: Any = 0
    if p.threshold is not None:
        vth = np.clip(round_to_int(p.threshold * scale / (1 << chip.activation_shift)), 0, chip.threshold_max)
    return {"du": du, "dv": dv, "vth": vth}, p.bias * leak_ratio(p, dv, chip) * scale


def _bias_exponent(bias: Real, chip: Chip) -> int:
    """The smallest exponent at which the largest bias fits its mantissa; the chip's largest exponent if none does."""
    exponent = 0
    while np.max(np.abs(bias)) / 2.0**exponent > chip.bias_mant_max and exponent < chip.bias_exp_max:
        exponent += 1
    return exponent


def fixed_projections(
    p: Projection, q: Incoming, scale: float, chip: Chip, number: WeightFormat, options: ProjectionOptions
) -> list[FixedProjection]:
    """Synapses in chip integers into a population of that scale; ``q`` is the projection in the form of the chip.

    More than one where the options split the weights; see :mod:`ssdp_hw.quantization.split`.
    """
    per_volt = scale / (1 << chip.activation_shift)  # units of the activation
    parts = split_weights(q.weight.values * per_volt, options, number, chip)
    return [
        FixedProjection(
            pre=p.pre,
            post=p.post,
            name=part_name(p.name, k),
            delay=p.delay,
            port=p.port,
            weight_exp=part.exponent,
            format=part.number,
            weight=q.weight.with_values(part.weight),
            scale=q.gain * (per_volt / 2.0**part.exponent),
        )
        for k, part in enumerate(parts)
    ]
