"""Synchrony counters in the engine: what adds evidence to them, and what moves weights by them.

See :mod:`ssdp_hw.rules.counter` for what they compute and :class:`.plastic.Counters` for how they are
kept. Three ways lead to the same bits: :func:`touch` changes some synapses of a row and through its base
all others, :func:`add` changes every synapse of a row in vector operations; the former is exact as long as no
synapse is cut that it does not touch, which the bounds of the row tell.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload

from .jit import as_in, kernel
from .plastic import CARRY, STOCHASTIC
from .random_kernels import philox_words

_BLOCK = 64  # counters that are searched together


@kernel
def touch(
    value: Any, members: Any, begin: int, end: int, evidence: int, base: int, new_base: int, low: int, high: int,
    row: Any, limit: int, due: Any, n_due: int, tally: Any,
) -> int:
    """Add the same evidence to some synapses of a row, and list those that then reach ``limit``.

    Args:
        value: of the row, changed.
        members: entries begin .. end - 1 are the synapses, by their place in the row.
        base, new_base: of the row, before and after.
        low, high: range of a counter.
        row: bounds of the counters that are not listed, widened.
        limit: see :func:`list_due`.
        due: synapses, appended to; n_due: how many there are.
        tally: how many counters were cut, added to.

    Returns:
        How many synapses are listed now.
    """
    least, most, full = row[1], row[2], 0
    for m in range(begin, end):
        s = np.uint64(members[np.uint64(m)])
        total = np.int64(value[s]) + base + evidence
        kept: Any = min(max(total, low), high)
        full += kept != total
        value[s] = kept - new_base
        if kept >= limit or kept <= -limit:
            due[n_due] = s
            n_due += 1
        else:
            least, most = min(least, kept), max(most, kept)
    row[1], row[2] = least, most
    tally[0] += full
    return n_due


def add(value: Any, step: Any, row: Any, low: Any, high: Any, tally: Any) -> None:
    """Add one step to every synapse of a row; the base is 0 and the bounds are exact afterwards.

    Args:
        value: of the row, changed.
        step: of each of its synapses.
        row: base and bounds, changed.
        low, high: range of a counter; a float network has none.
        tally: how many counters were cut, added to.
    """
    raise NotImplementedError("compiled code only")


@overload(add)
def _add(value: Any, step: Any, row: Any, low: Any, high: Any, tally: Any) -> Any:
    return _add_fixed if isinstance(value.dtype, types.Integer) else _add_float


def _add_fixed(value: Any, step: Any, row: Any, low: Any, high: Any, tally: Any) -> None:
    _add_row(value, step, row, low, high, tally)


def _add_float(value: Any, step: Any, row: Any, low: Any, high: Any, tally: Any) -> None:
    for m in range(len(value)):
        value[m] += step[m]


@kernel
def _add_row(value: Any, step: Any, row: Any, low: int, high: int, tally: Any) -> None:
    base, bottom, top = as_in(value, row[0]), as_in(value, low), as_in(value, high)
    least, most, full = top, bottom, as_in(value, 0)
    for m in range(len(value)):
        total = as_in(value, value[m] + base + step[m])
        kept = min(max(total, bottom), top)
        full = as_in(value, full + (kept != total))
        least, most = min(least, kept), max(most, kept)
        value[m] = kept
    row[0], row[1], row[2] = 0, least, most
    tally[0] += full


@kernel
def list_due(value: Any, base: int, limit: int, due: Any) -> int:
    """List the synapses of a row whose counters are at least ``limit`` in size; returns how many."""
    n, offset, size = 0, as_in(value, base), as_in(value, limit)
    for begin in range(0, len(value), _BLOCK):
        end = min(begin + _BLOCK, len(value))
        found = as_in(value, 0)
        for m in range(begin, end):
            c = as_in(value, value[m] + offset)
            found |= as_in(value, (c >= size) | (c <= -size))
        if found:
            for m in range(begin, end):
                c = value[m] + base
                due[n] = m
                n += (c >= limit) | (c <= -limit)
    return n


@kernel
def commit_listed(
    value: Any, first: int, row: Any, due: Any, count: int, k: int, rounding: int, layer: int, index: int,
    key_low: int, key_high: int, moved: Any, moves: Any, n_moved: int,
) -> int:
    """Take from some counters of a row what moves their weights; see :func:`ssdp_hw.rules.counter.commit`.

    Args:
        value: of the row, changed; first: number of its first synapse.
        row: base and bounds, which are widened.
        due: the synapses, by their place in the row, ascending where that is cheap; count: how many.
        k .. key_high: as in :class:`.plastic.Counters`; index: number of commits before this one.
        moved, moves: synapses and by how much their weights move, appended to; n_moved: how many there are.

    Returns:
        How many moves there are now.
    """
    base, least, most = row[0], row[1], row[2]
    half = (np.int64(1) << k) >> 1
    block = np.int64(-1)
    w0 = w1 = w2 = w3 = np.uint64(0)
    for m in range(count):
        place = np.uint64(due[m])
        c, s = np.int64(value[place]) + base, first + np.int64(place)
        rest = np.int64(0)
        if rounding == CARRY:
            move = c >> k if c >= 0 else -((-c) >> k)
            rest = c - (move << k)
        elif rounding == STOCHASTIC:
            if s >> 2 != block:  # neighbours share the words of a block
                block = s >> 2
                w0, w1, w2, w3 = philox_words(block, layer, index, key_low, key_high)
            word = (w0 if s & 1 == 0 else w1) if s & 2 == 0 else (w2 if s & 1 == 0 else w3)
            move = (c + np.int64(word >> np.uint64(32 - k))) >> k
        else:
            move = (c + half) >> k if c >= 0 else -((-c + half) >> k)
        value[place] = rest - base
        least, most = min(least, rest), max(most, rest)
        if move != 0:
            moved[n_moved], moves[n_moved] = s, move
            n_moved += 1
    row[1], row[2] = least, most
    return n_moved


@kernel
def measure(value: Any, row: Any) -> None:
    """Make the base 0 and the bounds exact."""
    base = as_in(value, row[0])
    least = most = as_in(value, value[0] + base) if len(value) else as_in(value, 0)
    for m in range(len(value)):
        c = as_in(value, value[m] + base)
        least, most = min(least, c), max(most, c)
        value[m] = c
    row[0], row[1], row[2] = 0, least, most


def move_weights(weights: Any, positions: Any, counters: Any, count: Any, low: Any, high: Any, tally: Any) -> None:
    """Move the weights by a commit's list, or in a float network by all that was gathered.

    Args:
        weights: the program's, changed.
        positions: of each stored weight in them.
        counters: of the projection; count: length of its list.
        low, high: range of a stored weight integer.
        tally: its second entry counts weights that were cut.
    """
    raise NotImplementedError("compiled code only")


@overload(move_weights)
def _move_weights(
    weights: Any, positions: Any, counters: Any, count: Any, low: Any, high: Any, tally: Any
) -> Any:
    return _move_fixed if isinstance(weights.dtype, types.Integer) else _move_float


def _move_fixed(
    weights: Any, positions: Any, counters: Any, count: Any, low: Any, high: Any, tally: Any
) -> None:
    _apply_moves(weights, positions, counters.moved, counters.moves, count, low, high, tally)


def _move_float(
    weights: Any, positions: Any, counters: Any, count: Any, low: Any, high: Any, tally: Any
) -> None:
    _apply_steps(weights, positions, counters.value)


@kernel
def _apply_moves(
    weights: Any, positions: Any, moved: Any, moves: Any, count: int, low: int, high: int, tally: Any
) -> None:
    for m in range(count):
        at = np.uint64(positions[moved[m]])
        wanted = np.int64(weights[at]) + moves[m]
        kept = min(max(wanted, low), high)
        tally[1] += kept != wanted
        weights[at] = kept


@kernel
def _apply_steps(weights: Any, positions: Any, steps: Any) -> None:
    for s in range(len(positions)):
        weights[np.uint64(positions[s])] += steps[s]
        steps[s] = 0.0
