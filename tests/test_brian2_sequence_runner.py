"""Brian2 with one sample after the other, on the runtime device, against the specification."""

from __future__ import annotations

import numpy as np
import pytest
from brian2_helpers import assert_close, assert_equal, requires_brian2, run_both
from example_counts import examples
from hypothesis import given, strategies as st
from strategies import drives_for, fixed_networks, float_networks

import ssdp_hw as sh
from ssdp_hw.running.drive import DirectInput

pytestmark = requires_brian2


@examples(15, default=3)
@given(st.data())
def test_fixed_networks_equal_the_specification(data):
    network = data.draw(fixed_networks())
    assert_equal(*run_both(network, data.draw(drives_for(network, analog=True)), batching="sequence"))


@examples(10, default=3)
@given(st.data())
def test_float_networks_equal_the_specification_up_to_rounding(data):
    network = data.draw(float_networks())
    assert_close(*run_both(network, data.draw(drives_for(network, analog=True)), batching="sequence"))


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("delay", [0, 3, [[0, 5], [2, 0]]])
@pytest.mark.parametrize("weight_exp", [2, -1])
def test_what_is_in_flight_at_the_end_of_a_sample_does_not_reach_the_next(delay, weight_exp):
    projection = sh.FixedProjection(
        pre="in", post="out", weight=[[100, 20], [50, 30]], delay=delay, weight_exp=weight_exp
    )
    out = sh.FixedPopulation(name="out", size=2, du=100, dv=100, vth=5000)
    network = sh.FixedNetwork([sh.Input("in", 2)], [out], [projection], ["out"])
    spikes = np.zeros((6, 2, 2), bool)
    spikes[1:, 0] = True  # the second sample is silent
    left, right = run_both(network, spikes, batching="sequence")
    assert_equal(left, right)
    assert right.u["out"][:, 0].any()
    assert not right.u["out"][:, 1].any()


def test_constant_input_takes_a_bias_of_each_sample():
    rng = np.random.default_rng(0)
    network = sh.FixedNetwork(
        [sh.Input("in", 5)],
        [sh.FixedPopulation(name="out", size=4, dv=300, vth=200)],
        [sh.FixedProjection(pre="in", post="out", weight=2 * rng.integers(-100, 100, (4, 5)))],
        ["out"],
    )
    left, right = run_both(network, DirectInput(rng.random((3, 5)), 20), batching="sequence")
    assert_equal(left, right)
    assert left.spike_rate() > 0


@pytest.mark.parametrize("model", ["LIF", "CubaLIF"])
def test_constant_input_of_a_float_network(model):
    rng = np.random.default_rng(0)
    current = {"tau_syn": 5e-3} if model == "CubaLIF" else {}
    neuron = getattr(sh, model)(size=4, tau_mem=1e-2, v_threshold=0.5, **current)
    network = sh.Network(
        [sh.Input("in", 5)],
        [sh.Population(name="out", neuron=neuron)],
        [sh.Projection(pre="in", post="out", weight=rng.normal(1, 1, (4, 5)))],
        ["out"],
        sh.Semantics(1e-3),
    )
    for batching in ("copies", "sequence"):
        left, right = run_both(network, DirectInput(rng.random((3, 5)), 20), batching=batching)
        assert_close(left, right)
        assert left.spike_rate() > 0
