"""SSDP on Brian2's runtime device against the specification."""

from __future__ import annotations

import numpy as np
import pytest
from brian2_helpers import (
    TOLERANCE,
    assert_learned_equal,
    assert_registers_equal,
    learn_both,
    learn_on_brian2,
    requires_brian2,
    teaching_network,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import drives_for, fixed_networks, fixed_rules, float_networks

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.ssdp import FixedSSDP, SilentPairs, SpikeTime, WeightRounding
from ssdp_hw.target import LearningPlan

pytestmark = requires_brian2

WINDOW = 12


def plastic_names(data, network):
    return data.draw(st.lists(st.sampled_from([p.name for p in network.projections]), min_size=1, unique=True))


@settings(max_examples=15)
@given(st.data())
def test_fixed_learning_equals_the_specification(data):
    network = data.draw(fixed_networks())
    inputs = data.draw(drives_for(network, max_steps=WINDOW, max_batch=5))
    size = data.draw(st.integers(1, 3))
    rules = {
        name: data.draw(fixed_rules(steps=WINDOW, commit_windows=size)) for name in plastic_names(data, network)
    }
    counters = {
        name: np.arange(network.projection(name).synapse_weights.size) % 15 - 7
        for name in rules if data.draw(st.booleans())
    }
    plan = LearningPlan(
        rules, seed=data.draw(st.integers(0, 2**64 - 1)), counters=counters, first_commit=data.draw(st.integers(0, 9))
    )
    assert_learned_equal(*learn_both(network, inputs, plan))


@settings(max_examples=12)
@given(st.data())
def test_float_learning_equals_the_specification_up_to_rounding(data):
    network = data.draw(float_networks())
    inputs = data.draw(drives_for(network, max_steps=WINDOW, max_batch=5))
    size = data.draw(st.integers(1, 3))
    rules = {
        name: sh.SSDP(
            a_plus=0.1, a_baseline=0.05, sigma=2.0, clip=0.08, commit_windows=size,
            spike_time=data.draw(st.sampled_from(SpikeTime)), silent_pairs=data.draw(st.sampled_from(SilentPairs)),
        )
        for name in plastic_names(data, network)
    }
    left, right = learn_both(network, inputs, LearningPlan(rules))
    assert_registers_equal(left, right)
    for name, weights in left.weights.items():
        np.testing.assert_allclose(right.weights[name], weights, rtol=0, atol=TOLERANCE)


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
