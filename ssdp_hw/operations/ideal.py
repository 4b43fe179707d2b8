"""The operations in real numbers: what a step means without rounding, wrapping and saturation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.arrays import Real
from ssdp_hw.operations.base import LEAST_DIVISOR, Operations, Rounding
from ssdp_hw.operations.philox import neuron_random


class IdealOperations(Operations):
    """float64 arrays; a product with a number of ``bits`` binary places is divided by ``2**bits`` exactly."""

    lsb = 0

    def select(self, condition: ArrayLike, where_true: ArrayLike, where_false: ArrayLike) -> Real:
        return np.where(condition, where_true, where_false)

    def minimum(self, a: ArrayLike, b: ArrayLike) -> Real:
        return np.asarray(np.minimum(a, b))

    def maximum(self, a: ArrayLike, b: ArrayLike) -> Real:
        return np.asarray(np.maximum(a, b))

    def shift_left(self, x: ArrayLike, bits: int) -> Real:
        return np.asarray(np.multiply(x, 2.0**bits))

    # What draws the random numbers of a neuron model's step, by their bits and their number in the step.
    draw: Callable[[int, int], Real] | None = None
    drawn: int = 0

    def shift_right(self, x: ArrayLike, bits: int, rounding: str = "floor") -> Real:
        self._pass_over(rounding)
        return np.asarray(np.multiply(x, 2.0**-bits))

    def unshifted(self, x: ArrayLike) -> Real:
        """x: real numbers have one scale."""
        return np.asarray(x, np.float64)

    def scale(self, x: ArrayLike, gain: ArrayLike, bits: int, rounding: str = "zero") -> Real:
        self._pass_over(rounding)
        return np.asarray(np.multiply(x, np.multiply(gain, 2.0**-bits)))

    def _pass_over(self, rounding: str) -> None:
        """Leave out the random number that rounds integers here, so that later ones are those of the integers."""
        self.drawn += Rounding(rounding) is Rounding.STOCHASTIC

    def divide(self, a: ArrayLike, b: ArrayLike) -> Real:
        return np.asarray(np.divide(a, np.where(np.equal(b, 0), LEAST_DIVISOR, b)))

    def begin_noise(self, step: ArrayLike, low: ArrayLike, high: ArrayLike) -> None:
        self.drawn = 0
        self.draw = lambda bits, number: np.asarray(neuron_random(step, low, high, number, bits), np.float64)

    def random(self, bits: int) -> Real:
        """The number that integers draw; 0 in a rule, where it serves to round."""
        if self.draw is None:
            return np.zeros(())
        self.drawn += 1
        return self.draw(bits, self.drawn - 1)

    def lookup(self, table: Sequence[int], index: ArrayLike) -> Real:
        """Between two entries, on the straight line through them."""
        return np.asarray(
            np.interp(np.asarray(index, np.float64), np.arange(len(table)), np.asarray(table, np.float64))
        )

    def saturate(self, x: ArrayLike, state: str) -> Real:
        return np.asarray(x, np.float64)

    def wrap(self, x: ArrayLike, state: str) -> Real:
        return np.asarray(x, np.float64)

    def never(self) -> NDArray[np.bool_]:
        return np.zeros((), bool)
