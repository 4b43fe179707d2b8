"""The arithmetic of a batched connection: matrices split by delay, and input slots for steps ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_matrix, issparse

Values = NDArray[Any]  # integers or floats, by the arithmetic
# What a process or a rule is made with, by name: numbers, texts and arrays.
Parameters: TypeAlias = Mapping[str, Any]
Matrix: TypeAlias = Any  # weights (post, pre): an array, or a csr_matrix of SciPy, which declares no types

# A float32 represents every integer up to this magnitude. A matrix product is exact in float32 if in no row the
# sum of the magnitudes is larger.
FLOAT32_EXACT = 2**24


def product_dtype(weights: Matrix, fixed: bool) -> DTypeLike:
    """The fastest type in which a product of ``weights`` with spikes is exact; float64 is exact up to 2**53.

    Sparse integer products are taken in int64, which SciPy does as fast as floats.
    """
    if not fixed:
        return np.float64
    if issparse(weights):
        return np.int64
    largest = int(np.abs(weights).sum(axis=1, dtype=np.int64).max(initial=0))
    return np.float32 if largest <= FLOAT32_EXACT else np.float64


class Synapses:
    """The weights of one projection as one matrix with rows (delay, post) and columns pre.

    Args:
        weights: shape (post, pre), dense or ``csr_matrix``.
        delays: one integer, or a delay for each synapse: shape (post, pre), or (nnz,) for a sparse matrix.
        dtype: type of the product.
    """

    def __init__(self, weights: Matrix, delays: int | NDArray[np.int64], dtype: DTypeLike) -> None:
        self.post, self.pre = weights.shape
        self.dtype = dtype
        values = weights.data if issparse(weights) else np.asarray(weights)
        self._delays = np.broadcast_to(np.asarray(delays), values.shape)
        self.delays = np.unique(self._delays).tolist() or [0]
        self.set_weights(weights)

    def set_weights(self, weights: Matrix) -> None:
        """Replace the weights; the synapses and their delays stay."""
        if issparse(weights):
            rows = np.repeat(np.arange(self.post), np.diff(weights.indptr))
            rows = rows + np.searchsorted(self.delays, self._delays) * self.post
            shape = (len(self.delays) * self.post, self.pre)
            self._matrix: Matrix = csr_matrix((weights.data.astype(self.dtype), (rows, weights.indices)), shape=shape)
        else:
            blocks = [np.where(self._delays == d, weights, 0) for d in self.delays]
            self._matrix = np.concatenate(blocks).astype(self.dtype)

    def activations(self, spikes: NDArray[np.bool_]) -> list[tuple[int, Values]]:
        """For each delay the summed weights (batch, post) of the neurons that fired, from spikes (batch, pre)."""
        total = (self._matrix @ spikes.T.astype(self.dtype)).T
        return [(d, total[:, k * self.post : (k + 1) * self.post]) for k, d in enumerate(self.delays)]


class Slots:
    """A ring of slots for input that has not arrived: input sent with delay d leaves d + 1 steps later."""

    def __init__(self, longest: int, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._slots = np.zeros((longest + 1, *shape), dtype)
        self._now = 0

    def clear(self) -> None:
        """Drop all input that has not arrived."""
        self._slots[...] = 0

    def leave(self) -> Values:
        """The input that arrives in this step; its slot is cleared, and the next slot becomes the current one."""
        leaving: Values = self._slots[self._now].copy()
        self._slots[self._now] = 0
        self._now = (self._now + 1) % len(self._slots)
        return leaving

    def waiting(self) -> Values:
        """The input that arrives from the next step on, shape (step, ...); to be called after the last step's input."""
        return np.roll(self._slots, -self._now, axis=0)

    def add(self, delay: int, activation: Values) -> None:
        """Add input to the slot of its delay; to be called after :meth:`leave` of the same step."""
        self._slots[(self._now + delay) % len(self._slots)] += activation
