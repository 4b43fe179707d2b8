"""Registers that hold the steps of the first and the last spike of every source in a window."""

from __future__ import annotations

import numpy as np

from .jit import compiled_loop, lesser
from .types import Int32Array, Int64Array

NO_STEP = np.iinfo(np.int64).max


@compiled_loop
def restart_registers(first: Int64Array, last: Int64Array, row: int, member: int) -> None:
    """Reset the registers of a row; the first member of a thread group does so for all."""
    if member == 0:
        if len(first):
            for i in range(first.shape[1]):
                first[row, i] = NO_STEP
        if len(last):
            for i in range(last.shape[1]):
                last[row, i] = -1


@compiled_loop
def register(
    first: Int64Array, last: Int64Array, row: int, source: int, active: Int32Array, begin: int, end: int, step: int
) -> None:
    """Write the spikes of a step to the registers; steps must come in ascending order.

    Args:
        first, last: registers (row, source), changed; a register of shape (0, 0) is not written.
        source: first source of the group.
        active: entries begin .. end - 1 are the sources that fire, numbered within the group.
    """
    if len(first):
        for k in range(begin, end):
            i = np.uint64(source + active[k])
            first[row, i] = lesser(first[row, i], step)
    if len(last):
        for k in range(begin, end):
            last[row, np.uint64(source + active[k])] = step


@compiled_loop
def read_registers(
    ticks: Int64Array,
    window: int,
    start: int,
    first: Int64Array,
    last: Int64Array,
    row: int,
    by_last: bool,
    silent: int,
    time_shift: int,
) -> None:
    """Write the tick of each neuron of a group in a window, ``silent`` for neurons that did not fire."""
    if by_last:
        for i in range(ticks.shape[1]):
            step = last[row, start + i]
            ticks[window, i] = silent if step < 0 else step >> time_shift
    else:
        for i in range(ticks.shape[1]):
            step = first[row, start + i]
            ticks[window, i] = silent if step == NO_STEP else step >> time_shift
