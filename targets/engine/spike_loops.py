"""Lists of the sources that fired, and the synaptic input that their spikes bring."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from llvmlite.binding import get_host_cpu_features
from numba.core import types
from numpy.typing import NDArray

from .convolution import ROW, RUN, SITE
from .jit import as_in, compiled_driver, compiled_loop, shift_left, shift_right, shifted, typed_overload
from .segments import BITS, LINE
from .types import FlagArray, Int32Array, Int64Array, StateArray, WeightArray, WordArray
from .vectors import column_adder, compress, entry, lowest_bit, prefetch, spike_word

_index = np.uint64

# On processors without VBMI2 LLVM would store the entries of compress one by one.
_HAS_COMPRESS = bool(get_host_cpu_features().get("avx512vbmi2"))


@compiled_loop
def append_bits(active: Int32Array, n: int, word: np.uint64, base: np.int32) -> int:
    """The operation of :func:`.vectors.compress` for processors without its instruction."""
    while word:
        active[_index(n)] = base + lowest_bit(word)
        word &= word - np.uint64(1)
        n += 1
    return n


append_word = compress if _HAS_COMPRESS else append_bits


@compiled_loop
def fetch(array: NDArray[np.generic], first: int, count: int) -> None:
    """Prefetch ``count`` entries of an array from the flat index ``first`` on."""
    for k in range(0, count, LINE // array.itemsize):
        prefetch(array, first + k)


@compiled_loop
def read_words(words: WordArray, row: int, at: int, flags: FlagArray, first: int, size: int) -> None:
    """Pack the flags of ``size`` sources into words.

    Args:
        words: the words of these sources begin at ``words[row, at]``; written.
        flags: a byte for each source, from flat index ``first`` on; it is not 0 if the source fired.
    """
    whole = size // BITS * BITS
    for k in range(0, whole, BITS):
        words[row, at + k // BITS] = spike_word(flags, first + k)
    rest = size - whole
    if rest:
        word = np.uint64(0)
        if whole:  # the last BITS flags, shifted by the flags that earlier words have
            word = spike_word(flags, first + size - BITS) >> np.uint64(BITS - rest)
        else:
            for k in range(rest):
                word |= np.uint64(entry(flags, first + k) != 0) << np.uint64(k)
        words[row, at + whole // BITS] = word


@compiled_loop
def list_words(words: WordArray, row: int, at: int, size: int, active: Int32Array, begin: int) -> int:
    """List the sources that fired among ``size`` sources; returns their number.

    Args:
        words: the words of these sources begin at ``words[row, at]``.
        active: the indices of these sources are written from ``begin`` on, in ascending order; up to BITS entries
            behind them are overwritten.
    """
    n = begin
    for k in range(0, size, BITS):
        n = append_word(active, n, words[row, at + k // BITS], np.int32(k))
    return n - begin


@compiled_loop
def _flush(total: StateArray, at: int, whole: StateArray, low: int, high: int, shift: int) -> None:
    """Add sums times 2**shift (floor) to ``total[at + low:at + high]`` and set them to zero."""
    left, right = as_in(total, max(shift, 0)), as_in(total, max(-shift, 0))
    for i in range(low, high):
        j = _index(i)
        total[_index(at) + j] += shift_right(shift_left(as_in(total, whole[j]), left), right)
        whole[j] = 0


@compiled_loop
def _first_from(indices: Int32Array, begin: int, end: int, column: int) -> int:
    """The position of the first entry that is at least ``column`` among the ascending entries begin .. end - 1."""
    while begin < end:
        middle = (begin + end) >> 1
        if indices[_index(middle)] < column:
            begin = middle + 1
        else:
            end = middle
    return begin


@compiled_loop
def _scatter(
    total: StateArray,
    at: int,
    weights: WeightArray,
    weight_start: int,
    indptr: Int64Array,
    pointer: int,
    indices: Int32Array,
    index_start: int,
    low: int,
    high: int,
    width: int,
    active: Int32Array,
    begin: int,
    count: int,
    factor: int,
) -> None:
    """Add the weights of a sparse segment's active sources, times ``factor``, to ``total``."""
    shift = weight_start - index_start
    for k in range(begin, begin + count):
        i = pointer + active[_index(k)]
        first, last = index_start + indptr[_index(i)], index_start + indptr[_index(i + 1)]
        if high - low < width:
            first = _first_from(indices, first, last, low)
            last = _first_from(indices, first, last, high)
        for e in range(first, last):
            total[_index(at + indices[_index(e)])] += weights[_index(shift + e)] * factor


