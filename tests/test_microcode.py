"""The compiler of learning rules: widths, fit, branches, refusals. No Lava."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_counts import examples
from hypothesis import example, given, strategies as st
from pair_updates import pair_update

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.microcode import Arithmetic, Epoch, Product, Trace
from ssdp_hw.microcode.exponentials import AMPLITUDE_MAX, fit_gaussian
from ssdp_hw.microcode.learning_engine import FACTOR_BITS, TRACE_MAX, float_traces, mean_integer_traces, pair_step
from ssdp_hw.microcode.literals import is_literal, mantissa_and_exponent, nearest_literal
from ssdp_hw.rules.spike_times import spike_registers

LITERALS = sorted({m * 2.0**e for m in range(-7, 8) for e in range(-7, 9)})


def largest_error(curve: np.ndarray, sigma: float) -> float:
    distance = np.arange(len(curve))
    return float(np.max(np.abs(curve - np.exp(-((distance / sigma) ** 2) / 2))))


# Literals and products


@pytest.mark.parametrize("value", LITERALS)
def test_every_literal_is_written_exactly(value):
    mantissa, exponent = mantissa_and_exponent(value)
    assert -8 <= mantissa <= 7
    assert -7 <= exponent <= 8
    assert mantissa * 2.0**exponent == value
    assert is_literal(value)


@given(st.floats(-2000, 2000))
def test_no_literal_is_nearer(value):
    found = float(nearest_literal(np.array([value]))[0])
    assert found in LITERALS
    assert abs(found - value) == min(abs(x - value) for x in LITERALS)


def test_what_is_no_literal_is_refused():
    assert not is_literal(9.0)
    with pytest.raises(ParameterError, match="9 is no mantissa"):
        mantissa_and_exponent(9.0)


@given(st.lists(st.sampled_from(sorted(FACTOR_BITS)), max_size=2))
def test_the_exponent_for_fixed_pt_makes_up_for_the_shift(factors):
    product = Product(3, -6, ("u0", *factors))
    bits = 4 + sum({"x0": 1, "y0": 1, "w": 9, "d": 9, "t": 9}.get(f, 7) for f in factors)
    assert product.shift == max(0, bits - 15)
    written = {kind: int(product.text(kind).split("^")[1].split("*")[0]) for kind in Arithmetic}
    assert written[Arithmetic.FLOATING] == -6
    assert written[Arithmetic.FIXED] == -6 + product.shift


@pytest.mark.parametrize(
    ("mantissa", "exponent", "factors", "message"),
    [
        (1, 0, ("u12", "x1"), "u0 .. u9"),  # Lava reads it as u1 * 2
        (1, 0, ("x1", "y1"), "begins with none"),
        (1, 0, (), "begins with none"),
        (8, 0, ("x0",), "mantissa = 8 is outside -8 .. 7"),
        (1, 9, ("x0",), "exponent = 9 is outside -7 .. 8"),
        (1, 0, ("x0", "x4"), "'x4' is none of"),
        (1, 6, ("u0", "x1", "y1"), "the limit is 5"),
        (0.5, 0, ("x0",), "not a whole number"),
    ],
)
def test_products_that_lava_would_misread_are_refused(mantissa, exponent, factors, message):
    with pytest.raises(ParameterError, match=message):
        Product(mantissa, exponent, factors)


@pytest.mark.parametrize("impulse", [0, 128, 2.5])
def test_impulses_are_integers_of_seven_bits(impulse):
    with pytest.raises(ParameterError, match="impulse"):
        Trace(impulse, 1.0)
    with pytest.raises(ParameterError, match="tau"):
        Trace(1, 0.0)


# Traces


@pytest.mark.parametrize("tau", [0.3, 1.0, 5.0])
def test_the_mean_of_integer_traces(tau):
    impulses, decay = np.array([1, 40, TRACE_MAX]), np.exp(-1 / tau)
    steps = mean_integer_traces(impulses, tau, 30, Epoch.STEP)
    np.testing.assert_array_equal(steps, float_traces(impulses, tau, 30))
    window = mean_integer_traces(impulses, tau, 30, Epoch.WINDOW)
    np.testing.assert_array_equal(window[:, 0], impulses)
    # A single rounding has no bias; a second one with the same random number has: a trace of 1 that
    # survives the first step, which it does with the probability of the decay, survives them all.
    np.testing.assert_allclose(window[:, 1], impulses * decay, atol=1 / 1024)
    np.testing.assert_allclose(window[0, 1:], decay, atol=1 / 1024)
    # Every rounding is off by less than 1, and what it is off by decays.
    assert np.all(np.abs(window - steps) < 1 / (1 - decay))


# Fit


@pytest.mark.slow
def test_a_value_of_its_own_at_distance_0_beats_sums_that_pass_through_1():
    distance, taus = np.arange(20), np.linspace(0.3, 3, 2701)
    single = min(largest_error(np.exp(-distance / t), 1.0) for t in taus)
    double = min(largest_error(2 * np.exp(-distance / t) - np.exp(-2 * distance / t), 1.0) for t in taus)
    assert single == pytest.approx(0.111, abs=1e-3)
    assert double == pytest.approx(0.064, abs=1e-3)
    for count, bound in ((1, 0.0131), (2, 0.0054)):
        curve = sum(q * np.exp(-distance / tau) for q, tau in fit_gaussian(1.0, count, 20))
        curve[0] = 1.0
        assert largest_error(curve, 1.0) < bound


@pytest.mark.slow
@examples(15, default=3)
@given(st.floats(0.05, 100), st.integers(1, 63))
def test_the_fit_is_bounded_and_a_second_exponential_helps(sigma, longest):
    distance = np.arange(1, longest + 1)
    target, errors = np.exp(-((distance / sigma) ** 2) / 2), []
    for count in (1, 2):
        found = fit_gaussian(sigma, count, longest)
        assert len(found) <= count
        assert all(abs(q) <= AMPLITUDE_MAX + 1e-9 and tau > 0 for q, tau in found)
        errors.append(np.max(np.abs(sum((q * np.exp(-distance / tau) for q, tau in found), -target))))
    assert errors[0] < 0.13
    assert errors[1] <= errors[0] + 1e-3


# Branches


RULES = st.builds(
    sh.SSDP,
    a_plus=st.floats(0.01, 0.2),
    a_baseline=st.one_of(st.just(0.0), st.floats(0.003, 0.2)),
    sigma=st.floats(0.3, 6),
    silent_pairs=st.sampled_from(["depress", "skip"]),
    learning_window=st.sampled_from(["gaussian", "exponential"]),
    tau_plus=st.floats(0.3, 6),
    tau_minus=st.floats(0.3, 6),
)


def window_update(rule: sh.SSDP, window: int, pre: int | None, post: int | None) -> float:
    """The float rule on a window in which each neuron fires once, or not."""
    registers = []
    for spike in (pre, post):
        raster = np.zeros((window, 1, 1), bool)
        if spike is not None:
            raster[spike] = True
        registers.append(spike_registers(raster))
    return float(pair_update(rule, *registers, 0)[0, 0])


@pytest.mark.slow
@examples(20, default=3)
@given(RULES, st.integers(1, 63), st.integers(1, 2))
@example(sh.SSDP(a_plus=0.125, a_baseline=0.0, sigma=1.0), 2, 2)  # as narrow as a single step
def test_branches_hold_what_the_float_rule_wants_and_what_the_products_give(rule, window, exponentials):
    scale = 100.0
    longest = window / 6  # so that traces fade within a window
    tau_plus = min(rule.tau_plus, longest)
    tau_minus = min(rule.tau_minus, longest) if exponentials == 2 else tau_plus
    rule = replace(rule, sigma=min(rule.sigma, longest), tau_plus=tau_plus, tau_minus=tau_minus)
    code = sh.compile_microcode(rule, window=window, scale=scale, exponentials=exponentials)
    tables = {
        Arithmetic.FIXED: {
            n: mean_integer_traces(np.array([t.impulse]), t.tau, window, code.epoch)[0] for n, t in code.traces.items()
        },
        Arithmetic.FLOATING: {n: t.impulse * np.exp(-np.arange(window + 1) / t.tau) for n, t in code.traces.items()},
    }
    cases = [(code.none, 0, None, None)]
    cases += [(code.both, d, d, 0) for d in range(window)]
    cases += [(code.both, d, window - 1 - d, window - 1) for d in range(window)]
    cases += [(code.one_silent, d - 1, None, window - d) for d in range(1, window + 1)]
    for branch, index, pre, post in cases:
        assert branch.wanted[index] == pytest.approx(scale * window_update(rule, window, pre, post), abs=1e-12)
        for kind, traces in tables.items():
            found = pair_step(code.products, traces, code.epoch, window, pre, post)
            assert branch.obtained[kind][index] == pytest.approx(found, abs=1e-9)
    # Coincidence has its own term; the smallest step is 2**-7.
    assert abs(code.both.obtained[Arithmetic.FIXED][0] - scale * rule.a_plus) <= 2.0**-8 + 0.02 * scale * rule.a_plus
    assert code.both.largest_error() <= max(rule.a_plus, rule.a_baseline) * scale / 2
    assert abs(code.none.obtained[Arithmetic.FIXED][0] - code.none.wanted[0]) <= max(
        2.0**-8, rule.a_baseline * scale / 7
    )


@pytest.mark.slow
def test_large_steps_on_large_windows_are_near():
    """With steps of LSBs the stated error is that of the fit, of 4-bit literals and of 7-bit traces."""
    for sigma, window, allowed in ((1.0, 20, 0.03), (2.0, 31, 0.06)):
        code = sh.compile_microcode(sh.SSDP(a_plus=0.08, a_baseline=0.02, sigma=sigma), window=window, scale=100.0)
        assert code.both.largest_error() < allowed * 8.0
        assert code.one_silent.largest_error() < allowed * 8.0


def test_an_exponential_learning_window_needs_no_fit():
    """What is left in floating_pt is the rounding of its literals, below 1/16 of the amplitude."""
    rule = sh.SSDP(a_plus=0.04, a_baseline=0.02, learning_window="exponential", tau_plus=3.0, tau_minus=5.0)
    code = sh.compile_microcode(rule, window=40, scale=100.0)
    assert {name: t.tau for name, t in code.traces.items() if name != "y3"} == {"x1": 3, "x2": 5, "y1": 3, "y2": 5}
    for branch, learning_window in (
        (code.both, np.exp(-np.arange(40) / 3)),
        (code.one_silent, np.exp(-np.arange(1, 41) / 5)),
    ):
        obtained = branch.obtained[Arithmetic.FLOATING]
        np.testing.assert_allclose(
            obtained[1:] / obtained[1], learning_window[1:] / learning_window[1], rtol=1e-6, atol=1e-6
        )
        assert branch.largest_error(Arithmetic.FLOATING) < np.abs(branch.wanted).max() / 16
    assert not any("Gaussian" in note or "learning window is replaced" in note for note in code.replaced)


@pytest.mark.parametrize("silent_pairs", ["depress", "skip"])
def test_without_a_learning_window_every_pair_of_a_window_is_synchronous(silent_pairs):
    rule = sh.SSDP(a_plus=0.5, a_baseline=0.25, sigma=1.0, silent_pairs=silent_pairs)
    code = sh.compile_microcode(rule, window=20, scale=4.0, exponentials=0)
    assert not code.traces
    step = {
        pair: pair_step(code.products, {}, code.epoch, 20, *pair)
        for pair in ((3, 17), (3, None), (None, 17), (None, None))
    }
    none = -1.0 if silent_pairs == "depress" else 0.0
    assert step == {(3, 17): 2.0, (3, None): -1.0, (None, 17): -1.0, (None, None): none}
    if none:  # the textbook form: a x0 y0 - b u0 + b x0 y0
        assert sorted((p.coefficient, p.factors) for p in code.products) == [(-1.0, ("u0",)), (3.0, ("x0", "y0"))]


def test_one_silent_neuron():
    rule = sh.SSDP(a_plus=0.5, a_baseline=0.25, sigma=2.0, silent_pairs="skip")
    kinds = {
        kind: sh.compile_microcode(rule, window=20, scale=8.0, one_silent=kind, exponentials=1).one_silent.obtained[
            Arithmetic.FIXED
        ]
        for kind in ("timed", "flat", "skip")
    }
    np.testing.assert_array_equal(kinds["skip"], 0.0)
    np.testing.assert_array_equal(kinds["flat"], -2.0)
    assert kinds["timed"][0] < -1.5  # just before the end of the window
    assert abs(kinds["timed"][-1]) < 0.1  # at its beginning


@pytest.mark.slow
def test_updates_in_every_step():
    rule = sh.SSDP(a_plus=0.5, a_baseline=0.125, sigma=2.0)
    flat = sh.compile_microcode(rule, window=31, scale=8.0, epoch="step")
    skip = sh.compile_microcode(rule, window=31, scale=8.0, epoch="step", one_silent="skip")
    assert flat.t_epoch == 1
    assert skip.both.largest_error() < 0.06 * 4.0
    # Each of two spikes without a partner in its step pays the baseline.
    paid = flat.both.obtained[Arithmetic.FIXED] - skip.both.obtained[Arithmetic.FIXED]
    np.testing.assert_allclose(paid, [0.0, *[-2.0] * 30], atol=1e-12)


def test_only_long_traces_reach_into_the_next_window():
    short, long = (
        sh.compile_microcode(sh.SSDP(a_plus=0.5, a_baseline=0, sigma=sigma), window=12, scale=8.0, exponentials=1)
        for sigma in (0.6, 6.0)
    )
    assert short.carry_over < 0.01 < long.carry_over
    assert sum("window later" in note for note in long.replaced) == 1


def test_what_is_replaced_depends_on_what_is_wanted():
    def notes(**changes):
        form = {"window": 20, "scale": 100.0, **{k: changes.pop(k) for k in ("exponentials", "epoch") if k in changes}}
        return " ".join(sh.compile_microcode(sh.SSDP(a_plus=0.05, a_baseline=0.02, **changes), **form).replaced)

    assert "not the first" in notes()
    assert "not the first" not in notes(spike_time="last")
    assert "Rounding 'carry'" in notes()
    assert "Rounding" not in notes(rounding="stochastic")
    assert "not after 3 windows" in notes(windows_per_update=3)
    assert "equally synchronous" in notes(exponentials=0)
    assert "There are no windows" in notes(epoch="step")


@pytest.mark.parametrize(
    ("rule", "form", "error", "message"),
    [
        ({}, {"window": 64}, ParameterError, "window = 64 steps is outside 1 .. 63"),
        ({}, {"window": 0}, ParameterError, "window = 0"),
        ({}, {"window": 256, "epoch": "step"}, ParameterError, "outside 1 .. 255"),
        ({}, {"window": 10.0}, ParameterError, "not a whole number"),
        ({}, {"exponentials": 3}, ParameterError, "exponentials = 3"),
        ({}, {"exponentials": 0, "epoch": "step"}, UnsupportedError, "no windows"),
        ({}, {"exponentials": 0, "one_silent": "timed"}, UnsupportedError, "timed"),
        ({}, {"epoch": "step", "one_silent": "timed"}, UnsupportedError, "timed"),
        ({}, {"epoch": "hour"}, ParameterError, "'hour' is unknown"),
        ({}, {"one_silent": "perhaps"}, ParameterError, "'perhaps' is unknown"),
        ({}, {"scale": 0.0}, ParameterError, "scale"),
        ({}, {"scale": None}, ParameterError, "scale"),
        ({}, {"scale": float("nan")}, ParameterError, "NaN"),
        ({"a_plus": 1e-5}, {}, ParameterError, "a_plus = 1e-05 is 0.001 weight LSBs"),
        ({"a_baseline": 1e-5}, {}, ParameterError, "a_baseline = 1e-05"),
        ({"a_plus": 1.0}, {"scale": 300.0}, ParameterError, "is 300 weight LSBs"),
        ({"a_plus": 1.0}, {"scale": 250.0}, ParameterError, "partial sum"),
        ({"a_plus": 0.05, "clip": 0.01}, {}, UnsupportedError, "clip = 0.01"),
        ({"sigma": 1e-200}, {}, ParameterError, "sigma = 1e-200"),
        ({"sigma": 1e200}, {}, ParameterError, r"sigma = 1e\+200"),
        ({"sigma": 40.0}, {}, ParameterError, "its trace a window later"),
        ({"learning_window": "exponential", "tau_minus": 1e9}, {}, ParameterError, r"tau_minus = 1e\+09"),
        ({"learning_window": "exponential", "tau_plus": 40.0}, {}, ParameterError, "tau_plus = 40"),
        ({"learning_window": "exponential", "tau_minus": 3.0}, {"exponentials": 1}, UnsupportedError, "two traces"),
        ({"gate": sh.Gate(k=1.0, mean=0.5, deviation=0.1)}, {}, UnsupportedError, "gate of its own"),
        # 1.3 steps of 2**-7 for the amplitude: the fit's exponentials, 4 times as large, round to nothing like it.
        ({"a_plus": 1e-4, "sigma": 10.0, "a_baseline": 0.0}, {"window": 63}, ParameterError, "no impulses and lit"),
    ],
)
def test_what_cannot_be_expressed_is_refused(rule, form, error, message):
    wanted = sh.SSDP(**{"a_plus": 0.05, "a_baseline": 0.02, **rule})
    with pytest.raises(error, match=message):
        sh.compile_microcode(wanted, **{"window": 20, "scale": 100.0, **form})


@pytest.mark.parametrize("rule", [sh.STDP(), sh.SADP()])
def test_another_rule_is_refused_by_name(rule):
    with pytest.raises(UnsupportedError, match=type(rule).__name__):
        sh.compile_microcode(rule, window=10, scale=100.0)


def test_the_integer_rule_is_refused():
    with pytest.raises(ParameterError, match="give the float rule"):
        sh.compile_microcode(sh.FixedSSDP(a_plus=1, a_baseline=1, lut=(255,), lsb_shift=8), window=10, scale=1.0)


def test_the_text_has_one_sign_between_products():
    code = sh.compile_microcode(sh.SSDP(a_plus=0.05, a_baseline=0.02), window=20, scale=100.0)
    text = code.dw()
    assert "+ -" not in text
    assert text.count("*2^") == len(code.products)
    assert text in str(code)


@pytest.mark.slow
@pytest.mark.parametrize(("exponent", "factor"), [(0, 1), (3, 1), (-1, 2), (-3, 8)])
def test_the_lsb_of_a_negative_weight_exponent_is_that_of_the_rule(exponent, factor):
    """``weight >> k`` at exponent 0 is the same synapse, and its LSB is 1."""
    rule = sh.SSDP(a_plus=0.04, a_baseline=0.02, sigma=2)
    compiled = sh.compile_microcode(rule, window=31, scale=100 * factor, weight_exp=exponent)
    wanted = sh.compile_microcode(rule, window=31, scale=100)
    assert (compiled.products, compiled.traces) == (wanted.products, wanted.traces)
