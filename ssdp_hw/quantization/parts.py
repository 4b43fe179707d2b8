"""The populations and projections of a fixed network, once their scales are chosen."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssdp_hw.chips import Chip
from ssdp_hw.models.base import NeuronModel
from ssdp_hw.network.fixed_network import FixedPopulation, FixedProjection
from ssdp_hw.network.fixed_parts import FIELDS
from ssdp_hw.network.float_network import Projection
from ssdp_hw.network.formats import WeightFormat, round_to_int
from ssdp_hw.quantization.decays import decay_registers, leak_ratio
from ssdp_hw.quantization.model_registers import register_codes
from ssdp_hw.quantization.normal_form import Incoming, NormalPopulation, Real
from ssdp_hw.quantization.options import ProjectionOptions
from ssdp_hw.quantization.split import part_name, split_weights


def fixed_population(p: NormalPopulation, scale: float, chip: Chip) -> FixedPopulation:
    """A population in chip integers; ``scale`` is how many units of the chip's voltage a volt is."""
    if p.model is not None:
        return _fixed_model_population(p, p.model, scale, chip)
    du, dv = decay_registers(p, chip)
    vth: Any = 0
    if p.threshold is not None:
        vth = np.clip(round_to_int(p.threshold * scale / (1 << chip.activation_shift)), 0, chip.threshold_max)
    bias = p.bias * leak_ratio(p, dv, chip) * scale
    exponent = _bias_exponent(bias, chip)
    return FixedPopulation(
        name=p.name,
        size=len(du),
        du=du,
        dv=dv,
        vth=vth,
        bias_mant=round_to_int(bias / 2.0**exponent),
        bias_exp=exponent,
        v_init=round_to_int(p.v_init * scale),
        reset=p.reset,
        threshold=p.comparison,
        spiking=p.threshold is not None,
        scale=scale,
    )


def _fixed_model_population(p: NormalPopulation, model: NeuronModel, scale: float, chip: Chip) -> FixedPopulation:
    """A population of a declared model, each parameter rounded by its kind."""
    owner, size = f"population '{p.name}'", len(p.bias)
    codes: dict[str, Any] = {q.name: register_codes(q, p.values[q.name], scale, chip, owner) for q in model.parameters}
    fields = {name: codes.pop(name) for name in FIELDS if name in codes}
    bias = p.bias * scale
    exponent = _bias_exponent(bias, chip)
    return FixedPopulation(
        name=p.name,
        size=size,
        model=model,
        parameters=codes,
        **fields,
        bias_mant=round_to_int(bias / 2.0**exponent),
        bias_exp=exponent,
        v_init=round_to_int(p.v_init * scale),
        reset=p.reset,
        threshold=p.comparison,
        spiking=p.fires,
        scale=scale,
    )


def _bias_exponent(bias: Real, chip: Chip) -> int:
    """The smallest exponent at which the largest bias fits its mantissa, or the largest that there is."""
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
            weight_exp=part.exponent,
            format=part.number,
            weight=q.weight.with_values(part.weight),
            scale=q.gain * (per_volt / 2.0**part.exponent),
        )
        for k, part in enumerate(parts)
    ]
