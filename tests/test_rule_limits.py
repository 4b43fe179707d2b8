"""The range of every integer of a rule, at its ends and one beyond, and the defaults that the documentation states."""

from __future__ import annotations

import math

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.chips import load_chip
from ssdp_hw.errors import ParameterError
from ssdp_hw.rules import Gate, WarmUp
from ssdp_hw.rules.derivation import fixed_rule
from ssdp_hw.rules.fixed_gate import fixed_gate

SSDP = {"a_plus": 1, "a_baseline": 1, "lut": (1,), "lsb_shift": 0, "counter_bits": 32}
STDP = {"a_plus": 1, "a_minus": 1, "decay_plus": 1, "decay_minus": 1, "trace_impulse": 1, "lsb_shift": 0}
SADP = {"a_plus": 1, "a_minus": 1, "kappa_bits": 1, "lsb_shift": 0}
STDP["counter_bits"] = SADP["counter_bits"] = 32
GATE = {"offset": 0, "slope": 1, "shift": 0}

COUNTER = [("lsb_shift", 0, 30), ("gate_bits", 1, 15), ("windows_per_update", 1, 2**20)]
LIMITS = [
    *((kind, base, *limit) for kind, base in ((sh.FixedSSDP, SSDP), (sh.FixedSTDP, STDP)) for limit in COUNTER),
    *((sh.FixedSADP, SADP, *limit) for limit in COUNTER),
    *((sh.FixedSSDP, SSDP, name, 0, 2**16 - 1) for name in ("a_plus", "a_baseline")),
    (sh.FixedSSDP, SSDP, "dw_shift", 0, 24),
    (sh.FixedSSDP, SSDP, "time_bits", 1, 16),
    (sh.FixedSSDP, SSDP, "time_shift", 0, 16),
    *((sh.FixedSTDP, STDP, name, 0, 2**16 - 1) for name in ("a_plus", "a_minus")),
    *((sh.FixedSTDP, STDP, name, 0, 4096) for name in ("decay_plus", "decay_minus")),
    (sh.FixedSTDP, STDP, "trace_bits", 2, 16),
    (sh.FixedSTDP, STDP, "trace_impulse", 1, 127),
    (sh.FixedSTDP, STDP, "dw_shift", 0, 24),
    *((sh.FixedSADP, SADP, name, 0, 2**16 - 1) for name in ("a_plus", "a_minus")),
    (sh.FixedSADP, SADP, "kappa_bits", 1, 15),
    (sh.FixedSADP, SADP, "dw_shift", 0, 24),
    (sh.FixedGate, GATE, "gate_bits", 1, 15),
    (sh.FixedGate, GATE, "offset", -(2**31), 2**31 - 1),
    (sh.FixedGate, GATE, "slope", 1 - 2**15, 2**15 - 1),
    (sh.FixedGate, GATE, "shift", 0, 62),
    (sh.SSDP, {}, "time_shift", 0, 16),
    (sh.STDP, {}, "trace_bits", 2, 16),
    (sh.SADP, {}, "kappa_bits", 1, 15),
    *((kind, {}, "windows_per_update", 1, 2**20) for kind in (sh.SSDP, sh.STDP, sh.SADP)),
    *((kind, {}, "counter_bits", 4, 32) for kind in (sh.SSDP, sh.STDP, sh.SADP)),
]


@pytest.mark.parametrize(("kind", "base", "name", "low", "high"), LIMITS)
def test_each_integer_reaches_both_ends_of_its_range_and_no_further(kind, base, name, low, high):
    for value in (low, high):
        assert getattr(kind(**{**base, name: value}), name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ParameterError, match=name):
            kind(**{**base, name: value})


