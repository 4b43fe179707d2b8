"""Intervals against independent definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from ssdp_hw.analysis.statistics import Interval, mean_interval, wilson
from ssdp_hw.errors import ParameterError


@given(st.data(), st.integers(1, 5000), st.sampled_from((0.5, 0.9, 0.95, 0.99)))
def test_wilson_is_that_of_scipy(data, trials, level):
    successes = data.draw(st.one_of(st.integers(0, trials), st.sampled_from((0, trials))))
    found = wilson(successes, trials, level)
    wanted = stats.binomtest(successes, trials).proportion_ci(level, method="wilson")
    assert found.value == successes / trials
    assert found.low == pytest.approx(wanted.low, abs=1e-12)
    assert found.high == pytest.approx(wanted.high, abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.level == level


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
