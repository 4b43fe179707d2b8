"""One step of a block of neurons, in integers and in floats.

The loops run over whole vectors of LANES neurons without a branch. Numba widens every integer
operation to 64 bits; the conversion to int32 around each operation lets LLVM narrow it again. This is exact where the
state of a fixed network fits int32 (see :func:`.program_neurons.state_type`). Wider chips use int64 instead.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba.core import types
from numba.core.types.containers import NamedTuple as NamedTupleType

from .counts import COUNTS
from .float_neuron_loops import advance_float_neurons
from .jit import call_step, compiled_loop, greater, lesser, shift_left, shift_right, typed_overload
from .program_neurons import FixedNeurons, FloatNeurons
from .segments import LANES
from .types import ByteArray, Int32Array, Int64Array, IntegerType, StateArray

# Order of the overflow counts of the step that is written by hand.
U_WRAPS, U_OUT_OF_RANGE, V_SATURATIONS = 0, 1, 2

_index = np.uint64


def advance(
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
) -> None:
    """Advance the neurons start .. stop - 1, both multiples of LANES, by some steps.

    Args:
        neurons: parameters of all neurons.
        u, v: state of all neurons, changed.
        extra: further states of declared models, changed: the k-th of neuron j is at ``k * n + j``.
        ring: synaptic input; the input of neuron j in the first step is at ``slot + j``, and is set to zero.
        bias: biases, of which the row ``sample`` is added.
        fired: flags, written: 1 at ``offset + j`` if neuron j fires in the first step, else 0.
        lanes: overflow counts by population, kind and lane, added to.
        population: the population of these neurons.
        steps: number of steps; from one step to the next ``slot`` and ``offset`` grow by ``stride``.
    """
    raise NotImplementedError("compiled code only")


@typed_overload(advance)
def _advance(
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
) -> Callable[..., object]:
    if neurons.instance_class is not FixedNeurons:
        return advance_float_neurons
    general, simple = _FIXED_STEPS[u.dtype]

    def call(
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
    ) -> None:
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
                COUNTS * population * LANES,
                steps,
                stride,
                neurons.parameters,
            )
        elif neurons.simple[population]:
            simple(
                neurons, start, stop, u, v, ring, slot, bias, sample, fired, offset, lanes, population, steps, stride
            )
        else:
            general(
                neurons, start, stop, u, v, ring, slot, bias, sample, fired, offset, lanes, population, steps, stride
            )

    return call


def _fixed_step(integer: IntegerType, simple: bool) -> Callable[..., None]:
    """Make the compiled step of a population whose state has the type ``integer``.

    The step of a simple population (``FixedNeurons.simple``) does half of the work and reads the parameters of one
    neuron instead of all, which would fill a first-level cache. It is twice as fast.
    """
    sign_bit = integer(8 * np.dtype(integer).itemsize - 1)

    def step(
        neurons: FixedNeurons,
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
        lanes: Int32Array,
        population: int,
        steps: int,
        stride: int,
    ) -> None:
        bits, shift, half = neurons.decay_bits, neurons.activation_shift, neurons.state_half
        below = integer((1 << bits) - 1)
        turn, top = integer(2 * half), integer(half - 1)
        wraps = _index((COUNTS * population + U_WRAPS) * LANES)
        outside = _index((COUNTS * population + U_OUT_OF_RANGE) * LANES)
        saturations = _index((COUNTS * population + V_SATURATIONS) * LANES)
        k = _index(start)
        decay_factor_u, decay_factor_v, fire_above, down, reset_mask = (
            neurons.decay_factor_u[k],
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
                    if not simple:
                        decay_factor_u, decay_factor_v, fire_above, down, reset_mask = (
                            neurons.decay_factor_u[j],
                            neurons.decay_factor_v[j],
                            neurons.fire_above[j],
                            neurons.down[j],
                            neurons.reset_mask[j],
                        )
                    # ssdp_hw.arithmetic.decay: (x * factor) >> bits toward zero. With x = high * 2**bits + low it is
                    # high * factor + ((low * factor + (2**bits - 1 if x < 0)) >> bits), which fits the type.
                    raw_u = shift_left(ring[_index(slot) + j], shift)
                    if not simple:
                        old = u[j]
                        low = integer(
                            integer(integer(old & below) * decay_factor_u) + integer(shift_right(old, sign_bit) & below)
                        )
                        decayed = integer(integer(shift_right(old, bits) * decay_factor_u) + shift_right(low, bits))
                        raw_u = integer(decayed + raw_u)
                    x = integer(raw_u - turn) if raw_u > half else raw_u
                    x = integer(x + turn) if raw_u <= integer(-half) else x
                    lanes[wraps + i] += integer(x != raw_u)
                    lanes[outside + i] += integer((x > half) | (x < integer(-half)))
                    y = v[j]
                    low = integer(
                        integer(integer(y & below) * decay_factor_v) + integer(shift_right(y, sign_bit) & below)
                    )
                    decayed = integer(integer(shift_right(y, bits) * decay_factor_v) + shift_right(low, bits))
                    raw_v = integer(integer(decayed + x) + bias[sample, j])
                    y = lesser(greater(raw_v, integer(-top)), top)
                    fires = y > fire_above
                    lanes[saturations + i] += integer(y != raw_v)
                    u[j] = x
                    ring[_index(slot) + j] = 0
                    v[j] = integer(integer(y - down) & reset_mask) if fires else y
                    fired[_index(offset) + j] = fires
            slot += stride
            offset += stride

    return compiled_loop(step)


@compiled_loop
def add_analog(arrived: StateArray, at: int, frame: StateArray, start: int, count: int) -> None:
    """Add to the synaptic input from ``at`` on that of ``count`` neurons of a frame, from neuron ``start`` on."""
    for i in range(count):
        arrived[np.uint64(at + i)] += frame[np.uint64(start + i)]


_FIXED_STEPS = {
    types.int32: (_fixed_step(np.int32, False), _fixed_step(np.int32, True)),
    types.int64: (_fixed_step(np.int64, False), _fixed_step(np.int64, True)),
}


@compiled_loop
def count_overflows(overflow: Int64Array, sample: int, lanes: Int32Array) -> None:
    """Add the counts of all lanes to ``overflow`` (batch, population, kind), and set them to zero."""
    for k in range(len(lanes)):
        overflow[sample, k // (COUNTS * LANES), k // LANES % COUNTS] += lanes[k]
        lanes[k] = 0
