"""The operations on int64 arrays: the meaning of a fixed-point network, by :mod:`ssdp_hw.arithmetic`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw import arithmetic
from ssdp_hw.arrays import Int
from ssdp_hw.operations.base import Operations, Rounding
from ssdp_hw.operations.philox import neuron_random


class ExactOperations(Operations):
    """Integers of the chip; ``counts`` gathers the overflows by their name, such as ``v_saturations``.

    A value may be the same for all samples, or for all neurons, and have a smaller shape; where ``shape`` is set its
    overflows count for each of these.
    """

    counts: dict[str, int]
    shape: tuple[int, ...] | None = None
    # The random numbers of a step, by their bits and their number in the step.
    draw: Callable[[int, int], Int] | None = None
    drawn: int = 0

    def counting(self) -> ExactOperations:
        """This object, with all counts at 0."""
        self.counts = {}
        return self

    def select(self, condition: ArrayLike, where_true: ArrayLike, where_false: ArrayLike) -> Int:
        return np.where(condition, where_true, where_false)

    def minimum(self, a: ArrayLike, b: ArrayLike) -> Int:
        return np.asarray(np.minimum(a, b))

    def maximum(self, a: ArrayLike, b: ArrayLike) -> Int:
        return np.asarray(np.maximum(a, b))

    def shift_left(self, x: ArrayLike, bits: int) -> Int:
        return arithmetic.shift(x, bits)

    def shift_right(self, x: ArrayLike, bits: int, rounding: str = "floor") -> Int:
        how = Rounding(rounding)
        if how is Rounding.STOCHASTIC:
            return arithmetic.shift_down(np.asarray(x, np.int64) + self.random(bits), bits)
        return arithmetic.shift_down(x, bits, how)

    def scale(self, x: ArrayLike, gain: ArrayLike, bits: int, rounding: str = "zero") -> Int:
        if Rounding(rounding) is Rounding.STOCHASTIC:
            return self.shift_right(np.asarray(x, np.int64) * np.asarray(gain, np.int64), bits, rounding)
        return arithmetic.scaled(x, gain, bits, rounding)

    def divide(self, a: ArrayLike, b: ArrayLike) -> Int:
        return np.asarray(np.asarray(a, np.int64) // np.asarray(b, np.int64))

    def begin_noise(self, step: ArrayLike, low: ArrayLike, high: ArrayLike) -> None:
        self.drawn = 0
        self.draw = lambda bits, number: neuron_random(step, low, high, number, bits)

    def random(self, bits: int) -> Int:
        if self.draw is None:
            return np.asarray(super().random(bits))
        self.drawn += 1
        return self.draw(bits, self.drawn - 1)

    def lookup(self, table: Sequence[int], index: ArrayLike) -> Int:
        return np.asarray(np.asarray(table, np.int64)[np.clip(index, 0, len(table) - 1)])

    def saturate(self, x: ArrayLike, state: str) -> Int:
        clipped = arithmetic.saturate(x, self.registers[state])
        self._count(f"{state}_saturations", clipped != x)
        return clipped

    def wrap(self, x: ArrayLike, state: str) -> Int:
        bits = self.registers[state]
        wrapped, half = arithmetic.wrap_once(x, bits), 1 << (bits - 1)
        self._count(f"{state}_wraps", wrapped != x)
        self._count(f"{state}_out_of_range", (wrapped > half) | (wrapped < -half))
        return wrapped

    def never(self) -> NDArray[np.bool_]:
        return np.zeros((), bool)

    def _count(self, name: str, where: ArrayLike) -> None:
        everywhere = where if self.shape is None else np.broadcast_to(where, self.shape)
        self.counts[name] = self.counts.get(name, 0) + int(np.count_nonzero(everywhere))