def _block_sender(*, fresh: bool) -> Callable[..., None]:
    add_64, add_32, add_16 = (column_adder(lanes, fresh=fresh) for lanes in (64, 32, 16))

    def send(
        total: StateArray,
        at: int,
        weights: WeightArray,
        start: int,
        wide: int,
        active: Int32Array,
        begin: int,
        end: int,
        shift: int,
        chunk: int,
    ) -> None:
        left, right = max(shift, 0), max(-shift, 0)
        if wide == BITS:
            add_64(total, at, weights, start, wide, active, begin, end, left, right, chunk)
        else:
            done = wide & 32
            if done:
                add_32(total, at, weights, start, wide, active, begin, end, left, right, chunk)
            if wide & 16:
                add_16(total, at + done, weights, start + done, wide, active, begin, end, left, right, chunk)

    return compiled_loop(send)


# Both sum the rows ``active[begin:end]`` of a block of ``wide`` columns, at most BITS, of a dense segment. The first
# adds the sums to ``total[at:at + wide]``, the second replaces these entries. Other arguments are those of send_rows.
send_block, send_block_afresh = _block_sender(fresh=False), _block_sender(fresh=True)


@compiled_driver
def send_rows(
    ring: StateArray,
    at: int,
    weights: WeightArray,
    start: int,
    width: int,
    pre: int,
    low: int,
    high: int,
    active: Int32Array,
    begin: int,
    count: int,
    shift: int,
    chunk: int,
) -> None:
    """Add the spikes that a dense segment transmits to the neurons low .. high - 1 of its postsynaptic group.

    Args:
        ring: synaptic input; the input of that group begins at ``at``.
        weights: weights of all segments; this segment begins at ``start``. See :func:`.segments.column_places`.
        width, pre: number of columns, padding included, and number of rows.
        low, high: columns; ``low`` is a multiple of BITS, ``high`` is one too or equals ``width``.
        active: the sources that fired are the ``count`` entries from ``begin`` on.
        shift: the sum of an integer segment acts as sum * 2**shift.
        chunk: number of rows whose sum fits 16 bits.
    """
    for column in range(low, high, BITS):
        wide = min(BITS, width - column)
        send_block(ring, at + column, weights, start + column * pre, wide, active, begin, begin + count, shift, chunk)


@compiled_loop
def send_payloads(
    ring: StateArray,
    at: int,
    weights: WeightArray,
    weight_start: int,
    low: int,
    high: int,
    width: int,
    active: Int32Array,
    begin: int,
    count: int,
    shift: int,
    indptr: Int64Array,
    pointer: int,
    indices: Int32Array,
    index_start: int,
    payload: StateArray,
    first: int,
) -> None:
    """Add what the spikes of a graded segment bring: each weight times the payload of its source, times 2**shift.

    Args:
        ring .. index_start: as in :func:`send_synapses`; shift is at least 0.
        payload: the payload of source k is at ``first + k``.
    """
    unit = as_in(payload, 1 << shift)
    for k in range(begin, begin + count):
        factor = payload[_index(first + active[_index(k)])] * unit
        _scatter(
            ring,
            at,
            weights,
            weight_start,
            indptr,
            pointer,
            indices,
            index_start,
            low,
            high,
            width,
            active,
            k,
            1,
            factor,
        )


def send_synapses(
    ring: StateArray,
    at: int,
    weights: WeightArray,
    weight_start: int,
    width: int,
    low: int,
    high: int,
    active: Int32Array,
    begin: int,
    count: int,
    shift: int,
    indptr: Int64Array,
    pointer: int,
    indices: Int32Array,
    index_start: int,
    whole: StateArray,
) -> None:
    """Add the spikes that a sparse segment transmits to ``ring[at:at + width]``; see :func:`send_rows`, ``Wiring``."""
    raise NotImplementedError("compiled code only")


