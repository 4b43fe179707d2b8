"""The operations with gradients: forwards the integers, backwards their reading in real numbers (straight-through).

Every value is a pair: the integers that :mod:`.exact` computes, and a float64 tensor of the same numbers through which
torch passes gradients. An operation's gradient is that of :mod:`.ideal` at these numbers: rounding, wrapping and
saturation count as the identity (Bengio, Leonard and Courville, arXiv 1308.3432). Conditions are as they fell and pass
no gradient, but for a spike: where ``op.fires`` compares, the gradient is the slope of a fast sigmoid (Zenke and
Ganguli, Neural Computation 30, 2018) in units of the threshold; a reset passes none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.operations.base import Operations, Value
from ssdp_hw.operations.exact import ExactOperations

Tensor = Any  # torch is Any where it is not installed

# Steepness of the surrogate gradient, for voltages in units of the threshold.
STEEPNESS = 5.0


class _Reading(torch.autograd.Function):  # type: ignore[misc]
    """Integers forwards, the gradient of another tensor backwards."""

    @staticmethod
    def forward(ctx: Any, reading: Tensor, integers: Tensor) -> Tensor:  # noqa: ARG004
        """The integers."""
        return integers

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
        """The gradient, to the reading."""
        return gradient, None


class _Spike(torch.autograd.Function):  # type: ignore[misc]
    """The spike condition forwards, the slope of a fast sigmoid backwards."""

    @staticmethod
    def forward(ctx: Any, distance: Tensor, threshold: Tensor, fired: Tensor) -> Tensor:
        """1 where a neuron fired, else 0."""
        ctx.save_for_backward(distance, threshold.abs())
        return fired

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The gradient times the slope of ``x / (1 + k |x|)``; a threshold of 0 says of no distance how far it is."""
        distance, unit = ctx.saved_tensors
        scaled = (unit + STEEPNESS * distance.abs()).square()
        return torch.where(unit > 0, gradient * unit / torch.where(unit > 0, scaled, 1.0), 0.0), None, None


