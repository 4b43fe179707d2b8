"""Projections taken apart into the synapses whose weights are summed before anything else.

A negative weight exponent shifts the sum of one projection and one delay, and rounds down.
"""

from __future__ import annotations

import numpy as np

from ssdp_hw.arrays import Int
from ssdp_hw.network.fixed_network import FixedProjection
from ssdp_hw.network.projection import BaseProjection


def weight_exponent(projection: BaseProjection) -> int:
    """The exponent of the weights; 0 in a float network."""
    return projection.weight_exp if isinstance(projection, FixedProjection) else 0


def by_delay(delays: Int) -> dict[int, Int]:
    """For each delay the positions of its synapses, whose delays are given in row-major order."""
    return {int(d): np.flatnonzero(delays == d) for d in np.unique(delays)}
