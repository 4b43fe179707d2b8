"""Networks without recurrent loops, run one population after the other, each block of neurons for many steps.

These loops give the same result as :mod:`.step_loops` in another order. The weights and states of a block stay in the
first-level cache for all these steps, and threads that share a sample wait at a barrier after each population instead
of after each step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .jit import compiled_alone, compiled_driver, compiled_loop, entry_point, greater, lesser
from .neuron_loops import add_analog, advance, count_overflows
from .packed import loaded
from .program import Layout
from .program_neurons import FixedNeurons, FloatNeurons
from .quick_neuron_loops import advanced_quickly
from .register_loops import register, restart_registers
from .run import ThreadGroup
from .segments import BITS, LANES, aligned
from .simulation import Simulation
from .spike_loops import fetch, send_block, send_block_afresh
from .thread_group_loops import barrier, next_sample, part, stopped
from .types import BoolArray, ByteArray, Int32Array, Int64Array, NumberArray, StateArray, WeightArray, WordArray
from .vectors import spike_word
from .word_loops import list_words, read_words

_AHEAD = 4  # number of steps by which the input raster is prefetched


class LayerScratch(NamedTuple):
    """Memory of one thread for :func:`run_layers`."""

    input_words: WordArray  # spikes of the inputs, in the layout of ``ThreadGroup.words``
    active: Int32Array  # lists of the sources that fired, by group and step
    starts: Int64Array  # first entry of ``active`` of each (group, step)
    sums: StateArray  # synaptic input (step, neuron of a block)
    fired: ByteArray  # flags (step, neuron of a block)
    lanes: Int32Array  # overflow counts by population, kind and lane
    before: StateArray  # voltages of a block before its steps
    extremes: StateArray  # smallest and largest currents and voltages of each lane


def make_layer_scratch(layout: Layout, neurons: FixedNeurons | FloatNeurons, thread_group: ThreadGroup) -> LayerScratch:
    """Allocate the memory of one thread for :func:`run_layers`, for the steps in the rows of ``thread_group.words``."""
    rows, groups, inputs = len(thread_group.words), len(layout.source_size), len(layout.channel_start) - 1
    state = layout.zero.dtype
    return LayerScratch(
        np.zeros(thread_group.words.shape, np.uint64),
        np.empty((rows + 1) * int(layout.source_start[groups]) + BITS, np.int32),
        np.zeros((groups, rows + 1), np.int64),
        aligned(rows * BITS, state),
        aligned(rows * BITS, np.uint8),
        np.zeros((groups - inputs) * neurons.counts * LANES, np.int32),
        aligned(BITS, state),
        aligned(4 * LANES, state),
    )


@compiled_loop
def _list_steps(
    words: WordArray,
    at: int,
    size: int,
    active: Int32Array,
    begin: int,
    starts: Int64Array,
    group: int,
    first: int,
    steps: int,
) -> int:
    """List the sources of a group that fired in ``steps`` steps from ``first`` on; returns the end of the list.

    Args:
        words: spikes; the row of a step is the step modulo the number of rows, the group begins at ``at``.
        size: number of sources of the group.
        active: the list is written from ``begin`` on.
        starts: row ``group`` is written: the first entry of each step, and the end of the last.
    """
    n, rows = begin, words.shape[0]
    row = first % rows
    for k in range(steps):
        starts[group, k] = n
        n += list_words(words, row, at, size, active, n)
        row = row + 1 if row + 1 < rows else 0
    starts[group, steps] = n
    return n


@compiled_loop
def _read_steps(
    words: WordArray, at: int, raster: BoolArray, sample: int, channel: int, size: int, first: int, last: int
) -> None:
    """Pack the spikes of an input in steps first .. last - 1 of the raster into words."""
    stride = raster.shape[1] * raster.shape[2]
    place = first * stride + sample * raster.shape[2] + channel
    for t in range(first, last):
        if t + _AHEAD < last:  # the channels of the next step are far away in memory
            fetch(raster, place + _AHEAD * stride, size)
        read_words(words, t % words.shape[0], at, raster, place, size)
        place += stride


@compiled_loop
def _send_steps(
    sums: StateArray,
    weights: WeightArray,
    start: int,
    wide: int,
    active: Int32Array,
    starts: Int64Array,
    group: int,
    skipped: int,
    first: int,
    steps: int,
    shift: int,
    chunk: int,
    fresh: bool,
) -> None:
    """Add the weight rows of the sources that fired in step ``first + k`` of the lists to ``sums[k]``.

    Steps k below ``skipped`` have no spikes. If ``fresh`` the rows replace the sums. Other arguments are those of
    :func:`.spike_loops.send_rows`.
    """
    for k in range(steps):
        begin, end = (starts[group, first + k], starts[group, first + k + 1]) if k >= skipped else (0, 0)
        if fresh:
            send_block_afresh(sums, k * BITS, weights, start, wide, active, begin, end, shift, chunk)
        elif end > begin:
            send_block(sums, k * BITS, weights, start, wide, active, begin, end, shift, chunk)


@compiled_loop
def _clear(values: StateArray, count: int) -> None:
    for k in range(count):
        values[k] = 0


@compiled_driver
def _advance_steps(
    neurons: FixedNeurons | FloatNeurons,
    start: int,
    stop: int,
    u: StateArray,
    v: StateArray,
    extra: StateArray,
    bias: StateArray,
    biased: int,
    scratch: LayerScratch,
    p: int,
    words: WordArray,
    at: int,
    first: int,
    steps: int,
    trace: NumberArray,
    trace_columns: Int64Array,
    sample: int,
    offset: int,
    size: int,
) -> None:
    """Advance the neurons start .. stop - 1 by ``steps`` steps, record them and pack their spikes into words.

    The first of these neurons has the number ``offset`` in its population ``p``, which has ``size`` neurons.
    """
    sums, fired, lanes, count = scratch.sums, scratch.fired, scratch.lanes, stop - start
    recorded = False
    for k in range(1, len(trace_columns)):
        recorded |= trace_columns[k, p] >= 0
    if recorded or not advanced_quickly(
        neurons,
        start,
        stop,
        v,
        sums,
        -start,
        bias,
        biased,
        fired,
        -start,
        p,
        steps,
        BITS,
        scratch.before,
        scratch.extremes,
    ):
        at_once = 1 if recorded else steps
        cells = lesser(count, size - offset)
        for step in range(0, steps, at_once):
            place = step * BITS - start
            advance(neurons, start, stop, u, v, extra, sums, place, bias, biased, fired, place, lanes, p, at_once, BITS)
            for k in range(1, len(trace_columns)):
                column = trace_columns[k, p] + offset
                if trace_columns[k, p] < 0:
                    continue
                if k == 1:
                    _record_block(trace, first + step, sample, column, u, start, cells)
                elif k == 2:
                    _record_block(trace, first + step, sample, column, v, start, cells)
                else:
                    _record_block(trace, first + step, sample, column, extra, start + (k - 3) * len(u), cells)
    _pack_steps(words, at, fired, first, steps, count)


@compiled_loop
def _pack_steps(words: WordArray, at: int, fired: ByteArray, first: int, steps: int, count: int) -> None:
    """Pack the flags of a block of ``count`` neurons in all steps into words."""
    rows = words.shape[0]
    row = first % rows
    wanted = ~np.uint64(0) if count == BITS else (np.uint64(1) << np.uint64(count)) - np.uint64(1)
    for k in range(steps):
        words[row, at] = spike_word(fired, k * BITS) & wanted
        row = row + 1 if row + 1 < rows else 0


@compiled_loop
def _record_block(
    trace: NumberArray, step: int, sample: int, column: int, values: StateArray, start: int, count: int
) -> None:
    for i in range(count):
        trace[step, sample, np.uint64(column + i)] = values[np.uint64(start + i)]


@compiled_alone
def run_layers(
    origin: int,
    simulation: Simulation,
    thread_group: ThreadGroup,
    scratch: LayerScratch,
    sample: int,
    row: int,
    begin: int,
    end: int,
) -> None:
    """Run one sample from the initial state through the steps begin .. end - 1 of the raster.

    The arguments are those of :func:`.step_loops.run_steps` with these exceptions.

    Args:
        origin: must be 0.
        simulation: input that has not arrived after the last step is lost.
        thread_group: its words have rows for the steps of a block and for earlier steps whose spikes still arrive.
        scratch: memory of this thread.
    """
    state, layout, wiring = loaded(simulation.state), simulation.layout, simulation.wiring
    neurons = loaded(simulation.neurons)  # for loops
    raster, bias, analog = simulation.raster, simulation.bias, simulation.analog
    trace_columns, spikes, trace = simulation.trace_columns, simulation.spikes, simulation.trace
    overflow, first, last = simulation.overflow, simulation.registers.first, simulation.registers.last
    channel_start, source_start, source_size = layout.channel_start, layout.source_start, layout.source_size
    active, starts, sums, lanes = scratch.active, scratch.starts, scratch.sums, scratch.lanes
    words, member, members, slots = thread_group.words, thread_group.member, thread_group.members, layout.slots
    groups, inputs = len(source_size), len(channel_start) - 1
    channels, here, at_once = source_start[inputs], sample % len(state[0]), len(words) - slots
    u, v, extra = state[0][here], state[1][here], state[3][here]
    restart_registers(first, last, row, member)
    biased = sample if len(bias) > 1 else 0
    for t in range(begin, end, at_once):
        if stopped(thread_group.counter):
            break
        steps = lesser(at_once, end - t)
        before = lesser(slots, t - begin)
        barrier(thread_group.counter, members)
        n: Any = np.int64(0)  # a bare 0 would be of a type of its own, for which Numba would compile too
        for g in range(groups):
            size, word, p = source_size[g], source_start[g] // BITS + g, g - inputs
            if p < 0:
                _read_steps(scratch.input_words, word, raster, sample, channel_start[g], size, t, t + steps)
                n = _list_steps(scratch.input_words, word, size, active, n, starts, g, t - before, before + steps)
            else:
                start = source_start[g] - channels
                width = source_start[g + 1] - source_start[g]
                low, high = part(width, member, members, BITS)
                for column in range(low, high, BITS):
                    a, wide = start + column, lesser(BITS, width - column)
                    if t == begin:
                        for i in range(a, a + wide):
                            u[i], v[i] = layout.zero, neurons.v_init[i]
                        for further in range(len(extra) // len(u)):
                            for i in range(a, a + wide):
                                extra[further * len(u) + i] = layout.zero
                    added: Any = np.int64(0)  # segments so far
                    for s in range(len(wiring.kind)):
                        if wiring.post[s] == g:
                            source, back = wiring.pre[s], before - 1 - wiring.delay[s]
                            _send_steps(
                                sums,
                                wiring.weights,
                                wiring.weight_start[s] + column * source_size[source],
                                wide,
                                active,
                                starts,
                                source,
                                greater(0, -back),
                                back,
                                steps,
                                wiring.shift[s],
                                wiring.chunk,
                                added == 0,
                            )
                            added += 1
                    if added == 0:
                        _clear(sums, steps * BITS)
                    if len(analog.frames) > 0:
                        for k in range(steps):
                            add_analog(sums, k * BITS, analog.frames[analog.of_step[t + k], sample], a, wide)
                    _advance_steps(
                        neurons,
                        a,
                        a + wide,
                        u,
                        v,
                        extra,
                        bias,
                        biased,
                        scratch,
                        p,
                        words,
                        word + column // BITS,
                        t,
                        steps,
                        trace,
                        trace_columns,
                        sample,
                        column,
                        size,
                    )
                barrier(thread_group.counter, members)
                n = _list_steps(words, word, size, active, n, starts, g, t - before, before + steps)
                if trace_columns[0, p] >= 0 and member == 0:
                    for k in range(steps):
                        for m in range(starts[g, before + k], starts[g, before + k + 1]):
                            spikes[t + k, sample, np.uint64(trace_columns[0, p] + active[m])] = True
            if member == 0:
                for k in range(steps):
                    begins, ends = starts[g, before + k], starts[g, before + k + 1]
                    register(first, last, row, source_start[g], active, begins, ends, t - begin + k)
    count_overflows(overflow, sample, lanes)


@entry_point
def simulate_layers(
    origin: int,
    simulation: Simulation,
    thread_group: ThreadGroup,
    scratch: LayerScratch,
    taken: Int64Array,
) -> None:
    """Run all steps of the raster, one sample after the other, until all samples are taken.

    Args:
        origin .. scratch: as in :func:`run_layers`.
        taken: as in :func:`.step_loops.simulate_steps`.
    """
    sample = next_sample(taken)
    while sample < simulation.raster.shape[1] and not stopped(thread_group.counter):
        run_layers(
            origin,
            simulation,
            thread_group,
            scratch,
            sample,
            0,
            0,
            simulation.raster.shape[0],
        )
        sample = next_sample(taken)
