"""What a tensor of a recorded run is: a sum of matrices times spikes of known steps, plus a constant."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ssdp_hw.conversion.nir.linear import Budget, diagonal
from ssdp_hw.conversion.nir.signals import add_matrices, product
from ssdp_hw.network.convolution import ConvWeight

Real = NDArray[np.float64]

# A source (an input, or a population of neurons by its name), and the step in which it sent.
Key = tuple[str, int]


@dataclass(frozen=True, eq=False)
class Weight:
    """A matrix in which the path from a source ends.

    Attributes:
        matrix: shape (values, source), of any kind that a projection takes; None for the identity.
        gross: the same path with the absolute value of every factor, which bounds rounding; None as above.
        via: names of the module's weights on the way.
    """

    matrix: Any = None
    gross: Any = None
    via: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class LinearStep:
    """One operation: ``matrix x + bias``.

    Attributes:
        matrix: shape (out, in); None for the identity.
        bias: shape (out,), or None.
        roundings: how many rounded operations stand behind a value.
        via: name of the weight, or ().
    """

    matrix: Any
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
    """

    shape: tuple[int, ...]
    terms: dict[Key, Weight] = field(default_factory=dict)
    constant: Real = field(default_factory=lambda: np.zeros(0))
    gross_constant: Real = field(default_factory=lambda: np.zeros(0))
    roundings: int = 0
    spikes: bool = False
    where: str = ""

    @classmethod
    def source(cls, name: str, step: int, shape: tuple[int, ...], *, spikes: bool) -> Affine:
        """What a source sends in a step."""
        zeros = np.zeros(math.prod(shape))
        return cls(shape, {(name, step): Weight()}, zeros, zeros, spikes=spikes)

    @property
    def size(self) -> int:
        """Number of values of a sample."""
        return math.prod(self.shape)

    def reshaped(self, shape: tuple[int, ...]) -> Affine:
        """The same values in C order under another shape."""
        return replace(self, shape=shape)


class Algebra:
    """Products and sums of :class:`Affine` values; products of the same matrices are made once."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._made: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def through(self, step: LinearStep, value: Affine, shape: tuple[int, ...], where: str) -> Affine:
        """The value behind an operation."""
        size = math.prod(shape)
        terms = {}
        for key, term in value.terms.items():
            matrix = self._product(step.matrix, term.matrix, where)
            same = term.gross is term.matrix and _never_negative(step.matrix) and _never_negative(term.matrix)
            gross = matrix if same else self._product(self._absolute(step.matrix), term.gross, where)
            terms[key] = Weight(matrix, gross, (*term.via, *step.via))
        constant = self._apply(step.matrix, value.constant, size)
        gross_constant = self._apply(self._absolute(step.matrix), value.gross_constant, size)
        if step.bias is not None:
            constant, gross_constant = constant + step.bias, gross_constant + np.abs(step.bias)
        return Affine(shape, terms, constant, gross_constant, value.roundings + step.roundings, where=where)

    def total(self, values: Iterable[Affine], shape: tuple[int, ...], where: str) -> Affine:
        """The sum of values of one shape."""
        size = math.prod(shape)
        terms: dict[Key, Weight] = {}
        constant, gross, roundings = np.zeros(size), np.zeros(size), 0
        for value in values:
            for key, term in value.terms.items():
                terms[key] = self._sum(terms[key], term, size) if key in terms else term
            constant, gross = constant + value.constant, gross + value.gross_constant
            roundings = max(roundings, value.roundings) + 1
        return Affine(shape, terms, constant, gross, roundings, where=where)

    def _sum(self, a: Weight, b: Weight, size: int) -> Weight:
        def added(x: Any, y: Any) -> Any:
            key = ("sum", id(x), id(y), size)
            if key not in self._made:
                self._made[key] = (add_matrices(identity(x, size), identity(y, size)), x, y)
            return self._made[key][0]

        return Weight(added(a.matrix, b.matrix), added(a.gross, b.gross), tuple(dict.fromkeys(a.via + b.via)))

    def _product(self, matrix: Any, before: Any, where: str) -> Any:
        if matrix is None or before is None:
            return before if matrix is None else matrix
        key = ("product", id(matrix), id(before))
        if key not in self._made:
            self._made[key] = (product(matrix, before, where, self.budget), matrix, before)
        return self._made[key][0]

    def _apply(self, matrix: Any, values: Real, size: int) -> Real:
        if matrix is None:
            return values
        if not values.any():
            return np.zeros(size)
        key = ("unrolled", id(matrix))
        if isinstance(matrix, ConvWeight):
            if key not in self._made:
                self._made[key] = (matrix.unrolled(), matrix)
            matrix = self._made[key][0]
        return np.asarray(matrix @ values, np.float64)

    def _absolute(self, matrix: Any) -> Any:
        if matrix is None:
            return None
        key = ("absolute", id(matrix))
        if key not in self._made:
            self._made[key] = (absolute(matrix), matrix)
        return self._made[key][0]


def absolute(matrix: Any) -> Any:
    """The weight with every value made positive; itself if it is."""
    if matrix is None or _never_negative(matrix):
        return matrix
    return matrix.with_values(np.abs(matrix.values)) if isinstance(matrix, ConvWeight) else abs(matrix)


def _never_negative(matrix: Any) -> bool:
    if matrix is None:
        return True
    values = matrix.kernel if isinstance(matrix, ConvWeight) else matrix.data if sp.issparse(matrix) else matrix
    return bool(np.all(np.asarray(values) >= 0))


def identity(matrix: Any, size: int) -> Any:
    """The weight; a diagonal of ones where it is None."""
    return diagonal(np.ones(size)) if matrix is None else matrix


def same_matrix(a: Any, b: Any, rounding: float = 0.0) -> bool:
    """Whether two weights are equal, synapse by synapse, but for a part ``rounding`` of the largest."""
    if a is b:
        return True
    if a is None or b is None or type(a) is not type(b):
        return False
    if isinstance(a, ConvWeight):
        same = a.geometry() == b.geometry() and a.kernel.shape == b.kernel.shape
        return same and same_matrix(a.kernel, b.kernel, rounding)
    if a.shape != b.shape:
        return False
    if rounding:
        return bool(abs(a - b).max() <= rounding * abs(a).max()) if 0 not in a.shape else True
    return not (a != b).nnz if sp.issparse(a) else bool(np.array_equal(a, b))
