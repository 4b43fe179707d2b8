"""Rules by whole spike trains in the engine: pair STDP and SADP, driven by the spikes of a window.

A postsynaptic neuron that is silent takes no step by either rule, so its row is not visited.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numba.core import types
from numba.extending import overload

from ssdp_hw.rules.stdp import DECAY_BITS

from .counter_kernels import add
from .jit import entry_point, kernel
from .plastic import BY_TRACE
from .row_kernels import add_shared, close_row, gate_all, longest_row, own_gate, spread

_DECAY_BITS = DECAY_BITS


@kernel
def _by_step(spikes: Any, neurons: Any, start: Any, count: Any) -> None:
    """List the neurons that fire in each step, and count the spikes of each neuron."""
    count[:] = 0
    n = 0
    for t in range(spikes.shape[0]):
        start[t] = n
        for i in range(spikes.shape[1]):
            if spikes[t, i]:
                neurons[n] = i
                n += 1
                count[i] += 1
    start[spikes.shape[0]] = n


@kernel
def _by_neuron(neurons: Any, start: Any, count: Any, steps: Any, first: Any) -> None:
    """The steps in which each neuron fires, from the neurons that fire in each step."""
    first[0] = 0
    for j in range(len(count)):
        first[j + 1] = first[j] + count[j]
    at = first.copy()
    for t in range(len(start) - 1):
        for m in range(start[t], start[t + 1]):
            j = neurons[m]
            steps[at[j]] = t
            at[j] += 1


def decayed(trace: Any, kept: Any) -> Any:
    """A trace one step on."""
    raise NotImplementedError("compiled code only")


@overload(decayed)
def _decayed(trace: Any, kept: Any) -> Any:
    def fixed(trace: Any, kept: Any) -> Any:
        return (trace * kept) >> _DECAY_BITS

    def real(trace: Any, kept: Any) -> Any:
        return trace * kept

    return fixed if isinstance(kept, types.Integer) else real


def product(amplitude: Any, value: Any, shift: Any) -> Any:
    """Amplitude times a value that is not negative, an integer shifted right and rounded half up."""
    raise NotImplementedError("compiled code only")


@overload(product)
def _product(amplitude: Any, value: Any, shift: Any) -> Any:
    def fixed(amplitude: Any, value: Any, shift: Any) -> Any:
        return (amplitude * value + ((np.int64(1) << shift) >> 1)) >> shift

    def real(amplitude: Any, value: Any, shift: Any) -> Any:
        return amplitude * value

    return fixed if isinstance(amplitude, types.Integer) else real


@nb.njit(nogil=True)
def _raised(trace: Any, r: Any) -> Any:
    """A trace after a spike."""
    return r.impulse if r.nearest else min(trace + r.impulse, r.trace_max)


@kernel
def _potentiation(gains: Any, neurons: Any, start: Any, post_start: Any, r: Any, trace: Any) -> None:
    """What a postsynaptic spike in step t gains from each source: ``gains[t]``, for the steps that have one.

    Args:
        gains: (time, pre), written.
        neurons, start: the sources that fire in each step.
        post_start: likewise of the targets.
        r: :class:`.plastic.ByTrains`.
        trace: scratch, one entry a source.
    """
    trace[:] = 0
    for t in range(len(start) - 1):
        if post_start[t + 1] > post_start[t]:
            for i in range(len(trace)):
                gains[t, i] = product(r.a_plus, trace[i], r.evidence_shift)
        for m in range(start[t], start[t + 1]):
            i = neurons[m]
            trace[i] = _raised(trace[i], r)
        for i in range(len(trace)):
            trace[i] = decayed(trace[i], r.kept_plus)


@kernel
def _add_gains(evidence: Any, gains: Any, fired: Any) -> None:
    """Sum of the gains of a neuron's spikes."""
    evidence[:] = 0
    for m in range(len(fired)):
        t = np.uint64(fired[m])
        for i in range(len(evidence)):
            evidence[i] += gains[t, i]


@kernel
def _take_losses(evidence: Any, fired: Any, neurons: Any, start: Any, r: Any) -> None:
    """What spikes of the sources take off after those of the target, which come in the steps ``fired``."""
    trace = r.impulse - r.impulse
    m = 0
    for t in range(fired[0], len(start) - 1):
        loss = product(r.a_minus, trace, r.evidence_shift)
        if loss != 0:
            for k in range(start[t], start[t + 1]):
                evidence[np.uint64(neurons[np.uint64(k)])] -= loss
        if m < len(fired) and fired[m] == t:
            trace = _raised(trace, r)
            m += 1
        trace = decayed(trace, r.kept_minus)


def agreement_step(numerator: Any, denominator: Any, a_plus: Any, a_minus: Any, kappa_bits: Any, shift: Any) -> Any:
    """The step of SADP for ``kappa = numerator / denominator``."""
    raise NotImplementedError("compiled code only")


