"""SSDP in the engine.

The step of a synapse depends on the ticks of its two ends alone. For one postsynaptic neuron that is a
table over the presynaptic tick, so the presynaptic neurons are sorted by tick once a window. Three ways
lead to the same counters, and a row takes the one with the least work: every synapse in vector operations; only
those with a step, tick by tick within the reach of the kernel; or those whose source fired, while the step of all
others goes to the base of the row.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numba.core import types
from numba.extending import overload

from .counter_kernels import add, commit_listed, touch
from .jit import entry_point, kernel
from .row_kernels import NEVER, add_shared, close_row, due_at, gated, longest_row, own_gate, spread

# To touch a synapse by itself costs as much as to change so many in vector operations.
_TOUCH = 6


@kernel
def _sort_by_tick(ticks: Any, silent: int, order: Any, start: Any) -> None:
    """Neurons in the order of their ticks; those with tick t are entries start[t] .. start[t + 1] - 1."""
    for t in range(silent + 2):
        start[t] = 0
    for i in range(len(ticks)):
        start[ticks[i] + 1] += 1
    for t in range(silent + 1):
        start[t + 1] += start[t]
    at = start.copy()
    for i in range(len(ticks)):
        order[at[ticks[i]]] = i
        at[ticks[i]] += 1


@kernel
def _step(i: int, j: int, plus: Any, minus: Any, skip_silent: bool, silent: int) -> Any:
    """Step of a synapse whose ends have ticks i and j, before the gate."""
    if i != silent and j != silent:
        return plus[abs(j - i)]
    if skip_silent and i == j:
        return plus[0] - plus[0]  # a zero of the right type
    return -minus[abs(j - i)]


@kernel
def _tabulate(
    table: Any, begin: int, end: int, j: int, plus: Any, minus: Any, r: Any, gate: Any, applies: bool, g: Any
) -> None:
    """Gated steps by presynaptic tick begin .. end - 1, for a postsynaptic neuron with tick j."""
    for i in range(begin, end):
        table[i] = gated(_step(i, j, plus, minus, r.skip_silent, r.silent), gate, applies, g.bits, g.clip)


@kernel
def _look_up(evidence: Any, table: Any, ticks: Any) -> None:
    for i in range(len(ticks)):
        evidence[i] = table[np.uint64(ticks[i])]


@kernel
def _plan(
    table: Any, runs: Any, j: int, start: Any, plus: Any, minus: Any, r: Any, gate: Any, applies: bool, g: Any
) -> Any:
    """Which synapses of a dense row to touch, if its postsynaptic neuron has tick j.

    Args:
        table: gated steps by presynaptic tick, written where they are wanted.
        runs: presynaptic ticks whose synapses are to be touched, written.
        start: where each tick begins among the presynaptic neurons.
        plus .. g: of the rule.

    Returns:
        The step that goes to the base of the row, how many ticks, and how many synapses.
    """
    silent = r.silent
    _tabulate(table, silent, silent + 1, j, plus, minus, r, gate, applies, g)
    others, begin, end = table[silent], 0, silent + 1
    if others == 0:
        reach = r.minus_reach if j == silent else r.plus_reach
        begin, end = max(0, j - reach + 1), min(silent, j + reach)
    _tabulate(table, begin, end, j, plus, minus, r, gate, applies, g)
    stepping, differing = 0, 0
    for i in range(begin, end):
        n = start[i + 1] - start[i]
        stepping += n if table[i] != 0 else 0
        differing += n if table[i] != others else 0
    if stepping <= differing:
        others = others - others
    n_runs = 0
    for i in range(begin, end):
        runs[n_runs] = i
        n_runs += (table[i] != others) & (start[i + 1] > start[i])
    return others, n_runs, min(stepping, differing)


def touch_row(
    value: Any, first: Any, c: Any, rows: Any, row: Any, table: Any, runs: Any, n_runs: Any, others: Any, order: Any,
    start: Any, due: Any, limit: Any, tally: Any,
) -> Any:
    """A window's evidence of a dense row by a plan, unless a synapse might be cut that is not touched.

    Args:
        value, first, c, rows, row, due, limit, tally: as the kernels of counters have them.
        table, runs, n_runs, others: the plan.
        order, start: the presynaptic neurons by tick.

    Returns:
        How many synapses it has listed in ``due``, or -1 if nothing has happened.
    """
    raise NotImplementedError("compiled code only")


@overload(touch_row)
def _touch_row(
    value: Any, first: Any, c: Any, rows: Any, row: Any, table: Any, runs: Any, n_runs: Any, others: Any, order: Any,
    start: Any, due: Any, limit: Any, tally: Any,
) -> Any:
    def fixed(
        value: Any, first: Any, c: Any, rows: Any, row: Any, table: Any, runs: Any, n_runs: Any, others: Any,
        order: Any, start: Any, due: Any, limit: Any, tally: Any,
    ) -> Any:
        least, most, old_base = rows[row, 1] + others, rows[row, 2] + others, rows[row, 0]
        base = old_base + others
        if least < c.low or most > c.high or abs(base) > c.base_max:
            return -1
        rows[row, 0], rows[row, 1], rows[row, 2] = base, least, most
        n_due = 0
        for m in range(n_runs):
            i = runs[m]
            n_due = touch(
                value, first, order, start[i], start[i + 1], table[i], old_base, base, c, rows, row, limit, due,
                n_due, tally,
            )
        return n_due

    def real(
        value: Any, first: Any, c: Any, rows: Any, row: Any, table: Any, runs: Any, n_runs: Any, others: Any,
        order: Any, start: Any, due: Any, limit: Any, tally: Any,
    ) -> Any:
        return -1

    return fixed if isinstance(value.dtype, types.Integer) else real


@nb.njit(nogil=True)
def _count_fired(ticks: Any, silent: int) -> int:
    count = 0
    for i in range(len(ticks)):
        count += ticks[i] != silent
    return count


@entry_point
def ssdp_window(plastic: Any, window: int, commits: bool, index: int, tally: Any) -> None:
    """One window of SSDP on one projection.

    Args:
        plastic: the projection; its counters are changed.
        window: which of those seen.
        commits: whether a commit follows; its moves are listed.
        index: number of commits before it.
        tally: counters that were cut, weights that were cut, moves listed; added to.
    """
    g, r, c = plastic.gating, plastic.by_time, plastic.counters
    row_start, cols, value, rows, gates = plastic.row_start, plastic.cols, plastic.value, plastic.rows, plastic.gates
    plus, minus, moved, moves = plastic.plus, plastic.minus, plastic.moved, plastic.moves
    pre, post, silent = plastic.pre[window], plastic.post[window], r.silent
    n, stored, dense, shared = len(pre), plastic.stored, plastic.dense, plastic.shared
    total = np.zeros(len(value) if shared else 0, plus.dtype)
    longest = longest_row(row_start, len(total))
    order, start = np.empty(n, np.int64), np.empty(silent + 2, np.int64)
    _sort_by_tick(pre, silent, order, start)
    # What was made for one neuron serves those after it with the same tick and gate: the last one that fired has
    # row 0, the last silent one row 1.
    table, runs = np.empty((2, silent + 1), plus.dtype), np.empty((2, silent + 1), np.int64)
    step, evidence = np.empty((2, longest), value.dtype), np.empty((2, n), plus.dtype)
    held, n_runs, touched = np.full(2, -1), np.zeros(2, np.int64), np.zeros(2, np.int64)
    filled, held_gate, others = np.zeros(2, np.bool_), np.zeros(2, gates.dtype), np.zeros(2, plus.dtype)
    due, limit = np.empty(longest + 1, np.int64), due_at(c)
    outside, lazy = len(gates) > 0, c.base_max >= 0
    applies = outside or g.own
    gate = own_gate(g, start[silent], _count_fired(post, silent), n * len(post))
    for row in range(len(post)):
        if outside:
            gate = gates[window, row]
        first = row_start[row]
        count = row_start[row + 1] - first
        if gate != 0:
            j = post[row]
            k = np.int64(j == silent)
            if j != held[k] or gate != held_gate[k]:
                held[k], held_gate[k], filled[k] = j, gate, False
                if dense and lazy:
                    others[k], n_runs[k], touched[k] = _plan(
                        table[k], runs[k], j, start, plus, minus, r, gate, applies, g
                    )
            listed = -1
            if dense and lazy and touched[k] * _TOUCH <= count:
                # A row at rest has nothing to commit but what this window brings.
                at_rest = commits and rows[row, 1] > -limit and rows[row, 2] < limit
                listed = touch_row(
                    value, first, c, rows, row, table[k], runs[k], n_runs[k], others[k], order, start, due,
                    limit if at_rest else NEVER, tally,
                )
            if listed < 0:
                if not filled[k]:
                    _tabulate(table[k], 0, silent + 1, j, plus, minus, r, gate, applies, g)
                    _look_up(evidence[k], table[k], pre)
                if shared:
                    add_shared(total, stored, cols, first, count, evidence[k])
                else:
                    if not (filled[k] and dense):
                        spread(evidence[k], dense, cols, first, count, step[k], c.high - c.low)
                    add(value, first, count, step[k], c, rows, row, tally)
                filled[k] = True
            elif listed > 0:
                commit_listed(value, first, count, due, listed, c, index, rows, row, moved, moves, tally)
        if commits and not shared:
            close_row(value, first, count, c, index, rows, row, due, moved, moves, tally)
    if shared:
        spread(total, True, cols, 0, len(total), step[0], c.high - c.low)
        add(value, 0, len(total), step[0], c, rows, 0, tally)
        if commits:
            close_row(value, 0, len(total), c, index, rows, 0, due, moved, moves, tally)
