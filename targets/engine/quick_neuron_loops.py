"""Several steps of a block of simple neurons in one loop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba.core import types
from numba.core.types.containers import NamedTuple as NamedTupleType

from .jit import compiled_loop, greater, lesser, shift_left, shift_right, typed_overload
from .neuron_loops import advance
from .program_neurons import FixedNeurons, FloatNeurons
from .segments import LANES
from .types import ByteArray, Int32Array, IntegerNumber, IntegerType, StateArray

_index = np.uint64


def advance_quickly(
    neurons: FixedNeurons | FloatNeurons,
    start: int,
    stop: int,
    u: StateArray,
    v: StateArray,
    extra: StateArray,
    ring: StateArray,
    slot: int,
    bias: StateArray,
    sample: int,
    fired: ByteArray,
    offset: int,
    lanes: Int32Array,
    population: int,
    steps: int,
    stride: int,
    before: StateArray,
    extremes: StateArray,
) -> None:
    """:func:`advance` for callers that read neither currents nor synaptic input afterwards.

    Simple neurons take all steps without counting overflows. If the extremes of their state then show an overflow,
    which is rare, their voltages are restored and :func:`advance` repeats the steps.

    Args:
        before: scratch with an entry for each neuron.
        extremes: scratch of four times LANES entries.
    """
    raise NotImplementedError("compiled code only")


@typed_overload(advance_quickly)
def _advance_quickly(
    neurons: NamedTupleType,
    start: types.Integer,
    stop: types.Integer,
    u: types.Array,
    v: types.Array,
    extra: types.Array,
    ring: types.Array,
    slot: types.Integer,
    bias: types.Array,
    sample: types.Integer,
    fired: types.Array,
    offset: types.Integer,
    lanes: types.Array,
    population: types.Integer,
    steps: types.Integer,
    stride: types.Integer,
    before: types.Array,
    extremes: types.Array,
) -> Callable[..., object]:
    def real(
        neurons: FloatNeurons,
        start: int,
        stop: int,
        u: StateArray,
        v: StateArray,
        extra: StateArray,
        ring: StateArray,
        slot: int,
        bias: StateArray,
        sample: int,
        fired: ByteArray,
        offset: int,
        lanes: Int32Array,
        population: int,
        steps: int,
        stride: int,
        before: StateArray,
        extremes: StateArray,
    ) -> None:
        advance(
            neurons, start, stop, u, v, extra, ring, slot, bias, sample, fired, offset, lanes, population, steps, stride
        )

    if neurons.instance_class is not FixedNeurons:
        return real
    quick = _QUICK_STEPS[u.dtype]

    def fixed(
        neurons: FixedNeurons,
        start: int,
        stop: int,
        u: StateArray,
        v: StateArray,
        extra: StateArray,
        ring: StateArray,
        slot: int,
        bias: StateArray,
        sample: int,
        fired: ByteArray,
        offset: int,
        lanes: Int32Array,
        population: int,
        steps: int,
        stride: int,
        before: StateArray,
        extremes: StateArray,
    ) -> None:
        if neurons.simple[population]:
            _copy(before, 0, v, start, stop - start)
            extremes[:] = 0
            quick(neurons, start, stop, v, ring, slot, bias, sample, fired, offset, extremes, steps, stride)
            if _within(extremes, neurons.state_half):
                return
            _copy(v, start, before, 0, stop - start)
        advance(
            neurons, start, stop, u, v, extra, ring, slot, bias, sample, fired, offset, lanes, population, steps, stride
        )

    return fixed


def _quick_step(integer: IntegerType) -> Callable[..., None]:
    """Make the compiled step of simple neurons that neither detects overflows nor stores currents.

    It stores the extremes of currents and voltages instead, from which :func:`_within` tells whether one overflowed.
    """
    sign_bit = integer(8 * np.dtype(integer).itemsize - 1)

    def step(
        neurons: FixedNeurons,
        start: int,
        stop: int,
        v: StateArray,
        ring: StateArray,
        slot: int,
        bias: StateArray,
        sample: int,
        fired: ByteArray,
        offset: int,
        extremes: StateArray,
        steps: int,
        stride: int,
    ) -> None:
        bits, shift = neurons.decay_bits, neurons.activation_shift
        below = integer((1 << bits) - 1)
        k = _index(start)
        decay_factor_v, fire_above, down, reset_mask = (
            neurons.decay_factor_v[k],
            neurons.fire_above[k],
            neurons.down[k],
            neurons.reset_mask[k],
        )
        for _ in range(steps):
            for block in range(start // LANES, stop // LANES):
                first = _index(block * LANES)
                for lane in range(LANES):
                    i = _index(lane)
                    j = first + i
                    x = shift_left(ring[_index(slot) + j], shift)
                    y = v[j]
                    low = integer(
                        integer(integer(y & below) * decay_factor_v) + integer(shift_right(y, sign_bit) & below)
                    )
                    decayed = integer(integer(shift_right(y, bits) * decay_factor_v) + shift_right(low, bits))
                    y = integer(integer(decayed + x) + bias[sample, j])
                    extremes[i] = lesser(extremes[i], x)
                    extremes[_index(LANES) + i] = greater(extremes[_index(LANES) + i], x)
                    extremes[_index(2 * LANES) + i] = lesser(extremes[_index(2 * LANES) + i], y)
                    extremes[_index(3 * LANES) + i] = greater(extremes[_index(3 * LANES) + i], y)
                    fires = y > fire_above
                    v[j] = integer(integer(y - down) & reset_mask) if fires else y
                    fired[_index(offset) + j] = fires
            slot += stride
            offset += stride

    return compiled_loop(step)


_QUICK_STEPS = {types.int32: _quick_step(np.int32), types.int64: _quick_step(np.int64)}


@compiled_loop
def _copy(target: StateArray, at: int, source: StateArray, first: int, count: int) -> None:
    for i in range(count):
        target[at + i] = source[first + i]


@compiled_loop
def _within(extremes: StateArray, half: IntegerNumber) -> bool:
    """Whether no current lies outside -half + 1 .. half, and no voltage outside -(half - 1) .. half - 1."""
    within = True
    for i in range(LANES):
        within &= extremes[i] > -half and extremes[LANES + i] <= half
        within &= extremes[2 * LANES + i] > -half and extremes[3 * LANES + i] < half
    return within
