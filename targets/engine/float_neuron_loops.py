"""One step of a block of neurons in floats."""

from __future__ import annotations

import numpy as np

from .jit import call_step, compiled_loop
from .program_neurons import FloatNeurons
from .segments import LANES
from .types import ByteArray, Int32Array, StateArray

_index = np.uint64


def advance_float_neurons(
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
) -> None:
    """One or more steps of the neurons start .. stop - 1: by the declaration of their model, or as NIR's CubaLIF."""
    if neurons.models[population] != 0:
        call_step(
            neurons.models[population],
            start,
            stop,
            u,
            v,
            extra,
            len(u),
            ring,
            slot,
            bias,
            sample * len(u),
            fired,
            offset,
            lanes,
            0,  # a float step counts no overflows
            steps,
            stride,
            neurons.parameters,
        )
    else:
        _advance_float(neurons, start, stop, u, v, ring, slot, bias, sample, fired, offset, steps, stride)


@compiled_loop
def _advance_float(
    neurons: FloatNeurons,
    start: int,
    stop: int,
    u: StateArray,
    v: StateArray,
    ring: StateArray,
    slot: int,
    bias: StateArray,
    sample: int,
    fired: ByteArray,
    offset: int,
    steps: int,
    stride: int,
) -> None:
    for _ in range(steps):
        for block in range(start // LANES, stop // LANES):
            first = _index(block * LANES)
            for lane in range(LANES):
                j = first + _index(lane)
                before = u[j]
                x = neurons.decay_u[j] * before + neurons.gain_u[j] * (ring[_index(slot) + j] + bias[sample, j])
                current = before if neurons.old_current[j] else x
                y = neurons.decay_v[j] * v[j] + neurons.gain_v[j] * current + neurons.drift[j]
                fires = y > neurons.fire_above[j]
                after = y - neurons.down[j] if neurons.subtract[j] else neurons.v_reset[j]
                u[j] = x
                v[j] = after if fires else y
                ring[_index(slot) + j] = 0
                fired[_index(offset) + j] = fires
        slot += stride
        offset += stride
