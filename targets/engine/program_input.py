"""The input of a run as arrays of the compiled loops."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.running.drive import AnyNetwork, Drive

from .packed import packed
from .program import Program
from .segments import padded
from .types import (
    Int64Array,
    StateArray,
)


class Analog(NamedTuple):
    """Synaptic input of analog inputs."""

    frames: StateArray  # (frame, batch, neurons); no frame if there is none
    of_step: Int64Array  # for each step of the raster its frame


def analog_input(network: AnyNetwork, program: Program, drive: Drive) -> Analog:
    """What analog inputs bring to all neurons, in the order of the program; packed."""
    dtype, currents = program.layout.zero.dtype, drive.currents
    if not currents:
        return _no_analog(dtype)
    count = len(next(iter(currents.frames.values())))
    frames: Any = np.zeros((count, drive.batch, len(program.neurons.v_init)), dtype)
    start = 0
    for p in network.populations:
        if p.name in currents.frames:
            frames[:, :, start : start + p.size] = currents.frames[p.name]
        start += padded(p.size)
    return packed(Analog(program.in_order(frames), currents.of_step))


@cache
def _no_analog(dtype: Any) -> Analog:
    return packed(Analog(np.zeros((0, 0, 0), dtype), np.zeros(0, np.int64)))


def input_raster(network: AnyNetwork, drive: Drive) -> NDArray[np.bool_]:
    """Spikes of all inputs side by side, shape (time, batch, channels)."""
    arrays = [drive.spikes[name] for name in network.input_names]
    return np.ascontiguousarray(arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=2))
