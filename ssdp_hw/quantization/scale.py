"""One scale for each population: how many chip units a volt becomes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ssdp_hw.chips import Chip
from ssdp_hw.errors import ParameterError
from ssdp_hw.formats import WeightFormat
from ssdp_hw.quantization.normal_form import NormalPopulation, largest_weight, row_sums

# Scales tried within one octave below the largest: all exponents and thresholds recur beyond it.
_CANDIDATES = 128
# Projections of more synapses are sampled evenly: their error statistics need no more.
_SAMPLE = 20_000


@dataclass(frozen=True)
class Peaks:
    """Largest |V| before the reset and |U|, in volts, to be expected of a population."""

    v: float
    u: float
    bound: str  # "calibration" or "closed form"


def closed_form_peaks(p: NormalPopulation) -> Peaks:
    """Peaks if every synapse were active in every step, for ever.

    ``U <= A / (1 - d_u)`` with A the sum of all |weights| and constants, and
    ``|V| <= (U + |bias|) / (1 - d_v)``; a neuron that fires starts again, so upwards its V is at
    most threshold + U + bias. Without leak and threshold V has no bound and 2**10 steps are taken.
    """
    arriving = np.abs(p.constant_current)
    for q in p.incoming:
        arriving = arriving + row_sums(q.weight)
    u = arriving / np.maximum(1.0 - p.decay_u, 2.0**-12)
    step = u + np.abs(p.bias)
    v = step / np.maximum(1.0 - p.decay_v, 2.0**-10)
    if p.threshold is not None:
        # Downwards nothing resets, so the bound of the leak stays where it is below that of one step.
        v = np.maximum(p.threshold + step, np.minimum(v, 8 * (p.threshold + step)))
    return Peaks(float(np.max(v, initial=0.0)), float(np.max(u, initial=0.0)), "closed form")


def choose_scale(
    p: NormalPopulation, peaks: Peaks, chip: Chip, formats: Mapping[str, WeightFormat], headroom: float
) -> float:
    """Chip voltage (on the scale of v) of one volt.

    The largest scale that keeps threshold, bias, weights and ``headroom`` times the peaks of u and v
    inside their registers bounds it; within one octave below, that with the smallest rounding error
    of weights and threshold is taken.

    Raises:
        ParameterError: the population has neither weight, threshold nor bias to scale.
    """
    unit = float(1 << chip.activation_shift)
    limits = []

    def limit(available: float, largest: float) -> None:
        if largest > 0:
            limits.append(available / largest)

    if p.threshold is not None:
        limit(chip.threshold_max * unit, float(p.threshold.max()))
    limit(chip.state_max / headroom, peaks.v)
    limit(chip.state_max / headroom, peaks.u)
    limit(float(chip.state_max), float(np.max(np.abs(p.v_init), initial=0.0)))
    limit(float(chip.bias_mant_max << chip.bias_exp_max), float(np.max(np.abs(p.bias), initial=0.0)))
    for q in p.incoming:
        limit(unit * (formats[q.name].max or -formats[q.name].min) * 2.0**chip.weight_exp_max, largest_weight(q.weight))
        # The register of one step: see ssdp_hw.fixed, _register_violation.
        limit(0.9 * 2.0**chip.state_bits, float(np.max(row_sums(q.weight), initial=0.0)))
    if not limits:
        raise ParameterError(f"population '{p.name}' has neither weights, threshold nor bias: it has no scale")
    top = min(limits)
    candidates = top * 2.0 ** (-np.arange(_CANDIDATES) / _CANDIDATES)
    errors = [_rounding_error(p, float(k), chip, formats) for k in candidates]
    return float(candidates[int(np.argmin(errors))])


def _rounding_error(p: NormalPopulation, scale: float, chip: Chip, formats: Mapping[str, WeightFormat]) -> float:
    """Sum of the mean squared relative errors of weights and threshold at a scale."""
    unit = float(1 << chip.activation_shift)
    error = 0.0
    if p.threshold is not None:
        exact = p.threshold * scale / unit
        error += float(np.mean(np.square(np.rint(exact) / exact - 1.0)))
    for q in p.incoming:
        values = np.asarray(q.weight.data if hasattr(q.weight, "indptr") else q.weight, np.float64).reshape(-1)
        values = values[:: max(1, values.size // _SAMPLE)] * scale / unit
        power = float(np.mean(np.square(values))) if values.size else 0.0
        if power == 0.0:
            continue
        exponent = weight_exponent(float(np.max(np.abs(values))), formats[q.name], chip)
        rounded, _ = formats[q.name].nearest(values / 2.0**exponent)
        error += float(np.mean(np.square(rounded * 2.0**exponent - values))) / power
    return error


def weight_exponent(largest: float, number: WeightFormat, chip: Chip) -> int:
    """Smallest exponent at which ``largest`` (in units of the activation) is representable."""
    top = number.max or -number.min
    if largest <= 0.0 or top == 0:
        return 0
    # Half a step beyond the end of the range still rounds to it.
    exponent = math.ceil(math.log2(largest / (top + number.step / 2)))
    return max(chip.weight_exp_min, min(chip.weight_exp_max, exponent))
