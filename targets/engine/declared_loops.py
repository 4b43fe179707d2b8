"""Declared learning rules in the engine: windows of the compiled functions of :mod:`.generated_rules`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from .counter_loops import add
from .equal_rows import EqualRows, make_equal_rows, order_rows
from .jit import call_rule, compiled_alone, compiled_loop, greater, lesser
from .packed import loaded
from .plastic import EQUAL_AT_END, NOT_KNOWN, Plastic, WeightPlaces, largest_sizes
from .row_loops import add_shared, close_row, gate_all, own_gate, spread
from .segments import BITS
from .thread_group_loops import part
from .types import (
    BoolArray,
    ByteArray,
    CounterArray,
    Int32Array,
    Int64Array,
    NumberArray,
    UInt32Array,
    WeightArray,
)
from .vectors import entry, spike_word
from .window_spikes import WindowSpikes
from .word_loops import append_word


class Scratch(NamedTuple):
    """Memory of one thread for windows of all projections that learn by a declared rule."""

    pre: ByteArray  # spikes of the presynaptic neurons, (step, neuron) in one row
    post: ByteArray
    listed: Int32Array  # presynaptic neurons that fire, step by step
    first: Int64Array  # first entry of each step in listed
    pre_table: NumberArray  # variables of presynaptic neurons before each step, and after the last one
    post_table: NumberArray
    group_table: NumberArray
    synapses: NumberArray  # variables of the synapses of a row, by presynaptic neuron
    weight: NumberArray  # stored weights of a row, by presynaptic neuron
    dw: NumberArray  # weight changes of a row, by presynaptic neuron
    step: CounterArray  # weight changes by position in a row
    pending: Int32Array  # positions in a row
    words: UInt32Array  # random numbers of a row's synapses
    draws: UInt32Array  # random numbers of a group's neurons, four rows for each draw
    drawn: UInt32Array  # the same by neuron, a draw after the other
    total: NumberArray  # steps by stored weight, where synapses share it
    lasting: NumberArray  # variables of neurons and projections that outlast a window; see :mod:`.lasting`
    active: ByteArray  # whether each postsynaptic neuron fires in the window
    equal: EqualRows


def make_scratch(plastics: Sequence[Plastic], steps: int, lasting: NumberArray) -> Scratch:
    """Allocate the memory of one thread for windows of ``steps`` steps, with a copy of the row ``lasting``."""
    counter: DTypeLike = plastics[0].value.dtype
    number: DTypeLike = plastics[0].plus.dtype
    pre, post, longest, shared = largest_sizes(plastics)
    shapes = [p.declared for p in plastics]
    columns, draws = max(pre, post) // 4 + 1, max(1, *(s.draws for s in shapes))
    return Scratch(
        np.zeros(steps * pre + BITS, np.uint8),
        np.zeros(steps * post + BITS, np.uint8),
        np.zeros(steps * pre + BITS, np.int32),
        np.zeros(steps + 1, np.int64),
        np.zeros(max(1, *(s.pre + s.pre_reads for s in shapes)) * (steps + 1) * pre, number),
        np.zeros(
            max(1, *(s.post + s.post_factors + s.post_reads + 2 * s.weight_sums for s in shapes)) * (steps + 1) * post,
            number,
        ),
        np.zeros(max(1, *(s.group + s.group_factors for s in shapes)) * (steps + 1), number),
        np.zeros(max(1, *(s.synapse for s in shapes)) * pre, number),
        np.zeros(pre, number),
        np.zeros(pre, number),
        np.empty(longest, counter),
        np.empty(longest + BITS, np.int32),
        np.empty((4, longest // 4 + 2), np.uint32),
        np.empty((4 * draws, columns), np.uint32),
        np.empty(4 * draws * columns, np.uint32),
        np.empty(shared, number),
        lasting.copy(),
        np.zeros(post, np.uint8),
        make_equal_rows(post),
    )


@compiled_loop
def _copy_spikes(flags: BoolArray, at: int, stride: int, steps: int, size: int, out: ByteArray) -> None:
    for t in range(steps):
        for i in range(size):
            out[np.uint64(t * size + i)] = entry(flags, at + t * stride + i) != 0


@compiled_loop
def _list_spikes(spikes: ByteArray, steps: int, size: int, listed: Int32Array, first: Int64Array) -> None:
    """List the neurons that fire, step by step; up to BITS entries of both arrays behind the last are touched."""
    n = 0
    for t in range(steps):
        first[t] = n
        for k in range(0, size, BITS):
            word = spike_word(spikes, t * size + k)
            if size - k < BITS:
                word &= (np.uint64(1) << np.uint64(size - k)) - np.uint64(1)
            n = append_word(listed, n, word, np.int32(k))
    first[steps] = n


@compiled_loop
def _count_active(spikes: ByteArray, steps: int, size: int) -> int:
    """Number of neurons that fire at least once."""
    n = 0
    for i in range(size):
        for t in range(steps):
            if spikes[np.uint64(t * size + i)]:
                n += 1
                break
    return n


@compiled_loop
def _mark_active(spikes: ByteArray, steps: int, size: int, active: ByteArray) -> None:
    """Mark the neurons that fire at least once."""
    for i in range(size):
        active[np.uint64(i)] = 0
    for t in range(steps):
        for i in range(size):
            active[np.uint64(i)] |= spikes[np.uint64(t * size + i)]


@compiled_loop
def _read_weights(
    weights: WeightArray, places: WeightPlaces, plastic: Plastic, row: int, first: int, count: int, out: NumberArray
) -> None:
    """The stored weights of a row by presynaptic neuron."""
    for m in range(count):
        i = m if plastic.dense else plastic.cols[first + m]
        if len(places.starts) > 0:
            out[i] = weights[places.starts[row] + m * places.strides[row]]
        else:
            s = plastic.stored[first + m] if plastic.shared else first + m
            out[i] = weights[places.at[places.first[s] if len(places.first) else s]]


@compiled_loop
def _sum_weights(plastic: Plastic, row: int, first: int, count: int, length: int, s: Scratch) -> None:
    """Put the sum and the number of the weights of a row into the table of its neuron, behind all else."""
    rule, size = plastic.declared, plastic.ends.post_size
    total = s.weight[0] - s.weight[0]  # a zero of their type
    for m in range(count):
        total += s.weight[m if plastic.dense else plastic.cols[first + m]]
    number = rule.post + rule.post_factors + rule.post_reads
    for t in range(length + 1):
        s.post_table[(number * (length + 1) + t) * size + row] = total
        s.post_table[((number + 1) * (length + 1) + t) * size + row] = count


@compiled_loop
def _move_lasting(plastic: Plastic, step: int, length: int, s: Scratch, keep: bool) -> None:
    """Put what lasts into the tables of neurons and projection, at a step, or (``keep``) back into its row."""
    rule, ends, at = plastic.declared, plastic.ends, plastic.declared.at_lasting
    for home in range(3):
        table = s.pre_table if home == 0 else (s.post_table if home == 1 else s.group_table)
        count = rule.pre if home == 0 else (rule.post if home == 1 else rule.group)
        size = ends.pre_size if home == 0 else (ends.post_size if home == 1 else 1)
        for k in range(count):
            for i in range(size):
                place = (k * (length + 1) + step) * size + i
                if keep:
                    s.lasting[at + i] = table[place]
                else:
                    table[place] = s.lasting[at + i]
            at += size


@compiled_loop
def _read_factors(plastic: Plastic, window: int, length: int, s: Scratch) -> None:
    """Put the third factors of a window into the tables of neurons and projection, behind the variables."""
    rule, windows, read = plastic.declared, 0, 0
    width = rule.post_factors * plastic.ends.post_size + rule.group_factors
    if width > 0:
        windows = len(rule.factors) // (length * width)
    for k in range(rule.post_factors + rule.group_factors):
        of_post = k < rule.post_factors
        table = s.post_table if of_post else s.group_table
        size = plastic.ends.post_size if of_post else 1
        place = (rule.post + k if of_post else rule.group + k - rule.post_factors) * (length + 1) * size
        first = read + window * length * size
        for t in range(length + 1):  # the end of a window finds the factor of the last step
            for i in range(size):
                table[place + t * size + i] = rule.factors[first + lesser(t, length - 1) * size + i]
        read += windows * length * size


@compiled_loop
def _read_states(plastic: Plastic, spikes: WindowSpikes, s: Scratch) -> None:
    """Put the states of a window that the rule reads into the tables of neurons, behind variables and third factors."""
    rule, ends, length = plastic.declared, plastic.ends, spikes.steps
    for k in range(rule.pre_reads + rule.post_reads):
        of_pre = k < rule.pre_reads
        table, size = (s.pre_table, ends.pre_size) if of_pre else (s.post_table, ends.post_size)
        number = rule.pre + k if of_pre else rule.post + rule.post_factors + k - rule.pre_reads
        place = number * (length + 1) * size
        column, low, high = ends.reads[k, 0], ends.reads[k, 1], ends.reads[k, 2]
        for t in range(length + 1):  # the end of a window finds the state of the last step
            step = spikes.first_step + lesser(t, length - 1)
            for i in range(size):
                table[place + t * size + i] = lesser(greater(spikes.states[step, spikes.sample, column + i], low), high)


@compiled_loop
def _move_synapses(plastic: Plastic, first: int, count: int, s: Scratch, keep: bool) -> None:
    """Put what lasts of the synapses of a row into their table, or (``keep``) back."""
    lasting, pre_size, synapses = plastic.declared.lasting, plastic.ends.pre_size, plastic.row_start[-1]
    for k in range(plastic.declared.synapse if len(lasting) > 0 else 0):
        for m in range(count):
            i = m if plastic.dense else plastic.cols[first + m]
            if keep:
                lasting[k * synapses + first + m] = s.synapses[k * pre_size + i]
            else:
                s.synapses[k * pre_size + i] = lasting[k * synapses + first + m]


@compiled_alone
def declared_window(
    plastic: Plastic,
    window: int,
    spikes: WindowSpikes,
    updates: bool,
    index: int,
    weights: WeightArray,
    tally: Int64Array,
    scratch: Scratch,
    member: int,
    members: int,
) -> None:
    """Learn one window by a declared rule, on the rows of one member of the thread group.

    The arguments are those of :func:`.spike_train_loops.train_window`.
    """
    g, c, places, ends, rule = plastic.gating, plastic.counters, plastic.places, plastic.ends, plastic.declared
    row_start, cols, value, rows, gates = plastic.row_start, plastic.cols, plastic.value, plastic.rows, plastic.gates
    dense, shared, stored = plastic.dense, plastic.shared, plastic.stored
    pre_size, post_size, length = ends.pre_size, ends.post_size, spikes.steps
    own, s = loaded(plastic), loaded(scratch)  # for loops
    largest = c.high - c.low + 1  # takes any counter beyond its end, so that it counts as saturated
    total = s.total[: len(value) if shared else 0]
    begin, end = part(post_size, member, members, 1)
    if shared:
        begin, end = 0, post_size if member == 0 else 0
        total[:] = 0
    _copy_spikes(spikes.pre, spikes.pre_at, spikes.pre_stride, length, pre_size, s.pre)
    _copy_spikes(spikes.post, spikes.post_at, spikes.post_stride, length, post_size, s.post)
    _list_spikes(s.pre, length, pre_size, s.listed, s.first)
    _mark_active(s.post, length, post_size, s.active)
    outside = len(gates) > 0
    applies = outside or g.own
    counted = (_count_active(s.pre, length, pre_size), _count_active(s.post, length, post_size)) if g.own else (0, 0)
    gate = own_gate(g, counted[0], counted[1], pre_size * post_size)
    alike = rule.equal_rows != NOT_KNOWN and not (shared or outside)
    for place in range(begin - 1, end):
        if place == begin and alike:
            at_end = rule.equal_rows == EQUAL_AT_END
            order_rows(own, s.active if at_end else s.post, s.post_table, length, begin, end, s.equal)
        ordered = alike and place >= begin
        row = s.equal.order[place] if ordered else place
        computed = not ordered or s.equal.is_first[row] != 0
        if row == begin - 1:  # the variables of all neurons, before the first row
            at = -1
        else:
            at = row
            if outside:
                gate = gates[window, row]
            if (gate == 0 and len(rule.lasting) == 0) or (rule.quiet_rows and not s.active[row]):
                at = -2
        first = row_start[greater(row, 0)]
        count = row_start[greater(row, 0) + 1] - first
        if rule.lasts and at == -1:
            _move_lasting(own, 0, length, s, False)
        if at == -1:
            _read_factors(own, window, length, s)
            _read_states(own, spikes, s)
        if at >= 0:
            _move_synapses(own, first, count, s, False)
        if at >= 0 and rule.reads_weight:
            _read_weights(weights, places, own, row, first, count, s.weight)
        if at >= 0 and rule.weight_sums:
            _sum_weights(own, row, first, count, length, s)
        if at > -2 and computed:
            call_rule(
                rule.address,
                at,
                length,
                pre_size,
                post_size,
                s.pre,
                s.post,
                s.listed,
                s.first,
                rule.parameters,
                s.pre_table,
                s.post_table,
                s.group_table,
                s.synapses,
                s.weight,
                s.dw,
                s.draws,
                s.drawn,
                s.draws.shape[1],
                c.layer,
                (rule.first_window + window) * length,
                c.key_low,
                c.key_high,
            )
        if rule.lasts and at == -1:
            _move_lasting(own, length, length, s, True)
        if at >= 0:
            _move_synapses(own, first, count, s, True)
            if computed:
                gate_all(s.dw, pre_size, gate, applies, g.bits, g.clip)
            if shared:
                add_shared(total, stored, cols, first, count, s.dw)
            else:
                if computed or not dense:
                    spread(s.dw, dense, cols, first, count, s.step, largest)
                add(value, first, count, s.step, c, rows, row, tally)
        if row >= begin and updates and not shared:
            close_row(value, first, count, c, index, rows, row, s.pending, weights, places, s.words, tally)
    if shared and member == 0:
        spread(total, True, cols, 0, len(total), s.step, largest)
        add(value, 0, len(total), s.step, c, rows, 0, tally)
        if updates:
            close_row(value, 0, len(total), c, index, rows, 0, s.pending, weights, places, s.words, tally)
