"""Synapse updates of SSDP."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from ssdp_hw.ssdp.philox import KEY_STEPS, MULTIPLIERS, ROUNDS

CARRY, STOCHASTIC, NEAREST = 0, 1, 2

_M0, _M1 = (np.uint64(m) for m in MULTIPLIERS)
_W0, _W1 = (np.uint64(w) for w in KEY_STEPS)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


@nb.njit(cache=True, nogil=True)
def philox_word(c0: Any, c1: Any, c2: Any, k0: Any, k1: Any, word: int) -> Any:
    """Word 0 to 3 of Philox4x32-10 at counter (c0, c1, c2, 0); see :mod:`ssdp_hw.ssdp.philox`."""
    x0, x1, x2, x3 = np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(0)
    a, b = np.uint64(k0), np.uint64(k1)
    for _ in range(ROUNDS):
        p0, p1 = _M0 * x0, _M1 * x2
        x0, x1, x2, x3 = (p1 >> _32) ^ x1 ^ a, p1 & _LOW, (p0 >> _32) ^ x3 ^ b, p0 & _LOW
        a, b = (a + _W0) & _LOW, (b + _W1) & _LOW
    return x0 if word == 0 else x1 if word == 1 else x2 if word == 2 else x3


@nb.njit(cache=True, nogil=True)
def fixed_windows(
    counter: Any, rows: Any, cols: Any, pre: Any, post: Any, plus: Any, minus: Any, silent: int,
    skip_silent: bool, low: int, high: int,
) -> int:
    """Add the evidence of some windows to the counters, one after the other; how many saturated."""
    saturated = 0
    for s in range(len(rows)):
        c = counter[s]
        for w in range(len(pre)):
            i, j = pre[w, cols[s]], post[w, rows[s]]
            if i != silent and j != silent:
                c += plus[abs(j - i)]
            elif not (skip_silent and i == silent and j == silent):
                c -= minus[abs(j - i)]
            if c > high:
                c = high
                saturated += 1
            elif c < low:
                c = low
                saturated += 1
        counter[s] = c
    return saturated


@nb.njit(cache=True, nogil=True)
def commit(
    weights: Any, positions: Any, counter: Any, k: int, rounding: int, low: int, high: int,
    key_low: int, key_high: int, layer: int, index: int,
) -> int:
    """Move the weights by their counters (:func:`ssdp_hw.ssdp.fixed_rule.commit`); how many were cut."""
    cut = 0
    half = (np.int64(1) << k) >> 1
    for s in range(len(positions)):
        c = counter[s]
        if rounding == CARRY:
            move = c >> k if c >= 0 else -((-c) >> k)
            counter[s] = c - (move << k)
        elif rounding == STOCHASTIC:
            word = philox_word(s >> 2, layer, index, key_low, key_high, s & 3)
            move = (c + np.int64(word >> np.uint64(32 - k))) >> k
            counter[s] = 0
        else:
            move = (c + half) >> k if c >= 0 else -((-c + half) >> k)
            counter[s] = 0
        moved = np.int64(weights[positions[s]]) + move
        kept = min(max(moved, low), high)
        if kept != moved:
            cut += 1
        weights[positions[s]] = kept
    return cut


@nb.njit(cache=True, nogil=True)
def float_windows(
    weights: Any, positions: Any, rows: Any, cols: Any, pre: Any, post: Any, plus: Any, minus: Any,
    silent: int, skip_silent: bool,
) -> None:
    """Add the float steps of some windows to the weights, one after the other."""
    for s in range(len(positions)):
        w = weights[positions[s]]
        for k in range(len(pre)):
            i, j = pre[k, cols[s]], post[k, rows[s]]
            if i != silent and j != silent:
                w += plus[abs(j - i)]
            elif not (skip_silent and i == silent and j == silent):
                w -= minus[abs(j - i)]
        weights[positions[s]] = w
