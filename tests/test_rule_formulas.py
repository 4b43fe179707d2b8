"""Every rule against its formula, worked out here in exact numbers, from spikes that are put where they are wanted.

The postsynaptic neurons are made to fire by synapses of their own that do not learn; what one window brings is read
off the weights and counters afterwards. With the ends of the projection exchanged, what is symmetric must stay and
what is antisymmetric must turn its sign.
"""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from lesson_options import lesson

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.rules.fixed_gate import fixed_gate
from ssdp_hw.rules.values import rule_from_dict, rule_to_dict

PLASTIC = "pre->out"
T = 12  # steps of a window


def raster(*trains, steps=T):
    """Spikes (time, n) from the steps in which each neuron fires."""
    spikes = np.zeros((steps, len(trains)), bool)
    for n, train in enumerate(trains):
        spikes[list(train), n] = True
    return spikes


def learned(rule, pre, post, **options):
    """The result of one window in which these neurons fired; no postsynaptic one can in step 0."""
    assert not post[0].any()
    (steps, n), m = pre.shape, post.shape[1]
    force = np.roll(post, -1, axis=0)  # a spike acts one step later
    inputs = [sh.Input("pre", n), sh.Input("force", m)]
    if isinstance(rule, sh.rules.CounterRule) or options.pop("fixed", False):
        net = sh.FixedNetwork(
            inputs,
            [sh.FixedPopulation(name="out", size=m, vth=100)],
            [
                sh.FixedProjection(pre="pre", post="out", weight=np.zeros((m, n), int), scale=1000.0),
                sh.FixedProjection(pre="force", post="out", weight=200 * np.eye(m, dtype=int)),
            ],
            ["out"],
        )
    else:
        net = sh.Network(
            inputs,
            [sh.Population(name="out", neuron=sh.IF(size=m, v_threshold=0.5))],
            [
                sh.Projection(pre="pre", post="out", weight=np.zeros((m, n))),
                sh.Projection(pre="force", post="out", weight=np.eye(m)),
            ],
            ["out"],
            sh.Semantics(1.0),
        )
    options = {"health": False, "steps": steps, "plastic": PLASTIC, **options}
    return sh.learn(net, {"pre": pre[:, None], "force": force[:, None]}, None, rule, "spec", **lesson(**options))


def step(rule, pre, post):
    """What the window brought to each synapse, shape (post, pre): counter units, or the float step."""
    result = learned(rule, pre, post)
    p = result.network.projection(PLASTIC)
    if isinstance(rule, sh.rules.CounterRule):
        units = (p.mantissa.astype(int) << rule.lsb_shift) + result.counters[PLASTIC]
        return units.reshape(p.shape)
    return np.asarray(p.weight)


def half_up(x, shift):
    return (x + ((1 << shift) >> 1)) >> shift


# SSDP: the distance of the representative spikes, in ticks.

LUT, BASELINE = (255, 200, 100, 50, 20, 10, 3), (250, 190, 90, 40, 15, 9, 1)


@pytest.mark.parametrize("time_shift", [0, 1, 2])
@pytest.mark.parametrize("dw_shift", [0, 3])
def test_synchronous_pairs_gain_by_their_distance_in_ticks(time_shift, dw_shift):
    rule = sh.FixedSSDP(
        a_plus=77,
        a_baseline=31,
        lut=LUT,
        lut_baseline=BASELINE,
        lsb_shift=9,
        counter_bits=24,
        time_shift=time_shift,
        dw_shift=dw_shift,
    )
    times = list(range(T))
    pre, post = raster(*[[t] for t in times]), raster(*[[t] for t in times[1:]])
    found = step(rule, pre, post)
    for (i, before), (j, after) in itertools.product(enumerate(times), enumerate(times[1:])):
        ticks = abs((after >> time_shift) - (before >> time_shift))
        kernel = LUT[ticks] if ticks < len(LUT) else 0
        assert found[j, i] == half_up(77 * kernel, dw_shift)


