"""The exponent of a projection: how far its integers reach, and what that costs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.chips import Chip
from ssdp_hw.network.formats import WeightFormat
from ssdp_hw.quantization.options import Method, ProjectionOptions, largest_kept

# Exponents below that of the largest weight that are tried: each clips twice as much.
_CLIPPING = 4
# Share of presynaptic neurons that fire in a step, where the floor of a sum is set against the sum.
_ACTIVE = 0.1


def weight_exponent(values: NDArray[np.float64], options: ProjectionOptions, number: WeightFormat, chip: Chip) -> int:
    """The exponent of a projection.

    Args:
        values: its exact weights in units of the activation.
        options: the method by which it is chosen.
        number: the format of the weights.
        chip: the limits of the exponent.
    """
    fitting = _fitting_exponent(largest_kept(values, options), number, chip)
    if options.method not in (Method.MSE, Method.THRESHOLD_BALANCE) or not np.any(values):
        return fitting
    # Below the fitting one weights are clipped; above it, up to 0, sums are floored less.
    candidates = range(max(fitting - _CLIPPING, chip.weight_exp_min), max(fitting, min(0, chip.weight_exp_max)) + 1)
    return min(candidates, key=lambda exponent: rounding_error(values, exponent, number))


def rounding_error(values: NDArray[np.float64], exponent: int, number: WeightFormat) -> float:
    """Mean squared error of weights rounded at an exponent, with their share of what flooring their sums costs.

    A right shift by k bits floors the sum of a step: what it takes off is spread over 0 .. 1 - 2**-k units of
    the activation, with a mean square of about 1/3. With ``_ACTIVE * n`` active synapses to a sum, that is as
    much as an error of ``1/3 / (_ACTIVE * n)`` in the square of each weight; n is taken as 100.
    """
    lsb = 2.0**exponent
    error = float(np.mean(np.square(number.nearest(values / lsb)[0] * lsb - values)))
    floor = (1.0 - lsb * number.step) * (1.0 - lsb * number.step / 2) / 3.0 if lsb * number.step < 1.0 else 0.0
    return error + floor / (_ACTIVE * 100)


def _fitting_exponent(largest: float, number: WeightFormat, chip: Chip) -> int:
    """Smallest exponent at which ``largest`` rounds into the range."""
    if largest <= 0.0:
        return 0
    # Everything less than half a step beyond the end of the range rounds to its end.
    exponent = math.floor(math.log2(largest / (largest_magnitude(number) + number.step / 2))) + 1
    return max(chip.weight_exp_min, min(chip.weight_exp_max, exponent))


def largest_magnitude(number: WeightFormat) -> int:
    """The end of the range that all signs of the format reach."""
    return number.max or -number.min
