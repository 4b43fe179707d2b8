"""From float to fixed: what is rounded, by how much, and that the report says so."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import scipy.sparse as sp
from example_counts import examples
from hypothesis import given, strategies as st
from strategies import CHIP, drives_for, float_networks

import ssdp_hw as sh
from ssdp_hw import display
from ssdp_hw.chips import load_chip
from ssdp_hw.errors import FileFormatError, ParameterError, ShapeError
from ssdp_hw.network.float_network import Semantics
from ssdp_hw.network.neurons import Discretization, UpdateOrder
from ssdp_hw.quantization import QuantizationReport
from ssdp_hw.quantization.normal_form import normal_form
from ssdp_hw.quantization.peaks import LONGEST_BURST, calibrated_peaks, closed_form_peaks

UNIT = 1 << CHIP.activation_shift
UNITY = 1 << CHIP.decay_bits
DT = 1.0


def network(neuron, weight, *, bias=0.0, semantics=None, **population):
    """Input, one population of that neuron, named p; weight of shape (n, channels)."""
    return sh.Network(
        [sh.Input("in", weight.shape[1])],
        [sh.Population(name="p", neuron=neuron, bias=bias, **population)],
        [sh.Projection(pre="in", post="p", weight=weight)],
        ["p"],
        semantics or Semantics(DT),
    )


def normal_weights(post, pre, seed=0):
    return np.random.default_rng(seed).normal(0.1, 0.5, (post, pre))


def lif(size, **parameters):
    return sh.LIF(**{"size": size, "tau_mem": 8.0, **parameters})


def times(net, factor):
    """The network with all that is measured in volts multiplied by a factor."""
    volts = ("v_threshold", "v_reset", "v_leak", "v_init")
    populations = []
    for p in net.populations:
        scaled = {f.name: factor * getattr(p.neuron, f.name) for f in fields(p.neuron) if f.name in volts}
        populations.append(replace(p, bias=factor * p.bias, neuron=replace(p.neuron, **scaled)))
    projections = [replace(q, weight=q.weight * factor) for q in net.projections]
    return replace(net, populations=populations, projections=projections)


def integers(fixed):
    """Everything that runs, without the scales."""
    values = {}
    for p in fixed.populations:
        values |= {(p.name, k): getattr(p, k) for k in ("du", "dv", "vth", "bias_mant", "v_init")}
        values |= {(p.name, "rules"): [p.bias_exp, p.reset, p.threshold, p.spiking]}
    for q in fixed.projections:
        values |= {(q.name, "weight"): q.synapse_weights, (q.name, "delay"): q.synapse_delays}
        values |= {(q.name, "rules"): [q.weight_exp, q.format.name, q.pre, q.post]}
    return values


def assert_same_integers(a, b):
    left, right = integers(a), integers(b)
    assert left.keys() == right.keys()
    for key, value in left.items():
        np.testing.assert_array_equal(value, right[key], err_msg=str(key))


# What does not change the integers.


@examples(100, default=8)
@given(float_networks(), st.sampled_from((2.0**-20, 0.25, 2.0, 2.0**13)))
def test_the_unit_of_voltage_does_not_matter(net, factor):
    """A power of two, so that not even the last bit of a float changes."""
    assert_same_integers(sh.quantize(net), sh.quantize(times(net, factor)))


@pytest.mark.parametrize(("gain", "weight"), [({"r": 4.0}, 4.0), ({"w_in": 0.5}, 0.5), ({"r": 4.0, "w_in": 0.5}, 2.0)])
def test_gains_are_folded_into_the_weights(gain, weight):
    w = normal_weights(5, 7)
    plain = sh.CubaLIF(size=5, tau_mem=8.0, tau_syn=4.0)
    folded = sh.quantize(network(replace(plain, **gain), w))
    assert_same_integers(folded, sh.quantize(network(plain, weight * w)))


@pytest.mark.parametrize("kind", [sh.LIF, sh.CubaLIF, sh.IF])
def test_only_the_distance_from_the_reset_matters(kind):
    """All values are dyadic, so moving the zero of the voltage changes no bit."""
    taus = {sh.LIF: {"tau_mem": 4.0}, sh.CubaLIF: {"tau_mem": 4.0, "tau_syn": 2.0}, sh.IF: {}}[kind]
    found = []
    for zero in (0.0, -0.75, 0.5):
        leak = {} if kind is sh.IF else {"v_leak": 0.25 + zero}
        neuron = kind(size=4, v_threshold=1.0 + zero, v_reset=zero, v_init=0.125 + zero, **taus, **leak)
        found.append(sh.quantize(network(neuron, normal_weights(4, 6))))
    assert_same_integers(found[0], found[1])
    assert_same_integers(found[0], found[2])
    p = found[0].populations[0]
    assert np.all(p.v_init == np.rint(0.125 * p.scale))
    if kind is not sh.IF:
        assert np.allclose(p.bias, 0.25 * 0.25 * p.scale, atol=2.0**p.bias_exp)  # (1 - d) v_leak


# What is rounded, by how much, and what the report says of it.


@examples(100, default=8)
@given(float_networks(), st.integers(3, 8))
def test_rounding_is_to_the_nearest_and_the_report_tells_how_far_that_is(net, bits):
    fixed = sh.quantize(net, weight_bits=bits)
    lowered = {q.name for q in net.projections}
    for about in fixed.report.populations:
        p = fixed.population(about.name)
        if p.name not in net.population_names:
            continue  # the steady neuron that stands for the bias of a current
        neuron, c = net.population(p.name).neuron, net.coefficients(p.name)
        k = p.scale[0]
        assert k == about.scale
        errors = {}
        for name, register, offset, decay in (("syn", p.du, 1, c.decay_u), ("mem", p.dv, 0, c.decay_v)):
            exact = (1 - decay) * UNITY
            inside = (exact - offset > 0) & (exact - offset < UNITY - 1)
            assert np.all(np.abs(register + offset - exact)[inside] < 1)
            used = exact > 0
            errors[name] = np.max(np.abs((register + offset)[used] / exact[used] - 1), initial=0.0)
        assert about.tau_syn_error == pytest.approx(errors["syn"], abs=1e-12)
        assert about.tau_mem_error == pytest.approx(errors["mem"], abs=1e-12)
        if neuron.spiking:
            exact = (neuron.v_threshold - neuron.v_reset) * k / UNIT
            assert np.all(np.abs(p.vth - exact) <= 0.5 + 1e-9)
            assert about.threshold_error == pytest.approx(np.max(np.abs(p.vth / exact - 1)), abs=1e-12)
        through_v = 0.0 if neuron.has_current else c.gain_u * c.gain_v * net.population(p.name).bias
        leaky = (c.decay_v < 1) & (p.dv > 0)
        ratio = np.where(leaky, p.dv / UNITY / np.where(leaky, 1 - c.decay_v, 1), 1)
        bias = (c.drift - (1 - c.decay_v) * neuron.parameter("v_reset") + through_v) * k * ratio
        assert np.all(np.abs(p.bias - bias) <= 2.0**p.bias_exp / 2 + 1e-6)
        assert p.bias_exp == 0 or np.max(np.abs(bias)) > CHIP.bias_mant_max * 2.0 ** (p.bias_exp - 1)
        if np.max(np.abs(bias)) > 1e-6:
            wanted = np.max(np.abs(p.bias - bias)) / np.max(np.abs(bias))
            assert about.bias_error == pytest.approx(wanted, abs=1e-9)
        assert np.all(np.abs(p.v_init - (neuron.v_init - neuron.parameter("v_reset")) * k) <= 0.5 + 1e-6)
    for about in fixed.report.projections:
        if about.name not in lowered:
            continue
        q, source = fixed.projection(about.name), net.projection(about.name)
        c = net.coefficients(q.post)
        gain = (c.gain_u * c.gain_v)[:, None]
        dense = source.weight.toarray() if source.is_sparse else source.weight
        stored = (q.weight.toarray() if q.is_sparse else q.weight).astype(float)
        exact = dense * gain * fixed.population(q.post).scale[:, None] / UNIT / 2.0**q.weight_exp
        step = 2 ** (8 - bits + 1)
        np.testing.assert_allclose(q.scale[:, None] * dense, exact, rtol=1e-12)
        mantissa = np.rint(exact / step)
        outside = (mantissa < -(2 ** (bits - 1))) | (mantissa > 2 ** (bits - 1) - 1)
        error = stored - exact
        assert np.all(np.abs(error[~outside]) <= step / 2 * (1 + 1e-9))
        assert (about.clipped, about.synapses) == (outside.sum(), source.synapse_weights.size)
        assert about.clipped == 0  # a projection may always choose its exponent so
        assert about.zeroed == np.count_nonzero((exact != 0) & (stored == 0))
        assert about.max_error_lsb == pytest.approx(np.abs(error).max() / step, abs=1e-9)
        if np.any(exact):
            assert about.rms_error == pytest.approx(np.sqrt(np.sum(error**2) / np.sum(exact**2)), abs=1e-9)


def test_each_bit_halves_the_error_of_the_weights():
    net = network(lif(40), normal_weights(40, 60))
    errors = [sh.quantize(net, weight_bits=b).report.projections[0].rms_error for b in range(3, 9)]
    ratios = np.array(errors[:-1]) / np.array(errors[1:])
    assert np.all((ratios > 1.7) & (ratios < 2.4)), ratios


def test_each_bit_brings_the_voltages_nearer_to_those_of_the_float_network():
    net = network(sh.CubaLI(size=12, tau_mem=10.0, tau_syn=5.0), normal_weights(12, 30))
    spikes = np.random.default_rng(1).random((60, 4, 30)) < 0.3
    wanted = sh.run(net, spikes, "spec", record=("v",)).v["p"]
    errors = []
    for bits in (2, 4, 6, 8):
        fixed = sh.quantize(net, calibration=spikes, weight_bits=bits)
        v = sh.run(fixed, spikes, "spec", record=("v",)).v["p"] / fixed.populations[0].scale
        errors.append(np.sqrt(np.mean((v - wanted) ** 2) / np.mean(wanted**2)))
    assert np.all(np.diff(errors) < 0), errors
    assert errors[-1] < 0.02


@pytest.mark.parametrize("headroom", [1.0, 4.0, 16.0])
def test_fixed_voltages_approach_the_float_ones_as_fast_as_the_unit_shrinks(headroom):
    """Against the float network of the rounded weights (its decays are exact) all that remains are
    the truncations of a step: of u and of v by less than 1, and with a negative exponent of the sum
    of weights by less than one unit of the activation.
    """
    d_u, d_v = 0.75, 0.875
    net = network(sh.CubaLIF(size=2, tau_mem=8.0, tau_syn=4.0, v_threshold=30.0), normal_weights(2, 4) * 32)
    spikes = np.random.default_rng(0).random((40, 3, 4)) < 0.4
    fixed = sh.quantize(net, calibration=spikes, headroom=headroom)
    q, p = fixed.projections[0], fixed.populations[0]
    rounded = network(net.populations[0].neuron, q.weight / q.scale[:, None])
    np.testing.assert_allclose(rounded.projections[0].weight, net.projections[0].weight, atol=1.0)
    wanted = sh.run(rounded, spikes, "spec", record=("u", "v", "spikes"))
    found = sh.run(fixed, spikes, "spec", record=("u", "v"))
    assert not wanted.spikes["p"].any()  # below the threshold throughout
    step_u = 1 + (UNIT if q.weight_exp < 0 else 0)
    error_u = np.abs(found.u["p"] - wanted.u["p"] * (1 - d_v) * p.scale).max()
    error_v = np.abs(found.v["p"] - wanted.v["p"] * p.scale).max()
    assert error_u <= step_u / (1 - d_u) + 1e-6
    assert error_v <= (1 + step_u / (1 - d_u)) / (1 - d_v) + 1e-6
    assert error_v <= 0.02 * np.abs(wanted.v["p"] * p.scale).max()  # so the bounds say something


def test_per_neuron_parameters_stay_per_neuron():
    tau, r, threshold = np.array([2.0, 4.0, 16.0]), np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.5, 2.0])
    net = network(lif(3, tau_mem=tau, r=r, v_threshold=threshold), np.full((3, 4), 0.5))
    fixed = sh.quantize(net)
    p, q = fixed.populations[0], fixed.projections[0]
    np.testing.assert_array_equal(p.dv, UNITY / tau)
    np.testing.assert_allclose(p.vth, threshold * p.scale / UNIT, atol=0.5)
    np.testing.assert_allclose(q.weight[:, 0], 0.5 * r / tau * p.scale / UNIT / 2.0**q.weight_exp, atol=1.0)
    np.testing.assert_allclose(q.scale, r / tau * p.scale / UNIT / 2.0**q.weight_exp)


@pytest.mark.parametrize(
    "neuron",
    [
        sh.IF(size=6, v_threshold=3.0),
        sh.CubaLIF(size=6, tau_mem=8.0, tau_syn=3.0),
        lif(6),
        sh.LI(size=6, tau_mem=8.0),
        sh.CubaLI(size=6, tau_mem=8.0, tau_syn=3.0),
        lif(6, v_reset=-0.5, v_leak=0.2, v_init=0.4),
    ],
    ids=lambda n: n.kind,
)
@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_every_model_does_in_integers_what_it_does_in_floats(neuron, reset):
    """Spike counts and voltages, to what 8-bit weights allow."""
    weight = np.abs(normal_weights(6, 20)) * 1.5
    net = network(neuron, weight, bias=0.0 if neuron.has_current else 0.1, reset=reset, threshold=">=")
    spikes = np.random.default_rng(3).random((100, 3, 20)) < 0.2
    fixed = sh.quantize(net, calibration=spikes)
    a, b = (sh.run(which, spikes, "spec", record=("v", "spikes"), on_overflow="error") for which in (net, fixed))
    if neuron.spiking:
        counts = a.spikes["p"].sum(axis=0)
        assert counts.min() > 3
        assert np.abs(b.spikes["p"].sum(axis=0) - counts).max() <= 0.05 * counts.max() + 1
    else:
        v = b.v["p"] / fixed.populations[0].scale
        np.testing.assert_allclose(v, a.v["p"], atol=0.01 * np.abs(a.v["p"]).max())


def test_clipped_weights_are_counted():
    w = np.array([[1.0, -1.0, 0.5, -0.25], [-0.75, 1.0, 0.0, 0.5]])
    fixed = sh.quantize(network(lif(2), w), sign_mode="excitatory")
    about = fixed.report.projections[0]
    assert (about.clipped, about.zeroed, about.synapses) == (3, 3, 8)
    assert fixed.projections[0].weight.min() == 0
    assert f"projection '{about.name}': 3 of 8 weights clipped" in fixed.report.warnings


def test_weights_that_become_zero_are_counted():
    w = np.array([[1.0, 1e-4, -1e-4, 0.0]])
    report = sh.quantize(network(lif(1), w)).report
    assert (report.projections[0].zeroed, report.projections[0].clipped) == (2, 0)
    assert "projection 'in->p': 2 of 4 weights became zero" in report.warnings


def test_sparse_weights_keep_their_synapses():
    w = sp.csr_array((np.array([0.5, 0.0, -1.0]), np.array([0, 3, 1]), np.array([0, 2, 3])), shape=(2, 4))
    q = sh.quantize(network(lif(2), w)).projections[0]
    dense = sh.quantize(network(lif(2), w.toarray())).projections[0]
    assert q.synapse_weights.size == 3
    np.testing.assert_array_equal(q.weight.toarray(), dense.weight)


def test_lost_leaks_and_coarse_decays_are_reported():
    """A leak of 1/10000 a step is below half a unit of dv; one of 1.5/4096 rounds to 2/4096."""
    report = sh.quantize(network(lif(3, tau_mem=[1e4, UNITY / 1.5, 8.0]), np.ones((3, 2)))).report
    assert report.populations[0].lost_leaks == 1
    assert report.populations[0].tau_mem_error == 1.0
    assert "population 'p': 1 neurons lost their leak (dv rounds to 0)" in report.warnings
    report = sh.quantize(network(lif(1, tau_mem=UNITY / 1.5), np.ones((1, 2)))).report
    assert report.populations[0].tau_mem_error == pytest.approx(1 / 3)
    assert "population 'p': a decay is off by 33.3%" in report.warnings
    assert sh.quantize(network(sh.IF(size=1), np.ones((1, 2)))).report.populations[0].lost_leaks == 0


def test_thresholds_too_unequal_for_one_scale_are_reported():
    report = sh.quantize(network(lif(2, v_threshold=[1e-6, 1.0]), np.ones((2, 2)) * 5)).report
    assert report.populations[0].threshold_error > 0.05
    assert any("a threshold is off by" in w for w in report.warnings)


# Options.


@pytest.mark.parametrize(("sign", "found"), [(1, "w8/8-excitatory"), (-1, "w8/8-inhibitory"), (0, "w8/8-mixed")])
def test_signs_found_from_the_weights(sign, found):
    w = normal_weights(4, 6)
    w = sign * np.abs(w) if sign else w
    net = network(lif(4), w)
    auto, mixed = sh.quantize(net, sign_mode="auto"), sh.quantize(net)
    assert auto.projections[0].format.name == found
    assert mixed.projections[0].format.name == "w8/8-mixed"
    if sign:  # one bit more
        assert auto.report.projections[0].rms_error < 0.7 * mixed.report.projections[0].rms_error


def test_options_by_projection():
    net = two_layers()
    fixed = sh.quantize(net, weight_bits={"in->hid": 4}, sign_mode={"hid->out": "auto"})
    assert [q.format.name for q in fixed.projections] == ["w4/8-mixed", "w8/8-excitatory"]


def two_layers():
    rng = np.random.default_rng(2)
    return sh.Network(
        [sh.Input("in", 10)],
        [sh.Population(name="hid", neuron=lif(8)), sh.Population(name="out", neuron=lif(3))],
        [
            sh.Projection(pre="in", post="hid", weight=rng.normal(0.8, 1.0, (8, 10)), delay=2),
            sh.Projection(pre="hid", post="out", weight=rng.random((3, 8))),
        ],
        ["out"],
        Semantics(DT),
        notes=["from somewhere"],
    )


def test_the_graph_is_kept():
    net = two_layers()
    fixed = sh.quantize(net)
    assert (fixed.input_names, fixed.population_names, fixed.outputs) == (("in",), ("hid", "out"), ("out",))
    assert (fixed.dt, fixed.limits, fixed.notes) == (DT, load_chip("loihi"), ("from somewhere",))
    assert fixed.projection("in->hid").delay == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chip": "abacus"}, "chip 'abacus' is unknown"),
        ({"headroom": 0.0}, "headroom = 0; a factor above 0"),
        ({"split": 0}, "split = 0 is outside 1 .. 4"),
        ({"split": 2.0}, "split = 2.0"),
        ({"split": {"typo": 2}}, "'typo' is no projection"),
        ({"headroom": np.nan}, "headroom"),
        ({"headroom": "much"}, "headroom"),
        ({"weight_bits": 9}, "weight_bits = 9 is outside 1 .. 8"),
        ({"weight_bits": 0}, "weight_bits = 0"),
        ({"weight_bits": 4.0}, "weight_bits = 4.0"),
        ({"weight_bits": True}, "weight_bits = True"),
        ({"weight_bits": {"typo": 4}}, "'typo' is no projection"),
        ({"sign_mode": {"typo": "auto"}}, "'typo' is no projection"),
        ({"sign_mode": "both"}, "sign_mode = 'both'; choose auto"),
        ({"sign_mode": ["auto"]}, "sign_mode"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ParameterError, match=message):
        sh.quantize(two_layers(), **options)


def test_other_refused_input():
    with pytest.raises(ParameterError, match="takes a float Network, not FixedNetwork"):
        sh.quantize(sh.quantize(two_layers()))
    with pytest.raises(ParameterError, match="'p' has neither weights, threshold nor bias"):
        sh.quantize(network(sh.LI(size=1, tau_mem=5.0), np.zeros((1, 2))))
    with pytest.raises(ShapeError, match="expected \\(time, batch, 10\\)"):
        sh.quantize(two_layers(), calibration=np.zeros((5, 1, 9)))


# The bias of a current, and the order of updates.


@pytest.mark.parametrize("method", Discretization)
@pytest.mark.parametrize("kind", [sh.CubaLIF, sh.CubaLI])
def test_a_bias_of_the_current_comes_from_a_neuron_that_always_fires(kind, method):
    bias = np.array([0.5, 1.5, -0.25])
    net = network(
        kind(size=3, tau_mem=10.0, tau_syn=5.0), normal_weights(3, 5), bias=bias, semantics=Semantics(DT, method)
    )
    fixed = sh.quantize(net)
    assert fixed.population_names == ("p", "p.bias")
    assert "the neuron 'p.bias' fires in every step" in fixed.notes[0]
    assert fixed.notes[0] in fixed.report.warnings
    assert not fixed.population("p").bias.any()
    silent = np.zeros((80, 1, 5), bool)
    found = sh.run(fixed, silent, "spec", record=("spikes", "v", "u"), on_overflow="error")
    wanted = sh.run(net, silent, "spec", record=("u",))
    assert found.spikes["p.bias"].all()
    gain_v = net.coefficients("p").gain_v
    u = found.u["p"] / (gain_v * fixed.population("p").scale)
    np.testing.assert_allclose(u[1:], wanted.u["p"][:-1], atol=0.01)  # a step later


def test_a_bias_without_a_current_stays_a_bias():
    fixed = sh.quantize(network(lif(2), np.ones((2, 3)), bias=0.5))
    assert fixed.population_names == ("p",)
    assert np.all(fixed.populations[0].bias > 0)


def test_voltage_first_is_noted_where_it_matters():
    order = Semantics(DT, update_order=UpdateOrder.VOLTAGE_FIRST)
    cuba, plain = sh.CubaLIF(size=2, tau_mem=8.0, tau_syn=4.0), lif(2)
    assert any("'voltage_first'" in n for n in sh.quantize(network(cuba, np.ones((2, 2)), semantics=order)).notes)
    assert sh.quantize(network(plain, np.ones((2, 2)), semantics=order)).notes == ()
    assert sh.quantize(network(cuba, np.ones((2, 2)))).notes == ()


# Registers.


@examples(60, default=6)
@given(st.data())
def test_calibrated_networks_do_not_overflow_on_their_calibration_input(data):
    net = data.draw(float_networks())
    drive = data.draw(drives_for(net))
    fixed = sh.quantize(net, calibration=drive)
    assert {p.bound for p in fixed.report.populations} == {"calibration"}
    sh.run(fixed, drive, "spec", on_overflow="error")


@examples(60, default=6)
@given(st.data())
def test_closed_form_bounds_hold_for_any_input(data):
    """In the integers, whatever arrives, for as long as the burst that the bound of v allows for."""
    net = data.draw(float_networks())
    drive = data.draw(drives_for(net, max_steps=LONGEST_BURST))
    fixed = sh.quantize(net)
    result = sh.run(fixed, drive, "spec", record=("u", "v"), on_overflow="error")
    for about in fixed.report.populations:
        assert about.bound == "closed form"
        u = np.abs(result.u[about.name]).max() / CHIP.state_max
        assert u <= about.worst_case_u
        # Weights are rounded by up to half an LSB each, which the exact bound does not know of.
        assert u <= about.u_peak * 1.125 + 1e-6
        assert np.abs(result.v[about.name]).max() / CHIP.state_max <= about.v_peak * 1.125 + 1e-6


@examples(60, default=6)
@given(st.data())
def test_closed_form_bounds_hold_for_the_float_network(data):
    """Up to the rounding of its decays, which the bound takes from the chip."""
    net = data.draw(float_networks())
    drive = data.draw(drives_for(net, max_steps=LONGEST_BURST))
    result = sh.run(net, drive, "spec", record=("u", "v"))
    for name in net.population_names:
        peaks, c = closed_form_peaks(normal_form(net, name), CHIP), net.coefficients(name)
        neuron = net.population(name).neuron
        constant = 0.0 if neuron.has_current else c.gain_u * net.population(name).bias
        assert np.abs((result.u[name] - constant) * c.gain_v).max() <= peaks.u * 1.01
        assert np.abs(result.v[name] - neuron.parameter("v_reset")).max() <= peaks.v * 1.02


def test_the_worst_case_of_the_current_is_reached_and_not_passed():
    """All synapses in every step: u tends to the bound, which counts the rounded weights."""
    net = network(sh.CubaLIF(size=3, tau_mem=8.0, tau_syn=4.0, v_threshold=2.0), np.abs(normal_weights(3, 9)))
    fixed = sh.quantize(net, calibration=np.zeros((3, 1, 9)))
    u = sh.run(fixed, np.ones((80, 1, 9)), "spec", record=("u",), on_overflow="ignore").u["p"].max() / CHIP.state_max
    assert 0.99 * fixed.report.populations[0].worst_case_u < u <= fixed.report.populations[0].worst_case_u


def test_currents_that_could_wrap_are_reported():
    """Calibrated on a single spike: all 200 synapses at once are far more."""
    spikes = np.zeros((10, 1, 200), bool)
    spikes[0, 0, 0] = True
    net = network(sh.CubaLIF(size=2, tau_mem=8.0, tau_syn=8.0, v_threshold=0.001), np.ones((2, 200)))
    report = sh.quantize(net, calibration=spikes).report
    assert report.populations[0].worst_case_u > 1
    assert any("u could wrap" in w for w in report.warnings)


def test_calibration_counts_analog_input():
    """It acts on the chip's u, as spikes do, and its steps must not wrap."""
    net = network(lif(3), normal_weights(3, 4), bias=0.2)
    direct = sh.DirectInput(np.random.default_rng(0).random((5, 4)) * 10, 20)
    peaks = calibrated_peaks(net, direct)["p"]
    c = net.coefficients("p")
    current = direct.values @ net.projections[0].weight.T
    assert peaks.u == pytest.approx(np.abs(current * c.gain_u * c.gain_v).max())
    assert peaks.bias == pytest.approx(np.abs(0.2 * c.gain_u * c.gain_v).max())
    fixed = sh.quantize(net, calibration=direct)
    sh.run(fixed, direct, "spec", on_overflow="error")


