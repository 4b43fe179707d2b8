"""The float rule, against its equations pair by pair and by its symmetries."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from pair_updates import pair_update

from ssdp_hw.errors import ParameterError
from ssdp_hw.rules import SSDP
from ssdp_hw.rules.spike_times import silent_time, spike_registers

rules = st.builds(
    SSDP,
    a_plus=st.floats(0, 2),
    a_baseline=st.floats(0, 2),
    sigma=st.floats(0.2, 5),
    clip=st.floats(0.1, 3),
    silent_pairs=st.sampled_from(["depress", "skip"]),
    spike_time=st.sampled_from(["first", "last"]),
)


@st.composite
def windows(draw, always=False):
    """Two rasters of one to three windows, shape (time, window, n); ``always``: nobody is silent."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps, count = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    rasters = []
    for _ in range(2):
        size = draw(st.integers(1, 5))
        raster = rng.random((steps, count, size)) < draw(st.sampled_from((0.05, 0.2, 0.6)))
        if always:
            raster[rng.integers(steps, size=(count, size)), np.arange(count)[:, None], np.arange(size)] = True
        rasters.append(raster)
    return rasters


# Registers.


@given(windows(), st.integers(0, 3))
def test_registers_hold_the_first_or_last_spike_or_the_end(rasters, shift):
    raster = rasters[0]
    steps = len(raster)
    for which, pick in (("first", min), ("last", max)):
        registers = spike_registers(raster, which, shift)
        for window in range(raster.shape[1]):
            for n in range(raster.shape[2]):
                when = [t for t in range(steps) if raster[t, window, n]]
                assert registers.fired[window, n] == bool(when)
                expected = pick(when) // 2**shift if when else (steps - 1) // 2**shift + 1
                assert registers.time[window, n] == expected
    assert registers.silent_time == silent_time(steps, shift) > (steps - 1) >> shift


@pytest.mark.parametrize("steps", [1, 60, 255, 256, 300])
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.5])
def test_registers_of_many_neurons_are_those_of_each(steps, rate):
    """Many neurons are counted step by step, in as few bits as hold the number of steps."""
    raster = np.random.default_rng(steps).random((steps, 2, 600)) < rate
    for which, pick in (("first", min), ("last", max)):
        time = spike_registers(raster, which).time
        for window, n in np.ndindex(time.shape):
            assert time[window, n] == pick(np.flatnonzero(raster[:, window, n]).tolist(), default=steps)


def test_unknown_spike_time():
    with pytest.raises(ParameterError, match="SpikeTime 'middle' is unknown"):
        spike_registers(np.zeros((2, 1, 1), bool), "middle")


# The step of a pair.


@given(rules, windows())
def test_step_of_every_pair_by_the_equations(rule, rasters):
    pre, post = (spike_registers(r, rule.spike_time) for r in rasters)
    for window in range(rasters[0].shape[1]):
        step = pair_update(rule, pre, post, window)
        assert step.shape == (rasters[1].shape[2], rasters[0].shape[2])
        for j, i in np.ndindex(step.shape):
            s_i, s_j = pre.fired[window, i], post.fired[window, j]
            d = int(post.time[window, j]) - int(pre.time[window, i])
            g = math.exp(-(d**2) / (2 * rule.sigma**2))
            expected = rule.a_plus * g if s_i and s_j else -rule.a_baseline * g
            if rule.silent_pairs == "skip" and not s_i and not s_j:
                expected = 0.0
            assert step[j, i] == pytest.approx(max(-rule.clip, min(rule.clip, expected)), rel=1e-12, abs=1e-300)


@given(rules, windows())
def test_exchanging_pre_and_post_transposes(rule, rasters):
    pre, post = (spike_registers(r, rule.spike_time) for r in rasters)
    np.testing.assert_array_equal(pair_update(rule, pre, post, 0), pair_update(rule, post, pre, 0).T)


@given(rules, windows(always=True), st.integers(0, 5))
def test_shifting_all_spikes_changes_nothing_while_nobody_is_silent(rule, rasters, later):
    shifted = [np.concatenate([np.zeros((later, *r.shape[1:]), bool), r]) for r in rasters]
    plain, moved = ([spike_registers(r, rule.spike_time) for r in pair] for pair in (rasters, shifted))
    np.testing.assert_array_equal(pair_update(rule, *plain, 0), pair_update(rule, *moved, 0))


@given(rules, windows())
def test_neurons_are_updated_apart(rule, rasters):
    """Permuting the neurons permutes the step."""
    order = np.random.default_rng(0).permutation(rasters[0].shape[2])
    post = spike_registers(rasters[1], rule.spike_time)
    step = pair_update(rule, spike_registers(rasters[0], rule.spike_time), post, 0)
    other = pair_update(rule, spike_registers(rasters[0][:, :, order], rule.spike_time), post, 0)
    np.testing.assert_array_equal(other, step[:, order])


def test_two_silent_neurons():
    silent = spike_registers(np.zeros((5, 1, 2), bool))
    assert (pair_update(SSDP(a_baseline=0.25), silent, silent, 0) == -0.25).all()
    assert (pair_update(SSDP(a_baseline=0.25, silent_pairs="skip"), silent, silent, 0) == 0).all()


# Parameters.


def test_defaults_of_the_authors_code():
    rule = SSDP()
    assert (rule.a_plus, rule.a_baseline, rule.sigma, rule.clip) == (1.5e-4, 5e-5, 1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "bad"),
    {
        "a_plus": [-1, math.nan, math.inf, "1", None],
        "a_baseline": [-1, math.nan],
        "sigma": [0, -1, math.nan, "x"],
        "clip": [0, -1, math.inf],
        "windows_per_update": [0, 1.5, True, 2**20 + 1, "1"],
        "counter_bits": [3, 33, 8.0],
        "time_shift": [-1, 17],
        "spike_time": ["middle", 3],
        "silent_pairs": ["keep"],
        "rounding": ["up", None],
    }.items(),
)
def test_values_out_of_range(name, bad):
    for value in bad:
        with pytest.raises(ParameterError, match=f"SSDP: {name}|is unknown"):
            SSDP(**{name: value})
