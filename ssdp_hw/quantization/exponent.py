"""The exponent of a projection's weights: a larger one clips fewer weights and rounds all of them more coarsely."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.chips import Chip
from ssdp_hw.network.formats import WeightFormat
from ssdp_hw.quantization.options import Method, ProjectionOptions, largest_kept

# How many exponents are tried below the one at which the largest weight fits. Each step down halves the range.
_CLIPPING = 4
# Assumed share of presynaptic neurons that fire in a step, by which the error of flooring a sum is weighed.
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
    # Exponents below the fitting one clip weights. At those above it, up to 0, sums lose less by flooring.
    candidates = range(max(fitting - _CLIPPING, chip.weight_exp_min), max(fitting, min(0, chip.weight_exp_max)) + 1)
    return min(candidates, key=lambda exponent: rounding_error(values, exponent, number))


def rounding_error(values: NDArray[np.float64], exponent: int, number: WeightFormat) -> float:
    """Mean squared error of weights rounded at an exponent, including each weight's share of the floored sum.

    At a negative exponent -k the chip shifts the sum of a step right by k bits, which floors it. The part that is
    lost lies between 0 and 1 - 2**-k units of the activation, with a mean square of about 1/3. If ``_ACTIVE * n``
    synapses contribute to a sum, this equals a squared error of ``1/3 / (_ACTIVE * n)`` in each weight; n is
    taken as 100.
    """
    lsb = 2.0**exponent
    error = float(np.mean(np.square(number.nearest(values / lsb)[0] * lsb - values)))
    floor = (1.0 - lsb * number.step) * (1.0 - lsb * number.step / 2) / 3.0 if lsb * number.step < 1.0 else 0.0
    return error + floor / (_ACTIVE * 100)


def _fitting_exponent(largest: float, number: WeightFormat, chip: Chip) -> int:
    """Smallest exponent at which ``largest`` rounds into the range."""
    if largest <= 0.0:
        return 0
    # Values beyond the end of the range by less than half a step still round to the end, so they are not clipped.
    exponent = math.floor(math.log2(largest / (largest_magnitude(number) + number.step / 2))) + 1
    return max(chip.weight_exp_min, min(chip.weight_exp_max, exponent))


def largest_magnitude(number: WeightFormat) -> int:
    """The largest magnitude that the format holds; with mixed signs the positive end of its range, the smaller one."""
    return number.max or -number.min
