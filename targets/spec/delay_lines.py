"""The timing rule: a spike sent in step t acts in step t + 1 + delay.

Each input of a population has a ring of slots, one for each step up to the longest delay. Input is added to the
slot of the step in which it acts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ssdp_hw.arrays import Array
from ssdp_hw.network.graph_parts import PopulationLike
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.running.drive import AnyNetwork

Matrix: TypeAlias = "Array | sp.csr_array"  # weights (post, pre)


def weights_by_delay(projection: BaseProjection, dtype: type[np.int64] | type[np.float64]) -> dict[int, Matrix]:
    """The weight matrix split by delay: for each delay a matrix (post, pre) of its synapses."""
    delays = projection.synapse_delays
    parts: dict[int, Matrix] = {}
    for d in np.unique(delays).tolist():
        values = np.where(delays == d, projection.synapse_weights, 0).astype(dtype)
        parts[d] = projection.unshared.with_values(values).given
    return parts


def sent(population: PopulationLike, fired: NDArray[np.bool_], states: Mapping[str, Array]) -> Array:
    """What the neurons of a population send: their spikes, or the payload of graded ones, 0 where there is none."""
    return np.where(fired, states[population.payload], 0) if population.payload else fired


class DelayLines:
    """Input slots of all populations for a batch; ``scale`` acts on what a projection brings with one delay."""

    def __init__(
        self,
        network: AnyNetwork,
        batch: int,
        dtype: type[np.int64] | type[np.float64],
        scale: Callable[[BaseProjection, Array], Array] | None = None,
    ) -> None:
        self.length = network.max_delay + 1
        inputs = [(p.name, "") for p in network.populations] + [(p.post, p.port) for p in network.projections]
        shapes = {key: (self.length, batch, network.size_of(key[0])) for key in inputs}
        self._slots = {key: np.zeros(shape, dtype) for key, shape in shapes.items()}
        self._parts = {p.name: weights_by_delay(p, dtype) for p in network.projections}
        self._projections = network.projections
        self._scale = scale
        self.dtype = dtype

    def slots_of(self, population: str) -> dict[str, Array]:
        """The slots of a population's inputs, by port, shape (slot, batch, n)."""
        return {port: slots for (name, port), slots in self._slots.items() if name == population}

    def arriving(self, step: int, population: str, port: str = "") -> Array:
        """What reaches an input of the population in this step, shape (batch, n); its slot is cleared."""
        slot = self._slots[population, port][step % self.length]
        arrived: Array = slot.copy()
        slot[:] = 0
        return arrived

    def send(self, step: int, spikes: Mapping[str, Array]) -> None:
        """Deliver the spikes of a step.

        ``spikes`` are True where a neuron fires, or the payload of graded spikes, 0 where there is none.
        """
        for p in self._projections:
            fired = spikes[p.pre].astype(self.dtype)
            for delay, weight in self._parts[p.name].items():
                total = np.asarray(weight @ fired.T).T  # (batch, post)
                if self._scale is not None:
                    total = self._scale(p, total)
                self._slots[p.post, p.port][(step + 1 + delay) % self.length] += total
