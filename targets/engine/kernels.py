"""The time loop, once for integers and floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import entry_point, kernel
from .neuron_kernels import advance
from .program import LANES
from .spike_kernels import COUNTS, POSITIONS, list_active, send


@kernel
def _copy_input(fired: Any, at: int, raster: Any, step: int, sample: int, first: int, size: int) -> None:
    for i in range(size):
        fired[np.uint64(at + i)] = raster[step, sample, np.uint64(first + i)]


@kernel
def _keep(trace: Any, step: int, sample: int, column: int, values: Any, first: int, size: int) -> None:
    for i in range(size):
        trace[step, sample, np.uint64(column + i)] = values[np.uint64(first + i)]


@entry_point
def simulate(
    layout: Any, wiring: Any, neurons: Any, raster: Any, bias: Any, keep: Any, spikes: Any, v_trace: Any,
    u_trace: Any, overflow: Any, first: Any, last: Any, begin: int, end: int,
) -> None:
    """Run the samples begin .. end - 1, each on its own from the initial state.

    Args:
        layout, wiring, neurons: the program.
        raster: input spikes (time, batch, channels); bias: (1 or batch, neurons).
        keep: for spikes, v, u (rows) and each population the first column of its trace, or -1.
        spikes, v_trace, u_trace: traces (time, batch, columns), written.
        overflow: counts (batch, population, 3), added to.
        first, last: step of the first and last spike of every source, -1 if it is silent, written to
            row ``sample % len(first)``; of shape (0, 0) if not wanted.
    """
    steps = raster.shape[0]
    count_inputs, groups = len(layout.channel_start) - 1, len(layout.source_size)
    sources, channels = layout.source_start[groups], layout.source_start[count_inputs]
    n = sources - channels
    u, v = np.empty(n, neurons.v_init.dtype), np.empty(n, neurons.v_init.dtype)
    ring = np.empty((layout.slots, n), neurons.v_init.dtype)
    partial, whole = np.full(n, wiring.partial), np.full(n, layout.zero)
    words = np.zeros(sources // 8, np.uint64)
    fired = words.view(np.uint8)
    # Each group's list has room for the zero rows behind it, and for a whole byte's positions.
    active = np.zeros(sources + groups * LANES, np.int32)
    n_active = np.zeros(groups, np.int64)
    lanes = np.zeros((3, LANES), np.int32)
    for sample in range(begin, end):
        u[:] = layout.zero
        v[:] = neurons.v_init
        ring[:] = layout.zero
        register = sample % len(first) if len(first) else 0
        first[register:register + 1] = -1
        last[register:register + 1] = -1
        constant = bias[sample if len(bias) > 1 else 0]
        for t in range(steps):
            arriving = ring[t % layout.slots]
            for g in range(groups):
                start, stop, size = layout.source_start[g], layout.source_start[g + 1], layout.source_size[g]
                p = g - count_inputs
                if p < 0:
                    _copy_input(fired, start, raster, t, sample, layout.channel_start[g], size)
                else:
                    low, high = start - channels, stop - channels
                    advance(neurons, low, high, u, v, arriving, constant, fired, channels, lanes)
                    for k in range(3):
                        for lane in range(LANES):
                            overflow[sample, p, k] += lanes[k, lane]
                            lanes[k, lane] = 0
                    if keep[0, p] >= 0:
                        _keep(spikes, t, sample, keep[0, p], fired, start, size)
                    if keep[1, p] >= 0:
                        _keep(v_trace, t, sample, keep[1, p], v, low, size)
                    if keep[2, p] >= 0:
                        _keep(u_trace, t, sample, keep[2, p], u, low, size)
                list_start = start + g * LANES
                n_active[g] = list_active(words, start, stop, size, active, list_start, POSITIONS, COUNTS)
                if len(first):
                    for k in range(n_active[g]):
                        i = start + active[list_start + k]
                        last[register, i] = t
                        if first[register, i] < 0:
                            first[register, i] = t
            for s in range(len(wiring.kind)):
                g = wiring.source[s]
                if n_active[g]:
                    target = wiring.target[s]
                    at = layout.source_start[target]
                    send(
                        wiring, s, ring[(t + 1 + wiring.delay[s]) % layout.slots], at - channels,
                        layout.source_start[target + 1] - at, active, layout.source_start[g] + g * LANES, n_active[g],
                        partial, whole,
                    )
