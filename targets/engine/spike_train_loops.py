"""Rules that read whole spike trains in the engine: pair STDP and SADP.

The synapses of a silent postsynaptic neuron take no step by either rule, so its row is skipped. The potentiation by a
postsynaptic spike depends on its time step alone: a table (step, presynaptic neuron) is made once per window, and the
rows of a neuron's spikes are added up. The depression by presynaptic spikes of a step is added to all of them at once,
by the bits of their words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ssdp_hw.operations.philox import neuron_layer
from ssdp_hw.rules.gate import GATE_MAX

from .agreement_loops import agreement_dw
from .counter_loops import add
from .jit import compiled_alone, compiled_driver, compiled_loop
from .plastic import BY_TRACE, ByTrains, Counters, Plastic, largest_sizes
from .row_loops import add_shared, close_row, gate_all, own_gate, spread
from .segments import BITS
from .thread_group_loops import part
from .trace_loops import step_trace
from .types import (
    CounterArray,
    Int32Array,
    Int64Array,
    NumberArray,
    TrainArray,
    UInt32Array,
    WeightArray,
    WordArray,
)
from .vectors import add_where, column_adder
from .window_spikes import WindowSpikes
from .word_loops import list_words, read_words

_PRE_LAYER, _POST_LAYER = neuron_layer(0, 0), neuron_layer(0, 1)
_FEW_ROWS = 8  # fewest rows whose sum must fit 16 bits for partial sums of 16 bits to be faster
_add_128, _add_64 = column_adder(128), column_adder(64)


class Scratch(NamedTuple):
    """Memory of one thread for windows of all projections that learn by STDP or SADP.

    Integers are stored in as few bits as the rules allow. A row of ``gains`` has an entry for each bit of a row of
    ``pre_words``.
    """

    pre_words: WordArray  # spikes of the presynaptic neurons, a row for each step
    post_words: WordArray  # spikes of the postsynaptic neurons, a row for each step
    listed: Int32Array  # presynaptic neurons that fire in a step
    other: Int32Array  # postsynaptic neurons that fire in a step
    pre_count: Int64Array  # number of spikes of each presynaptic neuron
    post_count: Int64Array  # number of spikes of each postsynaptic neuron
    post_steps: Int32Array  # steps of the spikes of each postsynaptic neuron, one neuron after the other
    post_first: Int64Array  # first entry of each postsynaptic neuron in post_steps
    at: Int64Array  # next free entry of each neuron while post_steps is written
    trace: TrainArray  # trace of each presynaptic neuron
    gains: TrainArray  # (step, presynaptic neuron) potentiation by a postsynaptic spike
    post_trace: TrainArray  # trace of each postsynaptic neuron
    losses: TrainArray  # (step, postsynaptic neuron) depression by a presynaptic spike, at most 0
    amounts: TrainArray  # losses of one postsynaptic neuron by step; for SADP ones
    chosen: Int32Array  # steps in which that loss is not 0
    dw: CounterArray  # weight changes by presynaptic neuron
    step: CounterArray  # weight changes by position in a row
    pending: Int32Array  # positions in a row
    words: UInt32Array  # random numbers of a row's synapses
    trace_words: UInt32Array  # random numbers of a group's traces
    total: NumberArray  # steps by stored weight, where synapses share it


def make_scratch(plastics: Sequence[Plastic], steps: int) -> Scratch:
    """Allocate the memory of one thread for windows of ``steps`` steps."""
    counter: DTypeLike = plastics[0].value.dtype
    rule: DTypeLike = plastics[0].plus.dtype
    pre, post, longest, shared = largest_sizes(plastics)
    trace, gain = _types(plastics, steps)
    width = -(-pre // BITS) * BITS
    return Scratch(
        np.zeros((steps, width // BITS), np.uint64),
        np.zeros((steps, -(-post // BITS)), np.uint64),
        np.empty(pre + BITS, np.int32),
        np.empty(post + BITS, np.int32),
        np.zeros(pre, np.int64),
        np.zeros(post, np.int64),
        np.empty(steps * post, np.int32),
        np.zeros(post + 1, np.int64),
        np.zeros(post, np.int64),
        np.zeros(width, trace),
        np.zeros((steps, width), gain),
        np.zeros(post, trace),
        np.zeros((steps, post), gain),
        np.ones(steps, gain),
        np.empty(steps, np.int32),
        np.zeros(width, trace),
        np.empty(longest, counter),
        np.empty(longest + BITS, np.int32),
        np.empty((4, longest // 4 + 2), np.uint32),
        np.empty((4, max(width, post) // 4 + 1), np.uint32),
        np.empty(shared, rule),
    )


def _types(plastics: Sequence[Plastic], steps: int) -> tuple[DTypeLike, DTypeLike]:
    """The type of traces and of sums over a window, and the type of gains and losses."""
    if plastics[0].plus.dtype == np.float64:
        return np.float64, np.float64
    narrow = all(
        max(r.a_plus, r.a_minus) * r.trace_max + (1 << r.dw_shift) < 1 << 31
        and r.chunk >= _FEW_ROWS
        and r.largest * steps * GATE_MAX < 1 << 31
        for r in (p.by_trains for p in plastics)
    )
    return (np.int32, np.int16) if narrow else (np.int64, np.int64)


@compiled_loop
def _count(words: WordArray, size: int, listed: Int32Array, count: Int64Array) -> None:
    """Count the spikes of each of ``size`` neurons; ``words`` has a row for each step, ``listed`` is scratch."""
    for j in range(size):
        count[j] = 0
    for t in range(len(words)):
        for k in range(list_words(words, t, 0, size, listed, 0)):
            count[listed[k]] += 1


@compiled_loop
def _count_nonzero(count: Int64Array, size: int) -> int:
    n = 0
    for j in range(size):
        n += count[j] != 0
    return n


@compiled_loop
def _list_steps(
    words: WordArray,
    size: int,
    low: int,
    high: int,
    listed: Int32Array,
    count: Int64Array,
    steps: Int32Array,
    first: Int64Array,
    at: Int64Array,
) -> None:
    """List the steps in which each of the neurons low .. high - 1 fires, one neuron after the other.

    Args:
        words: spikes, a row for each step.
        size: number of neurons.
        listed, at: scratch.
        count: number of spikes of each neuron.
        steps, first: ``post_steps`` and ``post_first`` of :class:`Scratch`, written.
    """
    n = 0
    for j in range(low, high):
        first[j], at[j] = n, n
        n += count[j]
        first[j + 1] = n
    for t in range(len(words)):
        for k in range(list_words(words, t, 0, size, listed, 0)):
            j = listed[k]
            if low <= j and j < high:
                steps[at[j]] = t
                at[j] += 1


@compiled_driver
def _pair_tables(
    scratch: Scratch, amounts: TrainArray, pre_size: int, post_size: int, r: ByTrains, c: Counters, window: int
) -> None:
    """Fill the tables ``gains`` and ``losses`` of a window, whose number is ``window``, for pair STDP."""
    words, first = scratch.trace_words, (r.first_window + window) * len(amounts)
    pre_words, post_words, listed = scratch.pre_words, scratch.post_words, scratch.listed
    pre_trace, post_trace = scratch.trace, scratch.post_trace
    pre_trace[:] = 0
    post_trace[:] = 0
    for t in range(len(amounts)):
        n_pre = list_words(pre_words, t, 0, pre_size, listed, 0)
        events = list_words(post_words, t, 0, post_size, scratch.other, 0)
        at = (first + t) & 0xFFFFFFFF
        draws = c.layer + _PRE_LAYER, at, c.key_low, c.key_high
        plus = r.decay_factor_plus
        step_trace(pre_trace, scratch.gains, t, r.a_plus, events > 0, listed, n_pre, plus, r, draws, words)
        draws = c.layer + _POST_LAYER, at, c.key_low, c.key_high
        minus, other = r.decay_factor_minus, scratch.other
        step_trace(post_trace, scratch.losses, t, -r.a_minus, n_pre > 0, other, events, minus, r, draws, words)


@compiled_loop
def _pair_dw(
    dw: CounterArray,
    gains: TrainArray,
    words: WordArray,
    losses: TrainArray,
    row: int,
    amounts: TrainArray,
    chosen: Int32Array,
    steps: Int32Array,
    begin: int,
    end: int,
    chunk: int,
) -> None:
    """Write the weight changes by pair STDP of postsynaptic neuron ``row``, which fires in ``steps[begin:end]``."""
    width = len(dw)
    for i in range(width):
        dw[i] = 0
    for i in range(0, width // 128 * 128, 128):
        _add_128(dw, i, gains, i, width, steps, begin, end, 0, 0, chunk)
    if width % 128:
        _add_64(dw, width - BITS, gains, width - BITS, width, steps, begin, end, 0, 0, chunk)
    n = 0
    for t in range(steps[begin] + 1, len(amounts)):
        amounts[t] = losses[t, row]
        chosen[n] = t
        n += losses[t, row] != 0
    for i in range(0, width, BITS):
        add_where(dw, i, words, i // BITS, width // BITS, chosen, 0, n, amounts, chunk)


@compiled_alone
def train_window(
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
    """Learn one window by pair STDP or SADP, on the rows of one member of the thread group.

    Args:
        plastic: the projection; its counters are changed.
        window: number of the window in ``plastic.gates``.
        spikes: spikes of both populations.
        updates, index, weights, tally: as in :func:`.ssdp_loops.ssdp_window`.
        scratch: memory of this thread, made for windows of as many steps.
        member, members: number of this member, and of all members.
    """
    g, r, c, places, ends = plastic.gating, plastic.by_trains, plastic.counters, plastic.places, plastic.ends
    row_start, cols, value, rows, gates = plastic.row_start, plastic.cols, plastic.value, plastic.rows, plastic.gates
    stored, dense, shared, paired = plastic.stored, plastic.dense, plastic.shared, plastic.kind == BY_TRACE
    pre_size, post_size = ends.pre_size, ends.post_size
    dw, step, pending, words = scratch.dw, scratch.step, scratch.pending, scratch.words
    amounts, steps = scratch.amounts, scratch.post_steps
    largest = c.high - c.low + 1  # takes any counter beyond its end, so that it counts as saturated
    total = scratch.total[: len(value) if shared else 0]
    begin, end = part(post_size, member, members, 1)
    if shared:
        begin, end = 0, post_size if member == 0 else 0
        total[:] = 0
    for t in range(spikes.steps):
        read_words(scratch.pre_words, t, 0, spikes.pre, spikes.pre_at + t * spikes.pre_stride, pre_size)
        read_words(scratch.post_words, t, 0, spikes.post, spikes.post_at + t * spikes.post_stride, post_size)
    _count(scratch.pre_words, pre_size, scratch.listed, scratch.pre_count)
    _count(scratch.post_words, post_size, scratch.other, scratch.post_count)
    _list_steps(
        scratch.post_words,
        post_size,
        begin,
        end,
        scratch.other,
        scratch.post_count,
        steps,
        scratch.post_first,
        scratch.at,
    )
    if paired:
        _pair_tables(scratch, amounts, pre_size, post_size, r, c, window)
    else:
        amounts[:] = 1
    outside = len(gates) > 0
    applies = outside or g.own
    gate = own_gate(
        g,
        _count_nonzero(scratch.pre_count, pre_size),
        _count_nonzero(scratch.post_count, post_size),
        pre_size * post_size,
    )
    for row in range(begin, end):
        if outside:
            gate = gates[window, row]
        first = row_start[row]
        count = row_start[row + 1] - first
        if gate != 0 and scratch.post_count[row]:
            fired, fired_end = scratch.post_first[row], scratch.post_first[row + 1]
            if paired:
                _pair_dw(
                    dw,
                    scratch.gains,
                    scratch.pre_words,
                    scratch.losses,
                    row,
                    amounts,
                    scratch.chosen,
                    steps,
                    fired,
                    fired_end,
                    r.chunk,
                )
            else:
                agreement_dw(dw, scratch.pre_words, amounts, steps, fired, fired_end, scratch.pre_count, pre_size, r)
            gate_all(dw, pre_size, gate, applies, g.bits, g.clip)
            if shared:
                add_shared(total, stored, cols, first, count, dw)
            else:
                spread(dw, dense, cols, first, count, step, largest)
                add(value, first, count, step, c, rows, row, tally)
        if updates and not shared:
            close_row(value, first, count, c, index, rows, row, pending, weights, places, words, tally)
    if shared and member == 0:
        spread(total, True, cols, 0, len(total), step, largest)
        add(value, 0, len(total), step, c, rows, 0, tally)
        if updates:
            close_row(value, 0, len(total), c, index, rows, 0, pending, weights, places, words, tally)
