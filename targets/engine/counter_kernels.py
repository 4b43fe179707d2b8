"""Synchrony counters in the engine: what adds evidence to them, and what moves weights by them.

See :mod:`ssdp_hw.rules.counter` for what they compute and :class:`.plastic.Plastic` for how they are
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
from .random_kernels import fill_words, philox_words

_BLOCK = 64  # counters that are searched together
_WHOLE_ROW = 10  # the random number of one synapse costs as much as those of so many of a whole row


@kernel
def touch(
    value: Any, first: int, members: Any, begin: int, end: int, evidence: int, base: int, new_base: int, c: Any,
    rows: Any, row: int, limit: int, due: Any, n_due: int, tally: Any,
) -> int:
    """Add the same evidence to some synapses of a row, and list those that then reach ``limit``.

    Args:
        value: counters less their base, changed; first: where the row begins.
        members: entries begin .. end - 1 are the synapses, by their place in the row.
        base, new_base: of the row, before and after.
        c: :class:`.plastic.Counters`.
        rows, row: the bounds of the row, which are widened to what is not listed.
        limit: see :func:`list_due`.
        due: synapses by their place in the row, appended to; n_due: how many there are.
        tally: how many counters were cut, added to.

    Returns:
        How many synapses are listed now.
    """
    least, most, full = rows[row, 1], rows[row, 2], 0
    low, high = c.low, c.high
    for m in range(begin, end):
        place = members[np.uint64(m)]
        s = np.uint64(first + place)
        total = np.int64(value[s]) + base + evidence
        kept: Any = min(max(total, low), high)
        full += kept != total
        value[s] = kept - new_base
        if kept >= limit or kept <= -limit:
            due[n_due] = place
            n_due += 1
        else:
            least, most = min(least, kept), max(most, kept)
    rows[row, 1], rows[row, 2] = least, most
    tally[0] += full
    return n_due


def add(value: Any, first: Any, count: Any, step: Any, c: Any, rows: Any, row: Any, tally: Any) -> None:
    """Add one step to every synapse of a row; the base is 0 and the bounds are exact afterwards.

    Args:
        value: counters less their base, changed; first, count: the row's.
        step: of each synapse of the row.
        c: :class:`.plastic.Counters`; a float network has no limits.
        rows, row: base and bounds of the row, changed.
        tally: how many counters were cut, added to.
    """
    raise NotImplementedError("compiled code only")


@overload(add)
def _add(value: Any, first: Any, count: Any, step: Any, c: Any, rows: Any, row: Any, tally: Any) -> Any:
    return _add_fixed if isinstance(value.dtype, types.Integer) else _add_float


def _add_fixed(value: Any, first: Any, count: Any, step: Any, c: Any, rows: Any, row: Any, tally: Any) -> None:
    _add_row(value, first, count, step, c.low, c.high, rows, row, tally)


def _add_float(value: Any, first: Any, count: Any, step: Any, c: Any, rows: Any, row: Any, tally: Any) -> None:
    for m in range(count):
        value[first + m] += step[m]


@kernel
def _add_row(
    value: Any, first: int, count: int, step: Any, low: int, high: int, rows: Any, row: int, tally: Any
) -> None:
    base, bottom, top = as_in(value, rows[row, 0]), as_in(value, low), as_in(value, high)
    least, most, full = top, bottom, as_in(value, 0)
    for m in range(count):
        s = np.uint64(first + m)
        total = as_in(value, value[s] + base + step[m])
        kept = min(max(total, bottom), top)
        full = as_in(value, full + (kept != total))
        least, most = min(least, kept), max(most, kept)
        value[s] = kept
    rows[row, 0], rows[row, 1], rows[row, 2] = 0, least, most
    tally[0] += full


@kernel
def list_due(value: Any, first: int, count: int, base: int, limit: int, due: Any) -> int:
    """List the synapses of a row whose counters are at least ``limit`` in size; returns how many."""
    n = 0
    for begin in range(first, first + count, _BLOCK):
        end = min(begin + _BLOCK, first + count)
        least = most = value[begin]
        for s in range(begin, end):
            v = value[np.uint64(s)]
            least, most = min(least, v), max(most, v)
        if least + base <= -limit or most + base >= limit:
            for s in range(begin, end):
                c = value[s] + base
                due[n] = s - first
                n += (c >= limit) | (c <= -limit)
    return n


@kernel
def commit_listed(
    value: Any, first: int, length: int, due: Any, count: int, c: Any, index: int, rows: Any, row: int, moved: Any,
    moves: Any, tally: Any,
) -> None:
    """Take from some counters of a row what moves their weights; see :func:`ssdp_hw.rules.counter.commit`.

    Args:
        value: counters less their base, changed; first, length: the row's.
        due: the synapses, by their place in the row; count: how many.
        c: :class:`.plastic.Counters`; index: number of commits before this one.
        rows, row: base and bounds of the row; the bounds are widened.
        moved, moves: synapses and by how much their weights move; appended to.
        tally: its third entry is how many moves there are.
    """
    base, least, most = rows[row, 0], rows[row, 1], rows[row, 2]
    k, rounding, n_moved = c.lsb_shift, c.rounding, tally[2]
    half = (np.int64(1) << k) >> 1
    whole, block = rounding == STOCHASTIC and count * _WHOLE_ROW > length, first >> 2
    words = np.empty((4, (length >> 2) + 2 if whole else 0), np.uint32)
    if whole:
        fill_words(words, block, c.layer, index, c.key_low, c.key_high)
    for m in range(count):
        s = first + due[m]
        at = np.uint64(s)
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
        least, most = min(least, rest), max(most, rest)
        if move != 0:
            moved[n_moved], moves[n_moved] = s, move
            n_moved += 1
    rows[row, 1], rows[row, 2], tally[2] = least, most, n_moved


@kernel
def measure(value: Any, first: int, count: int, rows: Any, row: int) -> None:
    """Make the base of a row 0 and its bounds exact."""
    base = as_in(value, rows[row, 0])
    least = most = as_in(value, value[np.uint64(first)] + base) if count else as_in(value, 0)
    for m in range(count):
        s = np.uint64(first + m)
        c = as_in(value, value[s] + base)
        least, most = min(least, c), max(most, c)
        value[s] = c
    rows[row, 0], rows[row, 1], rows[row, 2] = 0, least, most


def move_weights(weights: Any, plastic: Any, tally: Any) -> None:
    """Move the weights by a commit's list, or in a float network by all that was gathered.

    Args:
        weights: the program's, changed.
        plastic: the projection.
        tally: its second entry counts weights that were cut, its third is the length of the list.
    """
    raise NotImplementedError("compiled code only")


@overload(move_weights)
def _move_weights(weights: Any, plastic: Any, tally: Any) -> Any:
    return _move_fixed if isinstance(weights.dtype, types.Integer) else _move_float


def _move_fixed(weights: Any, plastic: Any, tally: Any) -> None:
    _apply_moves(
        weights, plastic.at, plastic.first, plastic.moved, plastic.moves, tally[2], plastic.weight_min,
        plastic.weight_max, tally,
    )


def _move_float(weights: Any, plastic: Any, tally: Any) -> None:
    _apply_steps(weights, plastic.at, plastic.first, plastic.value)


@kernel
def _apply_moves(
    weights: Any, at: Any, first: Any, moved: Any, moves: Any, count: int, low: int, high: int, tally: Any
) -> None:
    for m in range(count):
        s = moved[m]
        begin, end = (first[s], first[s + 1]) if len(first) else (s, s + 1)
        wanted = np.int64(weights[at[begin]]) + moves[m]
        kept = min(max(wanted, low), high)
        tally[1] += kept != wanted
        for copy in range(begin, end):
            weights[at[copy]] = kept


@kernel
def _apply_steps(weights: Any, at: Any, first: Any, steps: Any) -> None:
    for s in range(len(steps)):
        begin, end = (first[s], first[s + 1]) if len(first) else (s, s + 1)
        for copy in range(begin, end):
            weights[np.uint64(at[copy])] += steps[s]
        steps[s] = 0.0
