"""Pair STDP, SADP, gates and counters: against their equations pair by pair, and by their symmetries."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st

from ssdp_hw.errors import ParameterError
from ssdp_hw.operations.philox import synapse_random
from ssdp_hw.rules import SADP, SSDP, STDP, FixedGate, FixedSADP, FixedSSDP, FixedSTDP, Pairing
from ssdp_hw.rules.fixed_gate import fixed_gate
from ssdp_hw.rules.gate import GATE_MAX, Gate
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.rules.stdp import TraceRounding

STEPS = 20


def rasters(seed, rate, sizes=(3, 4), windows=2):
    rng = np.random.default_rng(seed)
    return [rng.random((STEPS, windows, n)) < rate for n in sizes]


def every_pair(pre, post):
    return np.indices((post.shape[2], pre.shape[2])).reshape(2, -1)


def step(rule, pre, post, window=0):
    rows, cols = every_pair(pre, post)
    return rule.step(rule.observe(pre, post), window, rows, cols).reshape(post.shape[2], pre.shape[2])


seeds, rates = st.integers(0, 2**32 - 1), st.sampled_from((0.0, 0.05, 0.3, 1.0))


# Pair STDP.


@examples(100, default=30)
@given(seeds, rates)
def test_stdp_is_the_sum_over_all_pairs_of_spikes(seed, rate):
    pre, post = rasters(seed, rate)
    rule = STDP(a_plus=0.3, a_minus=0.2, tau_plus=3.0, tau_minus=5.0)
    found = step(rule, pre, post, 1)
    for j in range(post.shape[2]):
        for i in range(pre.shape[2]):
            wanted = 0.0
            for s in np.flatnonzero(pre[:, 1, i]):
                for t in np.flatnonzero(post[:, 1, j]):
                    wanted += 0.3 * np.exp((s - t) / 3.0) if t > s else -0.2 * np.exp((t - s) / 5.0) if t < s else 0.0
            assert found[j, i] == pytest.approx(wanted, abs=1e-12)


@examples(100, default=30)
@given(seeds, rates)
def test_nearest_pairs_each_spike_with_the_last_one_before_it(seed, rate):
    pre, post = rasters(seed, rate)
    found = step(STDP(a_plus=1.0, a_minus=0.0, tau_plus=4.0, pairing="nearest"), pre, post)
    for j in range(post.shape[2]):
        for i in range(pre.shape[2]):
            before = np.flatnonzero(pre[:, 0, i])
            wanted = sum(
                np.exp((before[before < t].max() - t) / 4.0)
                for t in np.flatnonzero(post[:, 0, j])
                if (before < t).any()
            )
            assert found[j, i] == pytest.approx(wanted, abs=1e-12)


@examples(100, default=30)
@given(seeds, rates, st.sampled_from(Pairing))
def test_exchanging_the_neurons_and_the_signs_transposes(seed, rate, pairing):
    pre, post = rasters(seed, rate)
    rule = FixedSTDP(
        trace_rounding="toward_zero", a_plus=7, a_minus=5, decay_plus=300, decay_minus=900, pairing=pairing, lsb_shift=8
    )
    other = FixedSTDP(
        trace_rounding="toward_zero", a_plus=5, a_minus=7, decay_plus=900, decay_minus=300, pairing=pairing, lsb_shift=8
    )
    np.testing.assert_array_equal(step(rule, pre, post), -step(other, post, pre).T)


@examples(100, default=30)
@given(seeds, rates, st.sampled_from(Pairing), st.integers(0, 6), st.sampled_from(TraceRounding))
def test_integer_stdp_event_by_event(seed, rate, pairing, shift, rounding):
    """In Python integers, spike by spike, with saturating traces."""
    pre, post = rasters(seed, rate)
    rule = FixedSTDP(
        a_plus=9,
        a_minus=6,
        decay_plus=511,
        decay_minus=1024,
        trace_impulse=50,
        pairing=pairing,
        lsb_shift=8,
        dw_shift=shift,
        trace_rounding=rounding,
    )
    key = RandomKey(seed=3**30, layer=5, first_window=7)

    def addend(side, neuron, t):
        """What is added before the shift by 12; window 1 of those observed is window 8 of the run."""
        if rounding == "stochastic":
            return int(synapse_random(key.seed, 5 + 2**31 + side * 2**30, neuron, 8 * STEPS + t, 12))
        return 2048 if rounding == "nearest" else 0

    observed = replace(rule.observe(pre, post), key=key)
    rows, cols = np.indices((post.shape[2], pre.shape[2])).reshape(2, -1)
    found = rule.step(observed, 1, rows, cols).reshape(post.shape[2], pre.shape[2])
    half = 2**shift // 2
    for j in range(post.shape[2]):
        for i in range(pre.shape[2]):
            x = y = wanted = 0
            for t in range(STEPS):
                s_pre, s_post = bool(pre[t, 1, i]), bool(post[t, 1, j])
                wanted += s_post * ((9 * x + half) // 2**shift) - s_pre * ((6 * y + half) // 2**shift)
                for_pre = 50 if pairing == "nearest" else min(x + 50, 127)
                for_post = 50 if pairing == "nearest" else min(y + 50, 127)
                x = ((for_pre if s_pre else x) * (4096 - 511) + addend(0, i, t)) // 4096
                y = ((for_post if s_post else y) * (4096 - 1024) + addend(1, j, t)) // 4096
            assert found[j, i] == wanted


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_wider_traces_bring_integer_stdp_to_the_float_rule(bits):
    """A trace loses at most a unit a step, so at most tau units in all, of an impulse of 2**bits / 4."""
    pre, post = rasters(3, 0.1)
    rule = STDP(a_plus=1.0, a_minus=1.0, tau_plus=5.0, tau_minus=5.0)
    impulse = 2**bits // 4
    decay = round((1 - np.exp(-1 / 5)) * 4096)
    fixed = FixedSTDP(
        trace_rounding="toward_zero",
        a_plus=1,
        a_minus=1,
        decay_plus=decay,
        decay_minus=decay,
        trace_bits=bits,
        trace_impulse=impulse,
        lsb_shift=8,
        counter_bits=32,
    )
    error = np.abs(step(fixed, pre, post) / impulse - step(rule, pre, post)).max()
    events = max(pre[:, 0].sum(axis=0).max(), post[:, 0].sum(axis=0).max())
    assert error < 2 * events * (5.5 / impulse + 5e-4)


# SADP.


def kappa(a, b):
    """Cohen's kappa of two spike trains by its definition, in exact fractions."""
    n = len(a)
    observed = Fraction(int(np.sum(a == b)), n)
    chance = Fraction(int(a.sum() * b.sum() + (n - a.sum()) * (n - b.sum())), n * n)
    return Fraction(0) if chance == 1 else (observed - chance) / (1 - chance)


