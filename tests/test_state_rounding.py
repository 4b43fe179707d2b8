"""The bias of rounding inside a step, in the report of a quantised network, against exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, settings, strategies as st

import ssdp_hw as sh
from ssdp_hw.quantization.state_rounding import LONGEST, measured_step_bias, step_bias_bound


def network(du, dv, vth, seed, spiking=True):
    rng = np.random.default_rng(seed)
    return sh.FixedNetwork(
        [sh.Input("in", 5)],
        [sh.FixedPopulation(name="p", size=3, du=du, dv=dv, vth=vth, spiking=spiking)],
        [sh.FixedProjection(pre="in", post="p", weight=2 * rng.integers(-30, 40, (3, 5)))],
        ["p"],
    )


def exact_run(net, activation, fired):
    """Voltages before the reset in exact numbers, given who fired: u and v of every step as fractions."""
    p = net.population("p")
    keep_u, keep_v = (Fraction(int(4096 - 1 - p.du[0]), 4096), Fraction(int(4096 - p.dv[0]), 4096))
    u = v = Fraction(0)
    volts = []
    for a, spike in zip(activation, fired, strict=True):
        u = keep_u * u + 64 * int(a)
        v = keep_v * v + u
        volts.append(v)
        if spike:
            v = Fraction(0)
    return volts


@examples(40, default=14)
@given(st.integers(0, 4095), st.integers(0, 4095), st.integers(0, 2**16))
def test_no_voltage_is_farther_from_exact_numbers_than_the_bound(du, dv, seed):
    """A readout: nothing forgets, so all losses of the run add up."""
    net = network(du, dv, 0, seed, spiking=False)
    p, steps = net.population("p"), 60
    spikes = np.random.default_rng(seed).random((steps, 1, 5)) < 0.4
    v = sh.run(net, spikes, "spec", record=("v",), on_overflow="ignore").v["p"][:, 0]
    if np.abs(v).max() > 2**22:
        return  # it may have saturated
    sent = np.concatenate([np.zeros((1, 5)), spikes[:-1, 0]]) @ net.projections[0].matrix.T
    worst = max(
        abs(float(exact - int(found)))
        for neuron in range(3)
        for exact, found in zip(exact_run(net, sent[:, neuron], [False] * steps), v[:, neuron], strict=True)
    )
    assert steps <= LONGEST
    assert worst <= step_bias_bound(net, p) * net.limits.state_max + 1e-6


@settings(max_examples=20)
@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(20, 2000), st.integers(0, 2**16))
def test_the_measured_bias_is_the_mean_of_every_steps_own(du, dv, vth, seed):
    net = network(du, dv, vth, seed)
    spikes = np.random.default_rng(seed).random((30, 4, 5)) < 0.5
    result = sh.run(net, spikes, "spec", record=("u", "v"), on_overflow="ignore")
    lost = []
    for state, rate in ((result.u["p"], du + 1), (result.v["p"], dv)):
        each = [Fraction(int(x) * (4096 - rate), 4096) for x in state.reshape(-1)]
        rounded = [int(e) for e in each]  # toward zero
        lost.append(float(sum(r - e for r, e in zip(rounded, each, strict=True))) / len(each))
    assert measured_step_bias(net, spikes)["p"] == pytest.approx(sum(lost) / (vth * 64), abs=1e-12)


def test_the_report_states_both():
    rng = np.random.default_rng(0)
    net = sh.Network(
        [sh.Input("in", 5)],
        [sh.Population(name="p", neuron=sh.CubaLIF(size=4, tau_mem=0.02, tau_syn=0.01, v_threshold=0.3))],
        [sh.Projection(pre="in", post="p", weight=rng.normal(0.4, 0.3, (4, 5)))],
        ["p"],
        sh.Semantics(1e-3),
    )
    spikes = rng.random((40, 8, 5)) < 0.4
    fixed = sh.quantize(net, calibration=spikes)
    (report,) = fixed.report.populations
    assert 0 < abs(report.step_bias) < report.step_bias_bound < 0.1
    assert "rounding inside a step" in str(fixed.report)
    assert sh.quantize(net).report.populations[0].step_bias == 0


def test_a_declared_model_has_no_bound_and_no_measured_bias():
    """Its step may round where the closed formula of the chip's own neuron knows nothing of."""
    net = network(300, 200, 50, 0)
    declared = sh.FixedPopulation(name="d", size=2, model="AdaptiveLIF", parameters={"da": 1, "jump": 1}, vth=50)
    both = sh.FixedNetwork(net.inputs, [*net.populations, declared], net.projections, net.outputs, chip="loihi2")
    assert step_bias_bound(both, declared) == 0
    assert "d" not in measured_step_bias(both, np.ones((20, 1, net.inputs[0].size), bool))
