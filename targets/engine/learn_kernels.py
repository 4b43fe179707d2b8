"""SSDP in the engine: windows, evidence and commits without a return to Python.

In a window each synapse gathers evidence that depends on the ticks of its two ends alone. For one
postsynaptic neuron that is a table over the presynaptic tick, so the presynaptic neurons are sorted
by tick once a window, and those whose evidence is zero are not visited: they can neither move nor
saturate a counter.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numba.core import types
from numba.extending import overload

from ssdp_hw.rules.local import GATE_MAX
from ssdp_hw.rules.philox import KEY_STEPS, MULTIPLIERS, ROUNDS

from .jit import entry_point, kernel
from .kernels import simulate

CARRY, STOCHASTIC, NEAREST = 0, 1, 2

_M0, _M1 = (np.uint64(m) for m in MULTIPLIERS)
_W0, _W1 = (np.uint64(w) for w in KEY_STEPS)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_GATE_MAX = GATE_MAX


class Ends(NamedTuple):
    """Source and target of one plastic projection: registers of their neurons."""

    pre: Any  # ticks (window, n), written
    post: Any
    pre_start: int  # in the source space
    post_start: int
    silent: int  # tick of a silent neuron
    time_shift: int
    last_spike: bool  # the last spike of a window counts, not the first


class Plastic(NamedTuple):
    """One plastic projection, its synapses in row-major order, and its rule."""

    positions: Any  # of each synapse in the program's weights
    row_start: Any  # first synapse of each postsynaptic neuron, with the total at the end
    cols: Any  # presynaptic neuron of each synapse; empty if dense
    dense: bool
    counter: Any  # of each synapse; empty in a float network
    plus: Any  # evidence by distance in ticks if both ends fired
    minus: Any  # what is taken off otherwise
    skip_silent: bool
    counter_min: int
    counter_max: int
    lsb_shift: int
    rounding: int
    weight_min: int
    weight_max: int
    layer: int  # key of the random numbers
    key_low: int
    key_high: int
    gates: Any  # from outside (window, post); empty if there are none
    gate_bits: int
    own_gate: bool  # the rule makes its gate itself from:
    gate_offset: Any
    gate_slope: Any
    gate_shift: int
    clip: float  # float network: of one step


@nb.njit(nogil=True)
def philox_word(c0: Any, c1: Any, c2: Any, k0: Any, k1: Any, word: int) -> Any:
    """Word 0 to 3 of Philox4x32-10 at counter (c0, c1, c2, 0); see :mod:`ssdp_hw.rules.philox`."""
    x0, x1, x2, x3 = np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(0)
    a, b = np.uint64(k0), np.uint64(k1)
    for _ in range(ROUNDS):
        p0, p1 = _M0 * x0, _M1 * x2
        x0, x1, x2, x3 = (p1 >> _32) ^ x1 ^ a, p1 & _LOW, (p0 >> _32) ^ x3 ^ b, p0 & _LOW
        a, b = (a + _W0) & _LOW, (b + _W1) & _LOW
    return x0 if word == 0 else x1 if word == 1 else x2 if word == 2 else x3


@nb.njit(nogil=True)
def _moved(
    c: Any, k: Any, rounding: Any, s: Any, layer: Any, index: Any, key_low: Any, key_high: Any
) -> Any:
    """By how much counter c of synapse s moves its weight, and what stays in the counter.

    See :func:`ssdp_hw.ssdp.fixed_rule.commit`.
    """
    if rounding == CARRY:
        move = c >> k if c >= 0 else -((-c) >> k)
        return move, c - (move << k)
    if rounding == STOCHASTIC:
        word = philox_word(s >> 2, layer, index, key_low, key_high, s & 3)
        return (c + np.int64(word >> np.uint64(32 - k))) >> k, 0
    half = (np.int64(1) << k) >> 1
    return (c + half) >> k if c >= 0 else -((-c + half) >> k), 0


@kernel
def _tabulate(table: Any, plus: Any, minus: Any, skip_silent: bool, j: int, silent: int) -> None:
    """Evidence by the tick of the presynaptic neuron, for a postsynaptic neuron with tick j."""
    for i in range(silent + 1):
        if i != silent and j != silent:
            table[i] = plus[abs(j - i)]
        elif skip_silent and i == silent and j == silent:
            table[i] = 0
        else:
            table[i] = -minus[abs(j - i)]


@nb.njit(nogil=True)
def _count_fired(ticks: Any, silent: int) -> int:
    count = 0
    for i in range(len(ticks)):
        count += ticks[i] != silent
    return count


def own_gate(plastic: Any, pre: Any, post: Any, silent: Any) -> Any:
    """The gate that the rule makes itself from one window's ticks (1 if it makes none)."""
    raise NotImplementedError("compiled code only")


