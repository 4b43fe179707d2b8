"""Pieces of about a second, in which samples are presented where progress is shown or time is limited."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.running.progress import shows_progress
from ssdp_hw.running.target_registry import get_target
from ssdp_hw.running.time_limit import remaining_time

_SECONDS = 1.0
_FIRST = 32


class Pieces:
    """How many samples a target is given at once.

    Targets that begin a process or generate code for each call get all: those that cannot run in pieces. The reference,
    which is plain Python, begins at once.
    """

    def __init__(self, target: str) -> None:
        found = get_target(target)
        self._cuts = (shows_progress() or remaining_time() is not None) and (found.runs_in_pieces or found.is_reference)
        self._size = _FIRST

    def of(self, samples: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """The samples in their order, cut."""
        if not self._cuts:
            yield samples
            return
        start = 0
        while start < samples.size:
            begun = time.perf_counter()
            piece = samples[start : start + self._size]
            yield piece
            start += piece.size
            if time.perf_counter() - begun < _SECONDS / 2:
                self._size *= 2
            elif time.perf_counter() - begun > 2 * _SECONDS:
                self._size = max(self._size // 2, 1)
