"""Confidence intervals of accuracies and means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from ssdp_hw.checks import real_array
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError


@shown
@dataclass(frozen=True)
class Interval:
    """A value with its confidence interval."""

    value: float
    low: float
    high: float
    level: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"

    def percent(self) -> str:
        """As text: ``98.5 % (97.2 to 99.2)``."""
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f})"


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927).

    Raises:
        ParameterError: no trials, more successes than trials, or a level that is none.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ParameterError(f"{successes} successes in {trials} trials are no proportion")
    z = float(stats.norm.ppf(_quantile(level)))
    p = successes / trials
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    # At proportions of 0 and 1 an end of the interval is exactly 0 or 1, which float rounding would miss.
    return Interval(p, min(p, max(0.0, centre - half)), max(p, min(1.0, centre + half)), level)


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean of a few independent runs with Student's t interval.

    Raises:
        ParameterError: fewer than two values, one that is not finite, or a level that is none.
    """
    runs = real_array(values, "the values of the runs")
    if runs.size < 2:
        raise ParameterError(f"an interval needs at least two runs, found {runs.size}")
    mean = float(runs.mean())
    half = float(stats.t.ppf(_quantile(level), runs.size - 1)) * float(stats.sem(runs))
    return Interval(mean, mean - half, mean + half, level)


def _quantile(level: float) -> float:
    """The upper quantile that bounds a two-sided interval of that level."""
    if not 0 < level < 1:
        raise ParameterError(f"a confidence level of {level!r}; it lies between 0 and 1")
    return 0.5 + level / 2
