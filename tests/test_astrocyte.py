"""STDP with an astrocyte: pair STDP without coupling, and the activity against its formula."""

from __future__ import annotations

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

import ssdp_hw as sh
from ssdp_hw.rules.derivation import fixed_rule
from ssdp_hw.rules.evaluation import Window, window_changes
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.rules.models.astrocyte import AstrocyteSTDP
from ssdp_hw.testing import check_rule

STEPS = 25
SYNAPSES = tuple(index.reshape(-1) for index in np.indices((3, 4)))


def change(model, parameters, pre, post, factors=None, **options):
    window = Window(pre, post, *SYNAPSES, None, RandomKey(5, 1, 2), 0, factors=factors or {})
    return window_changes(model, parameters, window, **options)


@examples(100, default=15)
@given(arrays(bool, (STEPS, 4)), arrays(bool, (STEPS, 3)), st.integers(0, 2000), st.integers(0, 2000))
def test_without_coupling_it_is_pair_stdp(pre, post, a_plus, a_minus):
    common = {"lsb_shift": 4, "counter_bits": 32, "dw_shift": 2}
    stdp = sh.FixedSTDP(a_plus=a_plus, a_minus=a_minus, decay_plus=390, decay_minus=200, trace_impulse=31, **common)
    model = sh.rule("AstrocyteSTDP", a_plus=0.0, a_minus=0.0).model
    parameters = {
        "a_plus": a_plus,
        "a_minus": a_minus,
        "decay_x": 390,
        "decay_y": 200,
        "rate": 41,
        "coupling": 0,
        "rest": 4096,
        "impulse": 31,
        "trace_max": 127,
        "dw_shift": 2,
    }
    declared = stdp.declaration(STEPS)
    wanted = change(declared.model, declared.parameters, pre, post)
    np.testing.assert_array_equal(change(model, parameters, pre, post), wanted)


@examples(100, default=15)
@given(arrays(bool, (STEPS, 4)), arrays(bool, (STEPS, 3)), st.floats(0.0, 0.5))
def test_depression_is_scaled_by_the_activity_of_its_formula(pre, post, coupling):
    """With a trace that keeps everything, a spike of the source takes off ``A(t) (spikes of the target so far)``."""
    rule = sh.rule("AstrocyteSTDP", a_plus=0.0, a_minus=1.0, tau_minus=1e12, tau_astrocyte=7.0, coupling=coupling)
    activity, wanted = 1.0, np.zeros((3, 4))
    for t in range(STEPS):
        wanted -= activity * np.outer(post[:t].sum(axis=0), pre[t])
        target = 1.0 + coupling * (int(post[t].sum()) - int(pre[t].sum()))
        activity = max(0.0, activity + (target - activity) * (1.0 - np.exp(-1 / 7.0)))
    found = change(rule.model, rule.parameters, pre, post, ideal=True)
    np.testing.assert_allclose(found.reshape(3, 4), wanted, rtol=0, atol=1e-8)


@examples(100, default=15)
@given(arrays(bool, (STEPS, 4)), arrays(bool, (STEPS, 3)), st.integers(0, 2**32 - 1), st.booleans())
def test_an_astrocyte_of_other_synapses_follows_the_count_from_outside(pre, post, seed, inhibitory):
    """With traces that keep everything a spike counts those of the other end so far; the activity scales depression."""
    count = np.random.default_rng(seed).integers(0, 9, STEPS)
    model = AstrocyteSTDP(outside=True, inhibitory=inhibitory)
    values = {"tau_plus": 1e12, "tau_minus": 1e12, "tau_astrocyte": 7.0, "coupling": 0.3}
    rule = sh.rule(model, a_plus=0.5, a_minus=1.0, **values)
    activity, wanted = 1.0, np.zeros((3, 4))
    for t in range(STEPS):
        causal, acausal = np.outer(post[t], pre[:t].sum(axis=0)), np.outer(post[:t].sum(axis=0), pre[t])
        raised, lowered = (acausal, causal) if inhibitory else (causal, acausal)
        wanted += 0.5 * raised - activity * lowered
        target = 1.0 + 0.3 * (int(post[t].sum()) - int(count[t]))
        activity = max(0.0, activity + (target - activity) * (1.0 - np.exp(-1 / 7.0)))
    found = change(rule.model, rule.parameters, pre, post, {"group_input_count": count[:, None]}, ideal=True)
    np.testing.assert_allclose(found.reshape(3, 4), wanted, rtol=0, atol=1e-8)


