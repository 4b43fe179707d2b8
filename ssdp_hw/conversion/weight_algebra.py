"""Products, sums and comparisons of weights, by which chains of linear operations become one projection.

A convolution keeps its kernel if the result is a convolution, too; otherwise it is unrolled, within a budget.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers, Real
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.network.weight import DenseWeight, Index, SparseWeight, Weight


class Budget:
    """How many synapses unrolling convolutions and multiplying matrices may still create."""

    def __init__(self, limit: int) -> None:
        self.limit = self._left = limit

    def spend(self, count: int, owner: str, how: str) -> None:
        """Take ``count`` synapses from the budget.

        Raises:
            UnsupportedError: more than are left.
        """
        self._left -= count
        if self._left < 0:
            raise UnsupportedError(
                f"{owner}: {how} it needs {count} synapses, which makes more than {self.limit} in the whole graph; "
                "if that is meant, raise max_synapses"
            )


def diagonal(values: Numbers) -> SparseWeight:
    """The sparse weight with these values on its diagonal; a zero is stored."""
    size = len(values)
    return SparseWeight(sp.csr_array((values, np.arange(size), np.arange(size + 1)), shape=(size, size)))


def identity(weight: Weight | None, size: int) -> Weight:
    """The weight itself, or a diagonal of ones in place of None."""
    return diagonal(np.ones(size)) if weight is None else weight


def from_synapses(values: Real, rows: Index, cols: Index, shape: tuple[int, ...]) -> SparseWeight:
    """The sparse weight that has these synapses, those of weight 0 included."""
    return SparseWeight(sp.csr_array(sp.coo_array((values, (rows, cols)), shape=shape)))


def product(weight: Weight, before: Weight | None, owner: str, budget: Budget) -> Weight:
    """``weight @ before``, where ``before`` = None is the identity.

    Raises:
        UnsupportedError: more synapses than the budget has left.
    """
    if before is None:
        return weight
    folded = _folded(weight, before) if weight.shared or before.shared else None
    if folded is not None:
        return folded
    weight, before = unrolled(weight, owner, budget), unrolled(before, owner, budget)
    width = np.diff(before.row_start)
    used = np.flatnonzero(width)
    if not weight.sparse and len(used) < before.shape[0]:
        # Only some values come from this source or have this delay: the others get no synapses.
        rows, cols = np.divmod(np.arange(weight.shape[0] * len(used)), len(used))
        weight = from_synapses(weight.given[:, used].reshape(-1), rows, used[cols], weight.shape)
    taps = np.bincount(weight.synapse_indices()[1], minlength=len(width)) if weight.sparse else weight.shape[0]
    count = min(int(np.sum(taps * width)), weight.shape[0] * before.shape[1])
    budget.spend(count, owner, "multiplied with the linear nodes before it,")
    return as_matrix(weight.given @ before.given)


def _folded(weight: Weight, before: Weight) -> Weight | None:
    """``weight @ before`` as one convolution, or None if the product of these two is none."""
    if before.diagonal is not None:
        return weight.times_inputs(before.diagonal)
    if weight.diagonal is not None:
        return before.times_outputs(weight.diagonal)
    return weight.after_pooling(before)


def unrolled(weight: Weight, owner: str, budget: Budget) -> Weight:
    """The weight as a dense or sparse matrix.

    Raises:
        UnsupportedError: more synapses than the budget has left, or than can be listed at all.
    """
    if weight.shared:
        budget.spend(weight.synapses, owner, "unrolled")
    return weight.by_synapse()


def total(a: Weight, b: Weight) -> Weight:
    """The sum of two weights, dense or sparse; a convolution is unrolled."""
    a, b = a.by_synapse(), b.by_synapse()
    if a.sparse and b.sparse:
        return as_matrix(a.given + b.given)
    return DenseWeight(_dense(a) + _dense(b))


def _dense(weight: Weight) -> Real:
    return np.asarray(weight.given.toarray() if weight.sparse else weight.given)


def as_matrix(given: NDArray[np.float64] | sp.csr_array) -> Weight:
    """A dense or sparse result of NumPy or SciPy as a weight."""
    return SparseWeight(sp.csr_array(given)) if sp.issparse(given) else DenseWeight(np.asarray(given))


def never_negative(weight: Weight | None) -> bool:
    """Whether no value of the weight is below 0; None stands for the identity."""
    return weight is None or bool(np.all(weight.values >= 0))


def absolute(weight: Weight) -> Weight:
    """The weight with the absolute value of every weight; the same object if no value is negative."""
    return weight if never_negative(weight) else weight.with_values(np.abs(weight.values))


def same_weight(a: Weight | None, b: Weight | None, rounding: float = 0.0) -> bool:
    """Whether two weights differ, synapse by synapse, by at most ``rounding`` times the largest magnitude."""
    if a is b:
        return True
    if a is None or b is None or (a.kind, a.shape) != (b.kind, b.shape):
        return False
    if a.pattern == b.pattern:
        difference = a.values - b.values
    elif a.shared:
        return False
    else:
        difference = as_matrix(a.given - b.given).values
    return bool(np.max(np.abs(difference), initial=0.0) <= rounding * a.largest())