@pytest.mark.parametrize("time_shift", [0, 1, 2])
@pytest.mark.parametrize("silent_pairs", ["depress", "skip"])
def test_a_silent_neuron_has_the_tick_after_the_last(time_shift, silent_pairs):
    rule = sh.FixedSSDP(
        a_plus=77,
        a_baseline=31,
        lut=LUT,
        lut_baseline=BASELINE,
        lsb_shift=9,
        counter_bits=24,
        time_shift=time_shift,
        silent_pairs=silent_pairs,
    )
    never = (T - 1 >> time_shift) + 1
    found = step(rule, raster([], [T - 1], [1], [T - 2]), raster([], [T - 1], [1]))
    for i, before in enumerate((None, T - 1, 1, T - 2)):
        for j, after in enumerate((None, T - 1, 1)):
            a, b = (never if t is None else t >> time_shift for t in (before, after))
            ticks = abs(a - b)
            if before is None and after is None:
                assert found[j, i] == (0 if silent_pairs == "skip" else -31 * BASELINE[0])
            elif before is None or after is None:
                assert found[j, i] == -(31 * BASELINE[ticks] if ticks < len(BASELINE) else 0)
            else:
                assert found[j, i] == 77 * (LUT[ticks] if ticks < len(LUT) else 0)


@pytest.mark.parametrize("time_shift", [0, 1])
def test_the_first_or_the_last_spike_of_a_window_counts(time_shift):
    common = {"a_plus": 9, "a_baseline": 0, "lut": LUT, "lsb_shift": 9, "counter_bits": 24, "time_shift": time_shift}
    pre, post = raster([2, 5, 9]), raster([4, 8])
    for spike_time, before, after in (("first", 2, 4), ("last", 9, 8)):
        ticks = abs((after >> time_shift) - (before >> time_shift))
        assert step(sh.FixedSSDP(**common, spike_time=spike_time), pre, post).tolist() == [[9 * LUT[ticks]]]
    for spike_time, distance in (("first", 2), ("last", 1)):
        found = step(sh.SSDP(a_plus=0.5, sigma=1.5, spike_time=spike_time), pre, post)
        assert found[0, 0] == pytest.approx(0.5 * math.exp(-(distance**2) / (2 * 1.5**2)), rel=1e-12)


@pytest.mark.parametrize("kernel", ["gaussian", "exponential"])
def test_the_two_time_constants_belong_to_synchronous_and_to_other_pairs(kernel):
    rule = sh.SSDP(a_plus=0.5, a_baseline=0.25, learning_window=kernel, sigma=3.0, tau_plus=2.0, tau_minus=7.0)
    found = step(rule, raster([3], []), raster([5]))[0]

    def g(d, tau):
        return math.exp(-d / tau) if kernel == "exponential" else math.exp(-d * d / 18)

    assert found == pytest.approx([0.5 * g(2, 2.0), -0.25 * g(T - 5, 7.0)], rel=1e-12)
    # Over batches, and as integers: the same two constants.
    batch = sh.BatchSSDP(a_plus=0.5, a_baseline=0.25, learning_window=kernel, sigma=3.0, tau_plus=2.0, tau_minus=7.0)
    update = sh.batch_update(batch, raster([3], [])[:, None], raster([5])[:, None])
    assert update[0] == pytest.approx(found, rel=1e-12)
    fixed = learned(rule, raster([3]), raster([5]), fixed=True).rules[PLASTIC]
    assert list(fixed.lut) == [round(255 * g(d, 2.0)) for d in range(64)]
    baseline = fixed.lut if fixed.lut_baseline is None else fixed.lut_baseline
    assert list(baseline) == [round(255 * g(d, 7.0)) for d in range(64)]


# STDP: pre before post potentiates with tau_plus, post before pre depresses with tau_minus.


def test_the_windows_of_stdp_in_float():
    rule = sh.STDP(a_plus=0.5, a_minus=0.25, tau_plus=2.0, tau_minus=7.0)
    times = list(range(1, T))
    found = step(rule, raster(*[[t] for t in times]), raster(*[[t] for t in times]))
    for (i, before), (j, after) in itertools.product(enumerate(times), enumerate(times)):
        d = after - before
        wanted = 0.0 if d == 0 else 0.5 * math.exp(-d / 2.0) if d > 0 else -0.25 * math.exp(d / 7.0)
        assert found[j, i] == pytest.approx(wanted, rel=1e-12, abs=1e-300)


