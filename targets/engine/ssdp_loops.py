"""SSDP in the engine.

The step of a synapse depends on the ticks of its pre- and postsynaptic neuron alone. For one postsynaptic neuron it
is a table over the presynaptic tick, so the presynaptic neurons are sorted by tick once per window. Three ways
lead to the same counters, and each row takes the one with the least work: change every synapse in vector operations;
change the synapses with a step other than 0, tick by tick; or change the synapses whose presynaptic neuron fired, and
add the step of all other synapses to the base of the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from .counter_loops import add, update_listed
from .jit import compiled_alone, compiled_driver, compiled_loop
from .plastic import Plastic, largest_sizes
from .row_loops import NEVER, add_shared, close_row, own_gate, pending_threshold, spread
from .segments import BITS
from .thread_group_loops import part
from .tick_loops import add_by_plan, limit_entries, look_up, plan, sort_by_tick, tabulate
from .types import CounterArray, IndexArray, Int32Array, Int64Array, NumberArray, UInt32Array, WeightArray

# Changing one synapse by itself takes as long as changing this many synapses in vector operations.
_SINGLE_ADDITION = 6


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


@compiled_driver
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
    zero: Any = np.int64(0)  # a bare 0 would be of a type of its own, for which Numba would compile too
    sort_by_tick(pre, zero, n, silent, order, start, scratch.at)
    sort_by_tick(post, begin, end, silent, scratch.post_order, scratch.post_start, scratch.at)
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
                    others, n_runs, changing = plan(table, runs, j, start, plus, minus, r, gate, applies, g)
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
                        tabulate(table, 0, silent + 1, j, plus, minus, r, gate, applies, g)
                        if shared:
                            look_up(scratch.whole, table, scratch.ticks, n)
                        else:
                            limit_entries(scratch.small, table, silent + 1, largest)
                            look_up(dw, scratch.small, scratch.ticks, n)
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
