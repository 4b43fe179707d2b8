"""What bounds the scale of a population, limit by limit, in closed form; and thresholds that balance leaves alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.chips import load_chip
from ssdp_hw.quantization.normal_form import normal_form
from ssdp_hw.quantization.peaks import LONGEST_BURST, closed_form_peaks

CHIP = load_chip("loihi")
STATE_MAX = 2**23 - 1
ROOM = 1.125  # of bounds in closed form, for weights that are rounded up


def network(weight, *, bias=0.0, reset="zero", neuron=sh.IF, dt=1.0, **parameters):
    """Input, one population p without leak unless said otherwise, in steps of dt seconds."""
    weight = np.atleast_2d(weight)
    return sh.Network(
        [sh.Input("in", weight.shape[1])],
        [sh.Population(name="p", neuron=neuron(size=len(weight), **parameters), bias=bias, reset=reset)],
        [sh.Projection(pre="in", post="p", weight=weight)],
        ["p"],
        sh.Semantics(dt),
    )


def spikes(net, steps=4, *, firing=0):
    """The first so many channels fire in step 0."""
    given = np.zeros((steps, 1, net.inputs[0].size), bool)
    given[0, :, :firing] = True
    return given


def octave_step(fixed, top):
    """How many 128ths of an octave the scale lies below the largest."""
    below = 128 * math.log2(top / fixed.population("p").scale[0])
    assert below == pytest.approx(round(below), abs=1e-6)
    return round(below)


LIMITS = [
    # weights, parameters, channels that fire, headroom, the largest scale
    ("threshold", [[0.001]], {"v_threshold": 100.0}, 0, 0.5, 131071 * 64 / 100),
    ("v_init", [[0.001]], {"v_threshold": 1.0, "v_init": -200.0}, 0, 0.5, STATE_MAX / 200),
    ("v_init", [[0.001]], {"v_threshold": 1.0, "v_init": [3.0, -7.0]}, 0, 0.1, STATE_MAX / 7),
    ("activation", [[1.0] * 1000], {"v_threshold": 1.0}, 1, 2.0, 0.9 * 2**24 / 1000),
    ("activation", [[1.0, -1.0] * 300], {"v_threshold": 1.0}, 1, 2.0, 0.9 * 2**24 / 600),
    ("weight", [[1.0]], {"v_threshold": 0.5}, 0, 1.0, 64 * 254 * 2**7 / 1.0),
    ("weight", [[-2.0]], {"v_threshold": 0.5}, 0, 1.0, 64 * 254 * 2**7 / 2.0),
    ("current", [[1.0] * 10], {"v_threshold": 0.1}, 10, 0.5, STATE_MAX / 10),
    ("current", [[1.0] * 10], {"v_threshold": 0.1}, 10, 1.0, STATE_MAX / 10.1),
    ("voltage", [[1.0] * 10], {"v_threshold": 20.0}, 10, 2.0, STATE_MAX / 2 / 30),
    ("voltage", [[-1.0] * 10], {"v_threshold": 0.5}, 10, 2.0, STATE_MAX / 2 / 20),
    ("bias", [[0.01]], {"v_threshold": 2.0, "bias": 1.0}, 0, 0.5, 4095 * 2**7 / 1.0),
    ("bias", [[0.01]], {"v_threshold": 2.0, "bias": -1.0}, 0, 2.0, 4095 * 2**7 / 2.0),
]


@pytest.mark.parametrize(("limit", "weight", "parameters", "firing", "headroom", "top"), LIMITS)
def test_the_scale_lies_in_the_octave_below_the_tightest_limit(limit, weight, parameters, firing, headroom, top):
    size = np.size(parameters.get("v_init", 0.0))
    net = network(np.repeat(weight, size, axis=0), **parameters)
    fixed = sh.quantize(net, calibration=spikes(net, firing=firing), headroom=headroom)
    assert 0 <= octave_step(fixed, top) < 128
    # Whatever rounding did: all synapses at once bring no more than one turn of the register.
    assert fixed.activation_bound("p").max() * 64 <= 2**24
    assert np.abs(fixed.population("p").v_init).max() <= STATE_MAX


def test_a_scale_without_any_rounding_error_is_taken():
    """At the largest scale the weight is 254 * 2**7 units and the threshold half of it, both exactly."""
    net = network([[1.0, 0.5, -0.25]], v_threshold=0.5)
    fixed = sh.quantize(net, calibration=spikes(net), headroom=1.0)
    top = 64 * 254 * 2**7
    k = octave_step(fixed, top)
    p = fixed.population("p")
    # With 254 the quarter would be 63.5 steps of 2; some scale below has the least error, which its twin cannot beat.
    assert p.scale[0] == pytest.approx(top * 2 ** (-k / 128))
    twice = network([[2.0, 1.0, -0.5]], v_threshold=1.0)
    other = sh.quantize(twice, calibration=spikes(twice), headroom=1.0)
    assert other.population("p").scale[0] * 2 == pytest.approx(p.scale[0], rel=1e-12)
    assert np.array_equal(other.projections[0].weight, fixed.projections[0].weight)
    exact = network([[1.0, -1.0]], v_threshold=0.5)
    assert octave_step(sh.quantize(exact, calibration=spikes(exact), headroom=1.0), top) == 0


@pytest.mark.parametrize("split", [1, 2])
def test_the_scale_has_the_least_error_of_its_octave(split):
    """Mean squared relative errors of weights and threshold, of all 128 candidates, worked out here."""
    weight = np.random.default_rng(2).normal(0, 1, (1, 30))
    net = network(weight, v_threshold=1.7)
    fixed = sh.quantize(net, calibration=spikes(net), headroom=1.0, split=split)
    top = 64 * 254 * 2**7 / np.abs(weight).max()
    at_once = 0.9 * 2**24 / np.abs(weight).sum()
    threshold = 131071 * 64 / 1.7
    top = min(top, at_once, threshold, STATE_MAX / 1.7)

    def error(scale):
        exact = 1.7 * scale / 64
        found = (np.rint(exact) / exact - 1) ** 2
        left = weight * scale / 64
        power, lsb = np.mean(left**2), None
        for _ in range(split):
            # The smallest power of two at which the largest weight rounds to at most 127 steps of 2.
            fit = math.floor(math.log2(np.abs(left).max() / 255)) + 1
            lsb = 2.0**fit if lsb is None else max(2.0**fit, 0.5)
            left = left - np.clip(np.rint(left / lsb / 2), -128, 127) * 2 * lsb
        return found + np.mean(left**2) / power

    candidates = [top * 2 ** (-k / 128) for k in range(128)]
    best = min(candidates, key=error)
    assert error(fixed.population("p").scale[0]) == pytest.approx(error(best), rel=1e-9)
    assert fixed.population("p").scale[0] == pytest.approx(best, rel=1e-9)


# Peaks in closed form.


def closed(net):
    return closed_form_peaks(normal_form(net, "p"), CHIP)


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("v_init", [0.0, 0.9, 5.0, 100.0, -3.0, -100.0])
def test_the_peak_counts_from_where_the_voltage_begins(reset, v_init):
    """It falls for a burst of inhibition, and rises by at most one step above threshold or start."""
    up, down, threshold = 0.5 + 0.25, 0.125 + 0.375, 1.0
    net = network([[0.5, -0.125, 0.25, -0.375]], v_threshold=threshold, v_init=v_init, reset=reset)
    peaks = closed(net)
    assert peaks.u == pytest.approx(max(up, down))
    assert peaks.v == pytest.approx(max(max(threshold, v_init) + up, LONGEST_BURST * down, -v_init))
    assert peaks.reached == pytest.approx(max(LONGEST_BURST * max(up, down), abs(v_init)))  # as if nothing fired
    fixed = sh.quantize(net)
    scale = fixed.population("p").scale[0]
    assert (max(threshold, v_init) + up) * scale <= STATE_MAX / ROOM
    assert -v_init * scale <= STATE_MAX / ROOM
    # Excitation alone from the first step on never saturates v.
    given = np.zeros((12, 1, 4), bool)
    given[:, :, [0, 2]] = True
    assert sh.run(fixed, given, "spec", on_overflow="ignore").overflow["p"].v_saturations == 0


@pytest.mark.parametrize("v_init", [0.0, 300.0])
def test_a_subtracting_reset_does_not_hold_what_brings_more_than_the_threshold(v_init):
    up = 3.0
    net = network([[1.0, 2.0]], v_threshold=1.0, v_init=v_init, reset="subtract")
    assert closed(net).v == pytest.approx(max(LONGEST_BURST * up, max(1.0, v_init) + up))
    assert closed(network([[1.0, 2.0]], v_threshold=1.0)).v == pytest.approx(4.0)
    assert closed(network([[1.0, 2.0]], v_threshold=3.0, reset="subtract")).v == pytest.approx(6.0)


@pytest.mark.parametrize("v_init", [0.0, 70.0, -70.0])
def test_a_readout_adds_up_for_a_burst_or_until_its_leak_balances(v_init):
    net = network([[0.5, -0.25]], neuron=sh.I, v_init=v_init)
    assert closed(net).v == pytest.approx(max(LONGEST_BURST * 0.5, abs(v_init)))
    # A leak of 1/8 under Euler integration: v is at most 8 steps high; gain 1/8 makes one step 1/16.
    leaky = network([[0.5, -0.25]], neuron=sh.LI, tau_mem=8.0, v_init=v_init)
    d = sh.quantize(leaky).population("p").dv[0] / 4096
    gain = 0.125
    assert closed(leaky).v == pytest.approx(max(0.5 * gain / d, abs(v_init)), rel=1e-6)
    assert closed(leaky).u == pytest.approx(0.5 * gain, rel=1e-6)


def test_a_bias_moves_both_bounds():
    net = network([[0.5, -0.25]], v_threshold=1.0, bias=0.125)
    assert closed(net).v == pytest.approx(max(1 + 0.625, LONGEST_BURST * 0.125))
    assert closed(net).bias == pytest.approx(0.125)
    assert closed(net).u == pytest.approx(0.5)
    down = network([[0.5, -0.25]], v_threshold=1.0, bias=-0.125)
    assert closed(down).v == pytest.approx(LONGEST_BURST * 0.375)
    assert closed(down).bias == pytest.approx(0.125)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_lasting_current_is_a_geometric_sum(sign):
    """tau_syn = 4 steps under Euler: a quarter leaves in each, so u is up to four times what arrives."""
    net = network([[sign * 0.5, sign * 0.25]], neuron=sh.CubaLI, tau_mem=2.0, tau_syn=4.0)
    fixed = sh.quantize(net)
    rate_u, rate_v = (fixed.population("p").du[0] + 1) / 4096, fixed.population("p").dv[0] / 4096
    arriving = np.abs(normal_form(net, "p").incoming[0].weight.values).sum()
    assert closed(net).u == pytest.approx(arriving / rate_u, rel=1e-9)
    assert closed(net).v == pytest.approx(arriving / rate_u / rate_v, rel=1e-9)
    report = fixed.report.populations[0]
    assert report.u_peak == pytest.approx(closed(net).u * report.scale / STATE_MAX)
    assert report.v_peak == pytest.approx(closed(net).v * report.scale / STATE_MAX)
    worst = int(fixed.activation_bound("p")[0]) * 64 / rate_u / STATE_MAX
    assert report.worst_case_u == pytest.approx(worst, rel=1e-9)


# Threshold balance.


def test_of_factors_that_all_fit_the_threshold_stays():
    """The neurons fire in every step whatever the factor: thresholds keep their value, and no note is made."""
    net = network(np.full((2, 3), 5.0), v_threshold=1.0)
    given = np.ones((10, 2, 3), bool)
    plain = sh.quantize(net, calibration=given, method="mse")
    balanced = sh.quantize(net, calibration=given, method="threshold_balance")
    assert balanced.population("p").vth.tolist() == plain.population("p").vth.tolist()
    assert not any("float spike rate" in note for note in balanced.report.notes)


def test_of_equal_factors_the_one_nearest_to_1_is_taken():
    """Weights are 2 bits wide: 0.7 of the largest weight rounds up to it, so the threshold has to rise, no more than
    it must: the smallest factor of 1.03**k from which on the neuron needs two spikes."""
    net = network([[1.0, 0.7]], v_threshold=0.8)
    given = np.zeros((30, 1, 2), bool)
    given[::2, 0, 1] = True
    options = {"calibration": given, "weight_bits": 2, "headroom": 4.0}
    plain = sh.quantize(net, method="mse", **options)
    balanced = sh.quantize(net, method="threshold_balance", **options)
    wanted = int(sh.run(net, given).spikes["p"].sum())
    before, after = plain.population("p").vth[0], balanced.population("p").vth[0]
    counts = {}
    for k in range(-14, 15):
        vth = int(np.rint(before * 1.03**k))
        population = sh.FixedPopulation(name="p", size=1, vth=vth, du=plain.population("p").du)
        tried = sh.FixedNetwork(plain.inputs, [population], plain.projections, plain.outputs)
        counts[k] = abs(int(sh.run(tried, given, on_overflow="ignore").spikes["p"].sum()) - wanted)
    least = min(counts.values())
    k = min((k for k in counts if counts[k] == least), key=abs)
    assert after == int(np.rint(before * 1.03**k))
