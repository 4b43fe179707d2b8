"""Fewer synapses: a network with some of those of a projection alone, and which synapses are left."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from scipy.sparse import csr_array

from ssdp_hw.arrays import Bool
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.projection import BaseProjection

N = TypeVar("N", bound=FixedNetwork | Network)


def without_own_synapses(projection: BaseProjection) -> str | None:
    """Why synapses cannot leave one by one; None where they can."""
    return "the synapses of a convolution share their weights" if projection.is_convolution else None


def with_synapses(network: N, name: str, kept: Bool) -> N:
    """A copy in which a projection has some of its synapses alone, and stores no others.

    Args:
        network: the network.
        name: the projection.
        kept: of every synapse, in row-major order, whether it stays.
    """
    p = network.projection(name)
    rows, cols = p.synapse_indices
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows[kept], minlength=p.shape[0]))])
    weight = csr_array((p.synapse_weights[kept], cols[kept], starts), shape=p.shape)
    smaller = replace(p, weight=weight, delay=p.delay if np.ndim(p.delay) == 0 else p.synapse_delays[kept])
    projections = [smaller if q.name == name else q for q in network.projections]
    return replace(network, projections=projections)  # type: ignore[arg-type]


def survivors(before: BaseProjection, after: BaseProjection) -> Bool:
    """Of every synapse of ``before``, in row-major order, whether ``after``, which has some of them, has it too."""
    if before.stored.shared or before.synapse_count == after.synapse_count:
        return np.ones(before.synapse_count, bool)
    codes = [rows * before.shape[1] + cols for rows, cols in (before.synapse_indices, after.synapse_indices)]
    return np.isin(codes[0], codes[1], assume_unique=True)
