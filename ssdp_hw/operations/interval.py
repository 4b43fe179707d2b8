"""The operations on intervals: where the values of a step can lie, whatever the input (abstract interpretation).

A value is an interval for every neuron, a condition says for every neuron whether it can be true and whether it can
be false. Every operation of integers that grows or falls with its argument has the exact interval of its results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ssdp_hw import arithmetic
from ssdp_hw.arrays import Bool, Int
from ssdp_hw.operations.base import Operations, Rounding, Value

# An interval, or a constant, of which there may be one for every neuron.
Operand: TypeAlias = "Interval | Int | int"


@dataclass(frozen=True, eq=False)
class Interval:
    """Integers from ``low`` to ``high``, both of shape (n,)."""

    low: Int
    high: Int

    @classmethod
    def of(cls, value: Operand) -> Interval:
        """An interval itself, or the one of a constant."""
        return value if isinstance(value, Interval) else cls(*[np.asarray(value, np.int64)] * 2)

    def union(self, other: Interval) -> Interval:
        """The smallest interval that holds both."""
        return Interval(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def within(self, other: Interval) -> bool:
        """Whether the other holds this one, for every neuron."""
        return bool(np.all(self.low >= other.low) and np.all(self.high <= other.high))

    def _corners(self, other: Operand, function: Callable[[Int, Int], Int]) -> Interval:
        """The interval of a function of two arguments that is monotone in each."""
        o = Interval.of(other)
        found = [function(a, b) for a in (self.low, self.high) for b in (o.low, o.high)]
        return Interval(np.minimum.reduce(found), np.maximum.reduce(found))

    def __add__(self, other: Operand) -> Interval:
        o = Interval.of(other)
        return Interval(self.low + o.low, self.high + o.high)

    def __sub__(self, other: Operand) -> Interval:
        o = Interval.of(other)
        return Interval(self.low - o.high, self.high - o.low)

    def __mul__(self, other: Operand) -> Interval:
        found = self._corners(other, lambda a, b: a * b)
        if other is not self:
            return found
        # No square is below 0, and it comes near 0 only where its root does.
        crosses = (self.low <= 0) & (self.high >= 0)
        return Interval(np.where(crosses, 0, np.minimum(self.low**2, self.high**2)), found.high)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Operand) -> Interval:
        return Interval.of(other) - self

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __lt__(self, other: Operand) -> Maybe:
        o = Interval.of(other)
        return Maybe(self.low < o.high, self.high >= o.low)

    def __le__(self, other: Operand) -> Maybe:
        o = Interval.of(other)
        return Maybe(self.low <= o.high, self.high > o.low)

    def __gt__(self, other: Operand) -> Maybe:
        return Interval.of(other) < self

    def __ge__(self, other: Operand) -> Maybe:
        return Interval.of(other) <= self

    def __eq__(self, other: Operand) -> Maybe:  # type: ignore[override]
        o = Interval.of(other)
        single = (self.low == self.high) & (o.low == o.high) & (self.low == o.low)
        return Maybe((self.low <= o.high) & (o.low <= self.high), ~single)

    def __ne__(self, other: Operand) -> Maybe:  # type: ignore[override]
        return ~(self == other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Maybe:
    """A condition: whether it can be true and whether it can be false, for every neuron.

    Attributes:
        exceeds: pairs of a voltage and a level that it reaches wherever the condition is true.
        exactly: whether it is true wherever the only such voltage reaches its level.
    """

    true: Bool
    false: Bool
    exceeds: tuple[tuple[Operand, Operand], ...] = ()
    exactly: bool = False

    def __and__(self, other: Maybe) -> Maybe:
        return Maybe(self.true & other.true, self.false | other.false, (*self.exceeds, *other.exceeds))

    def __or__(self, other: Maybe) -> Maybe:
        return Maybe(self.true | other.true, self.false & other.false)

    def __invert__(self) -> Maybe:
        return Maybe(self.false, self.true)


class IntervalOperations(Operations):
    """Intervals of int64; ``limited`` gathers what every limit got before it acted, by the name of its state."""

    limited: dict[str, Interval]
    noisy = False  # whether random numbers may be drawn

    def counting(self) -> IntervalOperations:
        """This object, with no limit seen so far."""
        self.limited = {}
        return self

    def select(self, condition: Maybe, where_true: Value, where_false: Value) -> Value:
        a, b = where_true, where_false
        if isinstance(a, Maybe):
            return (condition & a) | (~condition & b)
        a, b = Interval.of(a), Interval.of(b)
        low = np.where(condition.true, np.where(condition.false, np.minimum(a.low, b.low), a.low), b.low)
        high = np.where(condition.true, np.where(condition.false, np.maximum(a.high, b.high), a.high), b.high)
        return Interval(low, high)

    def minimum(self, a: Operand, b: Operand) -> Interval:
        x, y = Interval.of(a), Interval.of(b)
        return Interval(np.minimum(x.low, y.low), np.minimum(x.high, y.high))

    def maximum(self, a: Operand, b: Operand) -> Interval:
        x, y = Interval.of(a), Interval.of(b)
        return Interval(np.maximum(x.low, y.low), np.maximum(x.high, y.high))

    def absolute(self, x: Operand) -> Interval:
        n = Interval.of(x)
        top = np.maximum(np.abs(n.low), np.abs(n.high))
        crosses = (n.low <= 0) & (n.high >= 0)
        return Interval(np.where(crosses, 0, np.minimum(np.abs(n.low), np.abs(n.high))), top)

    def shift_left(self, x: Operand, bits: int) -> Interval:
        n = Interval.of(x)
        return Interval(n.low << bits, n.high << bits)

    def shift_right(self, x: Operand, bits: Operand, rounding: str = "floor") -> Interval:
        n, how = Interval.of(x), Rounding(rounding)
        if not isinstance(bits, int):
            return n._corners(bits, lambda a, b: arithmetic.shift_down(a, b, how))
        if how is Rounding.STOCHASTIC:
            n, how = n + self.random(bits), Rounding.FLOOR
        return Interval(*(arithmetic.shift_down(e, bits, how) for e in (n.low, n.high)))

    def scale(self, x: Operand, gain: Operand, bits: int, rounding: str = "zero") -> Interval:
        n, how = Interval.of(x), Rounding(rounding)
        if how is Rounding.STOCHASTIC:
            return self.shift_right(n * gain, bits, rounding)
        return n._corners(gain, lambda a, b: arithmetic.scaled(a, b, bits, how))

    def divide(self, a: Operand, b: Operand) -> Interval:
        return Interval.of(a)._corners(b, lambda x, y: np.asarray(x // y))

    def begin_noise(self, step: Operand, low: Operand, high: Operand) -> None:
        self.noisy = True

    def random(self, bits: int) -> Interval:
        """Every number that may be drawn."""
        if not self.noisy:
            return Interval.of(super().random(bits))
        return Interval(np.asarray(0, np.int64), np.asarray((1 << bits) - 1, np.int64))

    def lookup(self, table: Sequence[int], index: Operand) -> Interval:
        entries, place = np.asarray(table, np.int64), Interval.of(index)
        first, last = (np.clip(e, 0, len(entries) - 1) for e in (place.low, place.high))
        inside = (np.arange(len(entries)) >= first[..., None]) & (np.arange(len(entries)) <= last[..., None])
        low = np.where(inside, entries, np.iinfo(np.int64).max).min(axis=-1)
        return Interval(low, np.where(inside, entries, np.iinfo(np.int64).min).max(axis=-1))

    def saturate(self, x: Operand, state: str) -> Interval:
        n, top = Interval.of(x), (1 << (self.registers[state] - 1)) - 1
        self.limited[f"{state}_saturations"] = n
        return Interval(np.clip(n.low, -top, top), np.clip(n.high, -top, top))

    def wrap(self, x: Operand, state: str) -> Interval:
        n, half = Interval.of(x), 1 << (self.registers[state] - 1)
        self.limited[f"{state}_wraps"] = n
        inside = (n.low > -half) & (n.high <= half)
        return Interval(np.where(inside, n.low, 1 - half), np.where(inside, n.high, half))

    def never(self) -> Maybe:
        return Maybe(np.zeros((), bool), np.ones((), bool))

    def fires(self, v: Operand, threshold: Operand) -> Maybe:
        """The spike condition, which remembers what it compared."""
        found: Maybe = super().fires(v, threshold)
        return Maybe(found.true, found.false, ((v, threshold),), exactly=True) if self.spiking else found

    def reset(self, v: Operand, fired: Maybe, threshold: Operand) -> Interval:
        """As in the integers; where ``fired`` compared this voltage with this threshold, that is made use of."""
        n, level = Interval.of(v), Interval.of(threshold)
        if not self.spiking:
            return n
        compared = any(a is v and b is threshold for a, b in fired.exceeds)
        below = n
        if compared and fired.exactly:  # a neuron that did not fire is at most at its threshold
            below = Interval(np.minimum(n.low, level.high), np.minimum(n.high, level.high))
        after = Interval.of(0)
        if self.subtract:
            after = n - level
            if compared:  # a neuron that fired was at least at its threshold
                after = Interval(np.maximum(after.low, 0), np.maximum(after.high, 0))
        found: Interval = self.select(fired, after, below)
        return found
