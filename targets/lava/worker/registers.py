"""Spike-time registers: whether each neuron fired in the window, and when."""

from __future__ import annotations

from typing import Any

import numpy as np


class SpikeTimes:
    """Registers of one population for windows that lie side by side.

    Attributes:
        fired: bool, shape (windows, n).
        time: tick of the first (or last) spike; ``silent`` where there was none.
    """

    def __init__(self, windows: int, size: int, silent: int, last: bool) -> None:
        self._silent, self._last = silent, last
        self.fired = np.zeros((windows, size), bool)
        self.time = np.full((windows, size), silent, np.int64)

    def note(self, tick: int, spikes: Any) -> None:
        """Take in the spikes of a step, shape (windows, n)."""
        self.time[spikes if self._last else spikes & ~self.fired] = tick
        self.fired |= spikes

    def clear(self) -> None:
        """Begin a new window."""
        self.fired[...] = False
        self.time[...] = self._silent
