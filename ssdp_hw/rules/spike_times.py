"""Spike-time registers: for each neuron and window, whether it fired and when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import Choice

_WIDE = 1000  # windows times neurons from which on a call for each step is the faster way


class SpikeTime(Choice):
    """Which spike of a window stands for a neuron that fired several times."""

    FIRST = "first"  # the paper's words
    LAST = "last"  # what the authors' transformer code computes


@dataclass(frozen=True, eq=False)
class Registers:
    """Registers of one population.

    Attributes:
        fired: bool, shape (window, n).
        time: tick of the representative spike, shape (window, n); a silent neuron holds
            ``silent_time``.
        silent_time: one past the last tick of a window.
    """

    fired: NDArray[np.bool_]
    time: NDArray[np.int64]
    silent_time: int


def silent_time(steps: int, time_shift: int = 0) -> int:
    """The tick that a silent neuron holds: one past that of the window's last step."""
    return ((steps - 1) >> time_shift) + 1


def spike_registers(
    spikes: NDArray[np.bool_], spike_time: SpikeTime = SpikeTime.FIRST, time_shift: int = 0
) -> Registers:
    """Read the registers off a raster of shape (time, window, n).

    A tick is ``2**time_shift`` steps: ``time = step >> time_shift``.
    """
    never = silent_time(len(spikes), time_shift)
    first = SpikeTime(spike_time) is SpikeTime.FIRST
    before = _steps_before(spikes if first else spikes[::-1])
    fired = before < len(spikes)
    step = before if first else len(spikes) - 1 - before
    return Registers(fired, np.where(fired, step >> time_shift, never), never)


def _steps_before(spikes: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The number of steps before the first spike of each neuron in each window, which is all of them without one."""
    steps = len(spikes)
    if spikes[0].size < _WIDE:
        return np.where(spikes.any(axis=0), spikes.argmax(axis=0), steps)
    # argmax copies each neuron's steps together first, and takes eight times as long where there are many neurons.
    fired, before = np.zeros(spikes.shape[1:], bool), np.zeros(spikes.shape[1:], np.min_scalar_type(steps))
    for now in spikes:
        fired |= now
        before += ~fired
    return before.astype(np.int64)
