"""Registers and reports of quantisation, number by number, against their definitions."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from test_quantization_bounds import network

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.quantization_report import PopulationReport, ProjectionReport, QuantizationReport
from ssdp_hw.quantization.balance import balance_thresholds
from ssdp_hw.quantization.options import Method, ProjectionOptions, largest_kept
from ssdp_hw.quantization.peaks import calibrated_peaks


def silent(net, steps=3):
    return np.zeros((steps, 1, net.inputs[0].size), bool)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("bias", [1e-6, 0.01, 0.05, 0.2, 1.0, 3.0])
def test_the_exponent_of_a_bias_is_the_smallest_at_which_the_mantissa_fits(sign, bias):
    net = network([[1.0]], bias=[sign * bias], v_threshold=4.0)
    fixed = sh.quantize(net, calibration=silent(net))
    p = fixed.population("p")
    wanted = sign * bias * p.scale[0]
    smallest = next(e for e in range(8) if abs(wanted) / 2**e <= 4095 or e == 7)
    assert p.bias_exp == smallest
    assert p.bias_mant.tolist() == [round(wanted / 2**smallest)]
    report = fixed.report.populations[0]
    assert report.bias_error == pytest.approx(abs(p.bias[0] - wanted) / abs(wanted), abs=1e-12)


def test_the_bias_of_a_current_comes_from_a_source_and_no_other_does():
    """CubaLI under Euler: a source that fires in each step brings the bias one step late; LI keeps its register."""
    current = network([[1.0], [0.5]], neuron=sh.CubaLI, bias=[0.3, -0.2], tau_mem=4.0, tau_syn=3.0)
    fixed = sh.quantize(current, calibration=silent(current))
    assert [p.name for p in fixed.populations] == ["p", "p.bias"]
    assert not fixed.population("p").bias.any()
    run = sh.run(fixed, silent(current, 6), "spec", record=("spikes", "u"))
    assert run.spikes["p.bias"].all()
    weight = fixed.projection("p.bias->p")
    arriving = weight.stored_weights.reshape(-1) * 2.0**weight.weight_exp * 64
    assert run.u["p"][0, 0].tolist() == [0, 0]
    assert run.u["p"][1, 0].tolist() == arriving.tolist()
    assert arriving[0] / arriving[1] == pytest.approx(-1.5, rel=0.02)
    for other in (
        network([[1.0]], neuron=sh.LI, bias=[0.3], tau_mem=4.0),
        network([[1.0]], neuron=sh.CubaLI, bias=[0.0], tau_mem=4.0, tau_syn=3.0),
        network([[1.0]], bias=[0.3], v_threshold=4.0),
    ):
        found = sh.quantize(other, calibration=silent(other))
        assert [p.name for p in found.populations] == ["p"]
        assert found.population("p").bias.any() == bool(np.any(other.population("p").bias))


def population_report(**changes):
    values = {
        "name": "p",
        "scale": 1.0,
        "threshold_error": 0.05,
        "tau_mem_error": 0.05,
        "tau_syn_error": 0.05,
        "bias_error": 1.0,
        "lost_leaks": 0,
        "v_peak": 2.0,
        "u_peak": 2.0,
        "worst_case_u": 1.0,
        "bound": "calibration",
    }
    return PopulationReport(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"threshold_error": 0.0501}, "threshold is off by 5.0%"),
        ({"tau_mem_error": 0.061}, "decay is off by 6.1%"),
        ({"tau_syn_error": 0.071}, "decay is off by 7.1%"),
        ({"tau_mem_error": 0.2, "tau_syn_error": 0.071}, "decay is off by 20.0%"),
        ({"lost_leaks": 1}, "1 neurons lost their leak"),
        ({"worst_case_u": 1.1}, "1.1 times the register; expected peak 200.0%"),
    ],
)
def test_a_population_is_warned_of_beyond_its_limits_only(changes, said):
    report = QuantizationReport("loihi", (population_report(**changes),), ())
    assert len(report.warnings) == (said is not None)
    if said is not None:
        assert said in report.warnings[0]


@pytest.mark.parametrize(("clipped", "zeroed"), [(0, 0), (1, 0), (0, 1), (2, 3)])
def test_a_projection_is_warned_of_where_weights_were_lost(clipped, zeroed):
    q = ProjectionReport("w", "w8/8-mixed", "mse", 0, 9, clipped, zeroed, 1.0, 1.0)
    warnings = QuantizationReport("loihi", (), (q,), ("a note",)).warnings
    wanted = [f"projection 'w': {clipped} of 9 weights clipped"] * (clipped > 0)
    wanted += [f"projection 'w': {zeroed} of 9 weights became zero"] * (zeroed > 0)
    assert warnings == [*wanted, "a note"]


def test_errors_of_weights_are_those_of_the_integers():
    weight = np.array([[1.0, 0.003, -0.5, 0.0, 0.33, -0.0001]])
    net = network(weight, v_threshold=2.0)
    fixed = sh.quantize(net, calibration=silent(net), weight_bits=5)
    q, report = fixed.projections[0], fixed.report.projections[0]
    exact = weight.reshape(-1) * fixed.population("p").scale[0] / 64
    found = q.stored_weights.reshape(-1) * 2.0**q.weight_exp
    lsb = q.format.step * 2.0**q.weight_exp
    assert report.synapses == 6
    assert report.zeroed == np.count_nonzero((found == 0) & (exact != 0)) == 2
    assert report.max_error_lsb == pytest.approx(np.abs(found - exact).max() / lsb)
    assert report.rms_error == pytest.approx(np.sqrt(np.mean((found - exact) ** 2) / np.mean(exact**2)))
    assert report.weight_exp == q.weight_exp
    assert report.clipped == np.count_nonzero(np.rint(exact / lsb) != np.clip(np.rint(exact / lsb), -16, 15))


@pytest.mark.parametrize("tau", [1.0, 1.5, 3.0, 1000.0, 10000.0])
def test_errors_of_decays_and_thresholds_are_those_of_the_integers(tau):
    net = network([[1.0, 0.5]], neuron=sh.CubaLIF, tau_mem=tau, tau_syn=2 * tau, v_threshold=0.7)
    fixed = sh.quantize(net, calibration=silent(net))
    p, report = fixed.population("p"), fixed.report.populations[0]
    leak_v, leak_u = 1 / tau, 1 / (2 * tau)
    assert report.tau_mem_error == pytest.approx(abs(p.dv[0] / 4096 / leak_v - 1), abs=1e-9)
    assert report.tau_syn_error == pytest.approx(abs((p.du[0] + 1) / 4096 / leak_u - 1), abs=1e-9)
    assert report.threshold_error == pytest.approx(abs(p.vth[0] * 64 / p.scale[0] / 0.7 - 1), abs=1e-12)
    assert report.lost_leaks == (p.dv[0] == 0) == (tau > 8192)


def test_a_leak_keeps_the_steady_state_of_its_bias():
    """b / leak is the same before and after rounding: 4096 / 900 is no integer, so the bias moves with the leak."""
    net = network([[1.0]], neuron=sh.LIF, tau_mem=900.0, v_leak=0.4, v_threshold=2.0)
    p = sh.quantize(net, calibration=silent(net)).population("p")
    assert p.dv[0] == 5  # 4.55
    leak = p.dv[0] / 4096
    assert p.bias[0] / leak == pytest.approx(0.4 * p.scale[0], abs=0.5 * 2**p.bias_exp / leak)
    assert abs(p.bias[0] / (1 / 900) - 0.4 * p.scale[0]) > 0.5 * 2**p.bias_exp * 900


def test_time_constants_meet_the_nearest_factor():
    """A leak of k + 1/2 units is a factor of about 1 + 1/(2k) off either way; the smaller one counts."""
    for exact in (1.4, 1.45, 2.45, 10.3, 10.6, 400.5, 4000.7):
        tau = 4096 / exact
        net = network([[1.0]], neuron=sh.LIF, tau_mem=tau, v_threshold=0.5)
        dv = int(sh.quantize(net, calibration=silent(net)).population("p").dv[0])

        def off(k, tau=tau):
            return abs(math.log(math.log1p(-k / 4096) / math.log1p(-1 / tau)))

        assert dv == min((k for k in (math.floor(exact), math.floor(exact) + 1)), key=off)


@pytest.mark.parametrize(("vth", "weight", "least"), [(2, 2, 1), (131071, 254, 131071)])
def test_balanced_thresholds_stay_in_their_register(vth, weight, least):
    """An activation of 2 is above a threshold of 1 only, which factors up to 0.75 round to; 17 bits end at 131071."""
    fixed = sh.FixedNetwork(
        [sh.Input("in", 1)],
        [sh.FixedPopulation(name="p", size=1, vth=vth, reset="subtract")],
        [sh.FixedProjection(pre="in", post="p", weight=[[weight]], weight_exp=0 if vth == 2 else 7)],
        ["p"],
    )
    given = np.ones((12, 1, 1), bool)
    always = network([[1.0]], v_threshold=0.5 if vth == 2 else 5.0)
    balanced, factors = balance_thresholds(always, fixed, given)
    found = balanced.population("p").vth[0]
    if vth == 2:
        k = max(k for k in range(-14, 0) if np.rint(2 * 1.03**k) == least)
        assert (found, factors["p"]) == (1, pytest.approx(1.03**k))
    else:  # needs more than 17 bits: no factor above 1 changes anything, and the factor nearest to 1 is 1
        assert (found, factors) == (least, {})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"overrides": {"in->p": 3}}, "3 is no dict of options"),
        ({"overrides": 3}, "no dict of options by projection"),
        ({"overrides": {"in->p": {"bits": 3}}}, "option 'bits' is unknown"),
        ({"overrides": {"x": {}}}, "x"),
        ({"weight_bits": 0}, "weight_bits = 0 is outside 1 .. 8"),
        ({"weight_bits": 9}, "weight_bits = 9 is outside 1 .. 8"),
        ({"split": 0}, "split = 0 is outside 1 .. 4"),
        ({"split": 5}, "split = 5 is outside 1 .. 4"),
        ({"overrides": {"in->p": {"percentile": 0}}}, "percentile = 0 is outside"),
        ({"overrides": {"in->p": {"percentile": 100.1}}}, "percentile = 100.1 is outside"),
        ({"headroom": 0}, "headroom = 0"),
    ],
)
def test_options_end_where_they_say(options, said):
    net = network([[1.0]], v_threshold=0.5)
    with pytest.raises(ParameterError, match=said.replace(".", r"\.")):
        sh.quantize(net, calibration=silent(net), **options)


def test_options_reach_their_ends():
    net = network([[1.0, -0.37]], v_threshold=0.5)
    given = silent(net)
    assert sh.quantize(net, calibration=given, weight_bits=1).projections[0].format.bits == 1
    assert sh.quantize(net, calibration=given, weight_bits=8).projections[0].format.bits == 8
    assert len(sh.quantize(net, calibration=given, split=4, weight_bits=2).projections) > 2
    whole = sh.quantize(net, calibration=given, method="percentile", overrides={"in->p": {"percentile": 100}})
    plain = sh.quantize(net, calibration=given)
    assert np.array_equal(whole.projections[0].weight, plain.projections[0].weight)
    assert (
        sh.quantize(net, calibration=given, overrides=None).population("p").scale[0] == plain.population("p").scale[0]
    )


@pytest.mark.parametrize("granularity", ["projection", "channel"])
def test_neurons_of_own_scales_have_their_largest_weight_in_common(granularity, tmp_path):
    """Rows of 1 and 1/4: with a threshold a neuron, the second is scaled by 4, by no more than 16."""
    text = Path(sh.__file__).with_name("chips").joinpath("loihi.toml").read_text()
    path = tmp_path / "own.toml"
    path.write_text(
        text.replace('name = "loihi"', 'name = "own"').replace(
            "[channel_scales]\nvalue = 0", "[channel_scales]\nvalue = 1"
        )
    )
    net = network([[1.0, -0.5], [0.25, 0.125], [0.01, 0.0]], v_threshold=0.5)
    fixed = sh.quantize(net, path, calibration=silent(net), granularity=granularity)
    scale = fixed.population("p").scale
    wanted = [1.0, 4.0, 16.0] if granularity == "channel" else [1.0, 1.0, 1.0]
    assert (scale / scale[0]).tolist() == pytest.approx(wanted)
    q = fixed.projections[0]  # whose scale is weights a float weight, with the gain of 1 of an IF in steps of 1 s
    assert np.broadcast_to(q.scale, 3) == pytest.approx(scale / 64 / 2.0**q.weight_exp)
    assert q.weight[1] * 2.0**q.weight_exp == pytest.approx(
        np.array([0.25, 0.125]) * scale[1] / 64, abs=2.0**q.weight_exp
    )
    if granularity == "channel":
        assert (
            np.abs(fixed.projections[0].weight[:2]).max(axis=1).tolist()
            == [np.abs(fixed.projections[0].weight[0]).max()] * 2
        )
    with pytest.raises(ParameterError, match="channel_scales"):
        sh.quantize(net, "loihi", calibration=silent(net), granularity="channel")


# What the integers mean as a float network.


@pytest.mark.parametrize(("du", "dv"), [(4095, 0), (4095, 512), (1023, 512), (0, 100)])
def test_the_float_network_takes_the_same_step_without_rounding(du, dv):
    """U <- d_u U + W S, V <- d_v V + U + b in volts: here in exact arithmetic, against the run of the network."""
    scale, weight, bias, vth, v_init = 1000.0, [[100, -60]], 70, 150, 300
    fixed = sh.FixedNetwork(
        [sh.Input("in", 2)],
        [
            sh.FixedPopulation(
                name="p", size=1, du=du, dv=dv, vth=vth, bias_mant=bias, bias_exp=2, v_init=v_init, scale=scale
            )
        ],
        [sh.FixedProjection(pre="in", post="p", weight=weight, weight_exp=1, delay=2)],
        ["p"],
        dt=0.5,
    )
    rng = np.random.default_rng(du + dv)
    spikes = rng.random((40, 1, 2)) < 0.4
    real = sh.dequantize(fixed)
    assert real.semantics.dt == 0.5
    run = sh.run(real, spikes, "spec", record=("spikes", "v"))
    u, v, d_u, d_v = 0.0, v_init / scale, 1 - (du + 1) / 4096, 1 - dv / 4096
    for t in range(40):
        arriving = float(np.asarray(weight)[0] @ spikes[t - 3, 0]) * 2 * 64 / scale if t >= 3 else 0.0
        u = d_u * u + arriving
        v = d_v * v + u + bias * 4 / scale
        fired = v > vth * 64 / scale
        assert run.spikes["p"][t, 0, 0] == fired
        v = 0.0 if fired else v
        assert run.v["p"][t, 0, 0] == pytest.approx(v, rel=1e-9, abs=1e-9)
    assert run.spikes["p"].any()


def test_a_float_network_survives_the_way_to_integers_and_back():
    weight = np.array([[1.0, -0.5, 0.25], [0.75, 0.5, -1.0]])
    net = network(weight, neuron=sh.CubaLIF, tau_mem=8.0, tau_syn=4.0, v_threshold=0.5, v_init=0.125, r=2.0, w_in=3.0)
    fixed = sh.quantize(net, calibration=silent(net))
    back = sh.dequantize(fixed)
    neuron, before = back.population("p").neuron, net.population("p").neuron
    for name in ("tau_mem", "tau_syn", "v_threshold", "v_init"):
        assert neuron.parameter(name) == pytest.approx(before.parameter(name), rel=1e-3)
    assert np.asarray(back.projections[0].weight) == pytest.approx(weight, abs=2 / 254)
    gain = back.coefficients("p").gain_u * back.coefficients("p").gain_v
    assert gain == pytest.approx(net.coefficients("p").gain_u * net.coefficients("p").gain_v, rel=1e-3)


# Where one neuron differs from the others, or nothing is there to be rounded.


def test_a_lost_leak_leaves_the_bias_as_it_is():
    """A leak of 4096 / 100000 units rounds to none: there is no steady state to keep, so b stays."""
    net = network([[1.0]], neuron=sh.LIF, tau_mem=1e5, v_leak=40.0, v_threshold=0.5)
    p = sh.quantize(net, calibration=silent(net)).population("p")
    assert p.dv[0] == 0
    assert p.bias[0] == pytest.approx(40.0 / 1e5 * p.scale[0], abs=0.5 * 2**p.bias_exp)


def test_the_error_of_a_bias_counts_where_another_neuron_has_none():
    net = network([[1.0], [1.0]], bias=[0.3, 0.0], v_threshold=4.0)
    fixed = sh.quantize(net, calibration=silent(net))
    p = fixed.population("p")
    wanted = np.array([0.3, 0.0]) * p.scale
    assert fixed.report.populations[0].bias_error == pytest.approx(np.abs(p.bias - wanted).max() / wanted[0], abs=1e-12)
    assert np.abs(p.bias - wanted).max() > 0


def test_readouts_have_no_threshold():
    net = network([[1.0]], neuron=sh.I)
    p = sh.quantize(net, calibration=silent(net)).population("p")
    assert (p.spiking, p.vth.tolist()) == (False, [0])


def test_calibrated_peaks_are_measured_from_the_reset_and_with_the_sign_of_each_bias():
    net = network([[0.5]], v_threshold=1.0, v_reset=-2.0, v_init=-2.0)
    peaks = calibrated_peaks(net, silent(net))["p"]
    assert (peaks.v, peaks.u, peaks.bias) == (3.0, 0.0, 0.0)
    # Euler, tau = 8: the leak adds 0.5 / 8, the bias -0.3 / 8.
    net = network([[0.5]], neuron=sh.LIF, tau_mem=8.0, v_leak=0.5, bias=-0.3, v_threshold=9.0)
    peaks = calibrated_peaks(net, silent(net, 1))["p"]
    assert peaks.bias == pytest.approx(0.2 / 8)
    assert peaks.u == pytest.approx(0.0, abs=1e-15)
    assert peaks.v == pytest.approx(9.0 + 0.2 / 8)


def test_calibration_sees_the_current_of_a_bias_once():
    """u gathers to bias * gain / leak, whichever neuron brings it."""
    net = network([[0.01]], neuron=sh.CubaLI, bias=[0.3], tau_mem=4.0, tau_syn=3.0)
    report = sh.quantize(net, calibration=silent(net, 80)).report.populations[0]
    c = net.coefficients("p")
    steady = 0.3 * float(c.gain_u[0] * c.gain_v[0] / (1 - c.decay_u[0]))
    assert report.u_peak * (2**23 - 1) / report.scale == pytest.approx(steady, rel=1e-3)


def test_thresholds_hold_own_scales_back_by_the_largest_of_them(tmp_path):
    """A neuron may fill the register of thresholds to 16 times the largest threshold."""
    text = Path(sh.__file__).with_name("chips").joinpath("loihi.toml").read_text()
    path = tmp_path / "own.toml"
    changed = text.replace("[channel_scales]\nvalue = 0", "[channel_scales]\nvalue = 1")
    path.write_text(changed.replace('name = "loihi"', 'name = "own"'))
    net = network([[1.0], [0.25], [0.01]], v_threshold=[0.5, 50.0, 40.0])
    scale = sh.quantize(net, path, calibration=silent(net), granularity="channel").population("p").scale
    assert (scale / scale[0]).tolist() == pytest.approx([1.0, 4.0, 16.0])


@pytest.mark.parametrize(("weight", "every", "vth"), [(300, 2, 151), (134, 1, 66)])
def test_thresholds_are_balanced_up_to_half_as_much_again_and_down(weight, every, vth):
    """An activation of 150 is below 100 * 1.03**14 alone, one of 67 above 100 * 1.03**-14 alone."""
    half = weight // 2
    fixed = sh.FixedNetwork(
        [sh.Input("in", 2)],
        [sh.FixedPopulation(name="p", size=1, vth=100)],
        [sh.FixedProjection(pre="in", post="p", weight=[[half // 2 * 2, weight - half // 2 * 2]], weight_exp=-1)],
        ["p"],
    )
    given = np.ones((13, 1, 2), bool)
    real = network([[0.5, 0.5]], v_threshold=1.5 if every == 2 else 0.5)
    balanced, factors = balance_thresholds(real, fixed, given)
    assert balanced.population("p").vth.tolist() == [vth]
    assert factors["p"] == pytest.approx(1.03 ** (14 if every == 2 else -14))


def test_what_is_silent_in_float_keeps_its_threshold():
    fixed = sh.FixedNetwork(
        [sh.Input("in", 1)],
        [sh.FixedPopulation(name="p", size=1, vth=100)],
        [sh.FixedProjection(pre="in", post="p", weight=[[110]])],
        ["p"],
    )
    balanced, factors = balance_thresholds(network([[1.0]], v_threshold=1e3), fixed, np.ones((9, 1, 1), bool))
    assert (balanced.population("p").vth.tolist(), factors) == ([100], {})


@pytest.mark.parametrize("share", [0.5, 1.0, 50.0])
def test_any_share_of_the_weights_may_be_asked_to_fit(share):
    net = network(np.linspace(0.01, 1, 201)[None], v_threshold=0.5)
    fixed = sh.quantize(net, calibration=silent(net), method="percentile", overrides={"in->p": {"percentile": share}})
    q = fixed.projections[0]
    kept = np.percentile(np.linspace(0.01, 1, 201), share) * fixed.population("p").scale[0] / 64
    # Below -1 the step of 2 would be no whole unit of the activation, of which the chip drops the rest.
    assert q.weight_exp == max(-1, math.floor(math.log2(kept / 255)) + 1)


@pytest.mark.parametrize("threshold", [">", ">="])
@pytest.mark.parametrize("vth", [0, 1])
def test_thresholds_of_0_stand_at_half_a_unit_and_are_noted(threshold, vth):
    fixed = sh.FixedNetwork(
        [sh.Input("in", 1)],
        [sh.FixedPopulation(name="p", size=1, vth=vth, threshold=threshold)],
        [sh.FixedProjection(pre="in", post="p", weight=[[2]])],
        ["p"],
    )
    real = sh.dequantize(fixed)
    assert real.population("p").neuron.parameter("v_threshold").tolist() == [64.0 if vth else 0.5]
    said = [note for note in real.notes if "threshold of 0" in note]
    assert len(said) == (vth == 0)
    assert all(("does not fire at rest" in note) == (threshold == ">=") for note in said)


def test_a_threshold_below_half_a_unit_is_0_and_one_above_it_is_1():
    net = network([[1.0], [1.0], [1.0]], v_threshold=[100.0, 1e-9, 1e-9])
    p = sh.quantize(net, calibration=silent(net)).population("p")
    unit = 64 / p.scale[0]
    assert p.vth[1:].tolist() == [0, 0]
    near = network([[1.0], [1.0], [1.0]], v_threshold=[100.0, 0.4 * unit, 0.6 * unit])
    again = sh.quantize(near, calibration=silent(near)).population("p")
    assert again.vth[1:].tolist() == [round(0.4 * unit * again.scale[0] / 64), round(0.6 * unit * again.scale[0] / 64)]


@pytest.mark.parametrize(("name", "words"), [("h", "leaves its voltage 4 bits fewer"), ("out", "read its voltage")])
def test_a_threshold_beyond_16_times_the_largest_voltage_is_noted(name, words):
    """Of a population that drives another one, and of an output, whose threshold then stands at the register's end."""
    spikes = np.ones((30, 1, 1), bool)

    def said(**thresholds):
        levels = {"h": 0.5, "out": 0.5, **thresholds}
        net = sh.Network(
            [sh.Input("in", 1)],
            [sh.Population(name=n, neuron=sh.LIF(size=1, tau_mem=5.0, v_threshold=v)) for n, v in levels.items()],
            [sh.Projection(pre=a, post=b, weight=[[4.0]]) for a, b in (("in", "h"), ("h", "out"))],
            ["out"],
            sh.Semantics(1.0),
        )
        reached = sh.run(net, spikes, "spec", record=("v",)).v[name].max()
        fixed = sh.quantize(net, calibration=spikes)
        return reached, [note for note in fixed.report.notes if f"'{name}' does not fire" in note]

    reached, _ = said(**{name: 1e6})
    assert reached > 0
    assert said(**{name: 15.99 * reached})[1] == []
    (note,) = said(**{name: 16.01 * reached})[1]
    assert words in note


