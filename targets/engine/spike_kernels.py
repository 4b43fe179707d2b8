"""Spikes: who fired as a list, and what that adds to the synaptic input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload

from .convolution import ROW, RUN, SITE
from .jit import as_in, kernel, shift_left, shift_right, shifted, store_eight
from .segments import LANES, ROWS

_index = np.uint64

# For each byte of eight spikes: their positions, then anything; and how many they are.
POSITIONS = np.array([([k for k in range(8) if b >> k & 1] + [0] * 8)[:8] for b in range(256)], np.int32).reshape(-1)
COUNTS = np.array([b.bit_count() for b in range(256)], np.int32)

# Times a word of eight bytes 0 or 1, gathers their bits in the highest byte: byte k holds bit 8 k,
# which 2**(56 - 7 k) moves to bit 56 + k, and no two products of any bytes meet.
_GATHER = np.uint64(sum(1 << (56 - 7 * k) for k in range(8)))


@kernel
def list_active(
    words: Any, start: int, stop: int, size: int, active: Any, begin: int, positions: Any, counts: Any
) -> int:
    """List who fired among the sources start .. stop - 1; returns how many did.

    Args:
        words: a byte, 0 or 1, for each source, eight a word; start, stop: multiples of 8.
        size: number of sources without padding.
        active: from ``begin`` on their indices within the group, in order, written; then ROWS times
            ``size``, the index of the zero row of a dense segment.
        positions, counts: POSITIONS and COUNTS (as arguments, so that they are known not to overlap).
    """
    n = begin
    for w in range(start // 8, stop // 8):
        byte = (words[_index(w)] * _GATHER) >> np.uint64(56)
        store_eight(active, n, positions, np.int64(byte * _index(8)), np.int32(8 * w - start))
        n += counts[byte]
    for k in range(ROWS):
        active[_index(n + k)] = size
    return n - begin


@kernel
def _add_rows(
    total: Any, at: int, weights: Any, weight_start: int, width: int, active: Any, begin: int, count: int
) -> None:
    """Add the rows of the sources ``active[begin:begin + count]`` to ``total[at:at + width]``.

    ROWS of them in one pass; where count is no multiple of it, zero rows must follow in the list.
    """
    for k in range(begin, begin + count, ROWS):
        r0 = _index(weight_start + active[_index(k)] * width)
        r1 = _index(weight_start + active[_index(k + 1)] * width)
        r2 = _index(weight_start + active[_index(k + 2)] * width)
        r3 = _index(weight_start + active[_index(k + 3)] * width)
        r4 = _index(weight_start + active[_index(k + 4)] * width)
        r5 = _index(weight_start + active[_index(k + 5)] * width)
        r6 = _index(weight_start + active[_index(k + 6)] * width)
        r7 = _index(weight_start + active[_index(k + 7)] * width)
        for block in range(width // LANES):
            first = _index(block * LANES)
            for lane in range(LANES):
                j = first + _index(lane)
                total[_index(at) + j] += (
                    weights[r0 + j] + weights[r1 + j] + weights[r2 + j] + weights[r3 + j]
                    + weights[r4 + j] + weights[r5 + j] + weights[r6 + j] + weights[r7 + j]
                )


@kernel
def _flush(total: Any, at: int, partial: Any, width: int, shift: int) -> None:
    """Add partial sums times 2**shift (floor) to ``total[at:at + width]`` and set them to zero."""
    left, right = as_in(total, max(shift, 0)), as_in(total, max(-shift, 0))
    for i in range(width):
        j = _index(i)
        total[_index(at) + j] += shift_right(shift_left(as_in(total, partial[j]), left), right)
        partial[j] = 0


@kernel
def _scatter(
    total: Any, at: int, weights: Any, weight_start: int, indptr: Any, pointer: int, indices: Any, index_start: int,
    active: Any, begin: int, count: int, factor: Any,
) -> None:
    """Add the synapses of the active sources of a sparse segment, times ``factor``."""
    for k in range(begin, begin + count):
        i = pointer + active[_index(k)]
        for e in range(indptr[_index(i)], indptr[_index(i + 1)]):
            j = at + indices[_index(index_start + e)]
            total[_index(j)] += weights[_index(weight_start + e)] * factor


def send_rows(
    ring: Any, at: Any, weights: Any, weight_start: Any, width: Any, active: Any, begin: Any, count: Any, shift: Any,
    chunk: Any, partial: Any, whole: Any,
) -> Any:
    """Add what a dense segment brings to ``ring[at:at + width]``.

    Args:
        ring: synaptic input; weights: of all segments, of this one from ``weight_start`` on.
        active: list of the active sources, ``count`` of them from ``begin`` on, then zero rows.
        shift: the sum acts as sum * 2**shift.
        chunk: how many rows the type of ``partial`` can hold.
        partial, whole: zeros of at least ``width`` for sums, left as zeros.
    """
    raise NotImplementedError("compiled code only")


@overload(send_rows)
def _send_rows(
    ring: Any, at: Any, weights: Any, weight_start: Any, width: Any, active: Any, begin: Any, count: Any, shift: Any,
    chunk: Any, partial: Any, whole: Any,
) -> Any:
    return _send_integer_rows if isinstance(ring.dtype, types.Integer) else _send_float_rows


def _send_integer_rows(
    ring: Any, at: Any, weights: Any, weight_start: Any, width: Any, active: Any, begin: Any, count: Any, shift: Any,
    chunk: Any, partial: Any, whole: Any,
) -> None:
    for k in range(0, count, chunk):
        _add_rows(partial, 0, weights, weight_start, width, active, begin + k, min(chunk, count - k))
        # A right shift rounds, so it needs the whole sum; a left shift acts on each part.
        if shift >= 0:
            _flush(ring, at, partial, width, shift)
        else:
            _flush(whole, 0, partial, width, 0)
    if shift < 0:
        _flush(ring, at, whole, width, shift)


def _send_float_rows(
    ring: Any, at: Any, weights: Any, weight_start: Any, width: Any, active: Any, begin: Any, count: Any, shift: Any,
    chunk: Any, partial: Any, whole: Any,
) -> None:
    _add_rows(ring, at, weights, weight_start, width, active, begin, count)


def send_synapses(
    ring: Any, at: Any, weights: Any, weight_start: Any, width: Any, active: Any, begin: Any, count: Any, shift: Any,
    indptr: Any, pointer: Any, indices: Any, index_start: Any, whole: Any,
) -> Any:
    """Add what a sparse segment brings to ``ring[at:at + width]``; see :func:`send_rows` and Wiring."""
    raise NotImplementedError("compiled code only")


@overload(send_synapses)
def _send_synapses(
    ring: Any, at: Any, weights: Any, weight_start: Any, width: Any, active: Any, begin: Any, count: Any, shift: Any,
    indptr: Any, pointer: Any, indices: Any, index_start: Any, whole: Any,
) -> Any:
    return _send_integer_synapses if isinstance(ring.dtype, types.Integer) else _send_float_synapses


def _send_integer_synapses(
    ring: Any, at: Any, weights: Any, weight_start: Any, width: Any, active: Any, begin: Any, count: Any, shift: Any,
    indptr: Any, pointer: Any, indices: Any, index_start: Any, whole: Any,
) -> None:
    if shift >= 0:
        _scatter(
            ring, at, weights, weight_start, indptr, pointer, indices, index_start, active, begin, count, 1 << shift
        )
    else:
        _scatter(whole, 0, weights, weight_start, indptr, pointer, indices, index_start, active, begin, count, 1)
        _flush(ring, at, whole, width, shift)


def _send_float_synapses(
    ring: Any, at: Any, weights: Any, weight_start: Any, width: Any, active: Any, begin: Any, count: Any, shift: Any,
    indptr: Any, pointer: Any, indices: Any, index_start: Any, whole: Any,
) -> None:
    _scatter(ring, at, weights, weight_start, indptr, pointer, indices, index_start, active, begin, count, 1)


@kernel
def _add_runs(
    total: Any, at: int, weights: Any, weight_start: int, table: Any, table_start: int, active: Any, begin: int,
    count: int, shift: int,
) -> None:
    """Add the runs of the active sources of a convolution, times 2**shift (shift >= 0); see its table."""
    left = as_in(total, shift)
    for k in range(begin, begin + count):
        site = _index(table_start + SITE * active[_index(k)])
        kernel_start, target_start = weight_start + table[site + _index(4)], at + table[site + _index(5)]
        runs, runs_end = table_start + table[site + _index(2)], table_start + table[site + _index(3)]
        for r in range(table_start + table[site], table_start + table[site + _index(1)], ROW):
            row_kernel, row_target = kernel_start + table[_index(r)], target_start + table[_index(r + 1)]
            for e in range(runs, runs_end, RUN):
                w, j = _index(row_kernel + table[_index(e)]), _index(row_target + table[_index(e + 1)])
                for i in range(table[_index(e + 2)]):
                    total[j + _index(i)] += shifted(as_in(total, weights[w + _index(i)]), left)


def send_runs(
    ring: Any, at: Any, weights: Any, weight_start: Any, width: Any, active: Any, begin: Any, count: Any, shift: Any,
    table: Any, table_start: Any, whole: Any,
) -> Any:
    """Add what a convolution brings to ``ring[at:at + width]``; see :func:`send_rows` and Wiring."""
    raise NotImplementedError("compiled code only")


@overload(send_runs)
def _send_runs(
    ring: Any, at: Any, weights: Any, weight_start: Any, width: Any, active: Any, begin: Any, count: Any, shift: Any,
    table: Any, table_start: Any, whole: Any,
) -> Any:
    return _send_integer_runs if isinstance(ring.dtype, types.Integer) else _send_float_runs


def _send_integer_runs(
    ring: Any, at: Any, weights: Any, weight_start: Any, width: Any, active: Any, begin: Any, count: Any, shift: Any,
    table: Any, table_start: Any, whole: Any,
) -> None:
    if shift >= 0:
        _add_runs(ring, at, weights, weight_start, table, table_start, active, begin, count, shift)
    else:
        _add_runs(whole, 0, weights, weight_start, table, table_start, active, begin, count, 0)
        _flush(ring, at, whole, width, shift)


def _send_float_runs(
    ring: Any, at: Any, weights: Any, weight_start: Any, width: Any, active: Any, begin: Any, count: Any, shift: Any,
    table: Any, table_start: Any, whole: Any,
) -> None:
    _add_runs(ring, at, weights, weight_start, table, table_start, active, begin, count, 0)