@overload(own_gate)
def _own_gate(plastic: Any, pre: Any, post: Any, silent: Any) -> Any:
    def fixed(plastic: Any, pre: Any, post: Any, silent: Any) -> Any:
        if not plastic.own_gate:
            return np.int64(1)
        pairs = _count_fired(pre, silent) * _count_fired(post, silent)
        gate = plastic.gate_offset + ((pairs * plastic.gate_slope) >> plastic.gate_shift)
        return min(max(gate, 0), np.int64(_GATE_MAX) << plastic.gate_bits)

    def real(plastic: Any, pre: Any, post: Any, silent: Any) -> Any:
        if not plastic.own_gate:
            return 1.0
        pairs = _count_fired(pre, silent) * _count_fired(post, silent)
        gate = plastic.gate_offset + plastic.gate_slope * pairs / (len(pre) * len(post))
        return min(max(gate, 0.0), _GATE_MAX)

    return fixed if isinstance(plastic.types[plastic.fields.index("plus")].dtype, types.Integer) else real


def apply_gate(table: Any, plastic: Any, gate: Any, gated: Any) -> None:
    """Steps under a gate, if they are ``gated``, and clipped; in place."""
    raise NotImplementedError("compiled code only")


@overload(apply_gate)
def _apply_gate(table: Any, plastic: Any, gate: Any, gated: Any) -> Any:
    def fixed(table: Any, plastic: Any, gate: Any, gated: Any) -> None:
        if gated:
            half = (np.int64(1) << plastic.gate_bits) >> 1
            for i in range(len(table)):
                size = (abs(table[i]) * abs(gate) + half) >> plastic.gate_bits
                table[i] = size if (table[i] < 0) == (gate < 0) else -size

    def real(table: Any, plastic: Any, gate: Any, gated: Any) -> None:
        for i in range(len(table)):
            table[i] = min(max(table[i] * gate if gated else table[i], -plastic.clip), plastic.clip)

    return fixed if isinstance(table.dtype, types.Integer) else real


@kernel
def _sort_by_tick(pre: Any, silent: int, order: Any, run_tick: Any, run_start: Any) -> int:
    """Indices of ``pre`` in the order of their ticks, as runs of one tick; returns how many runs."""
    count = np.zeros(silent + 2, np.int64)
    for i in range(len(pre)):
        count[pre[i] + 1] += 1
    runs = 0
    for tick in range(silent + 1):
        if count[tick + 1]:
            run_tick[runs], run_start[runs] = tick, count[tick]
            runs += 1
        count[tick + 1] += count[tick]
    run_start[runs] = len(pre)
    for i in range(len(pre)):
        order[count[pre[i]]] = i
        count[pre[i]] += 1
    return runs


# The loops over synapses stand in functions whose arguments are plain arrays and numbers: taking an
# array out of a tuple, or passing it on, counts references, which would cost more than the synapse.


