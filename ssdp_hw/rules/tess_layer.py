"""TESS for a layer of a given size: the fixed matrix of its learning signal, and the table of the softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.arrays import Real
from ssdp_hw.checks import as_int, positive_or_none, real_array
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.rules.declared import FloatDeclaredRule, rule
from ssdp_hw.rules.models.tess import TESS

# Frequencies of the first and the last row of the matrix, in radians a neuron, as in the authors' code.
_LOWEST, _HIGHEST = 50.0, 512.0
# The table of the exponential ends where it is below half of one of its 255 units.
_SMALLEST = 1 / 510


def square_waves(classes: int, size: int) -> Real:
    """``sign(sin(f_c k))``, with frequencies from 50 to 512, shape (classes, size), entries 1 and -1."""
    frequencies = np.linspace(_LOWEST, _HIGHEST, classes)
    waves: Real = np.where(np.sin(np.outer(frequencies, np.arange(1, size + 1))) < 0, -1.0, 1.0)
    return waves


def tess(
    size: int,
    classes: int,
    a_pre: float,
    *,
    temperature: float,
    signs: ArrayLike | None = None,
    counts: bool = True,
    rounding: str = "stochastic",
    **values: Any,
) -> FloatDeclaredRule:
    """The rule TESS of a projection into a layer of ``size`` neurons.

    Args:
        size: number of postsynaptic neurons.
        classes: number of classes.
        a_pre: amplitude in units of the float weight.
        temperature: of the softmax, in spikes.
        signs: the matrix B, shape (classes, size), entries -1, 0 and 1; default :func:`square_waves`. For the output
            layer give the unit matrix.
        counts, rounding: see :class:`ssdp_hw.rules.models.tess.TESS`.
        values: further parameters of the rule, and arguments of :func:`ssdp_hw.rule`.

    Raises:
        ParameterError, ShapeError: a value out of range, or another shape.
    """
    size, classes = as_int(size, "tess: size"), as_int(classes, "tess: classes")
    checked = positive_or_none(temperature, "tess: temperature")
    if checked is None:
        raise ParameterError("tess: temperature is missing: the number of spikes by which the softmax is scaled")
    matrix = square_waves(classes, size) if signs is None else real_array(signs, "tess: signs")
    if matrix.shape != (classes, size):
        raise ShapeError(f"tess: signs has shape {matrix.shape}; expected (classes, size) = {(classes, size)}")
    if not np.isin(matrix, (-1.0, 0.0, 1.0)).all():
        raise ParameterError("tess: signs has entries other than -1, 0 and 1")
    model = TESS(classes=classes, counts=counts, rounding=rounding)  # type: ignore[arg-type]  # made a Rounding there
    table = np.exp(-np.arange(int(np.ceil(-np.log(_SMALLEST) * checked)) + 2) / checked)
    return rule(model, a_pre=a_pre, signs=matrix.T.reshape(-1), exponential=table, **values)
