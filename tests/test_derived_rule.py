"""From the float rule to the integer rule: same steps, to what counter and learning window table can hold."""

from __future__ import annotations

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw.chips import load_chip
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.rules import SSDP, SilentPairs, SpikeTime, WeightRounding
from ssdp_hw.rules.derivation import fixed_rule

CHIP = load_chip("loihi")


def projection(scale=2000.0, bits=8):
    number = sh.WeightFormat(bits)
    return sh.FixedProjection(pre="a", post="b", weight=np.zeros((2, 3), int), format=number, scale=scale)


def lsbs(rule, amplitude, distance, scale=2000.0, step=2):
    """The float step in weight LSBs."""
    return amplitude * rule.learning_windows(np.asarray(distance))[0] * scale / step


amplitudes = st.floats(1e-6, 0.05)


@examples(100, default=30)
@given(
    amplitudes,
    amplitudes,
    st.floats(0.3, 40),
    st.sampled_from((8, 12, 16, 24, 32)),
    st.sampled_from((1, 3, 50)),
    st.integers(0, 3),
)
def test_evidence_is_the_float_step(a_plus, a_baseline, sigma, counter_bits, windows_per_update, time_shift):
    rule = SSDP(
        a_plus=a_plus,
        a_baseline=a_baseline,
        sigma=sigma,
        counter_bits=counter_bits,
        windows_per_update=windows_per_update,
        time_shift=time_shift,
    )
    scale = 400.0 if counter_bits > 8 else 10.0
    gathered = windows_per_update * max(a_plus, a_baseline) * scale / 2
    if 1 + gathered > 2 ** (counter_bits - 1) - 1:
        with pytest.raises(ParameterError, match="one weight update can bring"):
            fixed_rule(rule, projection(scale), CHIP)
        return
    fixed, _ = fixed_rule(rule, projection(scale), CHIP)
    lsb = 2.0**fixed.lsb_shift
    ticks = np.arange(2**fixed.time_bits)
    for amplitude, table in zip((a_plus, a_baseline), fixed.tables, strict=True):
        wanted = lsbs(rule, amplitude, ticks << time_shift, scale)
        found = table / lsb
        # The learning window's table has 8 bits, the larger amplitude 16; the product is rounded to a unit.
        table_error = amplitude * scale / 2 * 0.5 / 255
        amplitude_error = max(a_plus, a_baseline) * scale / 2 * 2.0**-16
        np.testing.assert_allclose(found, wanted, rtol=0, atol=table_error + amplitude_error + 0.51 / lsb)
    # The carried rest of a weight update and the weight changes of the next one fit the counter.
    assert windows_per_update * (fixed.largest_step - 0.5) + lsb - 1 <= fixed.counter_max


def test_more_counter_bits_give_a_finer_step():
    rule = SSDP(a_plus=1.37e-4, a_baseline=0.0)
    errors = []
    for bits in (8, 12, 16, 20):
        fixed, _ = fixed_rule(SSDP(a_plus=rule.a_plus, a_baseline=0.0, counter_bits=bits), projection(), CHIP)
        errors.append(abs(fixed.tables[0][0] / 2.0**fixed.lsb_shift - lsbs(rule, rule.a_plus, 0)))
    assert errors[0] <= 2.0**-7
    assert all(error <= 2.0**-bits for error, bits in zip(errors, (7, 11, 15, 19), strict=True))


def test_a_wide_counter_takes_steps_of_many_lsbs():
    """The amplitude, not the counter, is what limits here."""
    fixed, _ = fixed_rule(SSDP(a_plus=0.9, a_baseline=0.5, counter_bits=32), projection(), CHIP)
    for amplitude, table in zip((0.9, 0.5), fixed.tables, strict=True):
        wanted = amplitude * 2000 / 2
        assert table[0] / 2.0**fixed.lsb_shift == pytest.approx(wanted, rel=1e-4)


def test_no_step_at_all():
    fixed, notes = fixed_rule(SSDP(a_plus=0.0, a_baseline=0.0), projection(), CHIP)
    assert (fixed.a_plus, fixed.a_baseline, notes) == (0, 0, [])


def test_options_are_handed_on():
    options = {
        "windows_per_update": 5,
        "rounding": WeightRounding.STOCHASTIC,
        "counter_bits": 20,
        "time_shift": 2,
        "spike_time": SpikeTime.LAST,
        "silent_pairs": SilentPairs.SKIP,
    }
    fixed, _ = fixed_rule(SSDP(**options), projection(), CHIP)
    assert {name: getattr(fixed, name) for name in options} == options
    assert fixed.max_window >= CHIP.window_ticks_max << 2


def test_fewer_weight_bits_make_a_step_smaller():
    fine, coarse = (fixed_rule(SSDP(a_plus=0.01), projection(bits=bits), CHIP)[0] for bits in (8, 5))
    steps = [rule.tables[0][0] / 2.0**rule.lsb_shift for rule in (fine, coarse)]
    assert steps[0] / steps[1] == pytest.approx(8, rel=1e-3)


def test_what_is_lost_is_said():
    _, notes = fixed_rule(SSDP(a_plus=1e-5, a_baseline=1e-7, counter_bits=8), projection(), CHIP)
    assert len(notes) == 1
    assert "a_baseline is below half a unit of a counter of 8 bits" in notes[0]
    _, notes = fixed_rule(SSDP(), projection(scale=[1000.0, 3000.0]), CHIP)
    assert notes == ["projection 'a->b': its neurons differ in gain, so the integer step is off by up to 50.0%"]


@pytest.mark.parametrize(
    ("rule", "scale", "error", "message"),
    [
        (SSDP(), None, UnsupportedError, "without a scale"),
        (SSDP(), [0.0, 1.0], UnsupportedError, "a neuron has the gain 0"),
        (SSDP(), [-5.0, 1.0], UnsupportedError, "a neuron has the gain -5"),
        (SSDP(a_plus=0.5, clip=0.1), 2000.0, UnsupportedError, "clip = 0.1 is below an amplitude"),
        (SSDP(a_plus=0.5, counter_bits=8), 2000.0, ParameterError, "one weight update can bring 500 weight LSBs"),
        (SSDP(a_plus=0.01, windows_per_update=10**6), 2000.0, ParameterError, "fewer windows_per_update"),
    ],
)
def test_refused(rule, scale, error, message):
    with pytest.raises(error, match=message):
        fixed_rule(rule, projection(scale), CHIP)
