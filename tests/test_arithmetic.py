"""Each operation against the same formula in Python's unbounded integers, written by hand here."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ssdp_hw import arithmetic as op

HALF = 2**23
EDGES = sorted({s * (v + d) for v in (0, 1, 63, 4095, 4096, HALF, 3 * HALF) for d in (-1, 0, 1) for s in (-1, 1)})
states = st.one_of(st.sampled_from(EDGES), st.integers(-(2**31), 2**31))


def py_decay(x, rate, bits=12):
    kept = abs(x) * (2**bits - rate) // 2**bits
    return kept if x >= 0 else -kept


def py_wrap(x, bits=24):
    if x > 2 ** (bits - 1):
        return x - 2**bits
    return x + 2**bits if x <= -(2 ** (bits - 1)) else x


def py_shift(x, exponent):
    return x * 2**exponent if exponent >= 0 else x // 2**-exponent


def test_decay_of_every_small_value():
    x, rate = np.meshgrid(np.arange(-40, 41), np.arange(9))
    expected = [py_decay(int(a), int(b), 3) for a, b in zip(x.flat, rate.flat, strict=True)]
    assert op.decay(x, rate, 3).reshape(-1).tolist() == expected


@given(states, st.one_of(st.sampled_from([0, 1, 4095, 4096]), st.integers(0, 4096)))
def test_decay(x, rate):
    y = int(op.decay(x, rate))
    assert y == py_decay(x, rate)
    assert int(op.decay(-x, rate)) == -y
    assert abs(y) <= abs(x)
    assert y * x >= 0


def test_decay_ends():
    assert op.decay(EDGES, 0).tolist() == EDGES
    assert op.decay(EDGES, 4096).tolist() == [0] * len(EDGES)
    assert op.decay([1, -1, HALF, -HALF], 1).tolist() == [0, 0, HALF - 2048, 2048 - HALF]


def test_wrap_of_every_small_value():
    x = np.arange(-60, 61)
    assert op.wrap_once(x, 4).tolist() == [py_wrap(int(v), 4) for v in x]


def test_wrap_at_its_ends():
    assert op.wrap_once([HALF, HALF + 1, -HALF, -HALF + 1]).tolist() == [HALF, 1 - HALF, HALF, 1 - HALF]


@given(states)
def test_wrap(x):
    y = int(op.wrap_once(x))
    assert y == py_wrap(x)
    assert (y - x) % 2**24 == 0
    if abs(x) < 3 * HALF:  # one turn leads back
        assert -HALF < y <= HALF


def test_saturate_of_every_small_value():
    assert op.saturate(np.arange(-20, 21), 4).tolist() == [max(-7, min(7, v)) for v in range(-20, 21)]


def test_saturate_is_symmetric():
    assert op.saturate([-HALF, 1 - HALF, HALF - 1, HALF]).tolist() == [1 - HALF, 1 - HALF, HALF - 1, HALF - 1]


@given(st.integers(-(2**31), 2**31), st.integers(-31, 31))
def test_shift(x, exponent):
    assert int(op.shift(x, exponent)) == py_shift(x, exponent)


def test_shift_right_of_negative_numbers_is_floor():
    assert op.shift([-1, -4, -5, 5], -2).tolist() == [-1, -1, -2, 1]
    assert op.shift([3, 3], [1, -1]).tolist() == [6, 1]


@given(st.integers(-HALF + 1, HALF), st.integers(-(2**18), 2**18), st.integers(0, 4095))
def test_next_current(u, activation, du):
    after, raw = op.next_current(u, activation, du)
    assert int(raw) == py_decay(u, du + 1) + activation * 64
    assert int(after) == py_wrap(int(raw))


@given(
    st.integers(-HALF + 1, HALF - 1), st.integers(-HALF + 1, HALF), st.integers(-(2**19), 2**19), st.integers(0, 4095)
)
def test_next_voltage(v, u, bias, dv):
    after, raw = op.next_voltage(v, u, bias, dv)
    assert int(raw) == py_decay(v, dv) + u + bias
    assert int(after) == max(-(HALF - 1), min(HALF - 1, int(raw)))


def test_offset_and_widths_are_parameters():
    assert int(op.next_current(100, 1, 5, offset=3, bits=4, activation_shift=2)[0]) == 100 * 8 // 16 + 4
    assert int(op.next_voltage(100, 0, 0, 5, offset=3, bits=4)[0]) == 50
    assert int(op.next_current(0, 9, 0, state_bits=4, activation_shift=0)[0]) == 9 - 16
    assert int(op.next_voltage(0, 9, 0, 0, state_bits=4)[0]) == 7


@pytest.mark.parametrize("threshold", [0, 64, HALF - 1])
def test_fires(threshold):
    v = [threshold - 1, threshold, threshold + 1]
    assert op.fires(v, threshold).tolist() == [False, False, True]
    assert op.fires(v, threshold, True).tolist() == [False, True, True]
    assert op.fires(v, threshold, [False, True, False]).tolist() == [False, True, True]


def test_reset():
    v, fired = [10, 10, -3, 7], [True, True, False, True]
    assert op.reset(v, fired, 6, False).tolist() == [0, 0, -3, 0]
    assert op.reset(v, fired, 6, True).tolist() == [4, 4, -3, 1]
    assert op.reset(v, fired, [6, 7, 8, 9], [True, False, True, True]).tolist() == [4, 0, -3, -2]


def test_shapes_broadcast_and_inputs_are_not_changed():
    u = np.full((3, 2), 1000)
    after, raw = op.next_current(u, np.zeros((3, 2), int), np.array([0, 4095]))
    assert after.shape == raw.shape == (3, 2)
    assert after[0].tolist() == [999, 0]
    assert u.tolist() == [[1000, 1000]] * 3
