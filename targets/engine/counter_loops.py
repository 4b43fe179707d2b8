"""Synchrony counters in the engine: functions that add weight changes to them, and that update weights by them.

See :mod:`ssdp_hw.rules.counter` for the arithmetic and :class:`.plastic.Plastic` for the layout of counters: a row
stores its counters less a common *base*, and bounds of its smallest and largest counter. Two functions lead to the same
bits: :func:`add` changes every synapse of a row in vector operations; :func:`add_to_some` changes some synapses one by
one, and all others at once by the base. The latter is exact as long as no counter of the others saturates, which the
bounds tell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types
from numba.core.types.containers import NamedTuple as NamedTupleType

from .jit import as_in, compiled_loop, greater, lesser, typed_overload
from .plastic import CARRY, STOCHASTIC, Counters, WeightPlaces
from .random_loops import fill_words, philox_words
from .segments import BITS
from .types import CounterArray, Int32Array, Int64Array, UInt32Array, WeightArray
from .vectors import far_word
from .word_loops import append_word

_index = np.uint64
# Drawing the random number of one synapse takes as long as drawing those of this many synapses of a whole row.
_WHOLE_ROW = 10


@compiled_loop
def add_to_some(
    value: CounterArray,
    first: int,
    members: Int64Array,
    begin: int,
    end: int,
    dw: int,
    base: int,
    new_base: int,
    c: Counters,
    rows: Int64Array,
    row: int,
    limit: int,
    pending: Int32Array,
    n_pending: int,
    tally: Int64Array,
) -> int:
    """Add the same weight change to some synapses of a row, and list those that then reach ``limit``.

    Args:
        value: counters minus the base of their row, changed.
        first: first synapse of the row.
        members: entries begin .. end - 1 are the synapses, as positions in the row.
        base, new_base: base of the row before and after.
        c: range of the counters.
        rows, row: the bounds of the row, which are widened to the synapses that are not listed.
        limit: see :func:`list_pending`.
        pending: positions in the row of pending synapses, appended to.
        n_pending: number of pending synapses so far.
        tally: its first entry counts saturated counters, added to.

    Returns:
        The number of pending synapses.
    """
    least, most, full = rows[row, 1], rows[row, 2], 0
    low, high = c.low, c.high
    for m in range(begin, end):
        place = members[np.uint64(m)]
        s = np.uint64(first + place)
        total = np.int64(value[s]) + base + dw
        clipped: Any = lesser(greater(total, low), high)
        full += clipped != total
        value[s] = clipped - new_base
        if clipped >= limit or clipped <= -limit:
            pending[n_pending] = place
            n_pending += 1
        else:
            least, most = lesser(least, clipped), greater(most, clipped)
    rows[row, 1], rows[row, 2] = least, most
    tally[0] += full
    return n_pending


def add(
    value: CounterArray,
    first: int,
    count: int,
    step: CounterArray,
    c: Counters,
    rows: Int64Array,
    row: int,
    tally: Int64Array,
) -> None:
    """Add one step to every synapse of a row; the base is 0 and the bounds are exact afterwards.

    Args:
        value: counters minus the base of their row, changed.
        first, count: first synapse of the row, and number of its synapses.
        step: step of each synapse of the row.
        c: range of the counters; counters of a float network are unbounded.
        rows, row: base and bounds of the row, changed.
        tally: its first entry counts saturated counters, added to.
    """
    raise NotImplementedError("compiled code only")


@typed_overload(add)
def _add(
    value: types.Array,
    first: types.Integer,
    count: types.Integer,
    step: types.Array,
    c: NamedTupleType,
    rows: types.Array,
    row: types.Integer,
    tally: types.Array,
) -> Callable[..., object]:
    return _add_fixed if isinstance(value.dtype, types.Integer) else _add_float


def _add_fixed(
    value: CounterArray,
    first: int,
    count: int,
    step: CounterArray,
    c: Counters,
    rows: Int64Array,
    row: int,
    tally: Int64Array,
) -> None:
    _add_row(value, first, count, step, c.low, c.high, rows, row, tally)


def _add_float(
    value: CounterArray,
    first: int,
    count: int,
    step: CounterArray,
    c: Counters,
    rows: Int64Array,
    row: int,
    tally: Int64Array,
) -> None:
    for m in range(count):
        value[first + m] += step[m]


@compiled_loop
def _add_row(
    value: CounterArray,
    first: int,
    count: int,
    step: CounterArray,
    low: int,
    high: int,
    rows: Int64Array,
    row: int,
    tally: Int64Array,
) -> None:
    base, bottom, top = as_in(value, rows[row, 0]), as_in(value, low), as_in(value, high)
    least, most, full = top, bottom, as_in(value, 0)
    for m in range(count):
        s = np.uint64(first + m)
        total = as_in(value, value[s] + base + step[m])
        clipped = lesser(greater(total, bottom), top)
        full = as_in(value, full + (clipped != total))
        least, most = lesser(least, clipped), greater(most, clipped)
        value[s] = clipped
    rows[row, 0], rows[row, 1], rows[row, 2] = 0, least, most
    tally[0] += full


@compiled_loop
def list_pending(value: CounterArray, first: int, count: int, base: int, limit: int, pending: Int32Array) -> int:
    """List the synapses of a row whose counters have a magnitude of at least ``limit``; returns their number.

    Args:
        value: counters minus the base of their row, with BITS more entries after the last row.
        first, count, base: first synapse, number of synapses and base of the row.
        limit: smallest magnitude of a pending counter.
        pending: their positions in the row, written; BITS entries longer than the row.
    """
    low, high, n = as_in(value, -limit - base), as_in(value, limit - base), 0
    for k in range(0, count, BITS):
        word = far_word(value, first + k, low, high)
        if count - k < BITS:
            word &= (np.uint64(1) << np.uint64(count - k)) - np.uint64(1)
        n = append_word(pending, n, word, np.int32(k))
    return n


@compiled_loop
def update_listed(
    value: CounterArray,
    first: int,
    length: int,
    pending: Int32Array,
    count: int,
    c: Counters,
    index: int,
    rows: Int64Array,
    row: int,
    weights: WeightArray,
    places: WeightPlaces,
    words: UInt32Array,
    tally: Int64Array,
) -> None:
    """Move weights by some counters of a row; see :func:`ssdp_hw.rules.counter.update_weights`.

    Args:
        value: counters minus the base of their row, changed.
        first, length: first synapse of the row, and number of its synapses.
        pending: positions in the row of the ``count`` synapses to update.
        c: range and rounding of the counters.
        index: number of weight updates before this one.
        rows, row: base and bounds of the row; the bounds are widened.
        weights: ``Wiring.weights``, changed.
        places: places of the projection's weights.
        words: scratch for random numbers, uint32 (4, n) with n > length / 4 + 1.
        tally: its second entry counts clipped weights, added to.
    """
    base, least, most, cut = rows[row, 0], rows[row, 1], rows[row, 2], 0
    k, rounding = c.lsb_shift, c.rounding
    half = (np.int64(1) << k) >> 1
    whole, block = rounding == STOCHASTIC and count * _WHOLE_ROW > length, first >> 2
    if whole:
        fill_words(words, (length >> 2) + 2, block, c.layer, index, c.key_low, c.key_high)
    matrix = len(places.starts) > 0
    start, stride = (places.starts[row], places.strides[row]) if matrix else (0, 0)
    for m in range(count):
        place = pending[_index(m)]
        s = first + place
        at = _index(s)
        gathered = np.int64(value[at]) + base
        rest = np.int64(0)
        if rounding == CARRY:
            move = gathered >> k if gathered >= 0 else -((-gathered) >> k)
            rest = gathered - (move << k)
        elif rounding == STOCHASTIC:
            if whole:
                word = np.uint64(words[s & 3, (s >> 2) - block])
            else:
                w0, w1, w2, w3 = philox_words(s >> 2, c.layer, index, c.key_low, c.key_high)
                word = (w0 if s & 1 == 0 else w1) if s & 2 == 0 else (w2 if s & 1 == 0 else w3)
            move = (gathered + np.int64(word >> np.uint64(32 - k))) >> k
        else:
            move = (gathered + half) >> k if gathered >= 0 else -((-gathered + half) >> k)
        value[at] = rest - base
        least, most = lesser(least, rest), greater(most, rest)
        if matrix:
            stored = _index(start + place * stride)
            wanted = weights[stored] + move
            weight = lesser(greater(wanted, places.low), places.high)
            weights[stored] = weight
            cut += weight != wanted
        elif move != 0:
            cut += _move_copies(weights, places.at, places.first, s, move, places.low, places.high)
    rows[row, 1], rows[row, 2] = least, most
    tally[1] += cut


@compiled_loop
def _move_copies(
    weights: WeightArray, at: Int64Array, first: Int64Array, stored: int, move: int, low: int, high: int
) -> bool:
    """Move all copies of a stored weight; returns whether it was clipped."""
    begin, end = (first[stored], first[stored + 1]) if len(first) else (stored, stored + 1)
    wanted = weights[at[begin]] + move
    weight = lesser(greater(wanted, low), high)
    for copy in range(begin, end):
        weights[at[copy]] = weight
    cut: bool = weight != wanted
    return cut


def move_weights(
    weights: WeightArray,
    places: WeightPlaces,
    steps: CounterArray,
    shared: bool,
    row_start: Int64Array,
    low: int,
    high: int,
) -> None:
    """In a float network add the gathered steps of the rows low .. high - 1 to their weights, and set them to zero.

    Args:
        weights: ``Wiring.weights``, changed.
        places: places of the projection's weights.
        steps: gathered step of each stored weight.
        shared: whether synapses share stored weights; then all weights are updated, whatever the rows.
        row_start: first synapse of each row.
        low, high: rows.
    """
    raise NotImplementedError("compiled code only")


@typed_overload(move_weights)
def _move_weights(
    weights: types.Array,
    places: NamedTupleType,
    steps: types.Array,
    shared: types.Boolean,
    row_start: types.Array,
    low: types.Integer,
    high: types.Integer,
) -> Callable[..., object]:
    def fixed(
        weights: WeightArray,
        places: WeightPlaces,
        steps: CounterArray,
        shared: bool,
        row_start: Int64Array,
        low: int,
        high: int,
    ) -> None:
        pass  # weights of fixed networks are updated with each row

    def real(
        weights: WeightArray,
        places: WeightPlaces,
        steps: CounterArray,
        shared: bool,
        row_start: Int64Array,
        low: int,
        high: int,
    ) -> None:
        if shared:
            _move_stored(weights, places.at, places.first, steps, 0, len(steps))
        elif len(places.starts):
            for row in range(low, high):
                _move_row(weights, places.starts[row], places.strides[row], steps, row_start[row], row_start[row + 1])
        else:
            _move_stored(weights, places.at, places.first, steps, row_start[low], row_start[high])

    return fixed if isinstance(weights.dtype, types.Integer) else real


@compiled_loop
def _move_row(weights: WeightArray, start: int, stride: int, steps: CounterArray, begin: int, end: int) -> None:
    for s in range(begin, end):
        weights[np.uint64(start)] += steps[s]
        steps[s] = 0.0
        start += stride


@compiled_loop
def _move_stored(
    weights: WeightArray, at: Int64Array, first: Int64Array, steps: CounterArray, begin: int, end: int
) -> None:
    for s in range(begin, end):
        copies, copies_end = (first[s], first[s + 1]) if len(first) else (s, s + 1)
        for copy in range(copies, copies_end):
            weights[np.uint64(at[copy])] += steps[s]
        steps[s] = 0.0
