"""Timing side by side: every contender in turn, round after round, so that all meet the same noise."""

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


@dataclass(frozen=True, eq=False)
class Contender:
    """Something that does the same work.

    Attributes:
        run: does it once and returns what is compared.
        samples: how many samples (or windows) that is.
        exact: whether the result must equal the reference in every bit.
        rounds: at most so many.
    """

    name: str
    run: Callable[[], Any]
    samples: int
    exact: bool = True
    rounds: int = ROUNDS


@dataclass(frozen=True)
class Timing:
    """One row of a table: seconds of every round, samples a second at the median and the fastest."""

    name: str
    samples: int
    seconds: tuple[float, ...]
    equal: float  # share of the compared values that equal the reference

    @property
    def rate(self) -> float:
        """Samples a second at the median."""
        return self.samples / statistics.median(self.seconds)

    @property
    def best(self) -> float:
        """Samples a second in the fastest round."""
        return self.samples / min(self.seconds)


def measure(contenders: Sequence[Contender], reference: NDArray[Any], axis: int) -> list[Timing]:
    """Warm up and check every contender, then time all in turn.

    Args:
        contenders: those to time.
        reference: what they must give; one that runs fewer samples is held against its first ones.
        axis: that of the samples.

    Raises:
        ArithmeticError: an exact contender gave something else.
    """
    equal = []
    for c in contenders:
        result = c.run()
        expected = np.take(reference, range(min(c.samples, reference.shape[axis])), axis)
        equal.append(float(np.mean(result == expected)))
        if c.exact and not np.array_equal(result, expected):
            raise ArithmeticError(f"{c.name} does not equal the specification: {1 - equal[-1]:.2%} differ")
    seconds: list[list[float]] = [[] for _ in contenders]
    for turn in range(ROUNDS):
        for c, spent in zip(contenders, seconds, strict=True):
            if turn < c.rounds and (not spent or sum(spent) < SECONDS):
                start = time.perf_counter()
                c.run()
                spent.append(time.perf_counter() - start)
    return [
        Timing(c.name, c.samples, tuple(s), e) for c, s, e in zip(contenders, seconds, equal, strict=True)
    ]