# The report.


@given(float_networks())
@examples(10, default=4)
def test_the_report_survives_json(net):
    report = sh.quantize(net).report
    data = json.loads(json.dumps(report.to_dict()))
    assert QuantizationReport.from_dict(data) == report
    assert str(report).startswith("quantised to loihi\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(display, "line_width", lambda: 10_000)
        text = str(report)
    for line in (*(p.name for p in report.populations), *(q.name for q in report.projections), *report.warnings):
        assert line in text


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("chip"),
        lambda d: d.pop("notes"),
        lambda d: d["populations"][0].pop("scale"),
        lambda d: d["populations"][0].update(colour="red"),
        lambda d: d["projections"].append(3),
        lambda d: d["projections"][0].update(clipped="many"),
        lambda d: d["populations"][0].update(scale=True),
        lambda d: d["projections"][0].update(clipped=1.5),
        lambda d: d.update(populations=None),
    ],
)
def test_a_damaged_report_is_refused(change):
    data = json.loads(json.dumps(sh.quantize(two_layers()).report.to_dict()))
    change(data)
    with pytest.raises(FileFormatError, match="quantisation report"):
        QuantizationReport.from_dict(data)


@examples(60, default=6)
@given(float_networks(), st.integers(3, 8), st.randoms(use_true_random=False))
def test_the_order_of_populations_means_nothing(net, bits, random):
    """Weights of loops, and of populations that come later, count for a scale as others do."""
    shuffled = list(net.populations)
    random.shuffle(shuffled)
    one, other = (sh.quantize(n, weight_bits=bits) for n in (net, replace(net, populations=shuffled)))
    for p in one.populations:
        assert np.array_equal(p.scale, other.population(p.name).scale)
    for q in one.projections:
        assert np.array_equal(q.mantissa, other.projection(q.name).mantissa)
        assert q.weight_exp == other.projection(q.name).weight_exp
    assert not any(about.clipped for about in one.report.projections)
