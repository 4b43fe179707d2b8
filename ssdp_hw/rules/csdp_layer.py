"""CSDP with the table of its sigmoid."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssdp_hw.checks import as_int, real_vector
from ssdp_hw.errors import ParameterError
from ssdp_hw.rules.declared import FloatDeclaredRule, rule

# So far beyond its middle the sigmoid differs from 1 by less than a unit of 255.
_FAR = 6.0


def csdp(eta: float, *, theta: float = 10.0, per_unit: int = 4, **values: Any) -> FloatDeclaredRule:
    """The rule CSDP of a projection into a layer.

    Args:
        eta: amplitude in units of the float weight.
        theta: the goodness at which a sample is true with probability one half.
        per_unit: entries of the table of the sigmoid in a unit of goodness, 1 to 255.
        values: further parameters of the rule (:class:`ssdp_hw.rules.models.csdp.CSDP`), and arguments of
            :func:`ssdp_hw.rule`.

    Raises:
        ParameterError: a value out of range.
    """
    middle, count = float(real_vector(theta, 1, "csdp: theta")[0]), as_int(per_unit, "csdp: per_unit")
    if middle < 0 or not 1 <= count <= 255:
        raise ParameterError(f"csdp: theta = {middle:g} must not be negative, and per_unit = {count} is of 1 .. 255")
    goodness = np.arange(int(np.ceil((middle + _FAR) * count)) + 1) / count
    return rule("CSDP", eta=eta, sigmoid=1 / (1 + np.exp(middle - goodness)), per_unit=count, **values)
