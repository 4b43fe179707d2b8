"""Says that the engine compiles, which it does once for each kind of network, and how long that took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from numba.core import event

from ssdp_hw.running.progress import describe, say

# Compilation that took less is not worth a sentence.
_SECONDS = 1.0


class _Clock(event.Listener):  # type: ignore[misc]
    """Adds up the time in which Numba compiles; what it compiles for that is within."""

    def __init__(self) -> None:
        self.seconds, self._depth, self._start = 0.0, 0, 0.0

    def on_start(self, event: event.Event) -> None:
        if self._depth == 0:
            self._start = time.perf_counter()
            describe("compiling the engine for this kind of network")
        self._depth += 1

    def on_end(self, event: event.Event) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.seconds += time.perf_counter() - self._start
            describe("")


@contextmanager
def told() -> Iterator[None]:
    """Say after the block how long of its time was spent on compiling, if it was long."""
    clock = _Clock()
    try:
        with event.install_listener("numba:compile", clock):
            yield
    finally:
        if clock.seconds >= _SECONDS:
            say(
                f"compiled the engine for this kind of network in {clock.seconds:.1f} s; the code is kept, so that the "
                "next run begins at once"
            )
