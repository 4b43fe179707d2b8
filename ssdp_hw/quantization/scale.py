"""One scale for each population: how many chip units a volt becomes."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ssdp_hw.arrays import Real
from ssdp_hw.chips import Chip
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.scaling import scaling
from ssdp_hw.network.formats import WeightFormat
from ssdp_hw.quantization.exponent import largest_magnitude, rounding_error
from ssdp_hw.quantization.normal_form import NormalPopulation
from ssdp_hw.quantization.options import ProjectionOptions
from ssdp_hw.quantization.payloads import payload_unit
from ssdp_hw.quantization.peaks import Peaks, register_peaks
from ssdp_hw.quantization.split import split_weights

# How many scales are tried between the largest one and half of it. At half the scale every exponent is one lower,
# which gives the same integers again, so smaller scales are not tried.
_CANDIDATES = 128
# The rounding error of a larger projection is computed from this many of its weights, taken at even distances.
_SAMPLE = 20_000


def choose_scale(
    p: NormalPopulation,
    peaks: Peaks,
    chip: Chip,
    formats: Mapping[str, WeightFormat],
    options: Mapping[str, ProjectionOptions],
    headroom: float,
) -> float:
    """The scale of a population: units of the chip's voltage in one volt.

    First the largest scale is found at which the threshold, the bias, the weights and ``headroom`` times the peaks
    of u and v fit their registers. A ``headroom`` below 1 counts for v alone, which saturates beyond its register,
    whereas u would wrap around. Between that scale and half of it, the scale with the smallest rounding error of
    weights and threshold is taken.

    Raises:
        ParameterError: the population has neither weight, threshold nor bias to scale.
    """
    top = _largest_scale(p, peaks, chip, formats, headroom)
    weights = []
    for q in p.incoming:
        values = q.weight.values
        some = values[:: 1 + values.size // _SAMPLE]
        # The sample always includes the largest weight.
        weights.append((np.append(some, q.weight.largest()), formats[q.name], options[q.name]))
    candidates = [top * math.exp2(-k / _CANDIDATES) for k in range(_CANDIDATES)]
    levels = [values for values, _ in p.levels(chip)]
    return min(candidates, key=lambda scale: _rounding_error(levels, weights, scale, chip))


def _largest_scale(
    p: NormalPopulation, peaks: Peaks, chip: Chip, formats: Mapping[str, WeightFormat], headroom: float
) -> float:
    unit = float(1 << chip.activation_shift)
    pairs = [  # pairs: the largest value of a register in chip units, and the value in volts that must fit it
        (chip.state_max / max(headroom, 1.0), peaks.u),
        (float(chip.bias_mant_max << chip.bias_exp_max) / max(headroom, 1.0), peaks.bias),
        (float(chip.state_max if p.model is None else p.model.initial_limits(chip)[1]), _largest(p.v_init)),
    ]
    pairs += [(largest / headroom, volts) for largest, volts in register_peaks(p, peaks, chip)]
    pairs += [(largest, _largest(values)) for values, largest in p.levels(chip)]
    at_once = np.zeros(len(p.bias))
    for q in p.incoming:
        pairs.append((unit * largest_magnitude(formats[q.name]) * 2.0**chip.weight_exp_max, q.weight.largest()))
        at_once += q.largest * sum(q.weight.signed_row_sums())
    # The register of one step: see ssdp_hw.network.design_rules, activation_register; a tenth is left for rounding.
    # All synapses at once with the largest payload are rare; they need not fit the state, only the sum of a step.
    graded = any(q.largest > 1 for q in p.incoming)
    at_most = unit * 2.0 ** (chip.activation_bits - 1) if graded and p.model is not None else 2.0**chip.state_bits
    pairs.append((0.9 * at_most, _largest(at_once)))
    if p.payload and peaks.payload > 0:
        assert p.model is not None
        largest = float((1 << chip.payload_bits) - 1) / max(headroom, 1.0)
        if not scaling(p.model).payload_counts:
            pairs.append((largest / payload_unit(p.model, 1.0, chip), peaks.payload))
    limits = [available / value for available, value in pairs if value > 0]
    if not limits:
        raise ParameterError(
            f"population '{p.name}' has neither weights, threshold nor bias, so it has no scale; remove it, or give "
            "it input"
        )
    return min(limits)


def _rounding_error(
    levels: list[Real], weights: list[tuple[Real, WeightFormat, ProjectionOptions]], scale: float, chip: Chip
) -> float:
    """Sum of the mean squared relative errors of weights, threshold and other levels at a scale."""
    unit = float(1 << chip.activation_shift)
    error = 0.0
    for level in levels:
        exact = level[level > 0] * scale / unit
        error += float(np.mean(np.square(np.rint(exact) / exact - 1.0))) if exact.size else 0.0
    for values, number, chosen in weights:
        scaled = values * (scale / unit)
        power = float(np.mean(np.square(scaled)))
        if power > 0.0:
            first, *others = split_weights(scaled, chosen, number, chip)
            if others:
                left = scaled - first.units - sum(part.units for part in others)
                error += float(np.mean(np.square(left))) / power
            else:
                error += rounding_error(scaled, first.exponent, number) / power
    return error


def _largest(values: Real) -> float:
    return float(np.max(np.abs(values), initial=0.0))
