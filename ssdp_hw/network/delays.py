"""Delays of the synapses of a projection: what they are, may become, and a network with others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from ssdp_hw.arrays import Numbers
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.projection import MAX_DELAY, BaseProjection


def without_delays(projection: BaseProjection) -> str | None:
    """Why synapses have no delay of their own; None where they can have one."""
    if projection.is_convolution:
        return "the synapses of a convolution have one delay in common"
    return None


def delays(network: FixedNetwork | Network, name: str) -> Numbers:
    """The delay of every synapse of a projection in row-major order, in steps."""
    return np.array(network.projection(name).synapse_delays, np.int64)


def delay_limits(network: FixedNetwork | Network) -> tuple[int, int]:
    """The shortest and the longest delay."""
    return 0, network.limits.delay_max if isinstance(network, FixedNetwork) else MAX_DELAY


def with_delays(network: FixedNetwork | Network, name: str, values: Numbers) -> FixedNetwork | Network:
    """A copy with other delays for the synapses of a projection, in row-major order."""
    p = network.projection(name)
    moved = replace(p, delay=values if sp.issparse(p.weight) else values.reshape(p.shape))
    projections = [moved if q.name == name else q for q in network.projections]
    return replace(network, projections=projections)  # type: ignore[arg-type]
