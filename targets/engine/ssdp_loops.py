"""SSDP in the engine.

The step of a synapse depends on the ticks of its pre- and postsynaptic neuron alone. For one postsynaptic neuron it
is a table over the presynaptic tick, so the presynaptic neurons are sorted by tick once per window. Three ways
lead to the same counters, and each row takes the one with the least work: change every synapse in vector operations;
change the synapses with a step other than 0, tick by tick; or change the synapses whose presynaptic neuron fired, and
add the step of all other synapses to the base of the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numba as nb
import numpy as np
from numba.core import types
from numba.core.types.containers import NamedTuple as NamedTupleType
from numpy.typing import DTypeLike

from .counter_loops import add, add_to_some, update_listed
from .jit import as_in, compiled_alone, compiled_loop, typed_overload
from .plastic import ByTime, Counters, Gating, Plastic, largest_sizes
from .row_loops import NEVER, add_shared, close_row, gated, own_gate, pending_threshold, spread
from .segments import BITS
from .thread_group_loops import part
from .types import CounterArray, IndexArray, Int32Array, Int64Array, Number, NumberArray, UInt32Array, WeightArray

# Changing one synapse by itself takes as long as changing this many synapses in vector operations.
_SINGLE_ADDITION = 6


@compiled_loop
def _sort_by_tick(
    ticks: IndexArray, first: int, end: int, silent: int, order: Int64Array, start: Int64Array, at: Int64Array
) -> None:
    """Sort the neurons first .. end - 1 by tick; neurons with tick t are order[start[t]] .. order[start[t + 1] - 1]."""
    for t in range(silent + 2):
        start[t] = 0
    for i in range(first, end):
        start[ticks[i] + 1] += 1
    for t in range(silent + 1):
        start[t + 1] += start[t]
        at[t] = start[t]
    for i in range(first, end):
        t = ticks[i]
        order[at[t]] = i
        at[t] += 1


@compiled_loop
def _step(i: int, j: int, plus: NumberArray, minus: NumberArray, skip_silent: bool, silent: int) -> Number:
    """Step of a synapse, before the gate; its presynaptic neuron has tick i, its postsynaptic neuron tick j."""
    if i != silent and j != silent:
        step: Number = plus[abs(j - i)]
        return step
    if skip_silent and i == j:
        nothing: Number = plus[0] - plus[0]  # a zero of the right type
        return nothing
    loss: Number = -minus[abs(j - i)]
    return loss


@compiled_loop
def _tabulate(
    table: NumberArray,
    begin: int,
    end: int,
    j: int,
    plus: NumberArray,
    minus: NumberArray,
    r: ByTime,
    gate: Number,
    applies: bool,
    g: Gating,
) -> None:
    """Write the gated steps for presynaptic ticks begin .. end - 1 and a postsynaptic neuron with tick j."""
    for i in range(begin, end):
        table[i] = gated(_step(i, j, plus, minus, r.skip_silent, r.silent), gate, applies, g.bits, g.clip)


def within(value: CounterArray, x: Number, largest: int) -> Number:
    """A step in the type of the counters, limited to a magnitude of ``largest``; a float step is returned unchanged."""
    raise NotImplementedError("compiled code only")


@typed_overload(within)
def _within(value: types.Array, x: types.Number, largest: types.Integer) -> Callable[..., object]:
    def fixed(value: CounterArray, x: Number, largest: int) -> Number:
        limited: Number = as_in(value, min(max(x, -largest), largest))
        return limited

    def real(value: CounterArray, x: Number, largest: int) -> Number:
        return x

    return fixed if isinstance(value.dtype, types.Integer) else real


@compiled_loop
def _limit(small: CounterArray, table: NumberArray, entries: int, largest: int) -> None:
    """Copy the first ``entries`` entries of a table to ``small``, by :func:`within`."""
    for t in range(entries):
        small[t] = within(small, table[t], largest)


@compiled_loop
def _look_up(dw: CounterArray, table: CounterArray, ticks: IndexArray, count: int) -> None:
    """Look up the steps of ``count`` presynaptic neurons by their ticks."""
    for i in range(count):
        dw[i] = table[np.uint64(ticks[i])]


@compiled_loop
def _plan(
    table: NumberArray,
    runs: Int64Array,
    j: int,
    start: Int64Array,
    plus: NumberArray,
    minus: NumberArray,
    r: ByTime,
    gate: Number,
    applies: bool,
    g: Gating,
) -> tuple[Number, int, int]:
    """Choose the synapses of a dense row that are changed one by one, if its postsynaptic neuron has tick j.

    Args:
        table: gated steps by presynaptic tick; the chosen entries are written.
        runs: the presynaptic ticks whose synapses are changed one by one, written.
        start: first presynaptic neuron of each tick in the sorted order.
        plus .. g: tables, numbers and gate of the rule.

    Returns:
        The step that is added to the base of the row, the number of ticks in ``runs``, and the number of their
        synapses.
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


