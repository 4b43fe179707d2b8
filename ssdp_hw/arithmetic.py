"""The integer operations of a chip's step: shifts with their roundings, decay, wrap and saturation.

Each is a small pure function on NumPy integers. Neuron models and learning rules reach them through
:mod:`ssdp_hw.operations.exact`: the target ``spec`` runs a model's step (such as ``models/cuba_lif.py``) with them,
and every other target is tested against it at zero tolerance. All arrays are int64, which holds every value of a step
(:mod:`ssdp_hw.models.form` refuses another) but a product before its low bits are dropped: :func:`scaled`. The
registers' own widths are parameters.

Sources: lava-nc 0.10.0, ``lava/proc/lif/models.py`` (``AbstractPyLifModelFixed``) and ``lava/proc/dense/models.py``;
lava-dl, too, for :func:`shift_down`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.arrays import Int


def decay(x: ArrayLike, rate: ArrayLike, bits: int = 12) -> Int:
    """One step of exponential decay, rounded toward zero.

    ``sign(x) * ((|x| * (2**bits - rate)) >> bits)``; rate 0 keeps x, rate ``2**bits`` gives 0. A model's step writes
    ``op.decay``, which is the same.
    """
    kept = (np.int64(1) << bits) - np.asarray(rate, np.int64)
    return shift_down(np.asarray(x, np.int64) * kept, bits, "zero")


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


def scaled(x: ArrayLike, gain: ArrayLike, bits: int, rounding: str = "floor") -> Int:
    """``x * gain / 2**bits``, rounded as in :func:`shift_down`.

    The product itself may need more than 64 bits, as of a state of 48 bits and a gain of 20. The result may not, nor
    may ``2**bits * gain``.
    """
    n, g = np.asarray(x, np.int64), np.asarray(gain, np.int64)
    if bits == 0 or _largest(n) * _largest(g) < 1 << 62:
        return shift_down(n * g, bits, rounding)
    # With n = high * 2**bits + low, what is left below the point is that of low * g.
    high = n >> bits
    part = (n - (high << bits)) * g
    if rounding == "nearest":
        part = part + (1 << (bits - 1))
    elif rounding == "zero":
        part = part + np.where((n < 0) != (g < 0), (1 << bits) - 1, 0)
    return np.asarray(high * g + (part >> bits), np.int64)


def _largest(x: Int) -> int:
    """The largest |x|, as a number that does not overflow."""
    return max(int(x.max(initial=0)), -int(x.min(initial=0)))
