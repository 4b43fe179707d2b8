"""One step of a block of neurons, in integers and in floats.

The loops run over whole vectors of LANES neurons without a branch. Numba widens every integer
operation to 64 bits; the int32 around each lets LLVM narrow it again, which is exact since the state
of a fixed network fits int32 by the rules of :mod:`ssdp_hw.fixed`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload

from .jit import kernel, shift_left, shift_right
from .program import LANES, FixedNeurons

# Order of the overflow counts.
U_WRAPS, U_OUT_OF_RANGE, V_SATURATIONS = 0, 1, 2

_i32, _index = np.int32, np.uint64


def advance(
    neurons: Any, start: Any, stop: Any, u: Any, v: Any, ring: Any, slot: Any, bias: Any, sample: Any, fired: Any,
    offset: Any, lanes: Any, population: Any,
) -> Any:
    """One step of the neurons start .. stop - 1, both multiples of LANES.

    Args:
        neurons: their parameters; u, v: their state, changed.
        ring: synaptic input; that of this step begins at ``slot`` and is set to zero.
        bias: what is added to each neuron, in the row ``sample``.
        fired: 1 for each source that fires, else 0, written; neuron j is source ``offset + j``.
        lanes: overflows of each population, kind and lane in turn, added to.
    """
    raise NotImplementedError("compiled code only")


@overload(advance)
def _advance(
    neurons: Any, start: Any, stop: Any, u: Any, v: Any, ring: Any, slot: Any, bias: Any, sample: Any, fired: Any,
    offset: Any, lanes: Any, population: Any,
) -> Any:
    step = _advance_fixed if neurons.instance_class is FixedNeurons else _advance_float

    def call(
        neurons: Any, start: Any, stop: Any, u: Any, v: Any, ring: Any, slot: Any, bias: Any, sample: Any, fired: Any,
        offset: Any, lanes: Any, population: Any,
    ) -> Any:
        step(neurons, start, stop, u, v, ring, slot, bias, sample, fired, offset, lanes, population)

    return call


@kernel
def _advance_fixed(
    neurons: Any, start: int, stop: int, u: Any, v: Any, ring: Any, slot: int, bias: Any, sample: int, fired: Any,
    offset: int, lanes: Any, population: int,
) -> None:
    bits, shift, half = neurons.decay_bits, neurons.activation_shift, neurons.state_half
    below = _i32((1 << bits) - 1)
    turn, top = _i32(2 * half), _i32(half - 1)
    wraps = _index((3 * population + U_WRAPS) * LANES)
    outside = _index((3 * population + U_OUT_OF_RANGE) * LANES)
    saturations = _index((3 * population + V_SATURATIONS) * LANES)
    for block in range(start // LANES, stop // LANES):
        first = _index(block * LANES)
        for lane in range(LANES):
            i = _index(lane)
            j = first + i
            # ssdp_hw.arithmetic.decay: (x * kept) >> bits toward zero. With x = high * 2**bits + low it
            # is high * kept + ((low * kept + (2**bits - 1 if x < 0)) >> bits), which fits 32 bits.
            x, kept = u[j], neurons.kept_u[j]
            low = _i32(_i32(_i32(x & below) * kept) + _i32(shift_right(x, _i32(31)) & below))
            decayed = _i32(_i32(shift_right(x, bits) * kept) + shift_right(low, bits))
            raw_u = _i32(decayed + shift_left(ring[_index(slot) + j], shift))
            x = _i32(raw_u - turn) if raw_u > half else raw_u
            x = _i32(x + turn) if raw_u <= _i32(-half) else x
            y, kept = v[j], neurons.kept_v[j]
            low = _i32(_i32(_i32(y & below) * kept) + _i32(shift_right(y, _i32(31)) & below))
            decayed = _i32(_i32(shift_right(y, bits) * kept) + shift_right(low, bits))
            raw_v = _i32(_i32(decayed + x) + bias[sample, j])
            y = min(max(raw_v, _i32(-top)), top)
            fires = y > neurons.fire_above[j]
            lanes[wraps + i] += _i32(x != raw_u)
            lanes[outside + i] += _i32((x > half) | (x < _i32(-half)))
            lanes[saturations + i] += _i32(y != raw_v)
            u[j] = x
            v[j] = _i32(_i32(y - neurons.down[j]) & neurons.keep[j]) if fires else y
            ring[_index(slot) + j] = 0
            fired[_index(offset) + j] = fires


@kernel
def _advance_float(
    neurons: Any, start: int, stop: int, u: Any, v: Any, ring: Any, slot: int, bias: Any, sample: int, fired: Any,
    offset: int, lanes: Any, population: int,
) -> None:
    for block in range(start // LANES, stop // LANES):
        first = _index(block * LANES)
        for lane in range(LANES):
            j = first + _index(lane)
            before = u[j]
            x = neurons.decay_u[j] * before + neurons.gain_u[j] * (ring[_index(slot) + j] + bias[sample, j])
            seen = before if neurons.old_current[j] else x
            y = neurons.decay_v[j] * v[j] + neurons.gain_v[j] * seen + neurons.drift[j]
            fires = y > neurons.fire_above[j]
            after = y - neurons.down[j] if neurons.subtract[j] else neurons.v_reset[j]
            u[j] = x
            v[j] = after if fires else y
            ring[_index(slot) + j] = 0
            fired[_index(offset) + j] = fires
