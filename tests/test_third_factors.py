"""Third factors from outside, by step and by window, and the rule of reward and eligibility that needs them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from rule_examples import EveryFactor, EverySum
from test_engine_learning import assert_lasting

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.rules.evaluation import Window, window_changes
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.rules.model import RuleFactor
from ssdp_hw.rules.models.reward_stdp import RewardSTDP
from ssdp_hw.running.target_registry import get_target
from ssdp_hw.testing import check_rule, conformance

STEPS, BATCH, PRE, POST = 24, 5, 6, 4
RATE, PLUS, MINUS = 0.02, 0.7, 0.9
TAU = {"tau_plus": 6.0, "tau_minus": 9.0, "tau_e": 15.0}


def closed_formula(pre, post, reward, rate, gains, keeps):
    """The docstring's sums over spikes and steps: shape (post, pre). ``keeps`` are e^(-1/tau) of x, y and e."""
    change = np.zeros((post.shape[1], pre.shape[1]))
    for row, col in np.ndindex(change.shape):
        for i in np.flatnonzero(pre[:, col]):
            for j in np.flatnonzero(post[:, row]):
                if i == j:
                    continue
                last = max(i, j)
                keep, gain = (keeps[0], gains[0]) if i < j else (keeps[1], -gains[1])
                later = np.arange(last + 1, len(pre))
                change[row, col] += (
                    gain * keep ** abs(int(j) - int(i)) * np.sum(reward[later, row] * keeps[2] ** (later - 1 - last))
                )
    return rate * change


