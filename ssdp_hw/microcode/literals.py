"""Literals of a product: a mantissa of 4 bits times a power of two."""

from __future__ import annotations

import numpy as np

from ssdp_hw.arrays import Real
from ssdp_hw.errors import ParameterError
from ssdp_hw.microcode.learning_engine import EXPONENT_MAX, EXPONENT_MIN, MANTISSA_MAX

_EXPONENTS = range(EXPONENT_MIN, EXPONENT_MAX + 1)
# All values of literals that are not negative, ascending. (The mantissa -8 adds no value: -8 is -4 * 2.)
_MAGNITUDES = np.unique(np.outer(np.arange(MANTISSA_MAX + 1), 2.0 ** np.array(_EXPONENTS)))


def is_literal(value: float) -> bool:
    """Whether some mantissa and exponent have exactly this value."""
    return bool(abs(value) in _MAGNITUDES)


def nearest_literal(values: Real) -> Real:
    """For each value the nearest literal; of two that are equally near the smaller one."""
    magnitude = np.abs(values)
    above = np.clip(np.searchsorted(_MAGNITUDES, magnitude), 1, len(_MAGNITUDES) - 1)
    low, high = _MAGNITUDES[above - 1], _MAGNITUDES[above]
    return np.asarray(np.sign(values) * np.where(magnitude - low <= high - magnitude, low, high))


def mantissa_and_exponent(coefficient: float) -> tuple[int, int]:
    """Mantissa and exponent of a literal, with the smallest exponent for which the mantissa is an integer.

    Raises:
        ParameterError: the coefficient is no literal.
    """
    for exponent in _EXPONENTS:
        mantissa = coefficient / 2.0**exponent
        if abs(mantissa) <= MANTISSA_MAX and mantissa == int(mantissa):
            return int(mantissa), exponent
    raise ParameterError(f"microcode: {coefficient:g} is no mantissa times a power of two")
