"""Synapses as the compiled loops read them, in segments.

A segment has the synapses of one projection with one delay, stored by presynaptic neuron. A spike adds one
contiguous row of a dense segment, one list of synapses of a sparse segment, or runs of the kernel of a convolution.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import DTypeLike, NDArray

from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.network.projection import BaseProjection

from .convolution import convolution_table, has_table
from .types import Int32Array, Int64Array, WeightArray

Array = NDArray[Any]
N = TypeVar("N", int, Int64Array)
# A dense array or a sparse one of SciPy, shape (post, pre).
Matrix = TypeVar("Matrix", Array, sp.csr_array)

LANES = 16  # neurons in a block, which the loops update as one vector
BITS = 64  # sources in one word of spikes, a bit for each
LINE = 64  # bytes in a cache line

DENSE, SPARSE, CONVOLUTION, GRADED = 0, 1, 2, 3


class Wiring(NamedTuple):
    """All segments: ``kind`` .. ``index_start`` have an entry for each segment, ``weights`` has all in a row.

    A dense segment is a matrix (pre, post) in blocks of columns at ``weights[weight_start]``; see
    :func:`column_places`. A sparse segment has row pointers at ``indptr[pointer_start]``, which count from
    ``weight_start`` in ``weights`` and from ``index_start`` in ``indices``; a graded one likewise,
    whose weights are multiplied by the payload of each spike. A convolution has its kernel at
    ``weights[weight_start]`` and a table of :mod:`.convolution` at ``indices[index_start]``.
    """

    kind: Int64Array
    pre: Int64Array  # index of the presynaptic group
    post: Int64Array  # index of the postsynaptic group
    delay: Int64Array
    shift: Int64Array  # the sum of one step acts as sum * 2**shift
    weight_start: Int64Array
    pointer_start: Int64Array
    index_start: Int64Array
    weights: WeightArray
    indptr: Int64Array
    indices: Int32Array
    chunk: int  # number of rows whose sum fits 16 bits, or 32 bits if the weights have 32


def aligned(count: int, dtype: DTypeLike) -> Array:
    """An uninitialised array of ``count`` entries, aligned to a cache line so that no vector crosses one."""
    size = np.dtype(dtype).itemsize
    raw = np.empty(count * size + LINE, np.uint8)
    first = -raw.__array_interface__["data"][0] % LINE
    return raw[first : first + count * size].view(dtype)


def padded(count: N) -> N:
    """The next multiple of LANES."""
    return -(-count // LANES) * LANES


def column_places(pre: int, post: int) -> tuple[Array, Array]:
    """For each column of a dense segment the place of its first weight, and the distance from one row to the next.

    A segment is stored as blocks of BITS columns, each with all rows, so that the weights and states of a block fit
    the first-level cache. The last block has the remaining columns, padded to a multiple of LANES.
    """
    column = np.arange(post)
    width = np.minimum(BITS, padded(post) - column // BITS * BITS)
    return column // BITS * BITS * pre + column % BITS, width


class Ends(NamedTuple):
    """Both groups of a projection, and the order of their neurons where it is not the network's."""

    pre: int
    post: int
    pre_order: Array | None = None
    post_order: Array | None = None


_NOWHERE = np.zeros(0, np.int64)


class Places(NamedTuple):
    """The places of the stored weights of a plastic projection in ``Wiring.weights``.

    The weight of synapse (i, j) of a matrix is at ``starts[i] + j * strides[i]``. Otherwise stored weight k is at
    ``at[k]``, or, if ``first`` is not empty, there are copies of it at all places ``at[first[k]:first[k + 1]]``.
    """

    at: NDArray[np.int64] = _NOWHERE
    first: NDArray[np.int64] = _NOWHERE
    starts: NDArray[np.int64] = _NOWHERE
    strides: NDArray[np.int64] = _NOWHERE

    def read(self, weights: Array, shape: tuple[int, int]) -> Array:
        """The stored weights of a projection, in its order; ``shape`` is its (post, pre)."""
        if not len(self.starts):
            return weights[self.at[self.first[:-1]] if len(self.first) else self.at]
        post, pre = shape
        found = np.empty(shape, weights.dtype)
        for row in range(0, post, BITS):
            start, width = int(self.starts[row]), int(self.strides[row])
            block = weights[start : start + pre * width].reshape(pre, width)
            found[row : row + BITS] = block[:, : post - row].T
        return found.reshape(-1)