@kernel
def _list_dense(
    table: Any, order: Any, run_tick: Any, run_start: Any, runs: int, first: int, synapses: Any, evidence: Any
) -> int:
    """Synapses of a row that begins at ``first`` and their evidence, where it is not zero; how many."""
    n = 0
    for r in range(runs):
        e = table[run_tick[r]]
        if e != 0:
            begin, count = run_start[r], run_start[r + 1] - run_start[r]
            for m in range(count):
                synapses[np.uint64(n + m)] = first + order[np.uint64(begin + m)]
                evidence[np.uint64(n + m)] = e
            n += count
    return n


@kernel
def _list_sparse(table: Any, pre: Any, cols: Any, first: int, last: int, synapses: Any, evidence: Any) -> int:
    n = 0
    for s in range(first, last):
        e = table[pre[cols[s]]]
        synapses[n], evidence[n] = s, e
        n += e != 0
    return n


@kernel
def _gather(counter: Any, synapses: Any, evidence: Any, count: int, low: int, high: int, saturated: Any) -> None:
    """Add evidence to the counters of some synapses."""
    full = 0
    for m in range(count):
        s = np.uint64(synapses[m])
        total = counter[s] + evidence[m]
        kept = min(max(total, low), high)
        full += kept != total
        counter[s] = kept
    saturated[0] += full


@kernel
def _commit(
    counter: Any, weights: Any, positions: Any, synapses: Any, count: int, k: int, rounding: int, layer: int,
    index: int, key_low: int, key_high: int, weight_min: int, weight_max: int, saturated: Any,
) -> None:
    """Move the weights of some synapses by their counters."""
    for m in range(count):
        s = np.uint64(synapses[m])
        c = counter[s]
        if c == 0:  # moves nothing by any rounding
            continue
        move, counter[s] = _moved(c, k, rounding, np.int64(s), layer, index, key_low, key_high)
        if move != 0:
            position = np.uint64(positions[s])
            moved = np.int64(weights[position]) + move
            kept = min(max(moved, weight_min), weight_max)
            saturated[1] += kept != moved
            weights[position] = kept


@kernel
def _add_float(weights: Any, positions: Any, pre: Any, table: Any, begin: int, end: int, cols: Any) -> None:
    for s in range(begin, end):
        i = cols[s] if len(cols) else s - begin
        weights[positions[s]] += table[pre[i]]


def update(
    plastic: Any, pre: Any, post: Any, begin: Any, end: Any, silent: Any, weights: Any, commits: Any, index: Any,
    at_once: Any, saturated: Any,
) -> None:
    """Evidence of the windows begin .. end - 1, then a commit if ``commits``.

    Args:
        plastic: the projection; its counters are changed.
        pre, post: ticks (window, n); silent: that of a silent neuron.
        weights: the program's, changed.
        index: number of commits before this one.
        at_once: whether all synapses that gather no evidence in these windows have nothing to commit.
        saturated: counters and weights that were cut, added to.
    """
    raise NotImplementedError("compiled code only")


@overload(update)
def _update(
    plastic: Any, pre: Any, post: Any, begin: Any, end: Any, silent: Any, weights: Any, commits: Any, index: Any,
    at_once: Any, saturated: Any,
) -> Any:
    return _update_fixed if isinstance(weights.dtype, types.Integer) else _update_float


