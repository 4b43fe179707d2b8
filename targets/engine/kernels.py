"""The time loop, once for integers and floats: only ``advance`` differs."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numba.core import types
from numba.extending import overload

from .program import DENSE, FixedNeurons

# Columns of the overflow counts.
U_WRAPS, U_OUT_OF_RANGE, V_SATURATIONS = 0, 1, 2


def advance(neurons: Any, j: Any, u: Any, v: Any, a: Any, bias: Any, spiking: Any, count: Any) -> Any:
    """One step of neuron j: its new u, its v after any reset, and whether it fired."""
    raise NotImplementedError("compiled code only")


@overload(advance, inline="always")
def _advance(neurons: Any, j: Any, u: Any, v: Any, a: Any, bias: Any, spiking: Any, count: Any) -> Any:
    if getattr(neurons, "instance_class", None) is FixedNeurons:
        return _advance_fixed
    return _advance_float


def _advance_fixed(neurons: Any, j: Any, u: Any, v: Any, a: Any, bias: Any, spiking: Any, count: Any) -> Any:
    # ssdp_hw.arithmetic: decay toward zero is a floor shift of p + (2**bits - 1) where p < 0.
    half = neurons.state_half
    below = (1 << neurons.decay_bits) - 1
    p = np.int64(u) * neurons.kept_u[j]
    x = ((p + ((p >> 63) & below)) >> neurons.decay_bits) + (np.int64(a) << neurons.activation_shift)
    if x > half:
        x -= 2 * half
        count[U_WRAPS] += 1
        if x > half:
            count[U_OUT_OF_RANGE] += 1
    elif x <= -half:
        x += 2 * half
        count[U_WRAPS] += 1
        if x < -half:
            count[U_OUT_OF_RANGE] += 1
    q = np.int64(v) * neurons.kept_v[j]
    y = ((q + ((q >> 63) & below)) >> neurons.decay_bits) + x + bias
    if y > half - 1:
        y = half - 1
        count[V_SATURATIONS] += 1
    elif y < 1 - half:
        y = 1 - half
        count[V_SATURATIONS] += 1
    fired = spiking and y > neurons.fire_above[j]
    if fired:
        y = y - neurons.threshold[j] if neurons.subtract[j] else 0
    return np.int32(x), np.int32(y), fired


def _advance_float(neurons: Any, j: Any, u: Any, v: Any, a: Any, bias: Any, spiking: Any, count: Any) -> Any:
    x = neurons.decay_u[j] * u + neurons.gain_u[j] * (a + bias)
    y = neurons.decay_v[j] * v + neurons.gain_v[j] * (u if neurons.old_current[j] else x) + neurons.drift[j]
    fired = spiking and (y > neurons.threshold[j] or (neurons.at_least[j] and y == neurons.threshold[j]))
    if fired:
        y = y - neurons.down[j] if neurons.subtract[j] else neurons.v_reset[j]
    return x, y, fired


def scaled(total: Any, shift: Any) -> Any:
    """The sum of one segment and step times 2**shift; floor for a negative shift."""
    raise NotImplementedError("compiled code only")


@overload(scaled, inline="always")
def _scaled(total: Any, shift: Any) -> Any:
    return _shifted if isinstance(total, types.Integer) else _unshifted


def _shifted(total: Any, shift: Any) -> Any:
    return total << shift if shift >= 0 else total >> -shift


def _unshifted(total: Any, shift: Any) -> Any:
    return total


@nb.njit(cache=True, nogil=True)
def _send(wiring: Any, s: int, active: Any, n_active: int, start: int, total: Any, slot: Any) -> None:
    """Add the rows of the active sources of segment s to the slot in which they act."""
    size = wiring.target_size[s]
    total[:size] = 0
    if wiring.kind[s] == DENSE:
        base = wiring.weight_start[s]
        for k in range(n_active):
            row = wiring.weights[base + active[start + k] * size:base + (active[start + k] + 1) * size]
            for j in range(size):
                total[j] += row[j]
    else:
        pointer = wiring.pointer_start[s]
        for k in range(n_active):
            i = pointer + active[start + k]
            for e in range(wiring.indptr[i], wiring.indptr[i + 1]):
                total[wiring.indices[e]] += wiring.weights[e]
    target, shift = wiring.target[s], wiring.shift[s]
    for j in range(size):
        slot[target + j] += scaled(total[j], shift)


@nb.njit(cache=True, nogil=True)
def simulate(
    layout: Any, wiring: Any, neurons: Any, slots: int, zero: Any, raster: Any, sample: int, bias: Any,
    keep: Any, spikes: Any, v_trace: Any, u_trace: Any, overflow: Any, first: Any, last: Any,
) -> None:
    """One sample from the initial state.

    Args:
        layout, wiring, neurons, slots, zero: of the program.
        raster: input spikes (time, batch, channels); bias: (1 or batch, neurons).
        sample: which sample of the batch.
        keep: for spikes, v, u (rows) and each population the first column of its trace, or -1.
        spikes, v_trace, u_trace: traces (time, batch, columns), written.
        overflow: counts (batch, population, 3), added to.
        first, last: step of the first and last spike (batch, sources), written where a neuron
            fires; of shape (0, 0) if not wanted.
    """
    steps, channels = raster.shape[0], raster.shape[2]
    count_inputs = len(layout.source_start) - len(layout.spiking)
    n = layout.neuron_start[-1]
    u = np.full(n, zero)
    v = neurons.v_init.copy()
    ring = np.full((slots, n), zero)
    total = np.full(max(1, n), zero)
    active = np.zeros(channels + n, np.int64)
    n_active = np.zeros(len(layout.source_start), np.int64)
    constant = bias[sample if len(bias) > 1 else 0]
    registers = len(first) > 0
    for t in range(steps):
        slot = ring[t % slots]
        for g in range(count_inputs):
            start = layout.source_start[g]
            k = 0
            for i in range(layout.source_size[g]):
                if raster[t, sample, start + i]:
                    active[start + k] = i
                    k += 1
            n_active[g] = k
        for p in range(len(layout.spiking)):
            g = count_inputs + p
            start, low = layout.source_start[g], layout.neuron_start[p]
            spiking, count = layout.spiking[p], overflow[sample, p]
            k = 0
            for j in range(low, layout.neuron_start[p + 1]):
                u[j], v[j], fired = advance(neurons, j, u[j], v[j], slot[j], constant[j], spiking, count)
                slot[j] = zero
                if fired:
                    active[start + k] = j - low
                    k += 1
            n_active[g] = k
            if keep[0, p] >= 0:
                for i in range(k):
                    spikes[t, sample, keep[0, p] + active[start + i]] = True
            if keep[1, p] >= 0:
                v_trace[t, sample, keep[1, p]:keep[1, p] + layout.source_size[g]] = v[low:layout.neuron_start[p + 1]]
            if keep[2, p] >= 0:
                u_trace[t, sample, keep[2, p]:keep[2, p] + layout.source_size[g]] = u[low:layout.neuron_start[p + 1]]
        if registers:
            for g in range(len(layout.source_start)):
                start = layout.source_start[g]
                for k in range(n_active[g]):
                    i = start + active[start + k]
                    last[sample, i] = t
                    if first[sample, i] < 0:
                        first[sample, i] = t
        for s in range(len(wiring.kind)):
            g = wiring.source[s]
            if n_active[g]:
                ahead = ring[(t + 1 + wiring.delay[s]) % slots]
                _send(wiring, s, active, n_active[g], layout.source_start[g], total, ahead)


@nb.njit(cache=True, parallel=True, nogil=True)
def run_batch(
    layout: Any, wiring: Any, neurons: Any, slots: int, zero: Any, raster: Any, bias: Any, keep: Any,
    spikes: Any, v_trace: Any, u_trace: Any, overflow: Any, first: Any, last: Any,
) -> None:
    """All samples, each on its own: the result does not depend on the number of threads."""
    for sample in nb.prange(raster.shape[1]):
        # Numba's prange counts in uint64, which mixed with int64 would become float64.
        simulate(
            layout, wiring, neurons, slots, zero, raster, np.int64(sample), bias, keep, spikes, v_trace, u_trace,
            overflow, first, last,
        )


@nb.njit(cache=True, nogil=True)
def run_one(
    layout: Any, wiring: Any, neurons: Any, slots: int, zero: Any, raster: Any, bias: Any, keep: Any,
    spikes: Any, v_trace: Any, u_trace: Any, overflow: Any, first: Any, last: Any,
) -> None:
    """A batch of one sample, without the cost of waking threads."""
    simulate(
        layout, wiring, neurons, slots, zero, raster, 0, bias, keep, spikes, v_trace, u_trace, overflow, first, last
    )
