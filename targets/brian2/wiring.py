"""Projections taken apart into the synapses whose weights are summed before anything else.

A negative weight exponent shifts the sum of one projection and one delay, and rounds down.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.fixed import FixedProjection
from ssdp_hw.graph import BaseProjection

Int = NDArray[np.int64]


def synapse_indices(projection: BaseProjection) -> tuple[Int, Int]:
    """(post, pre) of every synapse, in row-major order."""
    post, pre = projection.shape
    if projection.is_sparse:
        rows = np.repeat(np.arange(post), np.diff(projection.weight.indptr))
        return rows.astype(np.int64), projection.weight.indices.astype(np.int64)
    rows, cols = np.divmod(np.arange(post * pre, dtype=np.int64), pre)
    return rows, cols


def weight_exponent(projection: BaseProjection) -> int:
    """The exponent of the weights; 0 in a float network."""
    return projection.weight_exp if isinstance(projection, FixedProjection) else 0


def by_delay(projection: BaseProjection) -> dict[int, Int]:
    """For each delay the positions of its synapses in row-major order."""
    delays = projection.synapse_delays
    return {int(d): np.flatnonzero(delays == d) for d in np.unique(delays)}