@examples(100, default=30)
@given(seeds, rates, rates)
def test_sadp_follows_cohens_kappa(seed, rate, other):
    pre, _ = rasters(seed, rate)
    _, post = rasters(seed + 1, other)
    found = step(SADP(a_plus=0.5, a_minus=0.25), pre, post)
    integer = FixedSADP(a_plus=4, a_minus=2, kappa_bits=10, lsb_shift=4)
    observed = integer.observe(pre, post)
    rows, cols = every_pair(pre, post)
    cut = integer.kappa(observed, 0, rows, cols).reshape(found.shape)
    for j in range(post.shape[2]):
        for i in range(pre.shape[2]):
            k = kappa(pre[:, 0, i], post[:, 0, j])
            assert found[j, i] == pytest.approx(float(k) * (0.5 if k > 0 else 0.25), abs=1e-12)
            assert cut[j, i] == int(k * 1024)  # int() cuts toward zero
    assert (integer.step(observed, 0, rows, cols).reshape(found.shape) == np.where(cut > 0, 4, 2) * cut).all()


@given(seeds, st.permutations(range(STEPS)))
def test_sadp_knows_no_order_of_time(seed, order):
    pre, post = rasters(seed, 0.3)
    np.testing.assert_array_equal(step(SADP(), pre, post), step(SADP(), pre[order], post[order]))


def test_sadp_of_equal_opposite_and_silent_trains():
    train = np.array([1, 0, 1, 1, 0, 0], bool).reshape(6, 1, 1)
    rule = SADP(a_plus=2.0, a_minus=3.0)
    assert step(rule, train, train) == 2.0
    assert step(rule, train, ~train) == -3.0
    assert step(rule, train, np.zeros_like(train)) == 0.0
    assert step(rule, np.zeros_like(train), np.zeros_like(train)) == 0.0


# Gates.


@given(st.integers(-(2**40), 2**40), st.integers(-512, 512), st.integers(1, 15))
def test_a_gate_multiplies_and_rounds_half_up_in_size(e, g, bits):
    rule = FixedSADP(a_plus=1, a_minus=1, lsb_shift=4, gate_bits=bits)
    found = int(rule.gated(np.array([e]), np.array([g]))[0])
    assert abs(Fraction(found) - Fraction(e * g, 2**bits)) <= Fraction(1, 2)
    assert int(rule.gated(np.array([-e]), np.array([g]))[0]) == -found == int(rule.gated(np.array([e]), -g)[0])
    assert rule.gated(np.array([e]), None)[0] == e == rule.gated(np.array([e]), 1 << bits)[0]


