"""Spike-time registers: for each neuron and window, whether it fired and when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import Choice


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
    steps = len(spikes)
    fired = spikes.any(axis=0)
    if SpikeTime(spike_time) is SpikeTime.FIRST:
        step = spikes.argmax(axis=0)
    else:
        step = steps - 1 - spikes[::-1].argmax(axis=0)
    never = silent_time(steps, time_shift)
    return Registers(fired, np.where(fired, step >> time_shift, never).astype(np.int64), never)
