"""Confidence intervals, so that no accuracy stands alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ssdp_hw.errors import ParameterError


@dataclass(frozen=True)
class Interval:
    """A value with its confidence interval."""

    value: float
    low: float
    high: float
    level: float = 0.95

    def percent(self) -> str:
        """As text: ``98.5 % (97.2 to 99.2)``."""
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f})"


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927).

    Raises:
        ParameterError: no trials, or more successes than trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ParameterError(f"{successes} successes in {trials} trials")
    z = float(stats.norm.ppf(0.5 + level / 2))
    p = successes / trials
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    return Interval(p, max(0.0, centre - half), min(1.0, centre + half), level)


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean of a few independent runs with Student's t interval.

    Raises:
        ParameterError: fewer than two values.
    """
    if len(values) < 2:
        raise ParameterError(f"an interval needs at least two runs, found {len(values)}")
    mean = float(np.mean(values))
    half = float(stats.t.ppf(0.5 + level / 2, len(values) - 1)) * float(stats.sem(values))
    return Interval(mean, mean - half, mean + half, level)
