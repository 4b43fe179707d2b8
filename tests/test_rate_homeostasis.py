"""RateHomeostasis: plain sums of its changes, the rates at which neurons settle, and the same integers everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.testing import check_rule

SIZE, SHIFT = 4, 6


def network(vth=120, **neurons):
    """Five sources of four neurons."""
    weight = 2 * np.random.default_rng(1).integers(20, 60, (SIZE, 5))
    return sh.FixedNetwork(
        [sh.Input("in", 5)],
        [sh.FixedPopulation(name="out", size=SIZE, vth=vth, **{"du": 2000, "dv": 300, **neurons})],
        [sh.FixedProjection(pre="in", post="out", weight=weight, scale=100.0)],
        ["out"],
    )


def homeostasis(rise, rates, shift=SHIFT, **values):
    numbers = {"rise": rise, "rates": rates, "least": 1, "theta_shift": shift}
    return sh.FixedDeclaredRule(model="RateHomeostasis", parameters=numbers, lsb_shift=8, **values)


def learn(net, spikes, rule, target, **presentation):
    given = sh.Presentation(shuffle=False, **presentation)
    return sh.learn(net, spikes, None, rule, target, presentation=given, on_overflow="ignore", health=False)


@examples(40, default=4)
@given(
    rise=st.integers(0, 60_000),
    rates=st.lists(st.integers(0, 1 << 16), min_size=1, max_size=5),
    seed=st.integers(0, 2**32 - 1),
)
def test_thresholds_move_by_the_sum_of_their_changes(rise, rates, seed):
    """Python's integers: ``rise`` for a spike, less ``rise * rate`` to the nearest unit for a step, in each neuron."""
    rng = np.random.default_rng(seed)
    spikes, net = rng.random((12, 3, 5)) < 0.3, network()
    found = learn(net, spikes, homeostasis(rise, rates), "engine", steps=12)
    falls = [(rise * rates[min(i, len(rates) - 1)] + (1 << 15)) >> 16 for i in range(SIZE)]
    vth, left = net.population("out").vth.copy(), [0] * SIZE
    for sample in range(spikes.shape[1]):
        now = replace(net, populations=[replace(net.population("out"), vth=vth)])
        fired = sh.run(now, spikes[:, [sample]], "spec", on_overflow="ignore").spikes["out"].sum(axis=(0, 1))
        for i in range(SIZE):
            total = left[i] + int(fired[i]) * rise - len(spikes) * falls[i]
            whole = abs(total) // 2**SHIFT * (1 if total > 0 else -1)
            left[i] = total - whole * 2**SHIFT
            vth[i] = min(max(int(vth[i]) + whole, 1), 2**17 - 1)
    np.testing.assert_array_equal(found.network.population("out").vth, vth)
    np.testing.assert_array_equal(found.state.lasting["in->out"]["post_theta"], left)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("fixed", [True, False])
def test_each_neuron_settles_at_its_own_rate(fixed):
    """Integrators of a constant bias that lose their threshold at a spike; each ends at its bias by its rate."""
    rates, steps, windows = np.array([0.02, 0.05, 0.1, 0.2]), 100, 120
    if fixed:
        given = network(vth=2000, bias_mant=100, bias_exp=6, du=4095, dv=0, reset="subtract")
        rule = homeostasis(40 * 1024, np.rint(rates * 2**16).astype(int), shift=10)
        bias = 100.0
    else:
        neuron = sh.IF(size=SIZE, r=1.0, v_threshold=2.0)
        given = sh.Network(
            [sh.Input("in", 5)],
            [sh.Population(name="out", neuron=neuron, reset="subtract", bias=np.full(SIZE, 100.0))],
            [sh.Projection(pre="in", post="out", weight=np.ones((SIZE, 5)))],
            ["out"],
            sh.Semantics(1e-3),
        )
        rule, bias = sh.rule("RateHomeostasis", rise=0.04, rates=rates), 0.1
    silent = np.zeros((steps, windows, 5), bool)
    found = learn(given, silent, rule, "engine", restart=False).network.population("out")
    settled = found.vth if fixed else found.neuron.parameter("v_threshold")
    assert settled == pytest.approx(bias / rates, rel=0.06)


@pytest.mark.slow
def test_rates_measured_before_a_drift_come_back():
    """A layer's input fades; without labels every neuron finds the rate it had, in real numbers and in integers."""
    rng = np.random.default_rng(3)
    weight = rng.uniform(0.2, 1.0, (6, 12))
    real = sh.Network(
        [sh.Input("in", 12)],
        [sh.Population(name="out", neuron=sh.LIF(size=6, tau_mem=8e-3, r=2.0, v_threshold=1.0), reset="subtract")],
        [sh.Projection(pre="in", post="out", weight=weight)],
        ["out"],
        sh.Semantics(1e-3),
    )
    spikes = rng.random((40, 60, 12)) < 0.3
    faded = spikes & (rng.random(spikes.shape) < 0.5)
    for net in (real, sh.quantize(real, "loihi2", spikes)):

        def rates(of, x):
            return sh.run(of, x, on_overflow="ignore").spikes["out"].mean(axis=(0, 1))

        before, drifted = rates(net, spikes), rates(net, faded)
        assert np.all(drifted < 0.8 * before)
        rule = sh.rule("RateHomeostasis", rise=0.005, rates=before)
        again = rates(learn(net, faded, rule, "engine", steps=40, epochs=4).network, faded)
        assert again == pytest.approx(before, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["engine", "brian2", "lava"])
def test_every_target_learns_the_same(target):
    check_rule("RateHomeostasis", [target], lessons=2)


def test_rates_above_one_spike_a_step_are_refused():
    with pytest.raises(ParameterError, match="rates"):
        learn(network(), np.zeros((5, 1, 5), bool), homeostasis(10, [1 << 18]), "spec")
