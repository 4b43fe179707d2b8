"""Confidence intervals of accuracies and means.

scipy.stats takes longer to import than all that a process needs to learn, which imports this module: so functions
import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    from scipy import stats

    _quantile(level)
    found = stats.binomtest(successes, trials).proportion_ci(level, method="wilson")
    p = successes / trials
    # Float rounding may put an end beyond the value itself.
    return Interval(p, min(p, float(found.low)), max(p, float(found.high)), level)


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean of a few independent runs with Student's t interval.

    Raises:
        ParameterError: fewer than two values, one that is not finite, or a level that is none.
    """
    runs = real_array(values, "the values of the runs")
    if runs.size < 2:
        raise ParameterError(f"an interval needs at least two runs, found {runs.size}")
    from scipy import stats

    mean = float(runs.mean())
    half = float(stats.t.ppf(_quantile(level), runs.size - 1)) * float(stats.sem(runs))
    return Interval(mean, mean - half, mean + half, level)


def paired_interval(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> Interval:
    """Mean of ``second - first`` over runs in pairs, such as those of the same seeds, with Student's t interval.

    Raises:
        ParameterError: as :func:`mean_interval`, or the runs do not pair.
    """
    a, b = real_array(first, "the first runs"), real_array(second, "the second runs")
    if a.shape != b.shape:
        raise ParameterError(f"{a.size} runs and {b.size} runs do not pair: give one of each for every seed")
    return mean_interval((b - a).tolist(), level)


def mcnemar(lost: int, won: int) -> float:
    """Two-sided p value of McNemar's exact test (Q. McNemar, Psychometrika 12, 1947).

    If two classifiers of the same samples were equally good, of the samples on which they differ each would as likely
    be lost as won: a binomial test of a half.

    Args:
        lost: samples that the first had right and the second wrong.
        won: the reverse.

    Raises:
        ParameterError: a negative number.
    """
    if lost < 0 or won < 0:
        raise ParameterError(f"{lost} samples lost and {won} won are no counts")
    if not lost + won:
        return 1.0
    from scipy import stats

    return float(stats.binomtest(lost, lost + won).pvalue)


def lost_and_won(lost: int, won: int) -> str:
    """As text, with the p value of :func:`mcnemar`: ``9, 2 (p = 0.065)``; ``0, 0`` where nothing changed."""
    if not lost and not won:
        return "0, 0"
    p = mcnemar(lost, won)
    return f"{lost}, {won} (p {f'= {p:.2g}' if p >= 0.001 else '< 0.001'})"


def _quantile(level: float) -> float:
    """The upper quantile that bounds a two-sided interval of that level."""
    if not 0 < level < 1:
        raise ParameterError(f"a confidence level of {level!r}; it lies between 0 and 1")
    return 0.5 + level / 2
