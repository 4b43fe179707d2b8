"""The time loop, once for integers and floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import entry_point, kernel
from .neuron_kernels import advance
from .segments import CONVOLUTION, DENSE, LANES
from .spike_kernels import COUNTS, POSITIONS, list_active, send_rows, send_runs, send_synapses


@kernel
def _copy_input(fired: Any, at: int, raster: Any, step: int, sample: int, first: int, size: int) -> None:
    for i in range(size):
        fired[np.uint64(at + i)] = raster[step, sample, np.uint64(first + i)]


@kernel
def _keep(
    trace: Any, step: int, sample: int, column: int, values: Any, first: int, size: int, number: Any, start: int,
    moved: bool,
) -> None:
    """Write a group's values to its columns of a trace, in the network's order."""
    if moved:
        for i in range(size):
            trace[step, sample, np.uint64(column + number[np.uint64(start + i)])] = values[np.uint64(first + i)]
    else:
        for i in range(size):
            trace[step, sample, np.uint64(column + i)] = values[np.uint64(first + i)]


@entry_point
def simulate(
    layout: Any, wiring: Any, neurons: Any, raster: Any, bias: Any, keep: Any, spikes: Any, v_trace: Any,
    u_trace: Any, overflow: Any, first: Any, last: Any, begin: int, end: int,
) -> None:
    """Run the samples begin .. end - 1, each on its own from the initial state; see :func:`simulate_from`."""
    n = len(neurons.v_init)
    u, v = np.empty((1, n), neurons.v_init.dtype), np.empty((1, n), neurons.v_init.dtype)
    ring = np.empty((1, layout.slots * n), neurons.v_init.dtype)
    simulate_from(
        0, u, v, ring, layout, wiring, neurons, raster, bias, keep, spikes, v_trace, u_trace, overflow, first, last,
        begin, end,
    )


@entry_point
def simulate_from(
    origin: int, u_rows: Any, v_rows: Any, ring_rows: Any, layout: Any, wiring: Any, neurons: Any, raster: Any,
    bias: Any, keep: Any, spikes: Any, v_trace: Any, u_trace: Any, overflow: Any, first: Any, last: Any, begin: int,
    end: int,
) -> None:
    """Run the samples begin .. end - 1 on from step ``origin``; each sample starts from the initial state at 0.

    Args:
        origin: number of steps before.
        u_rows, v_rows, ring_rows: current, voltage and synaptic input still to arrive (one slot a step
            after the other), changed. Sample k has the row ``k % len(u_rows)``.
        layout, wiring, neurons: the program.
        raster: input spikes (time, batch, channels); bias: (1 or batch, neurons).
        keep: for spikes, v, u (rows) and each population the first column of its trace, or -1.
        spikes, v_trace, u_trace: traces (time, batch, columns), written; spikes are False before.
        overflow: counts (batch, population, 3), added to.
        first, last: step of the first and last spike of every source, -1 if it is silent, written to
            row ``sample % len(first)``; of shape (0, 0) if not wanted.
    """
    # Taking an array out of a tuple counts a reference, so it is done once and not in every step.
    channel_start, source_start, source_size = layout.channel_start, layout.source_start, layout.source_size
    moved, number = layout.moved, layout.number
    kind, source, target, delay, shift = wiring.kind, wiring.source, wiring.target, wiring.delay, wiring.shift
    weight_start, pointer_start, index_start = wiring.weight_start, wiring.pointer_start, wiring.index_start
    weights, indptr, indices = wiring.weights, wiring.indptr, wiring.indices
    steps, slots = raster.shape[0], layout.slots
    count_inputs, groups = len(channel_start) - 1, len(source_size)
    sources, channels = source_start[groups], source_start[count_inputs]
    n = sources - channels
    partial, whole = np.full(n, wiring.partial), np.full(n, layout.zero)
    words = np.zeros(sources // 8, np.uint64)
    fired = words.view(np.uint8)
    # Each group's list has room for the zero rows behind it, and for a whole byte's positions.
    active = np.zeros(sources + groups * LANES, np.int32)
    n_active = np.zeros(groups, np.int64)
    lanes = np.zeros((groups - count_inputs) * 3 * LANES, np.int32)
    for sample in range(begin, end):
        row = sample % len(u_rows)
        u, v, ring = u_rows[row], v_rows[row], ring_rows[row]
        if origin == 0:
            u[:] = layout.zero
            v[:] = neurons.v_init
            ring[:] = layout.zero
        register = sample % len(first) if len(first) else 0
        first[register:register + 1] = -1
        last[register:register + 1] = -1
        shared = sample if len(bias) > 1 else 0
        slot = origin % slots
        for t in range(steps):
            for g in range(groups):
                start, stop, size = source_start[g], source_start[g + 1], source_size[g]
                p = g - count_inputs
                if p < 0:
                    _copy_input(fired, start, raster, t, sample, channel_start[g], size)
                else:
                    low, high = start - channels, stop - channels
                    advance(neurons, low, high, u, v, ring, slot * n, bias, shared, fired, channels, lanes, p)
                    if keep[1, p] >= 0:
                        _keep(v_trace, t, sample, keep[1, p], v, low, size, number, start, moved[g])
                    if keep[2, p] >= 0:
                        _keep(u_trace, t, sample, keep[2, p], u, low, size, number, start, moved[g])
                list_start = start + g * LANES
                n_active[g] = list_active(words, start, stop, size, active, list_start, POSITIONS, COUNTS)
                if p >= 0 and keep[0, p] >= 0:
                    for k in range(list_start, list_start + n_active[g]):
                        spikes[t, sample, np.uint64(keep[0, p] + number[start + active[k]])] = True
                if len(first):
                    for k in range(n_active[g]):
                        i = start + active[list_start + k]
                        last[register, i] = t
                        if first[register, i] < 0:
                            first[register, i] = t
            slot = slot + 1 if slot + 1 < slots else 0
            for s in range(len(kind)):
                g = source[s]
                if n_active[g]:
                    low, high = source_start[target[s]] - channels, source_start[target[s] + 1] - channels
                    arrival = slot + delay[s]  # a delay is shorter than the ring
                    at = (arrival if arrival < slots else arrival - slots) * n + low
                    listed = source_start[g] + g * LANES
                    if kind[s] == DENSE:
                        send_rows(
                            ring, at, weights, weight_start[s], high - low, active, listed, n_active[g], shift[s],
                            wiring.chunk, partial, whole,
                        )
                    elif kind[s] == CONVOLUTION:
                        send_runs(
                            ring, at, weights, weight_start[s], high - low, active, listed, n_active[g], shift[s],
                            indices, index_start[s], whole,
                        )
                    else:
                        send_synapses(
                            ring, at, weights, weight_start[s], high - low, active, listed, n_active[g], shift[s],
                            indptr, pointer_start[s], indices, index_start[s], whole,
                        )
            # Counts of 32 bits: so many steps of any population that fits in memory cannot fill them.
            if t % 256 == 255 or t == steps - 1:
                for k in range(len(lanes)):
                    overflow[sample, k // (3 * LANES), k // LANES % 3] += lanes[k]
                    lanes[k] = 0
