"""Tensors of a recorded run as affine functions: matrices times the spikes of known steps, plus a constant."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from ssdp_hw.arrays import Real
from ssdp_hw.conversion.weight_algebra import Budget, absolute, identity, never_negative, product, total
from ssdp_hw.network.weight import Weight

# A source (an input, or a population of neurons by its name), and the step in which it sent.
Key = tuple[str, int]


@dataclass(frozen=True, eq=False)
class Path:
    """The way from a source to a tensor.

    Attributes:
        weight: shape (values, source); None for the identity.
        gross: the same path with the absolute value of every factor, which bounds rounding; None as above.
        via: names of the module's weights on the way.
    """

    weight: Weight | None = None
    gross: Weight | None = None
    via: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class LinearStep:
    """One operation: ``weight x + bias``.

    Attributes:
        weight: shape (out, in); None for the identity.
        bias: shape (out,), or None.
        roundings: how many rounded operations stand behind a value.
        via: name of the weight, or ().
    """

    weight: Weight | None
    bias: Real | None = None
    roundings: int = 1
    via: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Affine:
    """A tensor of shape (batch, *shape) as an affine function of spikes.

    Attributes:
        shape: that of one sample.
        terms: by source and step.
        constant, gross_constant: shape (values,), what does not depend on spikes, and its sum of absolute values.
        roundings: rounded operations behind a value, at most.
        spikes: whether it is the spikes of one source as they are.
        where: source line of the operation that made it.
        divided: number of steps, where a sum over the steps of a run was divided by it; else 1.
    """

    shape: tuple[int, ...]
    terms: dict[Key, Path] = field(default_factory=dict)
    constant: Real = field(default_factory=lambda: np.zeros(0))
    gross_constant: Real = field(default_factory=lambda: np.zeros(0))
    roundings: int = 0
    spikes: bool = False
    where: str = ""
    divided: int = 1

    @classmethod
    def source(cls, name: str, step: int, shape: tuple[int, ...], *, spikes: bool) -> Affine:
        """The spikes that a source sends in a step, as an affine function of themselves."""
        zeros = np.zeros(math.prod(shape))
        return cls(shape, {(name, step): Path()}, zeros, zeros, spikes=spikes)

    @property
    def size(self) -> int:
        """Number of values of a sample."""
        return math.prod(self.shape)

    @property
    def summed_steps(self) -> int:
        """Number of steps whose spikes it adds up, from the first one on, each source alike; 0 if it does not."""
        sources = {source for source, _ in self.terms}
        steps = len(self.terms) // max(len(sources), 1)
        whole = steps > 1 and set(self.terms) == {(source, step) for source in sources for step in range(steps)}
        return steps if whole else 0

    def reshaped(self, shape: tuple[int, ...]) -> Affine:
        """The same values in C order under another shape."""
        return replace(self, shape=shape)


class Algebra:
    """Products and sums of :class:`Affine` values; products of the same matrices are made once."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._made: dict[tuple[str | int, ...], tuple[Weight, tuple[Weight | None, ...]]] = {}

    def through(self, step: LinearStep, value: Affine, shape: tuple[int, ...], where: str) -> Affine:
        """The affine function that an operation makes of another."""
        size = math.prod(shape)
        terms = {}
        for key, term in value.terms.items():
            weight = self._product(step.weight, term.weight, where)
            same = term.gross is term.weight and never_negative(step.weight) and never_negative(term.weight)
            gross = weight if same else self._product(self._absolute(step.weight), term.gross, where)
            terms[key] = Path(weight, gross, (*term.via, *step.via))
        constant = self._apply(step.weight, value.constant, size)
        gross_constant = self._apply(self._absolute(step.weight), value.gross_constant, size)
        if step.bias is not None:
            constant, gross_constant = constant + step.bias, gross_constant + np.abs(step.bias)
        roundings = value.roundings + step.roundings
        return Affine(shape, terms, constant, gross_constant, roundings, where=where, divided=value.divided)

    def total(self, values: Iterable[Affine], shape: tuple[int, ...], where: str) -> Affine:
        """The sum of values of one shape."""
        size = math.prod(shape)
        terms: dict[Key, Path] = {}
        constant, gross, roundings = np.zeros(size), np.zeros(size), 0
        values = list(values)
        for value in values:
            for key, term in value.terms.items():
                terms[key] = self._sum(terms[key], term, size) if key in terms else term
            constant, gross = constant + value.constant, gross + value.gross_constant
            roundings = max(roundings, value.roundings) + 1
        divided = {value.divided for value in values}
        alike = divided.pop() if len(divided) == 1 else 1
        return Affine(shape, terms, constant, gross, roundings, where=where, divided=alike)

    def _sum(self, a: Path, b: Path, size: int) -> Path:
        def added(x: Weight | None, y: Weight | None) -> Weight:
            return self._once(f"sum of {size}", lambda: total(identity(x, size), identity(y, size)), x, y)

        return Path(added(a.weight, b.weight), added(a.gross, b.gross), tuple(dict.fromkeys(a.via + b.via)))

    def _product(self, weight: Weight | None, before: Weight | None, where: str) -> Weight | None:
        if weight is None or before is None:
            return before if weight is None else weight
        return self._once("product", lambda: product(weight, before, where, self.budget), weight, before)

    def _apply(self, weight: Weight | None, values: Real, size: int) -> Real:
        if weight is None:
            return values
        if not values.any():
            return np.zeros(size)
        matrix = self._once("unrolled", weight.by_synapse, weight).given if weight.shared else weight.given
        return np.asarray(matrix @ values, np.float64)

    def _absolute(self, weight: Weight | None) -> Weight | None:
        return None if weight is None else self._once("absolute", lambda: absolute(weight), weight)

    def _once(self, operation: str, make: Callable[[], Weight], *of: Weight | None) -> Weight:
        """The result of ``make`` for these weight objects, computed once.

        The cache holds the weights, so that no other object gets their ids.
        """
        key: tuple[str | int, ...] = (operation, *map(id, of))
        if key not in self._made:
            self._made[key] = (make(), of)
        return self._made[key][0]
