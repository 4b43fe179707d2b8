"""The exponent of a projection's weights: a larger one clips fewer weights and rounds all of them more coarsely.

At a negative exponent the chip drops the part of a weight below one unit of the activation. Down to the exponent of
:func:`lowest_lossless` nothing is dropped; below it the range shrinks further while the step stays one unit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.chips import Chip
from ssdp_hw.network.formats import WeightFormat
from ssdp_hw.quantization.options import Method, ProjectionOptions, largest_kept

# How many exponents are tried below the one at which the largest weight fits. Each step down halves the range.
_CLIPPING = 4


def weight_exponent(values: NDArray[np.float64], options: ProjectionOptions, number: WeightFormat, chip: Chip) -> int:
    """The exponent of a projection.

    Args:
        values: its exact weights in units of the activation.
        options: the method by which it is chosen.
        number: the format of the weights.
        chip: the limits of the exponent.
    """
    lowest = lowest_lossless(number, chip)
    fitting = max(_fitting_exponent(largest_kept(values, options), number, chip), lowest)
    if options.method not in (Method.MSE, Method.THRESHOLD_BALANCE) or not np.any(values):
        return fitting
    # Exponents below the fitting one clip weights; those above it only round more coarsely.
    candidates = range(max(fitting - _CLIPPING, lowest), fitting + 1)
    return min(candidates, key=lambda exponent: rounding_error(values, exponent, number))


def lowest_lossless(number: WeightFormat, chip: Chip) -> int:
    """The lowest exponent at which the step of a format is a whole number of units of the activation."""
    return min(max(-number.lsb_shift, chip.weight_exp_min), chip.weight_exp_max)


def unused_bits(values: NDArray[np.float64], number: WeightFormat, chip: Chip) -> int:
    """Bits of the format that weights, in units of the activation, are too small to use at any exponent."""
    fitting = _fitting_exponent(float(np.max(np.abs(values), initial=0.0)), number, chip)
    return min(max(lowest_lossless(number, chip) - fitting, 0), number.bits)


def rounding_error(values: NDArray[np.float64], exponent: int, number: WeightFormat) -> float:
    """Mean squared error of weights rounded at an exponent, in units of the activation."""
    lsb = 2.0**exponent
    return float(np.mean(np.square(number.at_exponent(exponent).nearest(values / lsb)[0] * lsb - values)))


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
