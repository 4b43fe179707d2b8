"""Learning on Brian2's runtime device against the specification."""

from __future__ import annotations

import numpy as np
import pytest
from brian2_helpers import (
    assert_learned_close,
    assert_learned_equal,
    learn_both,
    learn_on_brian2,
    learn_plan,
    requires_brian2,
    teaching_network,
)
from conv_strategies import fixed_conv_networks, float_conv_networks
from example_counts import examples
from hypothesis import given, settings
from plan_strategies import learning_runs, lively_runs
from strategies import not_the_simplest
from test_engine_learning import GENERATED

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.rules import FixedSSDP, WeightRounding
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.running.target_registry import get_target

pytestmark = requires_brian2

FIXED, FLOAT = lively_runs(fixed=True), lively_runs(fixed=False)


def each_in_one(kinds, first):
    """By default every second: each in integers or in real numbers."""
    return [pytest.param(k, marks=[] if n % 2 == first else pytest.mark.slow) for n, k in enumerate(kinds)]


@examples(12, default=2)
@given(not_the_simplest(learning_runs(fixed=True)))
def test_fixed_learning_equals_the_specification(run):
    assert_learned_equal(*learn_plan(*run))


@pytest.mark.slow
@examples(10, default=2)
@given(not_the_simplest(learning_runs(fixed=False)))
def test_float_learning_equals_the_specification_up_to_rounding(run):
    assert_learned_close(*learn_plan(*run))


@pytest.mark.slow
@examples(25, default=2)
@given(learning_runs(fixed=True, networks=fixed_conv_networks(), declared=True))
def test_fixed_convolutions_learn_their_kernels(run):
    assert_learned_equal(*learn_plan(*run))


@pytest.mark.slow
@settings(GENERATED, max_examples=20)
@given(learning_runs(fixed=False, networks=float_conv_networks(), declared=True))
def test_float_convolutions_learn_their_kernels(run):
    assert_learned_close(*learn_plan(*run))


def test_a_kernel_that_no_synapse_uses_moves_by_its_counters():
    """Each window lies outside of the input: nothing is added to the counters, and what they hold moves the weights."""
    conv = ConvWeight(np.zeros((1, 1, 2), int), (1, 1), (2,), ((2, 0),))
    assert conv.synapses == 0
    network = sh.FixedNetwork(
        [sh.Input("in", 1)],
        [sh.FixedPopulation(name="out", size=conv.shape[0], vth=100)],
        [sh.FixedProjection(pre="in", post="out", weight=conv)],
        ["out"],
    )
    plan = LearningPlan(
        {"in->out": FixedSSDP(a_plus=1, a_baseline=1, lut=(1,), lsb_shift=2)}, counters={"in->out": np.array([9, -5])}
    )
    left, right = learn_both(network, np.ones((4, 1, 1), bool), plan)
    assert_learned_equal(left, right)
    assert right.weights["in->out"].tolist() == [2, -1]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("kind", each_in_one(FIXED, 0))
def test_fixed_rules_with_and_without_gates(kind):
    network, drive, plan = FIXED[kind]
    left, right = learn_plan(network, drive, plan)
    assert_learned_equal(left, right)
    for p in network.projections:
        assert np.any(right.weights[p.name] != p.mantissa), p.name


@pytest.mark.slow
@pytest.mark.parametrize("kind", each_in_one(FLOAT, 1))
def test_float_rules_with_and_without_gates(kind):
    network, drive, plan = FLOAT[kind]
    left, right = learn_plan(network, drive, plan)
    assert_learned_close(left, right)
    for p in network.projections:
        assert np.any(right.weights[p.name] != p.synapse_weights), p.name


def test_overflow_is_that_of_the_samples():
    """The step that is run after the last one, which begins with a voltage out of range, does not count."""
    network = sh.FixedNetwork(
        [sh.Input("in", 1)],
        [sh.FixedPopulation(name="out", size=2, vth=100, v_init=2**23 - 1, bias_mant=100, bias_exp=7)],
        [sh.FixedProjection(pre="in", post="out", weight=[[2], [4]])],
        ["out"],
    )
    plan = LearningPlan({"in->out": FixedSSDP(a_plus=1, a_baseline=1, lut=(1,), lsb_shift=0)})
    left, right = learn_both(network, np.zeros((4, 3, 1), bool), plan)
    assert left.overflow["out"].v_saturations == 3 * 2
    assert left.overflow == right.overflow


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("rounding", WeightRounding)
def test_a_taught_readout_moves_and_equals_the_specification(rounding):
    network, inputs, plan = teaching_network(*[rounding] * 3)
    left, right = learn_both(network, inputs, plan)
    assert_learned_equal(left, right)
    for name in plan.rules:
        assert np.any(right.weights[name] != network.projection(name).mantissa), name


def test_a_window_that_the_time_register_cannot_hold_is_refused():
    network, inputs, _ = teaching_network()
    rule = FixedSSDP(a_plus=1, a_baseline=1, lut=(1,), lsb_shift=0, time_bits=2)
    with pytest.raises(ParameterError, match="time register"):
        learn_on_brian2(network, inputs, LearningPlan({"in->out": rule}))


def test_a_rule_of_another_class_is_refused_by_name():
    class Mine(FixedSSDP):
        pass

    network, _, _ = teaching_network()
    plan = LearningPlan({"in->out": Mine(a_plus=1, a_baseline=1, lut=(1,), lsb_shift=1)})
    (reason,) = get_target("brian2").unsupported_plan(network, plan)
    assert "in->out" in reason
    assert "Mine" in reason
