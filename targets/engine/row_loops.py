"""Compiled functions that all rules share: gates, weight changes that enter a row, weight updates of a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numba.core import types
from numba.core.types.containers import NamedTuple as NamedTupleType

from ssdp_hw.rules.gate import GATE_MAX

from .counter_loops import list_pending, update_listed
from .jit import compiled_driver, compiled_loop, greater, lesser, typed_overload
from .plastic import CARRY, Counters, Gating, WeightPlaces
from .types import CounterArray, Int32Array, Int64Array, Number, NumberArray, UInt32Array, WeightArray

_GATE_MAX = GATE_MAX
NEVER = 1 << 62  # a limit that no counter reaches


class _FixedGating(Protocol):
    """A :class:`.plastic.Gating` of a fixed network: all its numbers are integers."""

    own: bool
    origin: int
    gain: int
    scale: int
    bits: int


class _FloatGating(Protocol):
    """A :class:`.plastic.Gating` of a float network."""

    own: bool
    origin: float
    gain: float
    scale: float


def own_gate(gating: Gating, fired_pre: int, fired_post: int, pairs: int) -> Number:
    """The rule's own gate from the numbers of pre- and postsynaptic neurons that fired; 1 if the rule has none.

    ``pairs`` is the number of all pairs of a pre- and a postsynaptic neuron.

    See :mod:`ssdp_hw.rules.gate` and :mod:`ssdp_hw.rules.fixed_gate`.
    """
    raise NotImplementedError("compiled code only")


@typed_overload(own_gate)
def _own_gate(
    gating: NamedTupleType, fired_pre: types.Integer, fired_post: types.Integer, pairs: types.Integer
) -> Callable[..., object]:
    def fixed(gating: _FixedGating, fired_pre: int, fired_post: int, pairs: int) -> Number:
        if not gating.own:
            return np.int64(1)
        gate = gating.origin + ((fired_pre * fired_post * gating.gain) >> gating.scale)
        limited: Number = lesser(np.int64(greater(gate, 0)), np.int64(_GATE_MAX) << gating.bits)
        return limited

    def real(gating: _FloatGating, fired_pre: int, fired_post: int, pairs: int) -> Number:
        if not gating.own:
            return 1.0
        gate = 1.0 + gating.gain * ((fired_pre * fired_post / pairs - gating.origin) / gating.scale)
        limited: Number = lesser(greater(gate, 0.0), _GATE_MAX)
        return limited

    return fixed if isinstance(gating[gating.fields.index("gain")], types.Integer) else real


def gated(step: Number, gate: Number, applies: bool, bits: int, clip: float) -> Number:
    """A step times the gate if a gate ``applies``; integers are rounded half away from zero, floats are clipped."""
    raise NotImplementedError("compiled code only")


@typed_overload(gated)
def _gated(
    step: types.Number, gate: types.Number, applies: types.Boolean, bits: types.Integer, clip: types.Float
) -> Callable[..., object]:
    def fixed(step: int, gate: int, applies: bool, bits: int, clip: float) -> Number:
        if not applies:
            return np.int64(step)
        size = (abs(step) * abs(gate) + ((np.int64(1) << bits) >> 1)) >> bits
        return size if (step < 0) == (gate < 0) else -size

    def real(step: float, gate: float, applies: bool, bits: int, clip: float) -> float:
        clipped: float = lesser(greater(step * gate if applies else step, -clip), clip)
        return clipped

    return fixed if isinstance(step, types.Integer) else real


@compiled_loop
def gate_all(steps: CounterArray, count: int, gate: Number, applies: bool, bits: int, clip: float) -> None:
    """Replace every step by :func:`gated`, with the same gate."""
    for i in range(count):
        steps[i] = gated(steps[i], gate, applies, bits, clip)


def spread(
    dw: CounterArray, dense: bool, cols: Int64Array, first: int, count: int, step: CounterArray, largest: int
) -> None:
    """Copy weight changes of presynaptic neurons to the synapses of a row.

    Args:
        dw: weight change for every presynaptic neuron.
        dense: whether the row has a synapse from every presynaptic neuron.
        cols: presynaptic neuron of each synapse; not read if ``dense``.
        first, count: first synapse of the row, and number of its synapses.
        step: weight change of each synapse of the row, written.
        largest: limit of their magnitude, one more than the whole range of a counter.
    """
    raise NotImplementedError("compiled code only")


@typed_overload(spread)
def _spread(
    dw: types.Array,
    dense: types.Boolean,
    cols: types.Array,
    first: types.Integer,
    count: types.Integer,
    step: types.Array,
    largest: types.Integer,
) -> Callable[..., object]:
    def fixed(
        dw: CounterArray, dense: bool, cols: Int64Array, first: int, count: int, step: CounterArray, largest: int
    ) -> None:
        _spread_fixed(dw, dense, cols, first, count, step, largest)

    def real(
        dw: CounterArray, dense: bool, cols: Int64Array, first: int, count: int, step: CounterArray, largest: int
    ) -> None:
        for m in range(count):
            step[m] = dw[m] if dense else dw[cols[first + m]]

    return fixed if isinstance(step.dtype, types.Integer) else real


@compiled_loop
def _spread_fixed(
    dw: CounterArray, dense: bool, cols: Int64Array, first: int, count: int, step: CounterArray, largest: int
) -> None:
    if dense:
        for m in range(count):
            step[m] = lesser(greater(dw[m], -largest), largest)
    else:
        for m in range(count):
            step[m] = lesser(greater(dw[np.uint64(cols[np.uint64(first + m)])], -largest), largest)


@compiled_loop
def add_shared(
    total: NumberArray, stored: Int64Array, cols: Int64Array, first: int, count: int, dw: CounterArray
) -> None:
    """Add the weight changes of presynaptic neurons to the totals of the stored weights of a row's synapses."""
    for s in range(first, first + count):
        total[stored[s]] += dw[cols[s]]


