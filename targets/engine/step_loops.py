"""The loop over time steps, for networks of integers and of floats, with or without recurrent loops."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .convolution_loops import send_runs
from .jit import compiled_alone, compiled_loop, entry_point, greater, lesser
from .neuron_loops import add_analog, advance, count_overflows
from .packed import loaded
from .program import Layout
from .program_neurons import FixedNeurons, FloatNeurons
from .register_loops import register, restart_registers
from .run import ThreadGroup
from .segments import BITS, CONVOLUTION, DENSE, GRADED, LANES
from .simulation import Simulation
from .spike_loops import fetch, send_payloads, send_rows, send_synapses
from .thread_group_loops import barrier, next_sample, stopped
from .types import ByteArray, Int32Array, Int64Array, NumberArray, StateArray, StateNumber, WordArray
from .word_loops import list_words, read_words


@compiled_loop
def _record(
    trace: NumberArray,
    step: int,
    sample: int,
    column: int,
    values: StateArray,
    first: int,
    low: int,
    high: int,
    size: int,
    number: Int64Array,
    start: int,
    moved: bool,
) -> None:
    """Write the values of neurons low .. high - 1 of a group to its columns of a trace, in the network's order.

    Args:
        trace: trace (time, batch, columns), written.
        step, sample: row of the trace.
        column: first column of the group.
        values: values of all neurons; the group begins at ``first``.
        size: number of neurons of the group, without padding.
        number: ``Layout.number``; the group begins at ``start``. It is read if the neurons are ``moved``.
    """
    if moved:
        for i in range(low, lesser(high, size)):
            trace[step, sample, np.uint64(column + number[np.uint64(start + i)])] = values[np.uint64(first + i)]
    else:
        for i in range(low, lesser(high, size)):
            trace[step, sample, np.uint64(column + i)] = values[np.uint64(first + i)]


class Scratch(NamedTuple):
    """Memory of one thread for the loop over steps."""

    active: Int32Array  # for each group the list of sources that fired, with BITS more entries at its end
    n_active: Int64Array  # for each group the number of sources that fired
    lanes: Int32Array  # overflow counts by population, kind and lane
    whole: StateArray  # sums of one segment before they are shifted; zeros between two calls
    fired: ByteArray  # for each neuron whether it fired in this step
    input_words: WordArray  # spikes of the inputs, in the layout of ``ThreadGroup.words``
    turn: Int64Array  # number of steps so far; its parity selects the row of ``ThreadGroup.words``
    parts: Int64Array  # for each group the first neuron that this thread computes, and one past the last


def make_scratch(layout: Layout, neurons: FixedNeurons | FloatNeurons, thread_group: ThreadGroup) -> Scratch:
    """Allocate the memory of one thread for :func:`run_steps`."""
    groups, inputs, n = len(layout.source_size), len(layout.channel_start) - 1, len(neurons.v_init)
    width = np.diff(layout.source_start)
    units, first, members = -(-width // BITS), thread_group.member, thread_group.members
    ends = [np.minimum(units * member // members * BITS, width) for member in (first, first + 1)]
    return Scratch(
        np.zeros(int(layout.source_start[groups]) + groups * BITS, np.int32),
        np.zeros(groups, np.int64),
        np.zeros((groups - inputs) * neurons.counts * LANES, np.int32),
        np.zeros_like(neurons.v_init),
        np.zeros(n, np.uint8),
        np.zeros((1, thread_group.words.shape[1]), np.uint64),
        np.zeros(1, np.int64),
        np.stack(ends, axis=1),
    )


@compiled_alone
def run_steps(
    origin: int,
    simulation: Simulation,
    thread_group: ThreadGroup,
    scratch: Scratch,
    sample: int,
    row: int,
    begin: int,
    end: int,
) -> None:
    """Run one sample from step ``begin`` to ``end - 1`` of the raster; at step 0 it starts from the initial state.

    Args:
        origin: number of steps that were run before the first step of the raster.
        simulation: program, input and record; the ``row`` of its registers is written, whose steps count from
            ``begin``.
        thread_group: each member computes its share of the neurons; the first member writes spikes and registers.
        scratch: memory of this thread.
        sample: number of the sample.
        row: row of the registers.
        begin, end: steps of the raster.
    """
    state, layout, wiring = loaded(simulation.state), simulation.layout, simulation.wiring
    neurons = loaded(simulation.neurons)  # for loops
    raster, bias, analog = simulation.raster, simulation.bias, simulation.analog
    trace_columns, spikes, trace = simulation.trace_columns, simulation.spikes, simulation.trace
    overflow, first, last = simulation.overflow, simulation.registers.first, simulation.registers.last
    channel_start, source_start, source_size = layout.channel_start, layout.source_start, layout.source_size
    moved, number = layout.moved, layout.number
    kind, pre, post, delay, shift = wiring.kind, wiring.pre, wiring.post, wiring.delay, wiring.shift
    weight_start, pointer_start, index_start = wiring.weight_start, wiring.pointer_start, wiring.index_start
    weights, indptr, indices = wiring.weights, wiring.indptr, wiring.indices
    active, n_active, lanes, whole = scratch.active, scratch.n_active, scratch.lanes, scratch.whole
    fired, input_words, turn, parts = scratch.fired, scratch.input_words, scratch.turn, scratch.parts
    words, member, members = thread_group.words, thread_group.member, thread_group.members
    slots, groups, inputs = layout.slots, len(source_size), len(channel_start) - 1
    channels = source_start[inputs]
    n = source_start[groups] - channels
    here = sample % len(state[0])
    u, v, ring, extra = state[0][here], state[1][here], state[2][here], state[3][here]
    restart_registers(first, last, row, member)
    biased = sample if len(bias) > 1 else 0
    slot = (origin + begin) % slots
    for t in range(begin, end):
        if stopped(thread_group.counter):
            break
        now = turn[0] & 1
        turn[0] += 1
        if t + 1 < raster.shape[0]:
            fetch(raster, ((t + 1) * raster.shape[1] + sample) * raster.shape[2], raster.shape[2])
        if origin + t == 0:  # all, before any reads what arrived at its ports
            for g in range(inputs, groups):
                start = source_start[g] - channels
                _restart(u, v, ring, extra, neurons.v_init, layout.zero, n, start + parts[g, 0], start + parts[g, 1])
        for g in range(inputs, groups):
            p, start = g - inputs, source_start[g] - channels
            low, high = parts[g, 0], parts[g, 1]
            if len(analog.frames) > 0:
                frame = analog.frames[analog.of_step[t], sample]
                add_analog(ring, slot * n + start + low, frame, start + low, high - low)
            advance(
                neurons, start + low, start + high, u, v, extra, ring, slot * n, bias, biased, fired, 0, lanes, p, 1, 0
            )
            read_words(words, now, source_start[g] // BITS + g + low // BITS, fired, start + low, high - low)
            for k in range(1, len(trace_columns)):
                if trace_columns[k, p] >= 0:
                    _record(
                        trace,
                        t,
                        sample,
                        trace_columns[k, p],
                        u if k == 1 else (v if k == 2 else extra),
                        start if k <= 2 else start + (k - 3) * n,
                        low,
                        high,
                        source_size[g],
                        number,
                        source_start[g],
                        moved[g],
                    )
        barrier(thread_group.counter, members)
        if members > 1:
            fetch(words, now * words.shape[1], words.shape[1])
        for g in range(groups):
            start, listed = source_start[g], source_start[g] + g * BITS
            if g < inputs:
                at = (t * raster.shape[1] + sample) * raster.shape[2] + channel_start[g]
                read_words(input_words, 0, start // BITS + g, raster, at, source_size[g])
                n_active[g] = list_words(input_words, 0, start // BITS + g, source_size[g], active, listed)
            else:
                n_active[g] = list_words(words, now, start // BITS + g, source_size[g], active, listed)
                column = trace_columns[0, g - inputs]
                if column >= 0 and member == 0:
                    for k in range(listed, listed + n_active[g]):
                        spikes[t, sample, np.uint64(column + number[start + active[k]])] = True
            if member == 0:
                register(first, last, row, start, active, listed, listed + n_active[g], t - begin)
        slot = slot + 1 if slot + 1 < slots else 0
        for s in range(len(kind)):
            g = pre[s]
            if n_active[g]:
                width = source_start[post[s] + 1] - source_start[post[s]]
                low, high = parts[post[s], 0], parts[post[s], 1]
                arrival = slot + delay[s]  # a delay is shorter than the ring
                at = (arrival if arrival < slots else arrival - slots) * n + source_start[post[s]] - channels
                listed = source_start[g] + g * BITS
                if kind[s] == DENSE:
                    send_rows(
                        ring,
                        at,
                        weights,
                        weight_start[s],
                        width,
                        source_size[g],
                        low,
                        high,
                        active,
                        listed,
                        n_active[g],
                        shift[s],
                        wiring.chunk,
                    )
                elif kind[s] == GRADED:
                    carried = layout.payload[g]
                    send_payloads(
                        ring,
                        at,
                        weights,
                        weight_start[s],
                        low,
                        high,
                        width,
                        active,
                        listed,
                        n_active[g],
                        shift[s],
                        indptr,
                        pointer_start[s],
                        indices,
                        index_start[s],
                        u if carried == 0 else (v if carried == 1 else extra),
                        source_start[g] - channels + greater(carried - 2, 0) * n,
                    )
                elif kind[s] == CONVOLUTION:
                    send_runs(
                        ring,
                        at,
                        weights,
                        weight_start[s],
                        width,
                        active,
                        listed,
                        n_active[g],
                        shift[s],
                        indices,
                        index_start[s],
                        whole,
                    )
                else:
                    send_synapses(
                        ring,
                        at,
                        weights,
                        weight_start[s],
                        width,
                        low,
                        high,
                        active,
                        listed,
                        n_active[g],
                        shift[s],
                        indptr,
                        pointer_start[s],
                        indices,
                        index_start[s],
                        whole,
                    )
        # 256 steps of any population that fits in memory cannot overflow the lanes' counts of 32 bits.
        if t % 256 == 255 or t == end - 1:
            count_overflows(overflow, sample, lanes)


@compiled_loop
def _restart(
    u: StateArray,
    v: StateArray,
    ring: StateArray,
    extra: StateArray,
    v_init: StateArray,
    zero: StateNumber,
    n: int,
    low: int,
    high: int,
) -> None:
    """Set the neurons low .. high - 1 to their initial state."""
    for i in range(low, high):
        u[i], v[i] = zero, v_init[i]
        for at in range(i, len(ring), n):
            ring[at] = zero
        for at in range(i, len(extra), n):
            extra[at] = zero


@entry_point
def simulate_steps(
    origin: int,
    simulation: Simulation,
    thread_group: ThreadGroup,
    scratch: Scratch,
    taken: Int64Array,
) -> None:
    """Run all steps of the raster, one sample after the other, until all samples are taken.

    Args:
        origin .. scratch: as in :func:`run_steps`.
        taken: number of samples that are taken; a thread group that shares each sample has one such number per
            member, otherwise all threads share it.
    """
    sample = next_sample(taken)
    while sample < simulation.raster.shape[1] and not stopped(thread_group.counter):
        run_steps(
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
