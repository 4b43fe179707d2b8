"""The advice on amplitudes and counters, against lessons that are really run."""

from __future__ import annotations

import re

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from strategies import not_the_simplest

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.learning.nothing_learned import NothingLearnedWarning

NAME = "in->out"


def network(seed=1):
    rng = np.random.default_rng(seed)
    return sh.FixedNetwork(
        [sh.Input("in", 12)],
        [sh.FixedPopulation(name="out", size=4, du=2000, dv=300, vth=120)],
        [sh.FixedProjection(pre="in", post="out", weight=2 * rng.integers(20, 60, (4, 12)), scale=100.0)],
        ["out"],
    )


def spikes(count, seed=1):
    return np.random.default_rng(seed).random((30, count, 12)) < 0.2


def formula(a, **options):
    return sh.Rule("a*x1*y0 - b*x0*y1", a=a, b=0.75 * a, tau_x1=10, tau_y1=15, **options)


def lesson(rule, given, **options):
    return sh.learn(network(), given, None, rule, "spec", health=False, **options)


@examples(20, default=1)
@given(
    not_the_simplest(st.floats(1e-5, 2e-3)),
    st.sampled_from(["carry", "nearest"]),
    st.sampled_from([1, 2, 3]),
    st.booleans(),
    st.integers(0, 9),
)
@pytest.mark.filterwarnings("ignore::ssdp_hw.learning.nothing_learned.NothingLearnedWarning")
def test_the_first_weight_moves_when_it_says(a, rounding, together, shuffle, seed):
    rule, given = formula(a, rounding=rounding, windows_per_update=together), spikes(12, seed)
    order = sh.Presentation(shuffle=shuffle, seed=seed)
    found = sh.learning_scale(network(), given, None, rule, "spec", presentation=order)[NAME]
    whole = lesson(rule, given, presentation=order)
    moved = found.samples_to_move
    if moved is None:
        assert not whole.changed[NAME]
    else:
        for count, moves in ((moved, True), (moved - 1, False)):
            if count:
                part = lesson(
                    rule, given[:, whole.order[:count]], presentation=sh.Presentation(shuffle=False, seed=seed)
                )
                assert bool(part.changed[NAME]) == moves
    assert found.samples == 12


def test_a_step_is_that_of_a_lesson_of_one_sample():
    rule, given = formula(0.0004, counter_bits=24), spikes(1)
    found = sh.learning_scale(network(), given, None, rule, "spec")[NAME]
    result = lesson(rule, given)
    lsb = 1 << result.rules[NAME].lsb_shift
    moved = result.network.projection(NAME).mantissa.astype(int) - network().projection(NAME).mantissa
    change = np.abs(moved * lsb + result.state.counters[NAME]) / lsb
    assert found.step_lsb == change.max() == found.update_lsb
    assert found.typical_lsb == np.median(change[change != 0])


def test_headroom_that_it_advises_ends_saturation():
    """The first sample of the page's rule asks for more than the counter holds; with the headroom none is cut."""
    given = spikes(1)
    found = sh.learning_scale(network(), given, None, formula(0.004), "spec")[NAME]
    assert found.saturations == lesson(formula(0.004), given).counter_saturations[NAME] > 0
    headroom = int(re.search(r"headroom=(\d+)", found.advice).group(1))
    wide = lesson(formula(0.004, headroom=headroom), given)
    assert wide.counter_saturations[NAME] == 0
    assert wide.rules[NAME].lsb_shift < lesson(formula(0.004), given).rules[NAME].lsb_shift
    bits = int(re.search(r"counter_bits=(\d+)", found.advice).group(1))
    integers = sh.FixedDeclaredRule(
        model=formula(0.004).model,
        parameters=lesson(formula(0.004), given).rules[NAME].parameters,
        lsb_shift=lesson(formula(0.004), given).rules[NAME].lsb_shift,
        counter_bits=bits,
    )
    assert lesson(integers, given).counter_saturations[NAME] == 0


@pytest.mark.slow
def test_amplitudes_that_it_advises_move_a_weight_soon():
    given, slow = spikes(20), 2e-6
    found = sh.learning_scale(network(), given, None, formula(slow), "spec")[NAME]
    assert found.samples_to_move is None
    with pytest.warns(NothingLearnedWarning):
        lesson(formula(slow), given)
    times = int(re.search(r"amplitudes (\d+) times", found.advice).group(1))
    faster = sh.learning_scale(network(), given, None, formula(times * slow), "spec")[NAME]
    assert 1 <= faster.samples_to_move <= 20
    assert lesson(formula(times * slow), given).changed[NAME] > 0


def test_what_drops_changes_and_what_has_none_is_said():
    near = sh.learning_scale(network(), spikes(3), None, formula(1e-5, rounding="nearest"), "spec")[NAME]
    assert "rounding='carry'" in near.advice
    silent = sh.learning_scale(network(), np.zeros((30, 2, 12), bool), None, formula(0.001), "spec")[NAME]
    assert silent.step_lsb == silent.typical_lsb == 0
    assert "no sample asks for a change" in silent.advice


def test_a_float_network_has_no_lsb():
    real = sh.Network(
        [sh.Input("in", 2)],
        [sh.Population(name="out", neuron=sh.CubaLIF(size=1, tau_mem=5e-3, tau_syn=3e-3, v_threshold=0.1))],
        [sh.Projection(pre="in", post="out", weight=np.ones((1, 2)))],
        ["out"],
        sh.Semantics(1e-3),
    )
    with pytest.raises(UnsupportedError, match="quantize it first"):
        sh.learning_scale(real, np.zeros((3, 1, 2), bool), None, formula(0.1))


@pytest.mark.parametrize("headroom", [0.5, 2**18])
def test_a_headroom_out_of_range_is_refused(headroom):
    with pytest.raises(ParameterError, match="headroom"):
        formula(0.1, headroom=headroom)