@compiled_driver
def pending_threshold(c: Counters) -> Any:
    """The smallest magnitude of a counter that the next weight update must process."""
    return np.int64(1) << c.lsb_shift if c.rounding == CARRY else np.int64(1)


def close_row(
    value: CounterArray,
    first: int,
    count: int,
    c: Counters,
    index: int,
    rows: Int64Array,
    row: int,
    pending: Int32Array,
    weights: WeightArray,
    places: WeightPlaces,
    words: UInt32Array,
    tally: Int64Array,
) -> None:
    """Update the weights of all pending synapses of a row of a fixed network; see move_weights for float networks.

    Args:
        value .. tally: as in :func:`.counter_loops.update_listed`.
        pending: scratch.
    """
    raise NotImplementedError("compiled code only")


@typed_overload(close_row)
def _close_row(
    value: types.Array,
    first: types.Integer,
    count: types.Integer,
    c: NamedTupleType,
    index: types.Integer,
    rows: types.Array,
    row: types.Integer,
    pending: types.Array,
    weights: types.Array,
    places: NamedTupleType,
    words: types.Array,
    tally: types.Array,
) -> Callable[..., object]:
    def fixed(
        value: CounterArray,
        first: int,
        count: int,
        c: Counters,
        index: int,
        rows: Int64Array,
        row: int,
        pending: Int32Array,
        weights: WeightArray,
        places: WeightPlaces,
        words: UInt32Array,
        tally: Int64Array,
    ) -> None:
        limit = pending_threshold(c)
        if rows[row, 1] <= -limit or rows[row, 2] >= limit:
            n = list_pending(value, first, count, rows[row, 0], limit, pending)
            rows[row, 1], rows[row, 2] = greater(rows[row, 1], 1 - limit), lesser(rows[row, 2], limit - 1)
            update_listed(value, first, count, pending, n, c, index, rows, row, weights, places, words, tally)

    def real(
        value: CounterArray,
        first: int,
        count: int,
        c: Counters,
        index: int,
        rows: Int64Array,
        row: int,
        pending: Int32Array,
        weights: WeightArray,
        places: WeightPlaces,
        words: UInt32Array,
        tally: Int64Array,
    ) -> None:
        pass

    return fixed if isinstance(value.dtype, types.Integer) else real