class Segments:
    """A list of segments to which projections are added one by one."""

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype = dtype
        self.rows: list[tuple[int, ...]] = []
        self.weights: list[Array] = []
        self.indptr: list[Array] = []
        self.indices: list[Array] = []

    @property
    def length(self) -> int:
        """Number of weights so far, which is the place of the next segment's weights."""
        return sum(w.size for w in self.weights)

    def add_graded(self, p: BaseProjection, values: Array, ends: Ends, shift: int) -> None:
        """Append the segments of a projection whose presynaptic spikes carry a payload, a synapse one weight.

        The arguments are those of :meth:`add`.
        """
        values = values.astype(self.dtype, copy=False)[p.stored_index]
        for delay in np.unique(p.synapse_delays).tolist():
            mine = np.flatnonzero(p.synapse_delays == delay)
            rows, cols = (index[mine] for index in p.synapse_indices)
            matrix = sp.coo_array((values[mine], (rows, cols)), shape=p.shape).tocsr()
            self._add_sparse((*ends[:2], delay, shift), _moved(matrix, ends).tocsc(), GRADED)

    def add(
        self, p: BaseProjection, values: Array, ends: Ends, shift: int, *, plastic: bool = False, in_parts: bool = False
    ) -> Places:
        """Append the segments of a projection.

        Args:
            p: the projection.
            values: its stored weights; they act as value * 2**shift.
            ends: its presynaptic and postsynaptic group.
            shift: exponent of its weights.
            plastic: whether it learns; both groups must then be in the network's order.
            in_parts: whether dense segments are appended for a sparse projection of integers, zeros included.

        Returns:
            The places of the stored weights, empty unless ``plastic``.
        """
        if isinstance(p.weight, ConvWeight):
            return self._add_shared(p.weight, values, ends, (*ends[:2], int(p.delay), shift), plastic=plastic)
        post, pre = p.shape
        delays = np.unique(np.asarray(p.delay)).tolist() if values.size else [0]
        if in_parts:
            for delay in delays:
                mine = np.flatnonzero(p.synapse_delays == delay)
                self._add_parts((*ends[:2], delay, shift), _moved(_by_row(p, mine, values[mine]), ends).toarray())
            return Places()
        values = values.astype(self.dtype, copy=False)
        positions = np.zeros(values.size if plastic else 0, np.int64)
        if len(delays) == 1 and not p.is_sparse:
            starts, strides = column_places(pre, post)
            starts += self.length
            self._add_dense((*ends[:2], delays[0], shift), _moved(values.reshape(post, pre), ends))
            return Places(starts=starts, strides=strides)
        for delay in delays:
            head, start = (*ends[:2], delay, shift), self.length
            chosen = slice(None) if len(delays) == 1 else np.flatnonzero(p.synapse_delays == delay)
            self._add_sparse(head, _moved(_by_row(p, chosen, values[chosen]), ends).tocsc())
            if plastic:
                # Numbers from 1 on, since sparse matrices may drop an entry 0.
                numbers = np.arange(values.size)[chosen]
                ordered = _by_row(p, chosen, numbers + 1).tocsc().data - 1
                positions[ordered] = start + np.arange(ordered.size)
        return Places(positions)

    def _add_shared(
        self, weight: ConvWeight, values: Array, ends: Ends, head: tuple[int, int, int, int], *, plastic: bool
    ) -> Places:
        """Append a convolution: as kernel and table, or as a sparse segment where runs would have a single neuron."""
        start = self.length
        numbered = weight.with_values(np.arange(weight.kernel.size))
        weight = weight.with_values(values)
        if has_table(weight, last=ends.post_order is not None):
            self._add_convolution(head, weight, ends)
            entries = self._kernel(numbered, ends) if plastic else None
        else:
            self._add_sparse(head, _moved(weight.unrolled(), ends).tocsc())
            # Numbers from 1 on, since sparse matrices may drop an entry 0.
            counted = numbered.with_values(numbered.values + 1)
            entries = _moved(counted.unrolled(), ends).tocsc().data - 1 if plastic else None
        if entries is None:
            return Places(np.zeros(0, np.int64))
        unused = np.flatnonzero(
            np.bincount(entries, minlength=values.size) == 0
        )  # taps that no output reads, since they always lie in the padding
        self.weights.append(values[unused].astype(self.dtype))
        entries = np.concatenate([entries, unused])
        first = np.concatenate([[0], np.cumsum(np.bincount(entries, minlength=values.size))])
        return Places(start + np.argsort(entries, kind="stable"), first)

    def _add_dense(self, head: tuple[int, int, int, int], values: Array) -> None:
        """Append a matrix of shape (post, pre) as a dense segment."""
        post, pre = values.shape
        rows = aligned(pre * padded(post), self.dtype)
        rows[:] = 0
        for column in range(0, post, BITS):
            width = min(BITS, padded(post) - column)
            block = rows[column * pre : (column + width) * pre].reshape(pre, width)
            block[:, : post - column] = values[column : column + BITS].T
        self.rows.append((DENSE, *head, self.length, 0, 0))
        self.weights.append(rows)

    def _add_parts(self, head: tuple[int, int, int, int], values: Array) -> None:
        """Append a matrix of integers as dense segments whose weights add up to it; one, if their type holds it."""
        limits = np.iinfo(self.dtype)
        while True:
            part = np.clip(values, limits.min, limits.max)
            self._add_dense(head, part)
            values = values - part
            if not values.any():
                return

    def _add_sparse(self, head: tuple[int, int, int, int], columns: sp.csc_array, kind: int = SPARSE) -> None:
        """Append a sparse matrix (post, pre), given by columns, as a sparse or graded segment."""
        starts = (sum(a.size for a in arrays) for arrays in (self.indptr, self.indices))
        self.rows.append((kind, *head, self.length, *starts))
        self.weights.append(columns.data)
        self.indptr.append(columns.indptr.astype(np.int64))
        self.indices.append(columns.indices.astype(np.int32, copy=False))

    def _kernel(self, weight: ConvWeight, ends: Ends) -> Array:
        """The kernel of a convolution in the order in which its table reads it."""
        return convolution_table(weight, np.zeros(0, np.int64), last=ends.post_order is not None)[0]

    def _add_convolution(self, head: tuple[int, int, int, int], weight: ConvWeight, ends: Ends) -> None:
        sources = np.arange(weight.shape[1]) if ends.pre_order is None else ends.pre_order
        kernel, table = convolution_table(weight, sources, last=ends.post_order is not None)
        self.rows.append((CONVOLUTION, *head, self.length, 0, sum(a.size for a in self.indices)))
        self.weights.append(kernel.astype(self.dtype))
        self.indices.append(table)

    def wiring(self, largest: int) -> Wiring:
        """All segments as arrays; ``largest`` is the largest magnitude of an integer weight."""
        columns = np.array(self.rows, np.int64).reshape(len(self.rows), 8).T.copy()
        weights = _joined(self.weights, self.dtype)
        indptr, indices = _joined(self.indptr, np.int64), _joined(self.indices, np.int32)
        chunk = int(np.iinfo(np.int32 if self.dtype == np.int32 else np.int16).max) // max(largest, 1)
        return Wiring._make([*columns, weights, indptr, indices, chunk])


def _joined(parts: list[Array], dtype: DTypeLike) -> Array:
    """Concatenate arrays; a single array is returned itself. ``parts`` drops each array once it is copied."""
    if len(parts) == 1:
        return parts.pop()
    whole, end = aligned(sum(part.size for part in parts), dtype), 0
    for k, part in enumerate(parts):
        whole[end : end + part.size] = part
        end, parts[k] = end + part.size, np.zeros(0, dtype)
    return whole


def _by_row(p: BaseProjection, chosen: slice | Int64Array, values: Array) -> sp.csr_array:
    """The synapses ``chosen`` of a projection as a sparse matrix (post, pre)."""
    if p.is_sparse and isinstance(chosen, slice):
        same: sp.csr_array = p.stored.with_values(values).given
        return same
    rows, cols = p.synapse_indices
    return sp.coo_array((values, (rows[chosen], cols[chosen])), shape=p.shape).tocsr()


def _moved(matrix: Matrix, ends: Ends) -> Matrix:
    """A matrix (post, pre) with its rows and columns in the order of the groups of ``ends``."""
    if ends.post_order is not None:
        matrix = matrix[ends.post_order]
    return matrix if ends.pre_order is None else matrix[:, ends.pre_order]