def add_by_plan(
    value: CounterArray,
    first: int,
    c: Counters,
    rows: Int64Array,
    row: int,
    table: NumberArray,
    runs: Int64Array,
    n_runs: int,
    others: Number,
    order: Int64Array,
    start: Int64Array,
    pending: Int32Array,
    limit: int,
    tally: Int64Array,
) -> int:
    """Add the steps of a window to a dense row by the plan of :func:`_plan`, if it is exact.

    It is not exact where a counter that is changed through the base of the row might saturate.

    Args:
        value, first, c, rows, row, pending, limit, tally: as in :func:`.counter_loops.add_to_some`.
        table, runs, n_runs, others: the plan.
        order, start: the presynaptic neurons sorted by tick.

    Returns:
        The number of synapses that it has listed in ``pending``, or -1 if it has changed nothing.
    """
    raise NotImplementedError("compiled code only")


@typed_overload(add_by_plan)
def _add_by_plan(
    value: types.Array,
    first: types.Integer,
    c: NamedTupleType,
    rows: types.Array,
    row: types.Integer,
    table: types.Array,
    runs: types.Array,
    n_runs: types.Integer,
    others: types.Number,
    order: types.Array,
    start: types.Array,
    pending: types.Array,
    limit: types.Integer,
    tally: types.Array,
) -> Callable[..., object]:
    def fixed(
        value: CounterArray,
        first: int,
        c: Counters,
        rows: Int64Array,
        row: int,
        table: NumberArray,
        runs: Int64Array,
        n_runs: int,
        others: Number,
        order: Int64Array,
        start: Int64Array,
        pending: Int32Array,
        limit: int,
        tally: Int64Array,
    ) -> int:
        least, most, old_base = rows[row, 1] + others, rows[row, 2] + others, rows[row, 0]
        base = old_base + others
        if least < c.low or most > c.high or abs(base) > c.base_max:
            return -1
        rows[row, 0], rows[row, 1], rows[row, 2] = base, least, most
        n_pending = 0
        for m in range(n_runs):
            i = runs[m]
            n_pending = add_to_some(
                value,
                first,
                order,
                start[i],
                start[i + 1],
                table[i],
                old_base,
                base,
                c,
                rows,
                row,
                limit,
                pending,
                n_pending,
                tally,
            )
        return n_pending

    def real(
        value: CounterArray,
        first: int,
        c: Counters,
        rows: Int64Array,
        row: int,
        table: NumberArray,
        runs: Int64Array,
        n_runs: int,
        others: Number,
        order: Int64Array,
        start: Int64Array,
        pending: Int32Array,
        limit: int,
        tally: Int64Array,
    ) -> int:
        return -1

    return fixed if isinstance(value.dtype, types.Integer) else real


class Scratch(NamedTuple):
    """Memory of one thread for windows of all projections that learn by SSDP."""

    pre_order: Int64Array  # presynaptic neurons sorted by tick
    pre_start: Int64Array  # first entry of each tick in pre_order
    post_order: Int64Array  # postsynaptic neurons sorted by tick
    post_start: Int64Array  # first entry of each tick in post_order
    at: Int64Array  # next free entry of each tick while neurons are sorted
    ticks: Int32Array  # ticks of the presynaptic neurons, in 4 bytes each
    table: NumberArray  # steps by presynaptic tick, in the type of the rule
    small: CounterArray  # steps by presynaptic tick, in the type of the counters
    runs: Int64Array  # presynaptic ticks of a plan
    dw: CounterArray  # steps by presynaptic neuron, in the type of the counters
    whole: NumberArray  # steps by presynaptic neuron, in the type of the rule
    step: CounterArray  # steps by position in a row
    pending: Int32Array  # positions in a row
    words: UInt32Array  # random numbers of a row's synapses
    total: NumberArray  # steps by stored weight, where synapses share it