@given(
    st.floats(-1, 1),
    st.floats(0, 1),
    st.floats(1e-3, 0.5),
    st.integers(1, 2000),
    st.integers(1, 2000),
    st.integers(4, 15),
    st.data(),
)
def test_the_integer_gate_is_the_float_gate(k, mean, deviation, pre, post, bits, data):
    """To a unit for offset and shift, and to the rounding of a 15-bit slope."""
    gate = Gate(k=k, mean=mean, deviation=deviation)
    fixed = fixed_gate(gate, pre, post, bits)
    fixed.check_sizes(pre, post)
    a, b = data.draw(st.integers(0, pre)), data.draw(st.integers(0, post))
    wanted = float(gate(a * b / (pre * post)))
    slope = abs(k) * a * b / (deviation * pre * post)
    limit = max(pre * post * 2 / 2**62, 2.0**-14)
    assert abs(fixed(a, b) / 2**bits - wanted) <= 1.5 / 2**bits + slope * limit


@pytest.mark.parametrize("sign", [1, -1])
def test_gates_at_the_ends_of_the_floats(sign):
    """A slope below every register is none; one above all opens or closes the gate at the first pair."""
    for k in (1e-302, 5e-324):
        flat = fixed_gate(Gate(k=sign * k, mean=0.0, deviation=0.5), 4, 413, 4)
        assert [flat(0, 0), flat(4, 413)] == [16, 16]
    for deviation in (1e-302, 5e-324):
        steep = fixed_gate(Gate(k=sign, mean=0.0, deviation=deviation), 4, 413, 4)
        assert [steep(0, 0), steep(1, 1), steep(4, 413)] == [16, *[int(GATE_MAX) << 4 if sign > 0 else 0] * 2]
        ends = fixed_gate(Gate(k=sign, mean=0.5, deviation=deviation), 4, 413, 4)
        assert ends.offset == (-(2**31) if sign > 0 else 2**31 - 1)


def test_gates_out_of_range():
    with pytest.raises(ParameterError, match="slope = 32768"):
        FixedGate(offset=0, slope=2**15, shift=0)
    with pytest.raises(ParameterError, match="exceeds 62 bits"):
        FixedGate(offset=0, slope=2**15 - 1, shift=0).check_sizes(2**24, 2**24)
    with pytest.raises(ParameterError, match="gate is of type Gate; expected FixedGate"):
        FixedSSDP(a_plus=1, a_baseline=1, lut=(255,), lsb_shift=8, gate=Gate(k=0.1, mean=0.1, deviation=1.0))
    with pytest.raises(ParameterError, match="gate is of type FixedGate; expected Gate"):
        SSDP(gate=FixedGate(offset=0, slope=0, shift=0))
    with pytest.raises(ParameterError, match="one weight change is 510"):  # a gate doubles it
        FixedSSDP(
            a_plus=1, a_baseline=1, lut=(255,), lsb_shift=8, counter_bits=9, gate=FixedGate(offset=0, slope=0, shift=0)
        )


# Parameters.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: STDP(tau_plus=0.0), "tau_plus = 0"),
        (lambda: STDP(a_minus=-1.0), "a_minus = -1"),
        (lambda: STDP(pairing="some"), "unknown"),
        (lambda: STDP(trace_bits=1), "trace_bits = 1"),
        (lambda: SADP(a_plus=float("nan")), "NaN"),
        (lambda: SADP(kappa_bits=16), "kappa_bits = 16"),
        (lambda: SADP(counter_bits=3), "counter_bits = 3"),
        (lambda: SADP(windows_per_update=0), "windows_per_update = 0"),
        (
            lambda: FixedSTDP(
                trace_rounding="toward_zero", a_plus=1, a_minus=1, decay_plus=4097, decay_minus=0, lsb_shift=3
            ),
            "decay_plus = 4097",
        ),
        (
            lambda: FixedSTDP(
                trace_rounding="toward_zero",
                a_plus=1,
                a_minus=1,
                decay_plus=1,
                decay_minus=1,
                lsb_shift=3,
                trace_impulse=128,
            ),
            "1 .. 127",
        ),
        (lambda: FixedSTDP(a_plus=2**15, a_minus=1, decay_plus=1, decay_minus=1, lsb_shift=3), "one weight change"),
        (lambda: FixedSADP(a_plus=129, a_minus=0, lsb_shift=3), "one weight change is 33024"),
        (lambda: FixedSADP(a_plus=1, a_minus=1, lsb_shift=3).check_window(2**20 + 1), "several windows"),
    ],
)
def test_values_out_of_range(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