def trace(distance, decay, impulse=127):
    """The trace so many steps after one spike: cut in each step."""
    for _ in range(distance):
        impulse = impulse * (4096 - decay) >> 12
    return impulse


@pytest.mark.parametrize("dw_shift", [0, 4])
def test_the_windows_of_stdp_in_integers(dw_shift):
    rule = sh.FixedSTDP(
        trace_rounding="toward_zero",
        a_plus=50,
        a_minus=20,
        decay_plus=1700,
        decay_minus=500,
        lsb_shift=9,
        counter_bits=24,
        dw_shift=dw_shift,
    )
    times = list(range(1, T))
    found = step(rule, raster(*[[t] for t in times]), raster(*[[t] for t in times]))
    for (i, before), (j, after) in itertools.product(enumerate(times), enumerate(times)):
        d = after - before
        gain = half_up(50 * trace(d, 1700), dw_shift) if d > 0 else 0
        loss = half_up(20 * trace(-d, 500), dw_shift) if d < 0 else 0
        assert found[j, i] == gain - loss


@pytest.mark.parametrize(("pairing", "last"), [("all", False), ("nearest", True)])
def test_which_earlier_spikes_pair(pairing, last):
    """All add up and saturate at 2**trace_bits - 1; of the nearest only the last one counts."""
    common = {"a_plus": 1, "a_minus": 0, "decay_plus": 0, "decay_minus": 0, "lsb_shift": 9, "counter_bits": 24}
    for impulse in (40, 127):
        rule = sh.FixedSTDP(**common, trace_rounding="toward_zero", pairing=pairing, trace_impulse=impulse)
        found = step(rule, raster([1], [1, 3], [1, 3, 4], [1, 2, 3, 4]), raster([6]))
        assert found.tolist() == [[impulse if last else min(127, k * impulse) for k in (1, 2, 3, 4)]]
    rule = sh.STDP(a_plus=1.0, a_minus=0.0, tau_plus=3.0, pairing=pairing)
    wanted = math.exp(-1) + (0 if last else math.exp(-5 / 3))
    assert step(rule, raster([1, 3]), raster([6]))[0, 0] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(("tau_plus", "tau_minus"), [(2.0, 30.0), (30.0, 2.0), (1.0, 500.0)])
def test_derived_integers_keep_each_time_constant_and_amplitude_on_its_side(tau_plus, tau_minus):
    rule = sh.STDP(a_plus=0.02, a_minus=0.005, tau_plus=tau_plus, tau_minus=tau_minus, pairing="nearest")
    fixed = learned(rule, raster([3]), raster([5]), fixed=True).rules[PLASTIC]
    assert fixed.decay_plus == round(4096 * (1 - math.exp(-1 / tau_plus)))
    assert fixed.decay_minus == round(4096 * (1 - math.exp(-1 / tau_minus)))
    assert fixed.a_plus / fixed.a_minus == pytest.approx(4, rel=1e-3)
    exchanged = replace(rule, a_plus=0.005, a_minus=0.02, tau_plus=tau_minus, tau_minus=tau_plus)
    other = learned(exchanged, raster([3]), raster([5]), fixed=True).rules[PLASTIC]
    assert other == replace(
        fixed,
        a_plus=fixed.a_minus,
        a_minus=fixed.a_plus,
        decay_plus=fixed.decay_minus,
        decay_minus=fixed.decay_plus,
    )


