"""Traces of spike trains in the engine: what pair STDP adds to a counter, and how a trace decays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba.core import types
from numba.core.types.containers import BaseTuple, NamedTuple as NamedTupleType

from ssdp_hw.rules.stdp import DECAY_BITS

from .jit import as_in, compiled_loop, lesser, shift_right, typed_overload
from .plastic import NEAREST, STOCHASTIC, ByTrains
from .random_loops import fill_words
from .types import (
    Int32Array,
    Number,
    TrainArray,
    UInt32Array,
)

Draws = tuple[int, int, int, int]


_DECAY_BITS = DECAY_BITS


_HALF = 1 << (DECAY_BITS - 1)


def product(amplitude: Number, value: Number, shift: int) -> Number:
    """Amplitude times a value that is not negative; integers are shifted right and rounded half up."""
    raise NotImplementedError("compiled code only")


@typed_overload(product)
def _product(amplitude: types.Number, value: types.Number, shift: types.Integer) -> Callable[..., object]:
    def fixed(amplitude: int, value: int, shift: int) -> Number:
        return (amplitude * value + ((np.int64(1) << shift) >> 1)) >> shift

    def real(amplitude: float, value: float, shift: int) -> float:
        return amplitude * value

    return fixed if isinstance(amplitude, types.Integer) else real


def step_trace(
    trace: TrainArray,
    gains: TrainArray,
    t: int,
    amplitude: Number,
    wanted: bool,
    listed: Int32Array,
    count: int,
    decay_factor: Number,
    r: ByTrains,
    draws: Draws,
    words: UInt32Array,
) -> None:
    """One step of the traces of a group.

    Args:
        trace: trace of every neuron, changed.
        gains: row t is written if ``wanted``: ``amplitude`` times the trace before the spikes of step t.
        listed: the ``count`` neurons that fire in step t.
        decay_factor: factor by which a trace decays in a step.
        r: numbers of the rule.
        draws: what the random numbers are keyed by: layer and number of the step, and both halves of the seed.
        words: scratch.
    """
    raise NotImplementedError("compiled code only")


@typed_overload(step_trace)
def _step_trace(
    trace: types.Array,
    gains: types.Array,
    t: types.Integer,
    amplitude: types.Number,
    wanted: types.Boolean,
    listed: types.Array,
    count: types.Integer,
    decay_factor: types.Number,
    r: NamedTupleType,
    draws: BaseTuple,
    words: types.Array,
) -> Callable[..., object]:
    def fixed(
        trace: TrainArray,
        gains: TrainArray,
        t: int,
        amplitude: int,
        wanted: bool,
        listed: Int32Array,
        count: int,
        decay_factor: int,
        r: ByTrains,
        draws: Draws,
        words: UInt32Array,
    ) -> None:
        if wanted:
            _fixed_gains(trace, gains[t], amplitude, r.dw_shift)
        for k in range(count):
            i = np.uint64(listed[k])
            trace[i] = r.impulse if r.nearest else lesser(trace[i] + r.impulse, r.trace_max)
        if r.trace_rounding == STOCHASTIC:
            layer, step, low, high = draws
            fill_words(words, (len(trace) + 3) // 4, 0, layer, step, low, high)
            _random_decay(trace, decay_factor, words)
        else:
            _fixed_decay(trace, decay_factor, _HALF if r.trace_rounding == NEAREST else 0)

    def real(
        trace: TrainArray,
        gains: TrainArray,
        t: int,
        amplitude: float,
        wanted: bool,
        listed: Int32Array,
        count: int,
        decay_factor: float,
        r: ByTrains,
        draws: Draws,
        words: UInt32Array,
    ) -> None:
        if wanted:
            _real_gains(trace, gains[t], amplitude)
        for k in range(count):
            i = np.uint64(listed[k])
            trace[i] = r.impulse if r.nearest else lesser(trace[i] + r.impulse, r.trace_max)
        _real_decay(trace, decay_factor)

    return fixed if isinstance(trace.dtype, types.Integer) else real


@compiled_loop
def _fixed_gains(trace: TrainArray, gains: TrainArray, amplitude: int, dw_shift: int) -> None:
    """Amplitude times trace, shifted right and rounded half up; negative for a negative amplitude."""
    factor, shift = as_in(trace, abs(amplitude)), as_in(trace, dw_shift)
    half = as_in(trace, (np.int64(1) << dw_shift) >> 1)
    if amplitude < 0:
        for i in range(len(trace)):
            gains[i] = -shift_right(as_in(trace, as_in(trace, factor * trace[i]) + half), shift)
    else:
        for i in range(len(trace)):
            gains[i] = shift_right(as_in(trace, as_in(trace, factor * trace[i]) + half), shift)


@compiled_loop
def _fixed_decay(trace: TrainArray, decay_factor: int, addend: int) -> None:
    factor, bits, more = as_in(trace, decay_factor), as_in(trace, _DECAY_BITS), as_in(trace, addend)
    for i in range(len(trace)):
        trace[i] = shift_right(as_in(trace, as_in(trace, factor * trace[i]) + more), bits)


@compiled_loop
def _random_decay(trace: TrainArray, decay_factor: int, words: UInt32Array) -> None:
    """Neuron i draws word ``i mod 4`` of block ``i div 4``, as in :func:`ssdp_hw.operations.philox.synapse_random`."""
    factor, bits = as_in(trace, decay_factor), as_in(trace, _DECAY_BITS)
    for i in range(len(trace)):
        if trace[i] != 0:
            drawn = as_in(trace, words[i & 3, i >> 2] >> np.uint32(32 - _DECAY_BITS))
            trace[i] = shift_right(as_in(trace, as_in(trace, factor * trace[i]) + drawn), bits)


@compiled_loop
def _real_gains(trace: TrainArray, gains: TrainArray, amplitude: float) -> None:
    for i in range(len(trace)):
        gains[i] = amplitude * trace[i]


@compiled_loop
def _real_decay(trace: TrainArray, decay_factor: float) -> None:
    for i in range(len(trace)):
        trace[i] *= decay_factor
