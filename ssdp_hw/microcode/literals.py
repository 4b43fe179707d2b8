"""Literals of a product: a mantissa of 4 bits times a power of two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.errors import ParameterError
from ssdp_hw.microcode.learning_engine import EXPONENT_MAX, EXPONENT_MIN, MANTISSA_MAX

Real = NDArray[np.float64]

_EXPONENTS = range(EXPONENT_MIN, EXPONENT_MAX + 1)
# All that are not negative, ascending. (The mantissa -8 adds nothing: it is -4 * 2.)
_MAGNITUDES = np.unique(np.outer(np.arange(MANTISSA_MAX + 1), 2.0 ** np.array(_EXPONENTS)))


def is_literal(value: float) -> bool:
    """Whether some mantissa and exponent have exactly this value."""
    return bool(abs(value) in _MAGNITUDES)


def nearest_literal(values: Real) -> Real:
    """The nearest mantissa * 2**exponent."""
    magnitude = np.abs(values)
    above = np.clip(np.searchsorted(_MAGNITUDES, magnitude), 1, len(_MAGNITUDES) - 1)
    low, high = _MAGNITUDES[above - 1], _MAGNITUDES[above]
    return np.asarray(np.sign(values) * np.where(magnitude - low <= high - magnitude, low, high))


def mantissa_and_exponent(coefficient: float) -> tuple[int, int]:
    """Mantissa and exponent, the smallest exponent that has one."""
    for exponent in _EXPONENTS:
        mantissa = coefficient / 2.0**exponent
        if abs(mantissa) <= MANTISSA_MAX and mantissa == int(mantissa):
            return int(mantissa), exponent
    raise ParameterError(f"microcode: {coefficient:g} is no mantissa times a power of two")
