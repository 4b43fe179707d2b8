"""Weight formats against Lava's documented clip and truncate rules, written again here.

Lava clips weights to the range of eight bits for their signs, then drops low bits: for mixed signs
``[-256, 255]`` and one bit more, excitatory ``[0, 255]``, inhibitory ``[-255, 0]``.
"""

import math

import numpy as np
import pytest
from example_counts import values
from hypothesis import given, strategies as st

from ssdp_hw.errors import ParameterError
from ssdp_hw.network.formats import Rounding, SignMode, WeightFormat, round_to_int, sign_mode_of

SHIFTS = (0, 1, 4, 9, 31)
EVERY = list(
    dict.fromkeys(
        WeightFormat(b, m, s, k) for s in range(1, 10) for b in range(1, s + 1) for m in SignMode for k in SHIFTS
    )
)


def of(*modes):
    """Formats of these signs, by shift: a test for each of them would take longer than what it tests."""
    return [[f for f in EVERY if f.sign_mode in modes and f.right_shift == k] for k in SHIFTS]


def lava_stored(bits, sign_mode, scale_bits=8, right_shift=0):
    """Every integer that survives Lava's clip and truncation, and the chip's right shift, unchanged."""
    low = {"mixed": -(2**scale_bits), "excitatory": 0, "inhibitory": 1 - 2**scale_bits}[sign_mode]
    high = {"mixed": 2**scale_bits - 1, "excitatory": 2**scale_bits - 1, "inhibitory": 0}[sign_mode]
    dropped = max(scale_bits - bits + (sign_mode == "mixed"), right_shift)
    return [w for w in range(low, high + 1) if (w >> dropped) << dropped == w]


# By default every seventh, which meets all steps, as these are powers of 2.
TRIED = values(range(-600, 601), default=range(-600, 601, 7))


def code_points(f):
    return np.arange(f.mantissa_min, f.mantissa_max + 1) * f.step


@pytest.mark.parametrize("formats", of(SignMode.MIXED, SignMode.EXCITATORY), ids=SHIFTS)
def test_code_points_are_lavas(formats):
    for f in formats:
        assert code_points(f).tolist() == lava_stored(f.bits, f.sign_mode, f.scale_bits, f.right_shift), f.name


@pytest.mark.parametrize("formats", of(SignMode.INHIBITORY), ids=SHIFTS)
def test_inhibitory_code_points_mirror_the_excitatory(formats):
    for f in formats:
        mirror = WeightFormat(f.bits, SignMode.EXCITATORY, f.scale_bits, f.right_shift)
        assert code_points(f).tolist() == (-code_points(mirror)[::-1]).tolist(), f.name
        assert set(code_points(f)) <= set(lava_stored(f.bits, "inhibitory", f.scale_bits, f.right_shift)), f.name


@pytest.mark.slow_after(2)
@pytest.mark.more_examples
@pytest.mark.parametrize("formats", of(*SignMode), ids=SHIFTS)
def test_violation_accepts_the_code_points_and_nothing_else(formats):
    for f in formats:
        points = set(code_points(f).tolist())
        assert f.violation(code_points(f)) is None, f.name
        assert (f.min, f.max) == (min(points), max(points)), f.name
        for weight in (f.min - 1, f.max + 1, *TRIED):
            assert (f.violation(np.array([weight])) is None) == (weight in points), f.name


@pytest.mark.parametrize("formats", of(*SignMode), ids=SHIFTS)
def test_nearest_is_a_code_point_at_the_least_distance(formats):
    weights = np.arange(-1100, 1101) / 2 + 0.125  # no ties
    for f in formats:
        points = code_points(f)
        kept, clipped = f.nearest(weights)
        least = np.abs(weights[:, None] - points[None, :]).min(axis=1)
        np.testing.assert_array_equal(np.abs(kept - weights), least, err_msg=f.name)
        outside = (weights < f.min - f.step / 2) | (weights > f.max + f.step / 2)
        assert clipped == np.count_nonzero(outside), f.name
        np.testing.assert_array_equal(f.nearest(points)[0], points, err_msg=f.name)
        assert f.nearest(points)[1] == 0, f.name


def test_names_and_ranges_of_loihi():
    f = WeightFormat()
    assert (f.min, f.max, f.step, f.name) == (-256, 254, 2, "w8/8-mixed")
    assert (WeightFormat(8, SignMode.EXCITATORY).max, WeightFormat(8, SignMode.INHIBITORY).min) == (255, -255)
    assert len({f.name for f in EVERY}) == len(EVERY)


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (np.array([0.0]), "float64, not integers"),
        (np.array([True]), "not integers"),
        ([2, 300, 4], "300 is outside"),
        ([-300, 2], "-300 is outside"),
        ([2, 3], "3 is no multiple of the step 2"),
    ],
)
def test_violations_in_words(weight, words):
    assert words in WeightFormat().violation(weight)


@pytest.mark.parametrize(
    "more", [{"bits": 0}, {"bits": 9}, {"scale_bits": 0}, {"scale_bits": 32, "bits": 8}, {"sign_mode": "both"}]
)
def test_impossible_formats(more):
    with pytest.raises(ParameterError):
        WeightFormat(**more)


def test_empty_weights():
    assert WeightFormat().violation(np.zeros(0, int)) is None
    assert sign_mode_of(np.zeros(0)) is SignMode.EXCITATORY


@pytest.mark.parametrize(
    ("weight", "mode"),
    [
        ([0, 0], "excitatory"),
        ([0, 1], "excitatory"),
        ([-1, 0], "inhibitory"),
        ([-1, 1], "mixed"),
    ],
)
def test_sign_mode_of(weight, mode):
    assert sign_mode_of(weight) == mode


def test_roundings_by_name():
    x = [-2.5, -1.5, -0.7, 0.5, 1.5, 2.7]
    assert round_to_int(x).tolist() == [-2, -2, -1, 0, 2, 3]
    assert round_to_int(x, "floor").tolist() == [-3, -2, -1, 0, 1, 2]
    assert round_to_int(x, Rounding.TOWARD_ZERO).tolist() == [-2, -1, 0, 0, 1, 2]
    with pytest.raises(ParameterError, match="Rounding 'up' is unknown"):
        round_to_int(x, "up")


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_number_rounds_as_in_python_or_is_refused(x):
    if not abs(x) < 2.0**62:
        with pytest.raises(ParameterError, match="cannot round"):
            round_to_int(x)
        return
    assert int(round_to_int(x)) == round(x)
    assert int(round_to_int(x, "floor")) == math.floor(x)
    assert int(round_to_int(x, "toward_zero")) == math.trunc(x)
