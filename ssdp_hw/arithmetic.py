"""The integer operations of a chip's step: decay, wrap, saturation, shifts, spike condition and reset.

Each is a small pure function on NumPy integers. This module is the meaning of a fixed-point network: the ``spec``
target only calls it step by step, and every other target is tested against it at zero tolerance. All arrays are int64,
so that no intermediate value can overflow; the registers' own widths are parameters.

Source of every formula: lava-nc 0.10.0, ``lava/proc/lif/models.py``
(``AbstractPyLifModelFixed``) and ``lava/proc/dense/models.py``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.arrays import Int


def decay(x: ArrayLike, rate: ArrayLike, bits: int = 12) -> Int:
    """One step of exponential decay, rounded toward zero.

    ``sign(x) * ((|x| * (2**bits - rate)) >> bits)``; rate 0 keeps x, rate ``2**bits`` gives 0.
    """
    x = np.asarray(x, np.int64)
    kept = (np.int64(1) << bits) - np.asarray(rate, np.int64)
    return np.asarray(np.sign(x) * ((np.abs(x) * kept) >> bits), np.int64)


def wrap_once(x: ArrayLike, bits: int = 24) -> Int:
    """Overflow of the current: one turn around the register, applied once.

    ``x > 2**(bits-1) -> x - 2**bits`` and ``x <= -2**(bits-1) -> x + 2**bits``. The value
    ``2**(bits-1)`` itself stays, as in Lava.
    """
    x = np.asarray(x, np.int64)
    half, turn = np.int64(1) << (bits - 1), np.int64(1) << bits
    return np.where(x > half, x - turn, np.where(x <= -half, x + turn, x))


def saturate(x: ArrayLike, bits: int = 24) -> Int:
    """Overflow of the voltage: clipped to ``-(2**(bits-1) - 1) .. 2**(bits-1) - 1``."""
    limit = (1 << (bits - 1)) - 1
    return np.clip(np.asarray(x, np.int64), -limit, limit)


def shift(x: ArrayLike, exponent: ArrayLike) -> Int:
    """``x * 2**exponent``: left shift, or arithmetic right shift (floor) if the exponent is negative."""
    x = np.asarray(x, np.int64)
    exponent = np.asarray(exponent, np.int64)
    left, right = np.maximum(exponent, 0), np.maximum(-exponent, 0)
    return np.asarray((x << left) >> right, np.int64)


def shift_down(x: ArrayLike, bits: ArrayLike, rounding: str = "floor") -> Int:
    """``x / 2**bits`` rounded down (``floor``), toward zero (``zero``) or to the nearest, halves up (``nearest``).

    lava-nc and lava-dl use all three: ``//`` in RFZero, ``right_shift_to_zero`` in RF, and a shift after adding one
    half in their rounding helpers.
    """
    x, bits = np.asarray(x, np.int64), np.asarray(bits, np.int64)
    if rounding == "zero":
        return np.asarray(np.sign(x) * (np.abs(x) >> bits), np.int64)
    half = (np.int64(1) << bits) >> 1 if rounding == "nearest" else np.int64(0)
    return np.asarray((x + half) >> bits, np.int64)


def next_current(
    u: ArrayLike,
    activation: ArrayLike,
    du: ArrayLike,
    *,
    offset: int = 1,
    bits: int = 12,
    state_bits: int = 24,
    activation_shift: int = 6,
) -> tuple[Int, Int]:
    """Current after one step, and the value before it wrapped.

    ``u = wrap(decay(u, du + offset) + (activation << activation_shift))``
    """
    raw = decay(u, np.asarray(du, np.int64) + offset, bits) + shift(activation, activation_shift)
    return wrap_once(raw, state_bits), raw


def next_voltage(
    v: ArrayLike,
    u: ArrayLike,
    bias: ArrayLike,
    dv: ArrayLike,
    *,
    offset: int = 0,
    bits: int = 12,
    state_bits: int = 24,
) -> tuple[Int, Int]:
    """Voltage after one step before any reset, and the value before it saturated.

    ``v = saturate(decay(v, dv + offset) + u + bias)``; u is the current of the same step.
    """
    raw = decay(v, np.asarray(dv, np.int64) + offset, bits) + np.asarray(u, np.int64)
    raw = raw + np.asarray(bias, np.int64)
    return saturate(raw, state_bits), raw


def fires(v: ArrayLike, threshold: ArrayLike, inclusive: ArrayLike = False) -> NDArray[np.bool_]:
    """Spike condition on the scale of v: ``v > threshold``, or ``v >= threshold`` where inclusive."""
    v = np.asarray(v, np.int64)
    threshold = np.asarray(threshold, np.int64)
    return np.asarray(v >= threshold + np.where(inclusive, 0, 1))


def reset(v: ArrayLike, fired: ArrayLike, threshold: ArrayLike, subtract: ArrayLike) -> Int:
    """Voltage after the reset: 0, or ``v - threshold`` where ``subtract``, for neurons that fired."""
    v = np.asarray(v, np.int64)
    after = np.where(subtract, v - np.asarray(threshold, np.int64), 0)
    return np.where(fired, after, v)