def test_what_must_fit_is_the_largest_weight_or_a_percentile():
    values = np.array([-8.0, 1.0, 2.0, 4.0])
    largest = ProjectionOptions(method=Method.MAX_ABS, percentile=50)
    share = ProjectionOptions(method=Method.PERCENTILE, percentile=50)
    assert largest_kept(values, largest) == 8
    assert largest_kept(values, share) == 3
    assert largest_kept(values[:0], largest) == largest_kept(values[:0], share) == 0


def test_a_threshold_is_far_where_those_of_all_neurons_are():
    """Each output then stands at the end of the register, whatever its threshold was."""
    spikes = np.ones((30, 1, 1), bool)

    def quantized(thresholds):
        net = network([[1.0], [1.0]], v_threshold=thresholds)
        reached = sh.run(net, spikes, "spec", record=("v",)).v["p"].max()
        fixed = sh.quantize(net, calibration=spikes)
        return reached, fixed.population("p").vth, [n for n in fixed.report.notes if "does not fire" in n]

    reached, *_ = quantized([1e6, 1e6])
    assert quantized([1.0 * reached + 1, 40 * reached])[2] == []
    _, vth, notes = quantized([20 * reached, 40 * reached])
    assert [f"of its threshold of {20 * reached:.4g} V" in note for note in notes] == [True]
    assert vth[0] == vth[1]