@pytest.mark.parametrize("rule", [sh.SADP, sh.STDP, sh.SSDP])
def test_derived_integers_take_the_step_of_the_float_rule(rule):
    """One LSB is ``step / scale``: 2 / 1000 of the float weight; both amplitudes, each on its side."""
    lesser = "a_baseline" if rule is sh.SSDP else "a_minus"
    fine = {"trace_bits": 16, "pairing": "nearest"} if rule is sh.STDP else {}
    float_rule = rule(**{"a_plus": 0.03, lesser: 0.011}, counter_bits=24, **fine)
    pre, post = raster([2, 5], [7], [], [3, 9]), raster([3, 6], [6], [])
    fixed = learned(float_rule, pre, post, fixed=True)
    integer = fixed.rules[PLASTIC]
    p = fixed.network.projection(PLASTIC)
    lsb = (p.mantissa.reshape(-1) + fixed.counters[PLASTIC] / 2.0**integer.lsb_shift).reshape(p.shape)
    np.testing.assert_allclose(lsb, step(float_rule, pre, post) * 1000 / 2, rtol=0.01, atol=0.06)


# SADP: Cohen's kappa, here as an exact fraction.


def kappa(pre, post):
    n, a, b = int((pre & post).sum()), int(pre.sum()), int(post.sum())
    steps = len(pre)
    below = steps * (a + b) - 2 * a * b
    return Fraction(2 * (steps * n - a * b), below) if below else Fraction(0)


@pytest.mark.parametrize(("bits", "dw_shift"), [(8, 0), (3, 2), (1, 0), (15, 9)])
def test_agreement_is_cohens_kappa(bits, dw_shift):
    rng = np.random.default_rng(bits)
    pre, post = rng.random((T, 9)) < rng.random(9), rng.random((T, 7)) < rng.random(7)
    pre[:, :2], post[0] = [False, True], False
    post[:, 0] = pre[:, 2] & (np.arange(T) > 0)
    rule = sh.FixedSADP(a_plus=60, a_minus=25, kappa_bits=bits, lsb_shift=9, counter_bits=24, dw_shift=dw_shift)
    float_rule = sh.SADP(a_plus=0.5, a_minus=0.125)
    found, exact = step(rule, pre, post), step(float_rule, pre, post)
    for i, j in itertools.product(range(9), range(7)):
        k = kappa(pre[:, i], post[:, j])
        cut = int(abs(k) * 2**bits)  # toward zero
        gain, loss = half_up(60 * cut, dw_shift), half_up(25 * cut, dw_shift)
        assert found[j, i] == (gain if k > 0 else -loss)
        assert exact[j, i] == pytest.approx(float(k) * (0.5 if k > 0 else 0.125), rel=1e-12)


# Ends exchanged.

ENDS = [
    (sh.FixedSSDP(a_plus=60, a_baseline=25, lut=LUT, lsb_shift=9, counter_bits=24), 1),
    (sh.SSDP(a_plus=0.5, a_baseline=0.125), 1),
    (sh.FixedSADP(a_plus=60, a_minus=25, lsb_shift=9, counter_bits=24), 1),
    (sh.SADP(a_plus=0.5, a_minus=0.125), 1),
    (
        sh.FixedSTDP(
            trace_rounding="toward_zero",
            a_plus=25,
            a_minus=25,
            decay_plus=900,
            decay_minus=900,
            lsb_shift=9,
            counter_bits=24,
        ),
        -1,
    ),
    (sh.STDP(a_plus=0.25, a_minus=0.25, tau_plus=4.0, tau_minus=4.0), -1),
]


@pytest.mark.parametrize(("rule", "sign"), ENDS)
def test_exchanged_ends(rule, sign):
    rng = np.random.default_rng(5)
    a, b = rng.random((T, 5)) < 0.2, rng.random((T, 4)) < 0.3
    a[0] = b[0] = False
    forward, backward = step(rule, a, b), step(rule, b, a)
    assert forward.shape == (4, 5)
    np.testing.assert_allclose(forward, sign * backward.T, rtol=1e-12, atol=1e-15)
    assert np.any(forward != 0)


def test_exchanged_ends_of_a_batch():
    rng = np.random.default_rng(6)
    a, b = rng.random((T, 6, 5)) < 0.1, rng.random((T, 6, 4)) < 0.1
    rule = sh.BatchSSDP(a_plus=0.5, a_baseline=0.125)
    gate = sh.Gate(k=0.5, mean=0.3, deviation=0.2)
    forward, backward = sh.batch_update(rule, a, b, gate), sh.batch_update(rule, b, a, gate)
    np.testing.assert_allclose(forward, backward.T, rtol=1e-12)
    assert np.any(forward != 0)