@st.composite
def lessons(draw):
    """Spikes of both ends, and a reward of every neuron in every step, one for all or one for each."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps, pre, post = draw(st.integers(1, 20)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    rate = draw(st.sampled_from([0.1, 0.3, 0.8]))
    spikes = rng.random((steps, pre)) < rate, rng.random((steps, post)) < rate
    reward = rng.integers(-2, 3, (steps, post if draw(st.booleans()) else 1))
    return *spikes, reward


def change(model, parameters, pre, post, reward, **options):
    """The weight change of every synapse of a window."""
    rows, cols = (index.reshape(-1) for index in np.indices((post.shape[1], pre.shape[1])))
    name = "post_reward" if model.per_neuron else "group_reward"
    window = Window(pre, post, rows, cols, None, RandomKey(), 0, None, {name: reward})
    return window_changes(model, parameters, window, **options).reshape(post.shape[1], pre.shape[1])


@examples(200, default=20)
@given(lessons())
def test_real_numbers_equal_the_closed_formula(case):
    pre, post, reward = case
    model = RewardSTDP(per_neuron=reward.shape[1] > 1)
    rule = sh.rule(model, rate=RATE, a_plus=PLUS, a_minus=MINUS, **TAU)
    found = change(model, rule.parameters, pre, post, reward.astype(float), ideal=True)
    each = np.broadcast_to(reward, post.shape)
    keeps = [np.exp(-1 / tau) for tau in TAU.values()]
    np.testing.assert_allclose(found, closed_formula(pre, post, each, RATE, (PLUS, MINUS), keeps), rtol=0, atol=1e-12)


@pytest.mark.slow
@examples(200, default=12)
@given(lessons())
def test_integers_equal_the_closed_formula_where_nothing_decays(case):
    """Traces and eligibility then count pairs, and no product has a fraction."""
    pre, post, reward = case
    model = RewardSTDP(per_neuron=reward.shape[1] > 1)
    integers = {"rate": 1, "a_plus": 5, "a_minus": 4, "decay_x": 0, "decay_y": 0, "decay_e": 0}
    integers |= {"impulse": 1}
    rule = sh.FixedDeclaredRule(model=model, parameters=integers, lsb_shift=8, counter_bits=32, windows_per_update=1)
    found = change(model, rule.parameters, pre, post, reward)
    each = np.broadcast_to(reward, post.shape)
    np.testing.assert_array_equal(found, closed_formula(pre, post, each, 1, (5, 4), (1, 1, 1)))


@examples(100, default=10)
@given(lessons())
def test_integers_follow_the_closed_formula_with_decays(case):
    """With halving traces, pairs of at most six steps have no fraction but that of e, below an LSB in each step."""
    pre, post, reward = case
    model = RewardSTDP(per_neuron=reward.shape[1] > 1, rounding="zero")
    one, unit, half = 64, 1 << 16, 2048
    integers = {"rate": 1, "a_plus": unit, "a_minus": unit, "decay_x": half, "decay_y": half, "decay_e": half}
    integers |= {"unit": unit, "impulse": one, "one": one, "e_max": 1 << 18}
    rule = sh.FixedDeclaredRule(model=model, parameters=integers, lsb_shift=20, counter_bits=32)
    steps = np.arange(len(pre))
    pre, post = pre & (steps % 7 == 0)[:, None], post & (steps % 7 == 3)[:, None]
    found = change(model, rule.parameters, pre, post, reward)
    wanted = closed_formula(pre, post, np.broadcast_to(reward, post.shape), unit, (1, 1), (0.5, 0.5, 0.5))
    distances = np.abs(np.subtract.outer(np.flatnonzero(pre.any(1)), np.flatnonzero(post.any(1))))
    # The trace of a pair further apart is below one LSB of 64, and adds up to twice that over the decay of e.
    bound = 2 * np.abs(reward).max() * (np.count_nonzero(distances > 6) * unit / one + 2 * distances.size)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=bound)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "target"),
    [
        (RewardSTDP(per_neuron=True, lasts=True), "engine"),
        (RewardSTDP(per_neuron=True, lasts=True), "brian2"),
        (RewardSTDP(per_neuron=True, lasts=True), "lava"),
        (EverySum(), "engine"),
        (EverySum(), "brian2"),
        (EverySum(), "lava"),
    ],
    ids=str,
)
def test_every_target_computes_the_same(model, target):
    check_rule(model, [target], lessons=1)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["brian2", "lava"])
def test_simulators_take_factors_and_sum_in_one_lesson(target):
    if not get_target(target).availability().installed:
        pytest.skip(f"{target} is not installed")
    net, plan = conformance.lesson(EverySum(), 0, fixed=True)
    wanted, found = (conformance.learned(get_target(t), net, plan, 0) for t in ("spec", target))
    for name in plan.rules:
        np.testing.assert_array_equal(found.weights[name], wanted.weights[name])
        np.testing.assert_array_equal(found.counters[name], wanted.counters[name])
        assert np.any(wanted.weights[name] != net.projection(name).mantissa.reshape(-1))
    assert_lasting(wanted, found, np.testing.assert_array_equal)


def network():
    """Six inputs and four neurons."""
    rng = np.random.default_rng(1)
    weight = 2 * rng.integers(10, 50, (POST, PRE))
    return sh.FixedNetwork(
        [sh.Input("in", PRE)],
        [sh.FixedPopulation(name="out", size=POST, du=1500, dv=400, vth=100)],
        [sh.FixedProjection(pre="in", post="out", weight=weight, scale=100.0)],
        ["out"],
    )


SPIKES = np.random.default_rng(2).random((STEPS, BATCH, PRE)) < 0.3
REWARD = np.random.default_rng(3).integers(-1, 2, (STEPS, BATCH))


def learned(target="engine", reward=REWARD, spikes=SPIKES, rule=None, **further):
    rule = sh.rule("RewardSTDP", rate=0.01, **TAU) if rule is None else rule
    factors = {"reward": reward} if not isinstance(reward, dict) else reward
    return sh.learn(network(), spikes, None, rule, target, factors=factors, **further)


def same(one, two):
    a, b = one.network.projections[0], two.network.projections[0]
    return np.array_equal(a.weight, b.weight) and np.array_equal(
        one.state.counters["in->out"], two.state.counters["in->out"]
    )


@pytest.mark.slow
def test_a_factor_by_window_is_the_same_in_each_of_its_steps():
    windows = np.random.default_rng(4).uniform(-1, 1, (3, BATCH))
    presentation = sh.Presentation(windows=3, steps=STEPS)
    rule = sh.rule("RewardSTDP", rate=0.01, windows_per_update=3, **TAU)
    by_window = learned(reward=windows, rule=rule, presentation=presentation)
    by_step = learned(reward=np.repeat(windows, STEPS // 3, axis=0), rule=rule, presentation=presentation)
    assert same(by_window, by_step)
    assert by_window.changed["in->out"] > 0


@pytest.mark.slow
def test_a_factor_of_all_neurons_is_one_of_each():
    each = sh.rule(RewardSTDP(per_neuron=True), rate=0.01, **TAU)
    assert same(learned(), learned(reward=np.repeat(REWARD[..., None], POST, axis=2), rule=each))
    # Without a reward, nothing; and one neuron's reward moves its own weights alone.
    only = np.zeros((STEPS, BATCH, POST))
    only[..., 2] = 1
    moved = learned(reward=only, rule=each).state.counters["in->out"].reshape(POST, PRE)
    weights = learned(reward=only, rule=each).network.projections[0].weight - network().projections[0].weight
    assert (np.abs(moved) + np.abs(weights))[2].any()
    assert not np.delete(moved, 2, axis=0).any()


@pytest.mark.slow
def test_opposite_rewards_bring_opposite_changes():
    never = sh.rule("RewardSTDP", rate=0.001, windows_per_update=BATCH + 1, **TAU)
    one, two = learned(rule=never), learned(rule=never, reward=-REWARD)
    np.testing.assert_array_equal(one.state.counters["in->out"], -two.state.counters["in->out"])
    assert np.any(one.state.counters["in->out"])


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("target", ["spec", "engine"])
def test_on_line_a_reward_may_come_in_a_later_piece(target):
    """One sample of all steps, and the same steps as pieces: eligibility and factors go on through them."""
    rule = sh.rule(RewardSTDP(lasts=True, rounding="zero"), rate=0.01, windows_per_update=4, **TAU)
    whole = sh.Presentation(shuffle=False, restart=False, steps=STEPS, windows=4)
    spikes, reward = SPIKES[:, :1], np.zeros((STEPS, 1))
    reward[-3:] = 1
    long = learned(target, reward, spikes, rule, presentation=whole)
    cut = [a.reshape(4, STEPS // 4, *a.shape[2:]).swapaxes(0, 1) for a in (spikes, reward)]
    pieces = replace(whole, windows=1, steps=STEPS // 4)
    found = learned(target, cut[1], cut[0], rule, presentation=pieces)
    assert same(long, found)
    assert np.any(long.state.counters["in->out"])


@pytest.mark.parametrize(
    ("factors", "error", "said"),
    [
        (None, ParameterError, "needs the third factor 'reward'; give factors="),
        ({"error": REWARD}, ParameterError, "no rule has a factor 'error'; there are: reward"),
        ({"in->out": {"r": REWARD}}, ParameterError, "its rule has no factor 'r'; it has: reward"),
        ({"out->out": {"reward": REWARD}}, ParameterError, "dicts by name, for in->out"),
        ({"reward": REWARD[:7]}, ShapeError, r"shape \(7, 5\).*steps or windows of a sample, 1 or 24"),
        ({"reward": REWARD[:, :3]}, ShapeError, r"expected \('first axis', 5\)"),
        (
            {"reward": 3 * REWARD},
            ParameterError,
            r"reaches -3 \.\. 3; its register of 8 bits holds -1.98438 \.\. 1.98438",
        ),
        (3, ParameterError, "factors of type int"),
    ],
)
def test_factors_that_do_not_fit_are_refused_by_name(factors, error, said):
    presentation = sh.Presentation(steps=STEPS)
    with pytest.raises(error, match=said):
        sh.learn(
            network(),
            SPIKES,
            None,
            sh.rule("RewardSTDP", rate=0.01),
            "spec",
            factors=factors,
            presentation=presentation,
        )


@pytest.mark.slow
def test_what_a_register_rounds_is_noted_and_whole_numbers_have_to_be_whole():
    found = learned(reward=REWARD * 0.3)
    assert any("factor 'reward' of 'in->out' is rounded to multiples of 1/64" in note for note in found.notes)
    assert not any("rounded to multiples" in note for note in learned().notes)
    every = sh.rule(EveryFactor(), a=0.001, b=0.001, k=[1, 2])
    values = {"e": np.zeros((1, BATCH, POST)), "r": np.zeros((1, BATCH)), "g": np.full((1, BATCH), 0.5)}
    with pytest.raises(ParameterError, match=r"factor 'g' of 'in->out' has the value 0\.5, and is of whole numbers"):
        sh.learn(network(), SPIKES, None, every, "spec", factors=values)


def test_a_rule_cannot_declare_a_factor_that_no_target_has():
    for factor, said in [
        (RuleFactor("e", "pre"), "has the home 'pre'"),
        (RuleFactor("e", bits=32), "and 32 bits"),
        (RuleFactor("e", unit="d"), "unit 'd', which is no parameter of that kind"),
        (RuleFactor("t", "post"), "must differ"),
    ]:
        wrong = type("Wrong", (EveryFactor,), {"factors": (factor,)})
        with pytest.raises(ParameterError, match=said):
            sh.rule(wrong(), a=0.1, b=0.1, k=[1])