def _update_fixed(
    plastic: Any, pre: Any, post: Any, begin: Any, end: Any, silent: Any, weights: Any, commits: Any, index: Any,
    at_once: Any, saturated: Any,
) -> None:
    n = pre.shape[1]
    order, run_tick, run_start = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n + 1, np.int64)
    synapses, evidence = np.empty(n + 1, np.int64), np.empty(n + 1, np.int64)
    table = np.empty(silent + 1, np.int64)
    for w in range(begin, end):
        runs = _sort_by_tick(pre[w], silent, order, run_tick, run_start)
        outside = len(plastic.gates) > 0
        gate = own_gate(plastic, pre[w], post[w], silent)
        for row in range(post.shape[1]):
            if outside:
                gate = plastic.gates[w, row]
            if gate == 0:
                continue
            _tabulate(table, plastic.plus, plastic.minus, plastic.skip_silent, post[w, row], silent)
            apply_gate(table, plastic, gate, outside or plastic.own_gate)
            first, last = plastic.row_start[row], plastic.row_start[row + 1]
            if plastic.dense:
                count = _list_dense(table, order, run_tick, run_start, runs, first, synapses, evidence)
            else:
                count = _list_sparse(table, pre[w], plastic.cols, first, last, synapses, evidence)
            _gather(
                plastic.counter, synapses, evidence, count, plastic.counter_min, plastic.counter_max, saturated
            )
            if at_once:
                _commit(
                    plastic.counter, weights, plastic.positions, synapses, count, plastic.lsb_shift, plastic.rounding,
                    plastic.layer, index, plastic.key_low, plastic.key_high, plastic.weight_min, plastic.weight_max,
                    saturated,
                )
    if commits and not at_once:
        every = np.arange(len(plastic.counter))
        _commit(
            plastic.counter, weights, plastic.positions, every, len(every), plastic.lsb_shift, plastic.rounding,
            plastic.layer, index, plastic.key_low, plastic.key_high, plastic.weight_min, plastic.weight_max, saturated,
        )


def _update_float(
    plastic: Any, pre: Any, post: Any, begin: Any, end: Any, silent: Any, weights: Any, commits: Any, index: Any,
    at_once: Any, saturated: Any,
) -> None:
    table = np.empty(silent + 1, np.float64)
    if commits:
        for w in range(begin, end):
            outside = len(plastic.gates) > 0
            gate = own_gate(plastic, pre[w], post[w], silent)
            for row in range(post.shape[1]):
                if outside:
                    gate = plastic.gates[w, row]
                if gate == 0:
                    continue
                _tabulate(table, plastic.plus, plastic.minus, plastic.skip_silent, post[w, row], silent)
                apply_gate(table, plastic, gate, outside or plastic.own_gate)
                _add_float(
                    weights, plastic.positions, pre[w], table, plastic.row_start[row], plastic.row_start[row + 1],
                    plastic.cols,
                )


@nb.njit(nogil=True)
def _read_registers(ticks: Any, window: int, start: int, steps: Any, silent: int, time_shift: int) -> None:
    for i in range(ticks.shape[1]):
        step = steps[start + i]
        ticks[window, i] = silent if step < 0 else step >> time_shift


@entry_point
def learn_windows(
    layout: Any, wiring: Any, neurons: Any, raster: Any, bias: Any, keep: Any, spikes: Any, trace: Any, overflow: Any,
    first: Any, last: Any, plastics: Any, ends: Any, saturated: Any, begin: int, end: int, size: int, done: int,
    counters_rest: bool, run: bool,
) -> None:
    """Windows begin .. end - 1 with a commit after each ``size`` of them; ``begin`` starts a group.

    Args:
        layout .. last: as :func:`simulate` has them; ``first`` and ``last`` have ``size`` rows.
        plastics, ends: of the plastic projections.
        saturated: counters and weights that were cut (projection, 2), added to.
        done: number of commits before ``begin``.
        counters_rest: whether no counter holds a whole weight LSB, as after a commit.
        run: whether to simulate the windows; otherwise ``first`` and ``last`` hold them.
    """
    for start in range(begin, end, size):
        stop = min(start + size, end)
        if run:
            simulate(
                layout, wiring, neurons, raster, bias, keep, spikes, trace, trace, overflow, first, last, start, stop
            )
        full = stop - start == size
        at_once = size == 1 and counters_rest
        for p in range(len(plastics)):
            e = ends[p]
            steps = last if e.last_spike else first
            for w in range(start, stop):
                _read_registers(e.pre, w, e.pre_start, steps[w - start], e.silent, e.time_shift)
                _read_registers(e.post, w, e.post_start, steps[w - start], e.silent, e.time_shift)
            update(
                plastics[p], e.pre, e.post, start, stop, e.silent, wiring.weights, full, done, at_once, saturated[p]
            )
        done += full
        counters_rest = full
