"""The steps of SSDP by tick, and the plan by which a dense row takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types
from numba.core.types.containers import NamedTuple as NamedTupleType

from .counter_loops import add_to_some
from .jit import as_in, compiled_loop, greater, lesser, typed_overload
from .plastic import ByTime, Counters, Gating
from .row_loops import gated
from .types import CounterArray, IndexArray, Int32Array, Int64Array, Number, NumberArray


@compiled_loop
def sort_by_tick(
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
def tabulate(
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
        limited: Number = as_in(value, lesser(greater(x, -largest), largest))
        return limited

    def real(value: CounterArray, x: Number, largest: int) -> Number:
        return x

    return fixed if isinstance(value.dtype, types.Integer) else real


@compiled_loop
def limit_entries(small: CounterArray, table: NumberArray, entries: int, largest: int) -> None:
    """Copy the first ``entries`` entries of a table to ``small``, by :func:`within`."""
    for t in range(entries):
        small[t] = within(small, table[t], largest)


@compiled_loop
def look_up(dw: CounterArray, table: CounterArray, ticks: IndexArray, count: int) -> None:
    """Look up the steps of ``count`` presynaptic neurons by their ticks."""
    for i in range(count):
        dw[i] = table[np.uint64(ticks[i])]


@compiled_loop
def plan(
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
    tabulate(table, silent, silent + 1, j, plus, minus, r, gate, applies, g)
    others, begin, end = table[silent], 0, silent + 1
    if others == 0:
        reach = r.minus_reach if j == silent else r.plus_reach
        begin, end = greater(0, j - reach + 1), lesser(silent, j + reach)
    tabulate(table, begin, end, j, plus, minus, r, gate, applies, g)
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
    return others, n_runs, lesser(stepping, differing)


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
    """Add the steps of a window to a dense row by the plan of :func:`plan`, if it is exact.

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
        n_pending: Any = np.int64(0)  # a bare 0 would be of a type of its own, for which Numba would compile too
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
        listed: int = n_pending
        return listed

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