# Gates: the integer gate from the group counters, and what it does to a step.


@pytest.mark.parametrize("gate_bits", [1, 8, 15])
def test_slopes_of_derived_gates_are_rounded_to_the_nearest(gate_bits):
    rng = np.random.default_rng(gate_bits)
    for _ in range(200):
        pre, post = (int(x) for x in rng.integers(1, 3000, 2))
        gate = sh.Gate(
            k=float(rng.uniform(-1, 1)), mean=float(rng.uniform(0, 1)), deviation=float(rng.uniform(0.05, 1))
        )
        fixed = fixed_gate(gate, pre, post, gate_bits)
        one = 2**gate_bits
        # In units of the gate: k / deviation for all pre * post pairs, 1 - k mean / deviation for none.
        per_pair = Fraction(one) * Fraction(gate.k) / (Fraction(gate.deviation) * pre * post)
        assert abs(fixed.slope - per_pair * 2**fixed.shift) <= Fraction(1, 2) + Fraction(1, 2**30)
        offset = Fraction(one) * (1 - Fraction(gate.k) * Fraction(gate.mean) / Fraction(gate.deviation))
        assert abs(fixed.offset - offset) <= Fraction(1, 2) + Fraction(1, 2**30)
        # As fine as 16 bits can be: one shift more and the slope would not fit.
        assert 2**13 <= abs(fixed.slope) < 2**15 or fixed.shift in (0, 62)
        assert fixed_gate(gate, post, pre, gate_bits) == fixed


