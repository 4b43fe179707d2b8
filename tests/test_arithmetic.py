"""Each operation against the same formula in Python's unbounded integers, written by hand here."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ssdp_hw import arithmetic as op
from ssdp_hw.models.cuba_lif import MODEL
from ssdp_hw.operations.base import Values
from ssdp_hw.operations.exact import ExactOperations

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


def exact(bits=12, width=24, *, spiking=True, at_least=False, subtract=False):
    """The operations of a model's step on these registers."""
    options = {"spiking": spiking, "at_least": at_least, "subtract": subtract}
    return ExactOperations(bits, {"u": width, "v": width}, **options).counting()


def advance(op, u, v, arriving, bias=0, **parameters):
    """One step of the chip's neuron: current, voltage after the reset, and whether it fired."""
    parameters = {"du": 4096, "dv": 0, "vth": HALF, **parameters}
    values = {name: np.asarray(x, np.int64) for name, x in {**parameters, "bias": bias}.items()}
    states = Values({"u": np.asarray(u, np.int64), "v": np.asarray(v, np.int64)})
    after, fired = MODEL.step(op, states, Values(values), np.asarray(arriving, np.int64))
    return after["u"], after["v"], fired


@given(states, st.integers(0, 4096))
def test_a_step_decays_by_the_same_formula(x, rate):
    assert int(exact().decay(x, rate)) == py_decay(x, rate) == int(op.decay(x, rate))


@given(st.integers(-HALF + 1, HALF), st.integers(-(2**24), 2**24), st.integers(0, 4096))
def test_the_current_of_a_step(u, arriving, du):
    after, _, _ = advance(exact(), u, 0, arriving, du=du)
    assert int(after) == py_wrap(py_decay(u, du) + arriving)


@given(
    st.integers(-HALF + 1, HALF - 1), st.integers(-HALF + 1, HALF), st.integers(-(2**19), 2**19), st.integers(0, 4095)
)
def test_the_voltage_of_a_step(v, u, bias, dv):
    _, after, fired = advance(exact(), 0, v, u, bias, dv=dv)
    assert int(after) == max(-(HALF - 1), min(HALF - 1, py_decay(v, dv) + u + bias))
    assert not fired


def test_widths_are_those_of_the_registers():
    u, v, _ = advance(exact(bits=4), 100, 100, 4, du=8, dv=8, vth=1000)
    assert (int(u), int(v)) == (54, 104)
    u, v, _ = advance(exact(width=4), 0, 0, 9, bias=20)
    assert (int(u), int(v)) == (9 - 16, 7)


@pytest.mark.parametrize("threshold", [0, 64, HALF - 1])
def test_a_neuron_fires_above_its_threshold_or_at_it(threshold):
    v = [threshold - 1, threshold, threshold + 1]
    assert exact().fires(np.array(v), threshold).tolist() == [False, False, True]
    assert exact(at_least=True).fires(np.array(v), threshold).tolist() == [False, True, True]
    assert not np.any(exact(spiking=False).fires(np.array(v), threshold))


def test_a_reset_sets_to_zero_or_subtracts_the_threshold():
    v, fired, threshold = np.array([10, 10, -3, 7]), np.array([True, False, True, True]), np.array([6, 7, 8, 9])
    assert exact().reset(v, fired, threshold).tolist() == [0, 10, 0, 0]
    assert exact(subtract=True).reset(v, fired, threshold).tolist() == [4, 10, -11, -2]
    assert exact(spiking=False).reset(v, fired, threshold).tolist() == v.tolist()


def test_shapes_broadcast_and_inputs_are_not_changed():
    u = np.full((3, 2), 1000)
    after, _, _ = advance(exact(), u, u, np.zeros((3, 2), int), du=np.array([1, 4096]))
    assert after.shape == (3, 2)
    assert after[0].tolist() == [999, 0]
    assert u.tolist() == [[1000, 1000]] * 3