@examples(100, default=15)
@given(arrays(bool, (STEPS, 4)), arrays(bool, (STEPS, 3)), st.integers(0, 2000), st.integers(0, 60))
def test_the_own_count_given_from_outside_changes_no_bit(pre, post, amplitude, coupling):
    rule = sh.rule("AstrocyteSTDP", a_plus=0.01, a_minus=0.01, coupling=0.02)
    projection = sh.FixedProjection(pre="a", post="b", weight=np.zeros((3, 4), int), scale=100.0)
    fixed, _ = fixed_rule(rule, projection, sh.load_chip("loihi"))
    parameters = {**fixed.parameters, "a_minus": amplitude, "coupling": coupling}
    count = {"group_input_count": pre.sum(axis=1)[:, None]}
    found = change(AstrocyteSTDP(outside=True), parameters, pre, post, count)
    np.testing.assert_array_equal(found, change(AstrocyteSTDP(), parameters, pre, post))


def test_the_activity_ends_at_eight_in_real_numbers_and_in_integers():
    """Every target fires in every step and no source but the last: the coupling asks for an activity of 31."""
    pre, post = np.zeros((STEPS, 4), bool), np.ones((STEPS, 3), bool)
    pre[-1] = True
    values = {"tau_minus": 1e12, "tau_astrocyte": 0.1, "coupling": 10.0}
    real = sh.rule("AstrocyteSTDP", a_plus=0.0, a_minus=1.0, **values)
    wanted = -8.0 * (STEPS - 1)
    np.testing.assert_allclose(change(real.model, real.parameters, pre, post, ideal=True)[:12:4], wanted, atol=1e-6)
    projection = sh.FixedProjection(pre="a", post="b", weight=np.zeros((3, 4), int), scale=1.0)
    small = sh.rule("AstrocyteSTDP", a_plus=0.0, a_minus=1.0, registers={"impulse": 5}, **values)
    fixed, _ = fixed_rule(small, projection, sh.load_chip("loihi"))
    found = change(fixed.model, fixed.parameters, pre, post) / 2.0**fixed.lsb_shift * projection.format.step
    np.testing.assert_allclose(found.reshape(3, 4)[:, 0], wanted, rtol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["engine", "brian2", "lava"])
@pytest.mark.parametrize("inhibitory", [False, True])
def test_every_target_computes_the_same(target, inhibitory):
    check_rule(AstrocyteSTDP(outside=True, inhibitory=inhibitory), [target], lessons=1)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("coupling", [0.0, 0.02])
def test_a_lesson_in_integers_is_near_that_in_real_numbers(coupling):
    rng = np.random.default_rng(2)
    pre, post = rng.random((400, 4)) < 0.06, rng.random((400, 3)) < 0.09
    real = sh.rule("AstrocyteSTDP", a_plus=0.01, a_minus=0.01, coupling=coupling)
    projection = sh.FixedProjection(pre="a", post="b", weight=np.zeros((3, 4), int), scale=100.0)
    fixed, notes = fixed_rule(real, projection, sh.load_chip("loihi"))
    assert notes == []
    found = change(fixed.model, fixed.parameters, pre, post) / 2.0**fixed.lsb_shift
    wanted = change(real.model, real.parameters, pre, post, ideal=True) * 100 / projection.format.step
    assert np.abs(wanted).mean() > 1
    # Traces of 7 bits saturate above four spikes in quick succession and are rounded in every step.
    np.testing.assert_allclose(found, wanted, rtol=0.15, atol=0.2 * np.abs(wanted).max())
