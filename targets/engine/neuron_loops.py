"""One step of a block of neurons, in integers and in floats.

The loops run over whole vectors of LANES neurons without a branch. These have 32 bits where the state of a fixed
network fits them (see :func:`.program_neurons.state_type`), else 64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba.core import types
from numba.core.types.containers import NamedTuple as NamedTupleType

from .float_neuron_loops import advance_float_neurons
from .jit import call_step, compiled_loop, typed_overload
from .neuron_vectors import block_step
from .program_neurons import FixedNeurons, FloatNeurons
from .segments import LANES
from .types import ByteArray, Int32Array, Int64Array, StateArray


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
                neurons.counts * population * LANES,
                steps,
                stride,
                neurons.parameters,
            )
        elif neurons.simple[population]:
            _simple(
                neurons, start, stop, u, v, ring, slot, bias, sample, fired, offset, lanes, population, steps, stride
            )
        else:
            _general(
                neurons, start, stop, u, v, ring, slot, bias, sample, fired, offset, lanes, population, steps, stride
            )

    return call


def _fixed_step(*, simple: bool) -> Callable[..., None]:
    """Make the compiled step of a population.

    The step of a simple population (``FixedNeurons.simple``) does half of the work and reads the parameters of one
    neuron instead of all, which would fill a first-level cache. It is twice as fast.
    """
    block = block_step(simple=simple)

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
        biased = sample * bias.shape[1]
        for _ in range(steps):
            for first in range(start, stop, LANES):
                block(neurons, start, first, u, v, ring, slot, bias, biased, fired, offset, lanes, population)
            slot += stride
            offset += stride

    return compiled_loop(step)


_general, _simple = _fixed_step(simple=False), _fixed_step(simple=True)


@compiled_loop
def add_analog(arrived: StateArray, at: int, frame: StateArray, start: int, count: int) -> None:
    """Add to the synaptic input from ``at`` on that of ``count`` neurons of a frame, from neuron ``start`` on."""
    for i in range(count):
        arrived[np.uint64(at + i)] += frame[np.uint64(start + i)]


@compiled_loop
def count_overflows(overflow: Int64Array, sample: int, lanes: Int32Array) -> None:
    """Add the counts of all lanes to ``overflow`` (batch, population, kind), and set them to zero."""
    k = 0
    for population in range(overflow.shape[1]):
        for kind in range(overflow.shape[2]):
            for _ in range(LANES):
                overflow[sample, population, kind] += lanes[k]
                lanes[k] = 0
                k += 1
