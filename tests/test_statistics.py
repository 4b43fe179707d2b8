"""Intervals against independent definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from scipy import stats

from ssdp_hw.analysis.statistics import Interval, mcnemar, mean_interval, paired_interval, wilson
from ssdp_hw.errors import ParameterError


@examples(100, default=30)
@given(st.data(), st.integers(1, 5000), st.sampled_from((0.5, 0.9, 0.95, 0.99)))
def test_the_ends_of_wilson_solve_its_equation(data, trials, level):
    successes = data.draw(st.one_of(st.integers(0, trials), st.sampled_from((0, trials))))
    found = wilson(successes, trials, level)
    # Both ends x solve (p - x)**2 = z**2 x (1 - x) / n.
    z = stats.norm.ppf(0.5 + level / 2)
    share = successes / trials
    low, high = np.sort(np.roots([1 + z**2 / trials, -2 * share - z**2 / trials, share**2]).real)
    assert found.value == successes / trials
    assert found.low == pytest.approx(low, abs=1e-7)
    assert found.high == pytest.approx(high, abs=1e-7)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.level == level


@examples(100, default=30)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20), st.sampled_from((0.8, 0.95)))
def test_mean_interval_is_students(values, level):
    found = mean_interval(values, level)
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    if error < 1e-9:
        assert found.high - found.low < 1e-3
        return
    low, high = stats.t.interval(level, len(values) - 1, loc=np.mean(values), scale=error)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_equal_runs_have_no_width():
    found = mean_interval([0.5, 0.5, 0.5])
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_in_percent():
    assert Interval(0.985, 0.9717, 0.9921).percent() == "98.5 % (97.2 to 99.2)"
    assert wilson(590, 599).percent() == "98.5 % (97.2 to 99.2)"


@pytest.mark.parametrize("arguments", [(0, 0), (1, 0), (-1, 5), (6, 5), (3, 5, 0.0), (3, 5, 1.0), (3, 5, np.nan)])
def test_no_interval(arguments):
    with pytest.raises(ParameterError):
        wilson(*arguments)


@pytest.mark.parametrize("arguments", [([],), ([1.0],), ([1.0, np.nan],), ([1.0, 2.0], 1.5)])
def test_no_mean_interval(arguments):
    with pytest.raises(ParameterError):
        mean_interval(*arguments)


@examples(100, default=30)
@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_adds_up_the_outcomes_that_are_no_likelier(lost, won):
    n = lost + won
    outcomes = [math.comb(n, k) for k in range(n + 1)]
    wanted = sum(x for x in outcomes if x <= outcomes[lost]) / 2**n
    assert mcnemar(lost, won) == pytest.approx(wanted)
    assert mcnemar(lost, won) == mcnemar(won, lost)


def test_pairs_are_compared_by_their_differences():
    """Seeds that differ much among each other do not hide what all of them gain."""
    first, gain = np.array([0.1, 0.5, 0.9]), np.array([0.02, 0.03, 0.04])
    found = paired_interval(first, first + gain)
    assert found.value == pytest.approx(0.03)
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, 2) * 0.01 / math.sqrt(3))


@pytest.mark.parametrize("wrong", [lambda: mcnemar(-1, 2), lambda: paired_interval([1.0, 2.0], [1.0])])
def test_what_is_no_count_and_no_pair_is_refused(wrong):
    with pytest.raises(ParameterError):
        wrong()
