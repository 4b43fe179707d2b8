"""Several steps of a block of simple neurons in one loop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba.core import types
from numba.core.types.containers import NamedTuple as NamedTupleType

from .jit import compiled_loop, typed_overload
from .neuron_vectors import quick_block
from .program_neurons import FixedNeurons, FloatNeurons
from .segments import LANES
from .types import ByteArray, IntegerNumber, StateArray

_index = np.uint64


def advanced_quickly(
    neurons: FixedNeurons | FloatNeurons,
    start: int,
    stop: int,
    v: StateArray,
    ring: StateArray,
    slot: int,
    bias: StateArray,
    sample: int,
    fired: ByteArray,
    offset: int,
    population: int,
    steps: int,
    stride: int,
    before: StateArray,
    extremes: StateArray,
) -> bool:
    """Do as :func:`.neuron_loops.advance`, and return whether it was done; else nothing is changed but ``fired``.

    It is for callers that read neither currents nor synaptic input afterwards. Simple neurons take all steps without
    counting overflows. If the extremes of their state then show an overflow, which is rare, the voltages are restored.

    Args:
        neurons .. stride: as in :func:`.neuron_loops.advance`.
        before: scratch with an entry for each neuron.
        extremes: scratch of four times LANES entries.
    """
    raise NotImplementedError("compiled code only")


@typed_overload(advanced_quickly)
def _advanced_quickly(
    neurons: NamedTupleType,
    start: types.Integer,
    stop: types.Integer,
    v: types.Array,
    ring: types.Array,
    slot: types.Integer,
    bias: types.Array,
    sample: types.Integer,
    fired: types.Array,
    offset: types.Integer,
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
        v: StateArray,
        ring: StateArray,
        slot: int,
        bias: StateArray,
        sample: int,
        fired: ByteArray,
        offset: int,
        population: int,
        steps: int,
        stride: int,
        before: StateArray,
        extremes: StateArray,
    ) -> bool:
        return False

    def fixed(
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
        population: int,
        steps: int,
        stride: int,
        before: StateArray,
        extremes: StateArray,
    ) -> bool:
        if not neurons.simple[population]:
            return False
        _copy(before, 0, v, start, stop - start)
        extremes[:] = 0
        _quick_step(neurons, start, stop, v, ring, slot, bias, sample, fired, offset, extremes, steps, stride)
        if _within(extremes, neurons.state_half):
            return True
        _copy(v, start, before, 0, stop - start)
        return False

    return fixed if neurons.instance_class is FixedNeurons else real


@compiled_loop
def _quick_step(
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
    """Steps of simple neurons that neither detect overflows nor store currents.

    They store the extremes of currents and voltages instead, from which :func:`_within` tells whether one overflowed.
    """
    biased = sample * bias.shape[1]
    for _ in range(steps):
        for first in range(start, stop, LANES):
            quick_block(neurons, start, first, v, ring, slot, bias, biased, fired, offset, extremes)
        slot += stride
        offset += stride


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
