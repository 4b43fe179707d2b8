"""The released forms of SSDP against their text in plain Python, and what they do to pairs."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.rules.evaluation import Window, window_changes
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.rules.released import Form

STEPS = 9
FORMS = get_args(Form)


def by_hand(form, pre, post, a_plus, a_baseline, sigma):
    """The change of one pair from both spike trains, as the released code computes it."""
    last = form != "spoken_digits"

    def time(train):
        fired = np.flatnonzero(train)
        if fired.size:
            return fired[-1] if last else fired[0]
        return 0 if form == "attention" else STEPS

    if form == "single_layer":
        active = pre[-1] and post[-1]
        return a_plus * (math.exp(-1 / 20) - math.exp(-1 / 400)) * active
    d = abs(int(time(post)) - int(time(pre)))
    both = pre.any() and post.any()
    if form == "difference":
        return a_plus * (math.exp(-d / 20) - math.exp(-d / 20 / 20)) * both
    gaussian = math.exp(-(d**2) / (2 * sigma**2))
    return a_plus * gaussian if both else -a_baseline * gaussian


def changes(rule, pre, post, **options):
    rows, cols = (index.reshape(-1) for index in np.indices((post.shape[1], pre.shape[1])))
    window = Window(pre, post, rows, cols, None, RandomKey(), 0)
    return window_changes(rule.model, rule.parameters, window, **options).reshape(post.shape[1], pre.shape[1])


@examples(200, default=30)
@given(
    st.sampled_from(FORMS),
    arrays(bool, (STEPS, 3), elements=st.booleans()),
    arrays(bool, (STEPS, 4), elements=st.booleans()),
    st.floats(0.5, 5),
)
def test_every_form_is_its_text(form, pre, post, sigma):
    rule = sh.released_ssdp(form, STEPS, a_plus=0.03, a_baseline=0.01, sigma=sigma)
    found = changes(rule, pre, post, ideal=True)
    wanted = [[by_hand(form, pre[:, i], post[:, j], 0.03, 0.01, sigma) for i in range(3)] for j in range(4)]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-15)


def test_the_form_behind_the_papers_figure_depresses_synchronous_pairs_alone():
    rng = np.random.default_rng(0)
    pre, post = rng.random((STEPS, 30)) < 0.4, rng.random((STEPS, 20)) < 0.4
    found = changes(sh.released_ssdp("single_layer", STEPS), pre, post, ideal=True)
    active = np.outer(post[-1], pre[-1])
    np.testing.assert_allclose(found[active], -0.0463 * 0.02, rtol=2e-3)
    assert active.any()
    assert not found[~active].any()


@pytest.mark.parametrize("form", FORMS)
def test_no_form_is_idle_by_its_defaults(form):
    rng = np.random.default_rng(0)
    pre, post = rng.random((STEPS, 30)) < 0.4, rng.random((STEPS, 20)) < 0.4
    assert changes(sh.released_ssdp(form, STEPS), pre, post, ideal=True).any()


def test_the_transformers_form_is_ssdp_with_last_spikes():
    rng = np.random.default_rng(1)
    pre, post = rng.random((STEPS, 1, 6)) < 0.2, rng.random((STEPS, 1, 5)) < 0.2
    mine = sh.SSDP(a_plus=0.01, a_baseline=0.003, sigma=2.0, spike_time="last")
    rows, cols = (index.reshape(-1) for index in np.indices((5, 6)))
    wanted = mine.step(mine.observe(pre, post), 0, rows, cols).reshape(5, 6)
    rule = sh.released_ssdp("transformer", STEPS, a_plus=0.01, a_baseline=0.003, sigma=2.0)
    np.testing.assert_allclose(changes(rule, pre[:, 0], post[:, 0], ideal=True), wanted, atol=1e-15)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_learns_in_integers_as_in_real_numbers(form):
    """Within half an entry of a table for a step, and half a counter unit."""
    rng = np.random.default_rng(2)
    network = sh.FixedNetwork(
        [sh.Input("in", 12)],
        [sh.FixedPopulation(name="out", size=5, du=2000, dv=300, vth=120)],
        [sh.FixedProjection(pre="in", post="out", weight=2 * rng.integers(20, 60, (5, 12)), scale=100.0)],
        ["out"],
    )
    spikes = rng.random((STEPS, 8, 12)) < 0.3
    rule = sh.released_ssdp(form, STEPS, a_plus=0.02, a_baseline=0.005)
    learned = {
        t: sh.learn(network, spikes, None, rule, t, presentation=sh.Presentation(steps=STEPS, shuffle=False))
        for t in ("spec", "engine")
    }
    a, b = learned.values()
    np.testing.assert_array_equal(a.network.projections[0].weight, b.network.projections[0].weight)
    np.testing.assert_array_equal(a.state.counters["in->out"], b.state.counters["in->out"])
    fixed, lsb = a.rules["in->out"], 100.0 / network.projections[0].format.step
    shown = sh.run(network, spikes, "spec", steps=STEPS).spikes["out"]
    real = changes(rule, spikes[:, 0], shown[:, 0], ideal=True) * lsb
    integer = changes(fixed, spikes[:, 0], shown[:, 0]) / 2.0**fixed.lsb_shift
    bound = 0.5 / fixed.parameters["one"] * 0.02 * lsb * 1.01 + 2.0**-fixed.lsb_shift
    np.testing.assert_allclose(integer, real, rtol=1e-4, atol=bound)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"form": "paper"}, "form = 'paper' is unknown"),
        ({"steps": 0}, "steps = 0 is outside"),
        ({"sigma": 0.0}, "sigma = 0.0 must be above 0"),
        ({"tau_minus": math.nan}, "tau_minus = nan must be above 0"),
    ],
)
def test_what_is_no_form_is_said(values, said):
    given = {"form": "transformer", "steps": 5, **values}
    with pytest.raises(ParameterError, match=said):
        sh.released_ssdp(given.pop("form"), given.pop("steps"), **given)
