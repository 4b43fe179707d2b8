"""How the integer traces of STDP are rounded: biases against the exact decay, keys, and what learning makes of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.rules import TraceRounding
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.rules.stdp import trace_addends
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.running.target_registry import get_target

KEEP = np.exp(-1 / 20)


def rule(rounding: str, **more: object) -> sh.FixedSTDP:
    values = {"a_plus": 30, "a_minus": 20, "decay_plus": round((1 - KEEP) * 4096), "lsb_shift": 8, "counter_bits": 24}
    return sh.FixedSTDP(**{**values, "decay_minus": 300, "trace_rounding": rounding, **more})


def mean_trace(rounding: str, impulse: int, neurons: int = 40_000) -> np.ndarray:
    """Mean over neurons of the trace of one spike in step 0, by step."""
    spikes = np.zeros((42, neurons), bool)
    spikes[0] = True
    chosen = rule(rounding, trace_impulse=impulse)
    addends = trace_addends(chosen.trace_rounding, RandomKey(seed=1), 0, 0, *spikes.shape)
    return chosen.trace(spikes, chosen.decay_plus, addends).mean(axis=1)


# Percent off the exact trace after 20, 30 and 40 steps, as the docstring of TraceRounding states them.
BIASES = {
    ("toward_zero", 127): (-14, -29, -42),
    ("toward_zero", 31): (-56, -100, -100),
    ("nearest", 127): (1, -1, 5),
    ("nearest", 31): (-12, 45, 139),
    ("stochastic", 127): (0, 0, 0),
    ("stochastic", 31): (0, 0, 0),
}


@pytest.mark.parametrize(("rounding", "impulse"), BIASES)
def test_the_stated_biases(rounding, impulse):
    steps = np.array([20, 30, 40])
    exact = impulse * ((4096 - rule("nearest").decay_plus) / 4096) ** steps
    off = 100 * (mean_trace(rounding, impulse)[steps] / exact - 1)
    np.testing.assert_allclose(off, BIASES[rounding, impulse], atol=0.5 if rounding != "stochastic" else 1.0)


def test_the_default_is_unbiased():
    assert sh.STDP().trace_rounding == "stochastic"
    assert replace(rule("nearest"), trace_rounding="stochastic") == sh.FixedSTDP(
        a_plus=30, a_minus=20, decay_plus=200, decay_minus=300, lsb_shift=8, counter_bits=24
    )


def network() -> sh.FixedNetwork:
    rng = np.random.default_rng(4)
    weight = 2 * rng.integers(0, 60, (5, 9))
    return sh.FixedNetwork(
        [sh.Input("in", 9)],
        [sh.FixedPopulation(name="out", size=5, dv=300, vth=150)],
        [sh.FixedProjection(pre="in", post="out", weight=weight, name="w", scale=[50.0] * 5)],
        ["out"],
    )


@pytest.mark.parametrize("target", ["spec", "engine"])
def test_a_run_in_pieces_draws_the_same_numbers(target):
    net, spikes = network(), np.random.default_rng(0).random((30, 6, 9)) < 0.2
    chosen = {"w": rule("stochastic", windows_per_update=2)}
    learner = get_target(target, net)

    def learn(samples, plan, start=net):
        return learner.learn(start, make_drive(start, spikes[:, samples]), plan, learner.resolve({}))

    whole = learn(slice(0, 6), LearningPlan(chosen, 11))
    first = learn(slice(0, 3), LearningPlan(chosen, 11))
    rest = LearningPlan(chosen, 11, first.counters, first_update=1, first_window=1)
    last = learn(slice(3, 6), rest, net.with_mantissas(first.weights))
    np.testing.assert_array_equal(last.weights["w"], whole.weights["w"])
    np.testing.assert_array_equal(last.counters["w"], whole.counters["w"])
    other = learn(slice(0, 6), LearningPlan(chosen, 12))
    assert np.any(other.counters["w"] != whole.counters["w"])


def test_neurons_sides_windows_and_layers_draw_their_own_numbers():
    drawn = [
        np.array(list(trace_addends(TraceRounding.STOCHASTIC, RandomKey(5, layer, first), side, window, 8, 6)))
        for layer in (0, 1)
        for first in (0, 3)
        for side in (0, 1)
        for window in (0, 1)
    ]
    for k, a in enumerate(drawn):
        assert len(np.unique(a)) > 40
        assert all(np.any(a != b) for b in drawn[:k])
    again = list(trace_addends(TraceRounding.STOCHASTIC, RandomKey(5, 0, 1), 0, 3, 8, 6))
    wanted = list(trace_addends(TraceRounding.STOCHASTIC, RandomKey(5, 0, 3), 0, 1, 8, 6))
    np.testing.assert_array_equal(again, wanted)  # window 4 of the run, either way


def test_integer_stdp_moves_weights_as_the_float_rule_does():
    """Pairs 10 to 30 steps apart: dropped fractions cost an eighth of the potentiation, chance nothing."""
    neurons, distance = 400, np.repeat([10, 15, 20, 25, 30], 80)
    pre, post = np.zeros((34, 1, neurons), bool), np.zeros((34, 1, 1), bool)
    post[32] = True
    pre[32 - distance, 0, np.arange(neurons)] = True
    exact = np.exp(-distance / 20).sum()
    rows, cols = np.zeros(neurons, int), np.arange(neurons)

    def total(rounding):
        chosen = rule(rounding, a_plus=1, a_minus=0)
        return chosen.step(chosen.observe(pre, post), 0, rows, cols).sum() / 127 / exact

    assert total("stochastic") == pytest.approx(1, abs=0.02)
    assert total("nearest") == pytest.approx(1, abs=0.03)
    assert total("toward_zero") < 0.89


def test_rules_of_files_without_a_trace_rounding_drop_the_fraction(tmp_path):
    """As version 0.1.0 did; what is written says how traces are rounded."""
    from ssdp_hw.rules.values import rule_from_dict, rule_to_dict

    chosen = rule("stochastic")
    values = rule_to_dict(chosen)
    assert rule_from_dict(values) == chosen
    del values["trace_rounding"]
    assert rule_from_dict(values) == rule("toward_zero")