@overload(agreement_step)
def _agreement_step(
    numerator: Any, denominator: Any, a_plus: Any, a_minus: Any, kappa_bits: Any, shift: Any
) -> Any:
    def fixed(numerator: Any, denominator: Any, a_plus: Any, a_minus: Any, kappa_bits: Any, shift: Any) -> Any:
        kappa = (abs(numerator) << kappa_bits) // denominator
        return product(a_plus, kappa, shift) if numerator > 0 else -product(a_minus, kappa, shift)

    def real(numerator: Any, denominator: Any, a_plus: Any, a_minus: Any, kappa_bits: Any, shift: Any) -> Any:
        return (a_plus if numerator > 0 else a_minus) * numerator / denominator

    return fixed if isinstance(a_plus, types.Integer) else real


@kernel
def _agree(evidence: Any, together: Any, fired: Any, neurons: Any, start: Any, count: Any, r: Any) -> None:
    """Steps of SADP of a target that fires in the steps ``fired``; ``together`` is scratch."""
    together[:] = 0
    for m in range(len(fired)):
        for k in range(start[fired[m]], start[fired[m] + 1]):
            together[np.uint64(neurons[np.uint64(k)])] += 1
    b, steps = len(fired), len(start) - 1
    for i in range(len(evidence)):
        a = count[i]
        denominator = steps * (a + b) - 2 * a * b
        # A silent source, or both in every step, has a numerator of 0.
        if a == 0 or denominator == 0:
            evidence[i] = 0
        else:
            evidence[i] = agreement_step(
                2 * (steps * together[i] - a * b), denominator, r.a_plus, r.a_minus, r.kappa_bits, r.evidence_shift
            )


@entry_point
def train_window(
    plastic: Any, window: int, pre: Any, post: Any, commits: bool, index: int, tally: Any
) -> None:
    """One window of pair STDP or SADP on one projection.

    Args:
        plastic: the projection; its counters are changed.
        window: which of those seen.
        pre, post: spikes of both ends (time, n).
        commits, index, tally: as in :func:`.ssdp_kernels.ssdp_window`.
    """
    g, r, c, kind = plastic.gating, plastic.by_trains, plastic.counters, plastic.kind
    row_start, cols, value, rows, gates = plastic.row_start, plastic.cols, plastic.value, plastic.rows, plastic.gates
    moved, moves = plastic.moved, plastic.moves
    steps, n = pre.shape
    stored, dense, shared = plastic.stored, plastic.dense, plastic.shared
    total = np.zeros(len(value) if shared else 0, plastic.plus.dtype)
    longest = longest_row(row_start, len(total))
    pre_neurons, pre_start = np.empty(pre.size, np.int64), np.empty(steps + 1, np.int64)
    post_neurons, post_start = np.empty(post.size, np.int64), np.empty(steps + 1, np.int64)
    pre_count, post_count = np.empty(n, np.int64), np.empty(post.shape[1], np.int64)
    _by_step(pre, pre_neurons, pre_start, pre_count)
    _by_step(post, post_neurons, post_start, post_count)
    post_steps, post_first = np.empty(post_start[steps], np.int64), np.empty(len(post_count) + 1, np.int64)
    _by_neuron(post_neurons, post_start, post_count, post_steps, post_first)
    evidence, together = np.empty(n, plastic.plus.dtype), np.empty(n, np.int64)
    gains = np.empty((steps if kind == BY_TRACE else 0, n), evidence.dtype)
    step, due = np.empty(longest, value.dtype), np.empty(longest + 1, np.int64)
    if kind == BY_TRACE:
        _potentiation(gains, pre_neurons, pre_start, post_start, r, np.empty(n, evidence.dtype))
    outside = len(gates) > 0
    applies = outside or g.own
    gate = own_gate(g, np.count_nonzero(pre_count), np.count_nonzero(post_count), n * len(post_count))
    for row in range(len(post_count)):
        if outside:
            gate = gates[window, row]
        first = row_start[row]
        count = row_start[row + 1] - first
        if gate != 0 and post_count[row]:
            fired = post_steps[post_first[row]:post_first[row + 1]]
            if kind == BY_TRACE:
                _add_gains(evidence, gains, fired)
                _take_losses(evidence, fired, pre_neurons, pre_start, r)
            else:
                _agree(evidence, together, fired, pre_neurons, pre_start, pre_count, r)
            gate_all(evidence, gate, applies, g.bits, g.clip)
            if shared:
                add_shared(total, stored, cols, first, count, evidence)
            else:
                spread(evidence, dense, cols, first, count, step, c.high - c.low)
                add(value, first, count, step, c, rows, row, tally)
        if commits and not shared:
            close_row(value, first, count, c, index, rows, row, due, moved, moves, tally)
    if shared:
        spread(total, True, cols, 0, len(total), step, c.high - c.low)
        add(value, 0, len(total), step, c, rows, 0, tally)
        if commits:
            close_row(value, 0, len(total), c, index, rows, 0, due, moved, moves, tally)