@pytest.mark.parametrize("bits", [4, 5, 16, 32])
def test_a_counter_holds_its_largest_step_and_one_lsb(bits):
    """A signed counter of b bits reaches from -2**(b-1) to 2**(b-1) - 1."""
    top = 2 ** (bits - 1) - 1
    base = {"a_plus": 1, "a_baseline": 1, "lut": (1,), "counter_bits": bits}
    rule = sh.FixedSSDP(**base, lsb_shift=bits - 2)
    assert (rule.counter_min, rule.counter_max) == (-top - 1, top)
    with pytest.raises(ParameterError):
        sh.FixedSSDP(**base, lsb_shift=bits - 1)
    if bits <= 16:
        for side in ("a_plus", "a_baseline"):
            assert sh.FixedSSDP(**{**base, side: top}, lsb_shift=0).largest_step == top
            with pytest.raises(ParameterError, match=f"{top + 1} counter units"):
                sh.FixedSSDP(**{**base, side: top + 1}, lsb_shift=0)
            with pytest.raises(ParameterError, match=str(2 * (top // 2 + 1))):  # a gate doubles it
                sh.FixedSSDP(**{**base, side: top // 2 + 1}, lsb_shift=0, gate=sh.FixedGate(**GATE))
            sh.FixedSSDP(**{**base, side: top // 2}, lsb_shift=0, gate=sh.FixedGate(**GATE))


@pytest.mark.parametrize(("name", "width"), [("lut", 4), ("lut_baseline", 4)])
def test_learning_windows_hold_8_bits_and_as_many_entries_as_the_register_has_ticks(name, width):
    base = {**SSDP, "time_bits": 2}
    for good in ((0,), (255,) * width):
        assert getattr(sh.FixedSSDP(**{**base, name: good}), name) == good
    for bad in ((), (255,) * (width + 1), (256,), (-1,)):
        with pytest.raises(ParameterError, match=name):
            sh.FixedSSDP(**{**base, name: bad})


@pytest.mark.parametrize(("time_bits", "time_shift"), [(1, 0), (3, 0), (3, 2), (6, 1)])
def test_a_window_fits_with_the_tick_of_the_silent_neuron(time_bits, time_shift):
    rule = sh.FixedSSDP(**{**SSDP, "time_bits": time_bits, "time_shift": time_shift})
    longest = (2**time_bits - 1) * 2**time_shift
    assert rule.max_window == longest
    rule.check_window(longest)
    for steps in (0, longest + 1):
        with pytest.raises(ParameterError, match=f"window of {steps}"):
            rule.check_window(steps)


def test_windows_of_agreement_have_a_longest():
    for rule in (sh.SADP(), sh.FixedSADP(**SADP)):
        rule.check_window(2**20)
        rule.check_window(1)
        for steps in (0, 2**20 + 1):
            with pytest.raises(ParameterError, match=f"window of {steps}"):
                rule.check_window(steps)


POSITIVE = [(sh.SSDP, n) for n in ("sigma", "tau_plus", "tau_minus", "clip")]
POSITIVE += [(sh.STDP, n) for n in ("tau_plus", "tau_minus", "clip")] + [(sh.SADP, "clip")]
POSITIVE += [(sh.BatchSSDP, n) for n in ("sigma", "tau_plus", "tau_minus", "clip")]
NOT_NEGATIVE = [(sh.SSDP, n) for n in ("a_plus", "a_baseline")] + [(sh.BatchSSDP, n) for n in ("a_plus", "a_baseline")]
NOT_NEGATIVE += [(kind, n) for kind in (sh.STDP, sh.SADP) for n in ("a_plus", "a_minus")]


@pytest.mark.parametrize(("kind", "name"), POSITIVE + NOT_NEGATIVE)
def test_amplitudes_may_be_zero_and_widths_may_not(kind, name):
    assert getattr(kind(**{name: 1e-300}), name) == 1e-300
    for value in (-1e-300, math.inf, math.nan):
        with pytest.raises(ParameterError, match=name):
            kind(**{name: value})
    if (kind, name) in POSITIVE:
        with pytest.raises(ParameterError, match=name):
            kind(**{name: 0})
    else:
        assert getattr(kind(**{name: 0}), name) == 0


def test_defaults_are_those_that_are_written_down():
    common = {"clip": 1.0, "windows_per_update": 1, "gate": None, "rounding": "carry", "counter_bits": 16}
    authors = {"a_plus": 1.5e-4, "a_baseline": 5e-5, "sigma": 1.0, "tau_plus": 20.0, "tau_minus": 20.0}
    integers = {"counter_bits": 16, "windows_per_update": 1, "rounding": "carry", "gate": None, "gate_bits": 8}
    lsb = {"lsb_shift": 0}
    for rule, wanted in (
        (sh.SSDP(), {**authors, **common, "spike_time": "first", "silent_pairs": "depress", "time_shift": 0}),
        (sh.BatchSSDP(), {**authors, "clip": 1.0, "start_epoch": 0, "final": 0.0, "epochs": None}),
        (sh.STDP(), {**common, "a_plus": 1e-3, "a_minus": 1e-3, "tau_plus": 20.0, "tau_minus": 20.0, "trace_bits": 7}),
        (sh.SADP(), {**common, "a_plus": 1e-3, "a_minus": 1e-3, "kappa_bits": 8}),
        (
            sh.FixedSSDP(a_plus=1, a_baseline=1, lut=(1,), **lsb),
            {**integers, "dw_shift": 0, "time_bits": 6, "time_shift": 0, "lut_baseline": None},
        ),
        (
            sh.FixedSTDP(a_plus=1, a_minus=1, decay_plus=1, decay_minus=1, **lsb),
            {**integers, "trace_impulse": 127, "trace_bits": 7, "pairing": "all", "dw_shift": 0},
        ),
        (sh.FixedSADP(a_plus=1, a_minus=1, **lsb), {**integers, "kappa_bits": 8, "dw_shift": 0}),
        (sh.FixedGate(offset=0, slope=0, shift=0), {"gate_bits": 8}),
    ):
        assert {name: getattr(rule, name) for name in wanted} == wanted


@pytest.mark.parametrize("pairing", ["all", "nearest"])
@pytest.mark.parametrize("counter_bits", [8, 16, 24])
def test_a_derived_counter_holds_the_step_of_a_trace_that_several_spikes_raised(pairing, counter_bits):
    """One LSB has as many units as fit: with twice as many either one update, or that step, is beyond the counter."""
    for scale in (1, 10, 200, 1000, 2000, 3000, 8000, 50000):
        lsb = 1e-3 * scale / 2
        p = sh.FixedProjection(pre="a", post="b", weight=np.zeros((1, 1), int), scale=float(scale))
        rule = sh.STDP(a_plus=1e-3, a_minus=5e-4, pairing=pairing, counter_bits=counter_bits)
        peak = 127 / 31 if pairing == "all" else 1.0
        if max(1 + lsb, peak * lsb) >= 2 ** (counter_bits - 1) - 1:
            with pytest.raises(ParameterError, match="one weight update can bring"):
                fixed_rule(rule, p, load_chip("loihi"))
            continue
        fixed, _ = fixed_rule(rule, p, load_chip("loihi"))
        unit = 2.0**fixed.lsb_shift
        assert fixed.largest_step <= fixed.counter_max
        assert fixed.largest_step == pytest.approx(peak * lsb * unit, rel=1e-4, abs=1)
        assert 2 * unit * max(1 + lsb, peak * lsb) > fixed.counter_max * 0.999 or fixed.dw_shift == 0


def gate_product(pre, post, slope):
    sh.FixedGate(offset=0, slope=slope, shift=0).check_sizes(pre, post)


def test_the_product_of_a_gate_stays_below_62_bits():
    gate_product(2**31, 2**20, 2**11 - 1)
    gate_product(2**31, 2**20, 1 - 2**11)
    for slope in (2**11, -(2**11)):
        with pytest.raises(ParameterError, match="62 bits"):
            gate_product(2**31, 2**20, slope)


def test_a_gate_without_slope_and_gates_at_their_ends():
    one = Gate(k=0.5, mean=0.25, deviation=0.125)
    assert one([0.25, 0.375, 0.5, 1.0, 0.0, 0.125]).tolist() == [1.0, 1.5, 2.0, 2.0, 0.0, 0.5]
    assert Gate(k=0.0, mean=0.3, deviation=0.1)(0.9) == 1.0
    for wrong in (0.0, -0.1):
        with pytest.raises(ParameterError, match="deviation"):
            Gate(k=0.5, mean=0.25, deviation=wrong)


def test_warm_up_without_variation_has_no_correlation():
    varied, still = [0.1, 0.2, 0.6], [0.3, 0.3, 0.3]
    assert WarmUp().with_batch(still, varied).fit() == Gate(k=0.0, mean=np.mean(still), deviation=1.0)
    found = WarmUp().with_batch(varied, still).fit()
    assert (found.k, found.mean) == (0.0, pytest.approx(0.3))
    assert found.deviation == pytest.approx(np.std(varied))
    assert WarmUp().with_batch(varied, varied).fit().k == pytest.approx(-1.0)
    assert WarmUp().with_batch(varied, [-x for x in varied]).fit().k == pytest.approx(1.0)
    assert WarmUp().with_batch([], []) == WarmUp()
    assert WarmUp().with_batch([0.1, 0.2], [1.0, 3.0]).fit().k == pytest.approx(-1.0)
    with pytest.raises(ParameterError, match="found 1"):
        WarmUp().with_batch([0.1], [1.0]).fit()
    WarmUp(samples=0)
    with pytest.raises(ParameterError, match="-1 is below 0"):
        WarmUp(samples=-1)


@pytest.mark.parametrize(("k", "offset"), [(1.0, -(2**31)), (-1.0, 2**31 - 1)])
def test_steep_gates_end_at_their_registers(k, offset):
    fixed = fixed_gate(Gate(k=k, mean=1.0, deviation=1e-12), 3, 4)
    assert (fixed.offset, abs(fixed.slope)) == (offset, 2**15 - 1)
    large = fixed_gate(Gate(k=k, mean=0.5, deviation=0.25), 2**25, 2**25)
    large.check_sizes(2**25, 2**25)
    assert fixed_gate(Gate(k=0.0, mean=0.5, deviation=0.25), 3, 4) == sh.FixedGate(offset=256, slope=0, shift=0)


@pytest.mark.parametrize("windows", [1, 7])
@pytest.mark.parametrize("gate", [None, Gate(k=0.5, mean=0.5, deviation=0.25)])
def test_a_derived_counter_holds_all_windows_of_an_update_under_the_widest_gate(windows, gate):
    """The rest of one LSB and so many steps, each doubled by a gate; one shift more would not fit."""
    p = sh.FixedProjection(pre="a", post="b", weight=np.zeros((1, 1), int), scale=1000.0)
    rule = sh.SSDP(a_plus=0.06, a_baseline=0.01, windows_per_update=windows, gate=gate, counter_bits=12)
    fixed, _ = fixed_rule(rule, p, load_chip("loihi"))
    widest = 1 if gate is None else 2
    gathered = 2**fixed.lsb_shift * (1 + windows * widest * 30.0)
    assert gathered <= fixed.counter_max < 2 * gathered
    assert windows * widest * (fixed.largest_step - 0.5) + 2**fixed.lsb_shift - 1 <= fixed.counter_max


def test_gains_below_their_mean_count_as_those_above():
    p = sh.FixedProjection(pre="a", post="b", weight=np.zeros((3, 1), int), scale=[500.0, 1400.0, 1400.0])
    (note,) = fixed_rule(sh.SSDP(), p, load_chip("loihi"))[1]
    assert "off by up to 54.5%" in note


@pytest.mark.parametrize("name", ["start_epoch", "epochs"])
def test_epochs_have_a_last_one(name):
    last = 2**31
    values = {"schedule": "cosine", "epochs": last, "start_epoch": 0}
    assert getattr(sh.BatchSSDP(**{**values, name: last - 1}), name) == last - 1
    assert sh.BatchSSDP().factor(last) == 1.0
    with pytest.raises(ParameterError, match=f"{name} = {last + 1}"):
        sh.BatchSSDP(**{**values, name: last + 1})


@pytest.mark.parametrize("rule", [sh.SSDP, sh.STDP, sh.SADP])
def test_no_number_of_a_float_rule_is_negative_however_small(rule):
    names = [n for n in ("a_plus", "a_baseline", "a_minus", "sigma", "tau_plus", "tau_minus") if hasattr(rule(), n)]
    for name in names:
        with pytest.raises(ParameterError, match=rf"{name} = -0\.001 must be positive"):
            rule(**{name: -1e-3})
        if name.startswith("a_"):
            rule(**{name: 0})
        else:
            with pytest.raises(ParameterError, match=f"{name} = 0 must be positive"):
                rule(**{name: 0})


def test_traces_of_a_formula_have_2_to_16_bits():
    for bits in (2, 16):
        assert sh.Rule("0.1 * x1 * y0", trace_bits=bits).model.trace_bits == bits
    for bits in (1, 17):
        with pytest.raises(ParameterError, match=rf"trace_bits = {bits} is outside 2 \.\. 16"):
            sh.Rule("0.1 * x1 * y0", trace_bits=bits)