class _Events(torch.autograd.Function):  # type: ignore[misc]
    """A number of events forwards, the gradient of ``v / threshold`` backwards, where such a number is near."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, threshold: Tensor, most: Tensor, count: Tensor) -> Tensor:
        """The number."""
        inside = (v >= 0.5 * threshold) & (v < (most + 0.5) * threshold) & (threshold > 0)
        ctx.save_for_backward(torch.where(inside, 1.0 / torch.where(inside, threshold, 1.0), 0.0))
        return count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        """The gradient in thresholds."""
        (slope,) = ctx.saved_tensors
        return gradient * slope, None, None, None


class Tracked:
    """Integers of a step, and their reading in real numbers.

    Attributes:
        integers: int64 array, or one integer.
        real: the same numbers as a float64 tensor that may carry a gradient; or one float.
    """

    __slots__ = ("integers", "real")
    __array_ufunc__ = None  # arrays leave the operators to this class

    def __init__(self, integers: Any, real: Tensor | float) -> None:
        self.integers, self.real = integers, real

    @classmethod
    def of(cls, value: Value) -> Tracked:
        """A value of a step, an array or a number; the latter two carry no gradient."""
        if isinstance(value, Tracked):
            return value
        if isinstance(value, int):
            return cls(value, float(value))
        array = np.asarray(value, np.int64)
        return cls(array, torch.from_numpy(array.astype(np.float64)))

    @classmethod
    def through(cls, reading: Tensor | float, integers: NDArray[np.int64]) -> Tracked:
        """Integers with the gradient of their reading."""
        exact = torch.from_numpy(integers.astype(np.float64))
        return cls(integers, _Reading.apply(reading, exact) if torch.is_tensor(reading) else exact)

    @property
    def tensor(self) -> Tensor:
        """``real`` as a tensor."""
        return self.real if torch.is_tensor(self.real) else torch.tensor(self.real, dtype=torch.float64)

    def __add__(self, other: Value) -> Tracked:
        o = Tracked.of(other)
        return Tracked(self.integers + o.integers, self.real + o.real)

    def __sub__(self, other: Value) -> Tracked:
        o = Tracked.of(other)
        return Tracked(self.integers - o.integers, self.real - o.real)

    def __mul__(self, other: Value) -> Tracked:
        o = Tracked.of(other)
        return Tracked(self.integers * o.integers, self.real * o.real)

    def __radd__(self, other: Value) -> Tracked:
        return self.__add__(other)

    def __rsub__(self, other: Value) -> Tracked:
        return Tracked.of(other).__sub__(self)

    def __rmul__(self, other: Value) -> Tracked:
        return self.__mul__(other)

    def __neg__(self) -> Tracked:
        return Tracked(-self.integers, -self.real)

    def __lt__(self, other: Value) -> Condition:
        return Condition(self.integers < Tracked.of(other).integers)

    def __le__(self, other: Value) -> Condition:
        return Condition(self.integers <= Tracked.of(other).integers)

    def __gt__(self, other: Value) -> Condition:
        return Condition(self.integers > Tracked.of(other).integers)

    def __ge__(self, other: Value) -> Condition:
        return Condition(self.integers >= Tracked.of(other).integers)

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]
        return Condition(self.integers == Tracked.of(other).integers)

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        return Condition(self.integers != Tracked.of(other).integers)

    __hash__ = None  # type: ignore[assignment]


class Counted(Tracked):
    """A number of events in a step.

    Attributes:
        spike: 1 where there are any, 0 elsewhere, with the surrogate gradient of a spike.
    """

    __slots__ = ("spike",)

    def __init__(self, integers: Any, real: Tensor, spike: Tensor) -> None:
        super().__init__(integers, real)
        self.spike = spike


class Condition:
    """Where something holds.

    Attributes:
        holds: bool array.
        spike: where a spike is part of it, 1 where it holds and 0 elsewhere, with the surrogate gradient; else None.
    """

    __slots__ = ("holds", "spike")

    def __init__(self, holds: ArrayLike, spike: Tensor | None = None) -> None:
        self.holds, self.spike = np.asarray(holds, bool), spike

    @property
    def tensor(self) -> Tensor:
        """1 where it holds, 0 elsewhere."""
        return torch.from_numpy(self.holds.astype(np.float64)) if self.spike is None else self.spike

    def _with(self, holds: ArrayLike, other: Condition, spike: Tensor) -> Condition:
        return Condition(holds, None if self.spike is None and other.spike is None else spike)

    def __and__(self, other: Condition) -> Condition:
        return self._with(self.holds & other.holds, other, self.tensor * other.tensor)

    def __or__(self, other: Condition) -> Condition:
        return self._with(self.holds | other.holds, other, 1.0 - (1.0 - self.tensor) * (1.0 - other.tensor))

    def __invert__(self) -> Condition:
        return self._with(~self.holds, self, 1.0 - self.tensor)


class StraightThroughOperations(Operations):
    """Pairs of integers and their reading; ``exact`` computes the former and counts their overflows."""

    def __init__(self, exact: ExactOperations) -> None:
        super().__init__(
            exact.decay_bits, exact.registers, spiking=exact.spiking, at_least=exact.at_least, subtract=exact.subtract
        )
        self.exact, self.activation_shift = exact, exact.activation_shift

    def select(self, condition: Condition, where_true: Value, where_false: Value) -> Value:
        if isinstance(where_true, Condition):
            return (condition & where_true) | (~condition & where_false)
        a, b = Tracked.of(where_true), Tracked.of(where_false)
        chosen = self.exact.select(condition.holds, a.integers, b.integers)
        if condition.spike is not None:
            return Tracked(chosen, b.real + condition.spike * (a.real - b.real))
        return Tracked(chosen, torch.where(torch.from_numpy(condition.holds), a.tensor, b.tensor))

    def minimum(self, a: Value, b: Value) -> Tracked:
        x, y = Tracked.of(a), Tracked.of(b)
        # Of equal values the first has the gradient.
        least = torch.where(x.tensor <= y.tensor, x.tensor, y.tensor)
        return Tracked(self.exact.minimum(x.integers, y.integers), least)

    def maximum(self, a: Value, b: Value) -> Tracked:
        x, y = Tracked.of(a), Tracked.of(b)
        most = torch.where(x.tensor >= y.tensor, x.tensor, y.tensor)
        return Tracked(self.exact.maximum(x.integers, y.integers), most)

    def shift_left(self, x: Value, bits: int) -> Tracked:
        n = Tracked.of(x)
        return Tracked(self.exact.shift_left(n.integers, bits), n.real * 2.0**bits)

    def shift_right(self, x: Value, bits: Value, rounding: str = "floor") -> Tracked:
        n, by = Tracked.of(x), Tracked.of(bits)
        return Tracked.through(n.real * 2.0**-by.real, self.exact.shift_right(n.integers, by.integers, rounding))

    def scale(self, x: Value, gain: Value, bits: int, rounding: str = "zero") -> Tracked:
        n, g = Tracked.of(x), Tracked.of(gain)
        return Tracked.through(n.real * (g.real * 2.0**-bits), self.exact.scale(n.integers, g.integers, bits, rounding))

    def divide(self, a: Value, b: Value) -> Tracked:
        n, d = Tracked.of(a), Tracked.of(b)
        return Tracked.through(n.real / d.real, self.exact.divide(n.integers, d.integers))

    def lookup(self, table: Sequence[int], index: Value) -> Tracked:
        """The gradient is the slope of the straight line from the entry to the next one, 0 outside the table."""
        place = Tracked.of(index)
        entries = np.asarray(table, np.int64)
        slopes = torch.from_numpy(np.diff(entries, append=entries[-1]).astype(np.float64))
        inside = np.clip(place.integers, 0, len(entries) - 1)
        slope = slopes[torch.from_numpy(inside)] * torch.from_numpy(np.asarray(place.integers >= 0))
        return Tracked.through(place.real * slope, self.exact.lookup(table, place.integers))

    def begin_noise(self, step: Value, low: Value, high: Value) -> None:
        self.exact.begin_noise(*(Tracked.of(x).integers for x in (step, low, high)))

    def random(self, bits: int) -> Tracked:
        return Tracked.of(self.exact.random(bits))

    def saturate(self, x: Value, state: str) -> Tracked:
        n = Tracked.of(x)
        clipped = Tracked.through(n.real, self.exact.saturate(n.integers, state))
        return Counted(clipped.integers, clipped.real, n.spike) if isinstance(n, Counted) else clipped

    def wrap(self, x: Value, state: str) -> Tracked:
        n = Tracked.of(x)
        return Tracked.through(n.real, self.exact.wrap(n.integers, state))

    def never(self) -> Condition:
        return Condition(self.exact.never())

    def fires(self, v: Value, threshold: Value) -> Condition:
        n, level = Tracked.of(v), Tracked.of(threshold)
        fired: Condition = super().fires(n, level)
        if not self.spiking:
            return fired
        return Condition(fired.holds, _Spike.apply(n.tensor - level.tensor, level.tensor.detach(), fired.tensor))

    def events(self, v: Value, threshold: Value, most: Value, bits: int) -> tuple[Counted, Tracked]:
        n, level = Tracked.of(v), Tracked.of(threshold)
        found, left = super().events(n, level, most, bits)
        limit = torch.clamp(Tracked.of(most).tensor, max=(1 << bits) - 1)
        count, unit = found.tensor.detach(), level.tensor.detach()
        number = _Events.apply(n.tensor, unit, limit, count)
        spike = _Spike.apply(n.tensor - unit, unit, (count > 0).double())
        return Counted(found.integers, number, spike), Tracked(left.integers, n.real - count * level.real)

    def sends(self, payload: Value) -> Condition:
        fired: Condition = super().sends(payload)
        return Condition(fired.holds, payload.spike) if self.spiking and isinstance(payload, Counted) else fired

    def reset(self, v: Value, fired: Condition, threshold: Value) -> Value:
        return super().reset(v, Condition(fired.holds), threshold)
