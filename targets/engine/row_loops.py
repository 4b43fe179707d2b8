"""What the learning kernels of all rules share: gates, weight changes that enter a row, weight updates of a row."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numba.core import types
from numba.extending import overload

from ssdp_hw.rules.local import GATE_MAX

from .counter_loops import commit_listed, list_pending
from .jit import compiled_loop
from .plastic import CARRY

_GATE_MAX = GATE_MAX
NEVER = 1 << 62  # no counter is that large


def own_gate(gating: Any, fired_pre: Any, fired_post: Any, pairs: Any) -> Any:
    """The gate that a rule makes itself from how many neurons fired, of so many pairs; 1 if it makes none.

    See :mod:`ssdp_hw.rules.gate` and :mod:`ssdp_hw.rules.group_gate`.
    """
    raise NotImplementedError("compiled code only")


@overload(own_gate)
def _own_gate(gating: Any, fired_pre: Any, fired_post: Any, pairs: Any) -> Any:
    def fixed(gating: Any, fired_pre: Any, fired_post: Any, pairs: Any) -> Any:
        if not gating.own:
            return np.int64(1)
        gate = gating.origin + ((fired_pre * fired_post * gating.gain) >> gating.scale)
        return min(max(gate, 0), np.int64(_GATE_MAX) << gating.bits)

    def real(gating: Any, fired_pre: Any, fired_post: Any, pairs: Any) -> Any:
        if not gating.own:
            return 1.0
        gate = 1.0 + gating.gain * ((fired_pre * fired_post / pairs - gating.origin) / gating.scale)
        return min(max(gate, 0.0), _GATE_MAX)

    return fixed if isinstance(gating[gating.fields.index("gain")], types.Integer) else real


def gated(step: Any, gate: Any, applies: Any, bits: Any, clip: Any) -> Any:
    """One step under a gate if one ``applies``: an integer rounded half up in size, a float clipped."""
    raise NotImplementedError("compiled code only")


@overload(gated)
def _gated(step: Any, gate: Any, applies: Any, bits: Any, clip: Any) -> Any:
    def fixed(step: Any, gate: Any, applies: Any, bits: Any, clip: Any) -> Any:
        if not applies:
            return np.int64(step)
        size = (abs(step) * abs(gate) + ((np.int64(1) << bits) >> 1)) >> bits
        return size if (step < 0) == (gate < 0) else -size

    def real(step: Any, gate: Any, applies: Any, bits: Any, clip: Any) -> Any:
        return min(max(step * gate if applies else step, -clip), clip)

    return fixed if isinstance(step, types.Integer) else real


@compiled_loop
def gate_all(steps: Any, count: int, gate: Any, applies: bool, bits: int, clip: float) -> None:
    """Every step under the gate of its row."""
    for i in range(count):
        steps[i] = gated(steps[i], gate, applies, bits, clip)


def spread(dw: Any, dense: Any, cols: Any, first: Any, count: Any, step: Any, largest: Any) -> None:
    """Weight changes by presynaptic neuron as those of the synapses of a row.

    Args:
        dw: of every presynaptic neuron.
        dense: whether the row has all of them; otherwise ``cols`` gives that of each synapse.
        cols: see ``dense``.
        first, count: the row's synapses.
        step: of each synapse of the row, written.
        largest: no more than this in size counts: it fills any counter.
    """
    raise NotImplementedError("compiled code only")


@overload(spread)
def _spread(dw: Any, dense: Any, cols: Any, first: Any, count: Any, step: Any, largest: Any) -> Any:
    def fixed(dw: Any, dense: Any, cols: Any, first: Any, count: Any, step: Any, largest: Any) -> None:
        _spread_fixed(dw, dense, cols, first, count, step, largest)

    def real(dw: Any, dense: Any, cols: Any, first: Any, count: Any, step: Any, largest: Any) -> None:
        for m in range(count):
            step[m] = dw[m] if dense else dw[cols[first + m]]

    return fixed if isinstance(step.dtype, types.Integer) else real


@compiled_loop
def _spread_fixed(evidence: Any, dense: bool, cols: Any, first: int, count: int, step: Any, largest: int) -> None:
    if dense:
        for m in range(count):
            step[m] = min(max(dw[m], -largest), largest)
    else:
        for m in range(count):
            step[m] = min(max(dw[np.uint64(cols[np.uint64(first + m)])], -largest), largest)


@compiled_loop
def add_shared(total: Any, stored: Any, cols: Any, first: int, count: int, evidence: Any) -> None:
    """Evidence by presynaptic neuron, added up by the stored weights of the synapses of a row."""
    for s in range(first, first + count):
        total[stored[s]] += dw[cols[s]]


@nb.njit(nogil=True)
def pending_threshold(c: Any) -> Any:
    """The size of a counter that a commit has to look at."""
    return np.int64(1) << c.lsb_shift if c.rounding == CARRY else np.int64(1)


def close_row(
    value: Any,
    first: Any,
    count: Any,
    c: Any,
    index: Any,
    rows: Any,
    row: Any,
    pending: Any,
    weights: Any,
    places: Any,
    words: Any,
    tally: Any,
) -> None:
    """Update the weights of a row by counters that hold whole LSBs; a float network updates all rows elsewhere.

    Args:
        value .. tally: as :func:`.counter_loops.update_listed` has them; reached: scratch.
    """
    raise NotImplementedError("compiled code only")


@overload(close_row)
def _close_row(
    value: Any,
    first: Any,
    count: Any,
    c: Any,
    index: Any,
    rows: Any,
    row: Any,
    pending: Any,
    weights: Any,
    places: Any,
    words: Any,
    tally: Any,
) -> Any:
    def fixed(
        value: Any,
        first: Any,
        count: Any,
        c: Any,
        index: Any,
        rows: Any,
        row: Any,
        pending: Any,
        weights: Any,
        places: Any,
        words: Any,
        tally: Any,
    ) -> None:
        limit = pending_threshold(c)
        if rows[row, 1] <= -limit or rows[row, 2] >= limit:
            n = list_pending(value, first, count, rows[row, 0], limit, pending)
            rows[row, 1], rows[row, 2] = max(rows[row, 1], 1 - limit), min(rows[row, 2], limit - 1)
            commit_listed(value, first, count, pending, n, c, index, rows, row, weights, places, words, tally)

    def real(
        value: Any,
        first: Any,
        count: Any,
        c: Any,
        index: Any,
        rows: Any,
        row: Any,
        pending: Any,
        weights: Any,
        places: Any,
        words: Any,
        tally: Any,
    ) -> None:
        pass

    return fixed if isinstance(value.dtype, types.Integer) else real