@typed_overload(send_synapses)
def _send_synapses(
    ring: types.Array,
    at: types.Integer,
    weights: types.Array,
    weight_start: types.Integer,
    width: types.Integer,
    low: types.Integer,
    high: types.Integer,
    active: types.Array,
    begin: types.Integer,
    count: types.Integer,
    shift: types.Integer,
    indptr: types.Array,
    pointer: types.Integer,
    indices: types.Array,
    index_start: types.Integer,
    whole: types.Array,
) -> Callable[..., object]:
    return _send_integer_synapses if isinstance(ring.dtype, types.Integer) else _send_float_synapses


def _send_integer_synapses(
    ring: StateArray,
    at: int,
    weights: WeightArray,
    weight_start: int,
    width: int,
    low: int,
    high: int,
    active: Int32Array,
    begin: int,
    count: int,
    shift: int,
    indptr: Int64Array,
    pointer: int,
    indices: Int32Array,
    index_start: int,
    whole: StateArray,
) -> None:
    if shift >= 0:
        _scatter(
            ring,
            at,
            weights,
            weight_start,
            indptr,
            pointer,
            indices,
            index_start,
            low,
            high,
            width,
            active,
            begin,
            count,
            1 << shift,
        )
    else:
        _scatter(
            whole,
            0,
            weights,
            weight_start,
            indptr,
            pointer,
            indices,
            index_start,
            low,
            high,
            width,
            active,
            begin,
            count,
            1,
        )
        _flush(ring, at, whole, low, high, shift)


def _send_float_synapses(
    ring: StateArray,
    at: int,
    weights: WeightArray,
    weight_start: int,
    width: int,
    low: int,
    high: int,
    active: Int32Array,
    begin: int,
    count: int,
    shift: int,
    indptr: Int64Array,
    pointer: int,
    indices: Int32Array,
    index_start: int,
    whole: StateArray,
) -> None:
    _scatter(
        ring,
        at,
        weights,
        weight_start,
        indptr,
        pointer,
        indices,
        index_start,
        low,
        high,
        width,
        active,
        begin,
        count,
        1,
    )


@compiled_loop
def _add_runs(
    total: StateArray,
    at: int,
    weights: WeightArray,
    weight_start: int,
    table: Int32Array,
    table_start: int,
    active: Int32Array,
    begin: int,
    count: int,
    shift: int,
) -> None:
    """Add the runs of a convolution's active sources, times 2**shift (shift >= 0); see :mod:`.convolution`."""
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
    ring: StateArray,
    at: int,
    weights: WeightArray,
    weight_start: int,
    width: int,
    active: Int32Array,
    begin: int,
    count: int,
    shift: int,
    table: Int32Array,
    table_start: int,
    whole: StateArray,
) -> None:
    """Add the spikes that a convolution transmits to ``ring[at:at + width]``; see :func:`send_rows` and ``Wiring``."""
    raise NotImplementedError("compiled code only")


@typed_overload(send_runs)
def _send_runs(
    ring: types.Array,
    at: types.Integer,
    weights: types.Array,
    weight_start: types.Integer,
    width: types.Integer,
    active: types.Array,
    begin: types.Integer,
    count: types.Integer,
    shift: types.Integer,
    table: types.Array,
    table_start: types.Integer,
    whole: types.Array,
) -> Callable[..., object]:
    return _send_integer_runs if isinstance(ring.dtype, types.Integer) else _send_float_runs


def _send_integer_runs(
    ring: StateArray,
    at: int,
    weights: WeightArray,
    weight_start: int,
    width: int,
    active: Int32Array,
    begin: int,
    count: int,
    shift: int,
    table: Int32Array,
    table_start: int,
    whole: StateArray,
) -> None:
    if shift >= 0:
        _add_runs(ring, at, weights, weight_start, table, table_start, active, begin, count, shift)
    else:
        _add_runs(whole, 0, weights, weight_start, table, table_start, active, begin, count, 0)
        _flush(ring, at, whole, 0, width, shift)


def _send_float_runs(
    ring: StateArray,
    at: int,
    weights: WeightArray,
    weight_start: int,
    width: int,
    active: Int32Array,
    begin: int,
    count: int,
    shift: int,
    table: Int32Array,
    table_start: int,
    whole: StateArray,
) -> None:
    _add_runs(ring, at, weights, weight_start, table, table_start, active, begin, count, 0)