def make_scratch(plastics: Sequence[Plastic]) -> Scratch:
    """Allocate the memory of one thread."""
    rule: DTypeLike = plastics[0].plus.dtype
    counter: DTypeLike = plastics[0].value.dtype
    silent = max(p.by_time.silent for p in plastics)
    pre, post, longest, shared = largest_sizes(plastics)
    ticks = silent + 2
    return Scratch(
        np.empty(pre, np.int64),
        np.empty(ticks, np.int64),
        np.empty(post, np.int64),
        np.empty(ticks, np.int64),
        np.empty(ticks, np.int64),
        np.empty(pre, np.int32),
        np.empty(ticks, rule),
        np.empty(ticks, counter),
        np.empty(ticks, np.int64),
        np.empty(pre, counter),
        np.empty(pre, rule),
        np.empty(longest, counter),
        np.empty(longest + BITS, np.int32),
        np.empty((4, longest // 4 + 2), np.uint32),
        np.empty(shared, rule),
    )


@compiled_loop
def _copy(target: IndexArray, source: IndexArray) -> None:
    for i in range(len(source)):
        target[i] = source[i]


@nb.njit(nogil=True, _nrt=False)
def _count_fired(ticks: IndexArray, silent: int) -> int:
    count = 0
    for i in range(len(ticks)):
        count += ticks[i] != silent
    return count


@compiled_alone
def ssdp_window(
    plastic: Plastic,
    window: int,
    updates: bool,
    index: int,
    weights: WeightArray,
    tally: Int64Array,
    scratch: Scratch,
    member: int,
    members: int,
) -> None:
    """Learn one window by SSDP, on the rows of one member of the thread group.

    The first member learns all rows of a projection whose synapses share weights.

    Args:
        plastic: the projection; its counters are changed.
        window: number of the window in ``plastic.pre`` and ``plastic.post``.
        updates: whether a weight update follows.
        index: number of weight updates before this window.
        weights: ``Wiring.weights``, changed by the weight update.
        tally: numbers of saturated counters and of clipped weights, added to.
        scratch: memory of this thread.
        member, members: number of this member, and of all members.
    """
    g, r, c, places = plastic.gating, plastic.by_time, plastic.counters, plastic.places
    row_start, cols, value, rows, gates = plastic.row_start, plastic.cols, plastic.value, plastic.rows, plastic.gates
    plus, minus, stored, dense, shared = plastic.plus, plastic.minus, plastic.stored, plastic.dense, plastic.shared
    pre, post, silent = plastic.pre[window], plastic.post[window], r.silent
    n, order, start = len(pre), scratch.pre_order, scratch.pre_start
    largest = c.high - c.low + 1  # takes any counter beyond its end, so that it counts as saturated
    table, runs, dw, step = scratch.table, scratch.runs, scratch.dw, scratch.step
    pending, words, total = scratch.pending, scratch.words, scratch.total[: len(value) if shared else 0]
    begin, end = part(len(post), member, members, 1)
    if shared:
        begin, end = 0, len(post) if member == 0 else 0
        total[:] = 0
    _sort_by_tick(pre, 0, n, silent, order, start, scratch.at)
    _sort_by_tick(post, begin, end, silent, scratch.post_order, scratch.post_start, scratch.at)
    _copy(scratch.ticks, pre)
    limit, outside, lazy = pending_threshold(c), len(gates) > 0, dense and c.base_max >= 0
    applies = outside or g.own
    gate = own_gate(g, start[silent], _count_fired(post, silent), n * len(post))
    for j in range(silent + 1):
        # Plan and table of one postsynaptic neuron serve all neurons with the same tick and gate.
        planned = filled = False
        planned_gate, others, n_runs, changing = gate, plus[0], 0, 0
        for m in range(scratch.post_start[j], scratch.post_start[j + 1]):
            row = scratch.post_order[m]
            first = row_start[row]
            count = row_start[row + 1] - first
            if outside:
                gate = gates[window, row]
            if gate != 0:
                if gate != planned_gate:
                    planned = filled = False
                    planned_gate = gate
                if lazy and not planned:
                    others, n_runs, changing = _plan(table, runs, j, start, plus, minus, r, gate, applies, g)
                    planned = True
                listed = -1
                if lazy and changing * _SINGLE_ADDITION <= count:
                    # If no counter of the row was pending before, this window's list has all pending ones.
                    at_rest = updates and rows[row, 1] > -limit and rows[row, 2] < limit
                    listed = add_by_plan(
                        value,
                        first,
                        c,
                        rows,
                        row,
                        table,
                        runs,
                        n_runs,
                        others,
                        order,
                        start,
                        pending,
                        limit if at_rest else NEVER,
                        tally,
                    )
                if listed < 0:
                    if not filled:
                        _tabulate(table, 0, silent + 1, j, plus, minus, r, gate, applies, g)
                        if shared:
                            _look_up(scratch.whole, table, scratch.ticks, n)
                        else:
                            _limit(scratch.small, table, silent + 1, largest)
                            _look_up(dw, scratch.small, scratch.ticks, n)
                        filled = True
                    if shared:
                        add_shared(total, stored, cols, first, count, scratch.whole)
                    elif dense:
                        add(value, first, count, dw, c, rows, row, tally)
                    else:
                        spread(dw, False, cols, first, count, step, largest)
                        add(value, first, count, step, c, rows, row, tally)
                elif listed > 0:
                    update_listed(
                        value, first, count, pending, listed, c, index, rows, row, weights, places, words, tally
                    )
            if updates and not shared:
                close_row(value, first, count, c, index, rows, row, pending, weights, places, words, tally)
    if shared and member == 0:
        spread(total, True, cols, 0, len(total), step, largest)
        add(value, 0, len(total), step, c, rows, 0, tally)
        if updates:
            close_row(value, 0, len(total), c, index, rows, 0, pending, weights, places, words, tally)
