"""Timing side by side: every contender in turn, round after round, so that all meet the same noise.

Each comes to a machine that has just done something else, so a short run is timed the second time it is made.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDS = 9
SECONDS = 4.0  # of all rounds of one contender after the first
# Threads of OpenBLAS, OpenMP and others wait for more work in a loop, on the processors of whoever comes next.
PAUSE = 0.04  # seconds, by when they sleep
SHORT = 0.1  # seconds of a run that is made twice


@dataclass(frozen=True, eq=False)
class Contender:
    """Something that does the same work.

    Attributes:
        run: does it once and returns what is compared; None if nothing can be.
        samples: how many samples (or windows) that is.
        exact: whether the result must equal the reference in every bit.
        rounds: at most so many; with none the run that is checked is timed.
        seconds: of its last run, where that is less than its wall time: without starting or building a simulator.
    """

    name: str
    run: Callable[[], Any]
    samples: int
    exact: bool = True
    rounds: int = ROUNDS
    seconds: Callable[[], float] | None = None

    def timed(self) -> tuple[Any, float]:
        """The result, and the seconds of one run."""
        time.sleep(PAUSE)
        result, elapsed = self._run()
        if elapsed < SHORT:
            result, elapsed = self._run()
        return result, elapsed if self.seconds is None else self.seconds()

    def _run(self) -> tuple[Any, float]:
        start = time.perf_counter()
        result = self.run()
        return result, time.perf_counter() - start


@dataclass(frozen=True)
class Timing:
    """One row of a table: seconds of every round, samples a second at the median and the fastest."""

    name: str
    samples: int
    seconds: tuple[float, ...]
    equal: float | None  # share of the compared values that equal the reference; None: another rule, not compared

    @property
    def rate(self) -> float:
        """Samples a second at the median."""
        return self.samples / statistics.median(self.seconds)

    @property
    def best(self) -> float:
        """Samples a second in the fastest round."""
        return self.samples / min(self.seconds)


def measure(contenders: Sequence[Contender], reference: NDArray[Any], axis: int) -> list[Timing]:
    """Check every contender, which warms it up, then time all in turn.

    Args:
        contenders: those to time.
        reference: what they must give; one that runs fewer samples is held against its first ones.
        axis: that of the samples.

    Raises:
        ArithmeticError: an exact contender gave something else.
    """
    equal: list[float | None] = []
    seconds: list[list[float]] = []
    for c in contenders:
        result, first = c.timed()
        seconds.append([] if c.rounds else [first])
        if result is None:
            equal.append(None)
            continue
        expected = np.take(reference, range(min(c.samples, reference.shape[axis])), axis)
        share = float(np.mean(result == expected))
        equal.append(share)
        if c.exact and not np.array_equal(result, expected):
            raise ArithmeticError(f"{c.name} does not equal the specification: {1 - share:.2%} differ")
    for turn in range(ROUNDS):
        for c, spent in zip(contenders, seconds, strict=True):
            if turn < c.rounds and (not spent or sum(spent) < SECONDS):
                spent.append(c.timed()[1])
    return [Timing(c.name, c.samples, tuple(s), e) for c, s, e in zip(contenders, seconds, equal, strict=True)]