def test_the_gate_is_the_formula_with_a_floor_and_clipped_to_its_range():
    gate = sh.FixedGate(offset=100, slope=-37, shift=5, gate_bits=7)
    for a, b in itertools.product(range(12), repeat=2):
        assert gate(a, b) == gate(b, a) == max(0, min(256, 100 + math.floor(Fraction(-37 * a * b, 32))))
    up = sh.FixedGate(offset=-10, slope=5, shift=1, gate_bits=7)
    for n in range(150):
        assert up(1, n) == max(0, min(256, -10 + 5 * n // 2))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_gate_from_outside_multiplies_and_rounds_half_up(sign):
    rule = sh.FixedSSDP(a_plus=1, a_baseline=1, lut=(201,), lsb_shift=9, counter_bits=24, gate_bits=2)
    for quarters in range(-8, 9):
        result = learned(rule, raster([3]), raster([3] if sign > 0 else [1, 3]), gates=[quarters / 4])
        p = result.network.projection(PLASTIC)
        units = (int(p.mantissa[0]) << 9) + int(result.counters[PLASTIC][0])
        e = 201 if sign > 0 else 0  # first spikes 2 apart: beyond the table
        size = (e * abs(quarters) + 2) >> 2
        assert units == (size if quarters > 0 else -size)


def test_the_gate_of_the_window_counts_neurons_that_fired_at_both_ends():
    gate = sh.FixedGate(offset=10, slope=3, shift=0, gate_bits=8)
    rule = sh.FixedSSDP(a_plus=1, a_baseline=1, lut=(200,) * 13, lsb_shift=9, counter_bits=24, gate=gate)
    found = step(rule, raster([3], [4, 5], [], [7], []), raster([3], [], [6, 8]))
    g = 10 + 3 * 3 * 2
    units = (200 * g + 128) >> 8
    assert found.tolist() == [[units if i in (0, 1, 3) and j != 1 else -units for i in range(5)] for j in range(3)]


@pytest.mark.parametrize("mean", [0.0, 0.25, 0.9])
def test_the_float_gate_takes_the_share_of_synchronous_pairs(mean):
    """3 of 5 and 2 of 3 neurons fired: 6 of 15 pairs."""
    gate = sh.Gate(k=0.5, mean=mean, deviation=0.5)
    rule = sh.SSDP(a_plus=0.5, a_baseline=0.5, sigma=1e6)
    pre, post = raster([3], [4, 5], [], [7], []), raster([3], [], [6, 8])
    g = 1 + 0.5 * (6 / 15 - mean) / 0.5
    np.testing.assert_allclose(step(replace(rule, gate=gate), pre, post), g * step(rule, pre, post), rtol=1e-12)


@pytest.mark.parametrize("clip", [0.1, 0.3])
def test_the_clip_bounds_each_window_on_both_sides(clip):
    rule = sh.SSDP(a_plus=0.5, a_baseline=0.2, sigma=1e6, clip=clip)
    found = step(rule, raster([3], []), raster([3]))[0]
    assert found == pytest.approx([min(0.5, clip), -min(0.2, clip)], rel=1e-9)


# Before rounding, and in files.


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("gate", [None, 1.5, -0.5])
def test_the_bias_of_each_rule_is_measured_against_its_step_before_rounding(side, gate):
    """lsb_shift 3 and dw_shift 4: a rounded step is off by half a unit of 1/8 LSB at most."""
    pre, post = (raster([2], [2]), raster([3], [3])) if side > 0 else (raster([3], [3]), raster([2], [2]))
    common = {"lsb_shift": 3, "counter_bits": 24, "dw_shift": 4}
    gates = None if gate is None else [gate]
    g = 1.0 if gate is None else gate
    stdp = sh.FixedSTDP(trace_rounding="toward_zero", a_plus=5, a_minus=3, decay_plus=1700, decay_minus=500, **common)
    exact = (5 * trace(1, 1700) if side > 0 else -3 * trace(1, 500)) * g / 2**7
    for rule, wanted in ((stdp, exact), (sh.FixedSADP(a_plus=5, a_minus=3, kappa_bits=6, **common), None)):
        if wanted is None:
            cut = -int(-kappa(pre[:, 0], post[:, 0]) * 2**6)
            wanted = (5 if cut > 0 else 3) * cut * g / 2**7
        result = learned(rule, pre, post, gates=gates, health=True)
        p = result.network.projection(PLASTIC)
        found = p.mantissa.reshape(-1) + result.counters[PLASTIC] / 8
        health = result.health[PLASTIC]
        assert health.rounding_bias_lsb == pytest.approx(np.mean(found) - wanted, rel=1e-9)
        assert abs(health.rounding_bias_lsb) <= (0.5 if gate is None else 0.5 * abs(g) + 0.5) / 8
        assert health.lost_lsb == 0


RULES = [rule for rule, _ in ENDS] + [
    sh.SSDP(gate=sh.Gate(k=0.5, mean=0.25, deviation=0.125), learning_window="exponential", rounding="nearest"),
    replace(ENDS[0][0], gate=sh.FixedGate(offset=3, slope=-2, shift=1), lut_baseline=(9, 8), silent_pairs="skip"),
]


@pytest.mark.parametrize("rule", RULES)
def test_rules_are_kept_as_plain_values(rule):
    values = json.loads(json.dumps(rule_to_dict(rule)))
    assert values["kind"] == type(rule).__name__
    assert rule_from_dict(values) == rule


def test_what_is_no_rule_is_refused():
    values = rule_to_dict(sh.STDP())
    for wrong, said in (
        (3, "described by its parameters"),
        ({**values, "kind": "Hebb"}, "unknown"),
        ({**values, "kind": 3}, "unknown"),
        ({**values, "tau": 1.0}, "no parameter 'tau'"),
        ({"kind": "FixedSTDP"}, "FixedSTDP"),
        ({"kind": "Gate", "k": 0.5, "mean": 0.5, "deviation": 1.0}, "Gate is no learning rule"),
    ):
        with pytest.raises(ParameterError, match=said):
            rule_from_dict(wrong)
    with pytest.raises(ParameterError, match="no learning rule"):
        rule_to_dict(sh.Gate(k=0.5, mean=0.5, deviation=1.0))

    class Own(sh.STDP):
        pass

    with pytest.raises(UnsupportedError, match="Own has no form in a file"):
        rule_to_dict(Own())
