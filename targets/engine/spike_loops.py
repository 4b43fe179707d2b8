"""Lists of the sources that fired, and the synaptic input that their spikes bring."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba.core import types
from numpy.typing import NDArray

from .jit import as_in, compiled_driver, compiled_loop, greater, lesser, shift_left, shift_right, typed_overload
from .segments import BITS, LINE
from .types import Int32Array, Int64Array, StateArray, WeightArray
from .vectors import column_adder, prefetch

_index = np.uint64


@compiled_loop
def fetch(array: NDArray[np.generic], first: int, count: int) -> None:
    """Prefetch ``count`` entries of an array from the flat index ``first`` on."""
    for k in range(0, count, LINE // array.itemsize):
        prefetch(array, first + k)


@compiled_loop
def flush(total: StateArray, at: int, whole: StateArray, low: int, high: int, shift: int) -> None:
    """Add sums times 2**shift (floor) to ``total[at + low:at + high]`` and set them to zero."""
    left, right = as_in(total, greater(shift, 0)), as_in(total, greater(-shift, 0))
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
        left, right = greater(shift, 0), greater(-shift, 0)
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
        wide = lesser(BITS, width - column)
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
        flush(ring, at, whole, low, high, shift)


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
