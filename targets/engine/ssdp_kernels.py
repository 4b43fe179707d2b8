"""SSDP in the engine.

The step of a synapse depends on the ticks of its two ends alone. For one postsynaptic neuron that is a
table over the presynaptic tick, so the presynaptic neurons are sorted by tick once a window. All synapses of
a row whose source is silent take the same step, which the base of the row takes for them; where that step
is 0, only ticks within the reach of the kernel are visited.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numba.extending import overload

from .counter_kernels import touch
from .jit import entry_point, kernel
from .row_kernels import NEVER, close_row, commit_some, due_at, gated, is_fixed, own_gate, take

# Changing a synapse in a vector operation costs so much less than touching it alone.
_WORTH_TOUCHING = 4


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
    table: Any, begin: int, end: int, j: int, plus: Any, minus: Any, skip_silent: bool, silent: int, gate: Any,
    applies: bool, bits: int, clip: float,
) -> None:
    """Gated steps by presynaptic tick begin .. end - 1, for a postsynaptic neuron with tick j."""
    for i in range(begin, end):
        table[i] = gated(_step(i, j, plus, minus, skip_silent, silent), gate, applies, bits, clip)


@kernel
def _look_up(evidence: Any, table: Any, ticks: Any) -> None:
    for i in range(len(ticks)):
        evidence[i] = table[np.uint64(ticks[i])]


def touch_row(
    plastic: Any, row: Any, j: Any, gate: Any, applies: Any, table: Any, order: Any, start: Any, due: Any,
    commits: Any, index: Any, tally: Any,
) -> Any:
    """A window's evidence of one row, if that can be done by touching few of its synapses.

    Args:
        plastic: the projection.
        row: the postsynaptic neuron; j: its tick.
        gate, applies: its gate, and whether there is one.
        table: scratch, one entry a tick.
        order, start: the presynaptic neurons by tick.
        due: scratch, one longer than the row.
        commits, index: whether a commit follows, and how many there were before.
        tally: see :mod:`.row_kernels`.

    Returns:
        Whether it was done; otherwise nothing has happened.
    """
    raise NotImplementedError("compiled code only")


@overload(touch_row)
def _touch_row(
    plastic: Any, row: Any, j: Any, gate: Any, applies: Any, table: Any, order: Any, start: Any, due: Any,
    commits: Any, index: Any, tally: Any,
) -> Any:
    def real(
        plastic: Any, row: Any, j: Any, gate: Any, applies: Any, table: Any, order: Any, start: Any, due: Any,
        commits: Any, index: Any, tally: Any,
    ) -> Any:
        return False

    return _touch_fixed if is_fixed(plastic) else real


def _touch_fixed(
    plastic: Any, row: Any, j: Any, gate: Any, applies: Any, table: Any, order: Any, start: Any, due: Any,
    commits: Any, index: Any, tally: Any,
) -> Any:
    c, r, g, s = plastic.counters, plastic.by_time, plastic.gating, plastic.synapses
    if c.base_max < 0 or len(s.cols):
        return False
    state, silent = c.rows[row], r.silent
    others = gated(_step(silent, j, r.plus, r.minus, r.skip_silent, silent), gate, applies, g.bits, g.clip)
    base, least, most = state[0] + others, state[1] + others, state[2] + others
    if least < c.low or most > c.high or abs(base) > c.base_max:
        return False
    begin, end = 0, silent
    if others == 0:
        reach = r.minus_reach if j == silent else r.plus_reach
        begin, end = max(0, j - reach + 1), min(silent, j + reach)
    _tabulate(table, begin, end, j, r.plus, r.minus, r.skip_silent, silent, gate, applies, g.bits, g.clip)
    touched = 0
    for i in range(begin, end):
        if table[i] != others:
            touched += start[i + 1] - start[i]
    first, last = s.row_start[row], s.row_start[row + 1]
    if touched * _WORTH_TOUCHING > last - first:
        return False
    # A row at rest has nothing to commit but what this window brings.
    limit = due_at(c)
    at_rest = commits and state[1] > -limit and state[2] < limit
    n_due, value, old_base = 0, c.value[first:last], state[0]
    state[0], state[1], state[2] = base, least, most
    for i in range(begin, end):
        if table[i] != others and start[i + 1] > start[i]:
            n_due = touch(
                value, order, start[i], start[i + 1], table[i], old_base, base, c.low, c.high, state,
                limit if at_rest else NEVER, due, n_due, tally,
            )
    if n_due:
        commit_some(plastic, row, due, n_due, index, tally)
    return True


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
    s, g, r = plastic.synapses, plastic.gating, plastic.by_time
    pre, post, silent = plastic.seen.pre[window], plastic.seen.post[window], r.silent
    n, longest = len(pre), 0
    for row in range(len(post)):
        longest = max(longest, s.row_start[row + 1] - s.row_start[row])
    order, start = np.empty(n, np.int64), np.empty(silent + 2, np.int64)
    _sort_by_tick(pre, silent, order, start)
    table, evidence = np.empty(silent + 1, r.plus.dtype), np.empty(n, r.plus.dtype)
    step, due = np.empty(longest, plastic.counters.value.dtype), np.empty(longest + 1, np.int64)
    outside = len(g.outside) > 0
    applies = outside or g.own
    gate = own_gate(g, n - (start[silent + 1] - start[silent]), _count_fired(post, silent), n * len(post))
    held_tick, held_gate = -1, gate  # what the evidence is of
    for row in range(len(post)):
        if outside:
            gate = g.outside[window, row]
        j = post[row]
        if gate != 0 and not touch_row(
            plastic, row, j, gate, applies, table, order, start, due, commits, index, tally
        ):
            if j != held_tick or gate != held_gate:
                _tabulate(
                    table, 0, silent + 1, j, r.plus, r.minus, r.skip_silent, silent, gate, applies, g.bits, g.clip
                )
                _look_up(evidence, table, pre)
                held_tick, held_gate = j, gate
            take(plastic, row, evidence, step, tally)
        if commits:
            close_row(plastic, row, due, index, tally)
