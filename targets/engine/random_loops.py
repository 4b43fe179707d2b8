"""Compiled form of the random numbers of :mod:`ssdp_hw.operations.philox`."""

from __future__ import annotations

import numpy as np

from ssdp_hw.operations.philox import KEY_STEPS, MULTIPLIERS, ROUNDS

from .jit import compiled_driver, compiled_loop
from .types import UInt32Array

_M0, _M1 = (np.uint64(m) for m in MULTIPLIERS)
_W0, _W1 = (np.uint64(w) for w in KEY_STEPS)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


@compiled_driver
def philox_words(c0: int, c1: int, c2: int, k0: int, k1: int) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """The four words of Philox4x32-10 at counter (c0, c1, c2, 0)."""
    x0, x1, x2, x3 = np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(0)
    a, b = np.uint64(k0), np.uint64(k1)
    for _ in range(ROUNDS):
        p0, p1 = _M0 * x0, _M1 * x2
        x0, x1, x2, x3 = (p1 >> _32) ^ x1 ^ a, p1 & _LOW, (p0 >> _32) ^ x3 ^ b, p0 & _LOW
        a, b = (a + _W0) & _LOW, (b + _W1) & _LOW
    return x0, x1, x2, x3


@compiled_driver
def neuron_random(step: int, low: int, high: int, draw: int, bits: int) -> np.uint64:
    """The compiled form of :func:`ssdp_hw.operations.philox.neuron_random`."""
    return np.uint64(philox_words(step, draw, 0, low, high)[0] >> np.uint64(32 - bits))


@compiled_loop
def _round(words: UInt32Array, count: int, a: np.uint64, b: np.uint64) -> None:
    for i in range(count):
        p0, p1 = _M0 * np.uint64(words[0, i]), _M1 * np.uint64(words[2, i])
        x1, x3 = np.uint64(words[1, i]), np.uint64(words[3, i])
        words[0, i], words[1, i] = (p1 >> _32) ^ x1 ^ a, p1 & _LOW
        words[2, i], words[3, i] = (p0 >> _32) ^ x3 ^ b, p0 & _LOW


@compiled_loop
def fill_words(words: UInt32Array, count: int, c0: int, c1: int, c2: int, k0: int, k1: int) -> None:
    """Write the words of the counters (c0, c1, c2, 0), (c0 + 1, c1, c2, 0), ... to ``count`` columns of ``words``.

    Each round runs over all columns, so that LLVM vectorises it.
    """
    for i in range(count):
        words[0, i], words[1, i], words[2, i], words[3, i] = c0 + i, c1, c2, 0
    a, b = np.uint64(k0), np.uint64(k1)
    for _ in range(ROUNDS):
        _round(words, count, a, b)
        a, b = (a + _W0) & _LOW, (b + _W1) & _LOW


@compiled_loop
def words_in_order(words: UInt32Array, count: int, out: UInt32Array, at: int) -> None:
    """Write the four words of each of ``count`` columns one after the other, from ``out[at]`` on."""
    for i in range(count):
        place = np.uint64(at + 4 * i)
        out[place], out[place + np.uint64(1)] = words[0, i], words[1, i]
        out[place + np.uint64(2)], out[place + np.uint64(3)] = words[2, i], words[3, i]
