"""The weight of a projection behind one interface, whichever way it stores its synapses.

A user gives a NumPy array, a scipy sparse array or a :class:`~ssdp_hw.ConvWeight` and gets it back from
``projection.weight``; ``projection.stored`` is the same weight as a :class:`Weight`, without a copy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ssdp_hw.arrays import GivenWeight, Numbers
from ssdp_hw.checks import as_array
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.files.record import Record
from ssdp_hw.network.sparse_check import canonical

Index = NDArray[np.int64]


# Sums are taken in int64, to which NumPy converts all of its operand before.
_SYNAPSES_AT_ONCE = 1 << 22


class Weight(ABC):
    """A weight of shape (post, pre): which synapses there are, and the weights stored for them.

    Synapses are counted in row-major order of the matrix (post, pre). Where synapses share weights (``shared``)
    there are fewer stored weights than synapses.
    """

    kind: ClassVar[str]  # for people
    sparse: ClassVar[bool]  # whether the matrix in which every synapse has an entry is a sparse one
    shared: ClassVar[bool] = False

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """(post, pre)."""

    @property
    @abstractmethod
    def given(self) -> GivenWeight:
        """The object that users give and get: an array, a ``csr_array`` or a ConvWeight."""

    @abstractmethod
    def to_record(self) -> Record:
        """What a file keeps of the weight; :func:`ssdp_hw.network.convolution.weight_from_record` reads it."""

    @property
    @abstractmethod
    def values(self) -> Numbers:
        """The stored weights: one a synapse, or those of a kernel in its row-major order."""

    @property
    def synapses(self) -> int:
        """Number of synapses."""
        return self.values.size

    @abstractmethod
    def with_values(self, values: Numbers) -> Weight:
        """The same synapses with other stored weights, in the order of ``values``; their places are not copied."""

    @abstractmethod
    def sum(self, axis: int) -> Numbers:
        """Sums of the rows (axis 1), shape (post,), or of the columns (axis 0), shape (pre,)."""

    @property
    @abstractmethod
    def row_start(self) -> Index:
        """Number of the first synapse of each postsynaptic neuron, and the number of synapses: shape (post + 1,)."""

    @abstractmethod
    def synapse_indices(self) -> tuple[Index, Index]:
        """Row (post) and column (pre) of every synapse.

        Raises:
            UnsupportedError: a convolution of too many synapses.
        """

    @abstractmethod
    def times_outputs(self, factors: NDArray[np.float64]) -> Weight | None:
        """Every row times its factor, shape (post,); None if synapses that share a weight differ in it."""

    @abstractmethod
    def times_inputs(self, factors: NDArray[np.float64]) -> Weight | None:
        """Every column times its factor, shape (pre,); None if synapses that share a weight differ in it."""

    @property
    def diagonal(self) -> Numbers | None:
        """The factors of a weight that multiplies each value by one of its own, shape (post,); else None."""
        return None

    def after_pooling(self, pool: Weight) -> Weight | None:
        """What a pooling and then this weight do, where that is one convolution; else None."""
        return None

    @abstractmethod
    def most_inputs(self, ends: Index) -> int:
        """Most presynaptic neurons that any of the groups of rows ``ends[k] .. ends[k + 1] - 1`` has synapses from."""

    @property
    @abstractmethod
    def pattern(self) -> object:
        """Where the synapses are and which share a weight, as something to compare."""

    @abstractmethod
    def per_synapse(self, values: Numbers, owner: str) -> Numbers:
        """Values in the form of the weight, or one a synapse, as one a synapse.

        Raises:
            ShapeError: another shape; or the synapses share weights.
        """

    def by_synapse(self) -> Weight:
        """The weight with one stored value a synapse: a dense or sparse matrix.

        Raises:
            UnsupportedError: a convolution of too many synapses.
        """
        return self

    def stored_index(self) -> Index:
        """For every synapse the position of its weight in ``values``."""
        return np.arange(self.synapses)

    def sum_shared(self, values: Numbers, index: Index) -> Numbers:
        """Values of all synapses, those that share a stored weight added up; ``index`` is ``stored_index()``."""
        return values

    @abstractmethod
    def stored_rows(self, ends: Index) -> Index:
        """Number of stored weights that each group of rows ``ends[k] .. ends[k + 1] - 1`` needs."""

    def times_rows(self, factors: NDArray[np.float64]) -> Weight:
        """Every row times its factor, shape (post,); a weight for each synapse where one kernel cannot hold that.

        Raises:
            UnsupportedError: a convolution of too many synapses.
        """
        scaled = self.times_outputs(factors)
        if scaled is None:
            scaled = self.by_synapse().times_outputs(factors)
            assert scaled is not None
        return scaled

    def largest(self) -> float:
        """Largest magnitude."""
        return float(np.max(np.abs(self.values), initial=0.0))

    def row_maxima(self) -> NDArray[np.float64]:
        """Largest magnitude of every row; of a convolution, of every output's channel."""
        largest = np.zeros(self.shape[0])
        np.maximum.at(largest, self.synapse_indices()[0], np.abs(self.values))
        return largest

    def signed_row_sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sums of the positive and of the negative weights of every row, both as values of at least 0."""
        up, down = (
            np.asarray(self.with_values(np.maximum(sign * self.values, 0.0)).sum(axis=1), np.float64)
            for sign in (1.0, -1.0)
        )
        return up, down

    def absolute_row_sums(self) -> Index:
        """Sums of the magnitudes of the integer weights of every row, shape (post,)."""
        return np.asarray(self.with_values(np.abs(self.values.astype(np.int64))).sum(axis=1))


@dataclass(frozen=True, eq=False)
class DenseWeight(Weight):
    """A synapse from every presynaptic neuron to every postsynaptic one.

    Attributes:
        array: shape (post, pre).
    """

    kind = "dense"
    sparse = False

    array: Numbers

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def given(self) -> Numbers:
        return self.array

    def to_record(self) -> Record:
        return Record(arrays={"weight": self.array})

    @property
    def values(self) -> Numbers:
        return self.array.reshape(-1)

    def with_values(self, values: Numbers) -> DenseWeight:
        return DenseWeight(np.asarray(values).reshape(self.array.shape))

    def sum(self, axis: int) -> Numbers:
        return np.asarray(self.array.sum(axis=axis))

    @property
    def row_start(self) -> Index:
        post, pre = self.shape
        return np.arange(post + 1) * pre

    def synapse_indices(self) -> tuple[Index, Index]:
        post, pre = self.shape
        rows, cols = np.divmod(np.arange(post * pre, dtype=np.int64), pre)
        return rows, cols

    def times_outputs(self, factors: NDArray[np.float64]) -> DenseWeight:
        return DenseWeight(self.array * factors[:, None])

    def times_inputs(self, factors: NDArray[np.float64]) -> DenseWeight:
        return DenseWeight(self.array * factors)

    def stored_rows(self, ends: Index) -> Index:
        return np.diff(ends) * self.shape[1]

    def most_inputs(self, ends: Index) -> int:
        return self.shape[1]

    @property
    def pattern(self) -> object:
        return self.shape

    def per_synapse(self, values: Numbers, owner: str) -> Numbers:
        return _one_each(values, (self.shape, (self.synapses,)), self.shape, owner).reshape(-1)

    def absolute_row_sums(self) -> Index:
        return np.asarray(np.abs(self.array).sum(axis=1, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class SparseWeight(Weight):
    """A synapse for each stored entry, a stored zero included.

    Attributes:
        array: ``scipy.sparse.csr_array`` of shape (post, pre), its indices sorted.
    """

    kind = "sparse"
    sparse = True

    array: sp.csr_array

    @property
    def shape(self) -> tuple[int, ...]:
        post, pre = self.array.shape
        return int(post), int(pre)

    @property
    def given(self) -> sp.csr_array:
        return self.array

    def to_record(self) -> Record:
        """Compressed rows."""
        places = {name: getattr(self.array, name).astype(np.int64) for name in ("indices", "indptr")}
        return Record({"shape": list(self.shape)}, {"data": self.values, **places})

    @property
    def values(self) -> Numbers:
        return np.asarray(self.array.data)

    def with_values(self, values: Numbers) -> SparseWeight:
        return SparseWeight(sp.csr_array((values, self.array.indices, self.array.indptr), shape=self.array.shape))

    def sum(self, axis: int) -> Numbers:
        return np.asarray(self.array.sum(axis=axis)).reshape(-1)

    @property
    def row_start(self) -> Index:
        return np.asarray(self.array.indptr, np.int64)

    def synapse_indices(self) -> tuple[Index, Index]:
        rows = np.repeat(np.arange(self.shape[0], dtype=np.int64), np.diff(self.array.indptr))
        return rows, self.array.indices.astype(np.int64)

    def times_outputs(self, factors: NDArray[np.float64]) -> SparseWeight:
        return self.with_values(self.values * np.repeat(factors, np.diff(self.array.indptr)))

    def times_inputs(self, factors: NDArray[np.float64]) -> SparseWeight:
        return self.with_values(self.values * factors[self.array.indices])

    @property
    def diagonal(self) -> Numbers | None:
        """The values, where there is one in each row and that lies on the diagonal."""
        post, pre = self.shape
        rows = np.arange(post)
        one_each = post == pre and np.array_equal(self.array.indptr, np.arange(post + 1))
        return self.values if one_each and np.array_equal(self.array.indices, rows) else None

    def stored_rows(self, ends: Index) -> Index:
        return np.diff(self.array.indptr[ends]).astype(np.int64)

    def most_inputs(self, ends: Index) -> int:
        indices, starts = self.array.indices, self.array.indptr[ends].tolist()
        return max(int(np.unique(indices[a:b]).size) for a, b in pairwise(starts))

    @property
    def pattern(self) -> object:
        return self.array.indices.tobytes(), self.array.indptr.tobytes()

    def per_synapse(self, values: Numbers, owner: str) -> Numbers:
        if values.shape == self.shape:
            return np.asarray(values[self.synapse_indices()])
        return _one_each(values, ((self.synapses,),), self.shape, owner)

    def absolute_row_sums(self) -> Index:
        values, indptr = self.values, self.array.indptr
        sums = np.zeros(self.shape[0], np.int64)
        rows = np.flatnonzero(np.diff(indptr))  # reduceat takes an empty row for one of a single entry
        size = 1 + rows.size * _SYNAPSES_AT_ONCE // max(values.size, 1)
        for begin in range(0, rows.size, size):
            some = rows[begin : begin + size]
            first, last = indptr[some[0]], indptr[some[-1] + 1]
            sums[some] = np.add.reduceat(np.abs(values[first:last]), indptr[some] - first, dtype=np.int64)
        return sums


def _one_each(values: Numbers, shapes: Sequence[tuple[int, ...]], shape: tuple[int, ...], owner: str) -> Numbers:
    if values.shape not in shapes:
        raise ShapeError(f"{owner} of shape {values.shape}; expected one integer or one a synapse, {shape}")
    return values


def as_weight(given: GivenWeight) -> Weight:
    """What a user gives as a weight behind the interface, neither copied nor checked."""
    if isinstance(given, Weight):
        return given
    if sp.issparse(given):
        return SparseWeight(given if isinstance(given, sp.csr_array) else sp.csr_array(given))
    return DenseWeight(np.asarray(given))


def checked_weight(given: GivenWeight, owner: str, shape: tuple[int, int] | None = None) -> Weight:
    """A copy of what a user gives as a weight: dense array, scipy sparse array or ConvWeight.

    Sparse arrays keep their stored zeros: a stored zero is a synapse.

    Raises:
        ParameterError: not numeric or not finite; a sparse array that is malformed or has an entry twice.
        ShapeError: another shape than ``shape``, or none of (post, pre).
    """
    if isinstance(given, Weight):
        weight = given.with_values(given.values.copy())
    elif sp.issparse(given):
        weight = SparseWeight(canonical(given, owner))
    else:
        weight = DenseWeight(as_array(given, f"{owner}: weight").copy())
    if len(weight.shape) != 2 or 0 in weight.shape:
        raise ShapeError(f"{owner}: weight of shape {weight.shape}; expected (post, pre)")
    values = weight.values
    if values.dtype.kind not in "fiu":
        raise ParameterError(f"{owner}: weights are {values.dtype}, not real numbers")
    if shape is not None and weight.shape != shape:
        raise ShapeError(
            f"{owner}: the weight has shape {weight.shape}, but the populations ask for (post, pre) = {shape}"
        )
    if values.dtype.kind == "f" and not np.all(np.isfinite(values)):
        raise ParameterError(f"{owner}: a weight is NaN or infinite; every weight must be finite")
    return weight
