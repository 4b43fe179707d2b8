"""Resources of the chip that a fixed network needs: cores, memory, axons.

Limits come from the chip's file, each with its source. Every core holds neighbouring neurons of one
population and all synapses that end at them. The synaptic memory is a lower bound: weight bits,
delay bits where a projection has delays, and for sparse projections the index of the target, or
their zeros where these take less; how
the chip packs synapses into words is not counted. Of a convolution a core holds the kernels of the
output channels that its neurons belong to, once (Loihi's population connectivity, Davies et al.
2018), not a weight for each synapse; what tells the axons where a kernel lies is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.chips import Figure
from ssdp_hw.display import Drawable, Table, shown
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.network.fixed_network import FixedNetwork, FixedProjection

# The limits of a core, by their names in the chip's file.
LIMITS = ("compartments", "synaptic_memory", "input_axons", "output_axons")


@shown
@dataclass(frozen=True)
class PopulationResources:
    """One population on the chip.

    Attributes:
        name, neurons: the population.
        synapses, synaptic_bytes: that end at it, on all its cores together; bytes are a lower bound.
        cores: cores that hold it.
        used: fullest core's share of each limit: 1.0 is full, above does not fit.
        bound_by: the limit of which the fullest core uses most.
    """

    name: str
    neurons: int
    synapses: int
    synaptic_bytes: int
    cores: int
    used: Mapping[str, float]
    bound_by: str

    @property
    def fits(self) -> bool:
        """Whether every core stays within its limits."""
        return max(self.used.values()) <= 1.0


@shown
@dataclass(frozen=True)
class Resources(Drawable):
    """A network on its chip.

    ``plot`` draws how much of each limit the fullest core of every population uses.

    Attributes:
        chip: name of the chip.
        populations: one entry each.
        cores, cores_available: cores that the network needs, and cores of the chip.
        limits: the figures used, with their sources.
    """

    _picture = "resources"

    chip: str
    populations: tuple[PopulationResources, ...]
    cores: int
    cores_available: int
    limits: Mapping[str, Figure]

    @property
    def fits(self) -> bool:
        """Whether the network fits one chip."""
        return self.cores <= self.cores_available and all(p.fits for p in self.populations)

    def _table(self) -> Table:
        rows = [
            (
                p.name,
                str(p.neurons),
                str(p.synapses),
                str(p.synaptic_bytes),
                str(p.cores),
                *(f"{p.used[k]:.1%}" for k in LIMITS),
            )
            for p in self.populations
        ]
        header = ("population", "neurons", "synapses", "bytes", "cores", *(name.replace("_", " ") for name in LIMITS))
        return Table(self.lines()[0], header, rows)

    def to_dict(self) -> dict[str, JSON]:
        """Plain values, for JSON."""
        return {**asdict(self), "fits": self.fits}

    def lines(self) -> list[str]:
        """For people."""
        verdict = "fits" if self.fits else "DOES NOT FIT"
        out = [f"{self.cores} of {self.cores_available} cores of {self.chip}: {verdict}"]
        for p in self.populations:
            shares = ", ".join(f"{name} {share:.1%}" for name, share in p.used.items())
            out.append(
                f"  {p.name}: {p.neurons} neurons, {p.synapses} synapses, at least {p.synaptic_bytes} bytes, "
                f"{p.cores} cores; fullest core: {shares}"
            )
        return out


def resources(network: FixedNetwork) -> Resources:
    """Cores, synaptic memory and axons that a network takes, population by population.

    Raises:
        UnsupportedError: nothing is known of the cores of this chip.
        ParameterError: no fixed network.
    """
    if not isinstance(network, FixedNetwork):
        raise ParameterError(f"resources takes a FixedNetwork, not {type(network).__name__}; quantize makes one")
    limits = network.limits.figures("core")
    if not {*LIMITS, "count"} <= limits.keys():
        raise UnsupportedError(f"chip '{network.limits.name}': its file has no figures for cores")
    available = int(limits["count"].value)
    loads = {p.name: _Load(network, p.name) for p in network.populations}
    cores = {name: load.fewest_cores(limits, available) for name, load in loads.items()}
    # Every neuron needs one output axon for each core that it reaches, so the cores must be counted before.
    reached = {name: _cores_reached(network, name, cores) for name in cores}
    for name, load in loads.items():
        per_core = max(1, int(limits["output_axons"].value) // max(1, reached[name]))
        cores[name] = max(cores[name], min(load.neurons, math.ceil(load.neurons / per_core)))
    populations = []
    for name, load in loads.items():
        used = {
            limit: share / limits[limit].value
            for limit, share in load.fullest(cores[name], _cores_reached(network, name, cores)).items()
        }
        populations.append(
            PopulationResources(
                name,
                load.neurons,
                load.synapses,
                math.ceil(int(load.bits(cores[name]).sum()) / 8),
                cores[name],
                used,
                max(used, key=lambda k: used[k]),
            )
        )
    return Resources(network.limits.name, tuple(populations), sum(cores.values()), available, limits)


def _cores_reached(network: FixedNetwork, name: str, cores: Mapping[str, int]) -> int:
    """Cores to which the neurons of a population send: those of all its targets."""
    return sum(cores[target] for target in {p.post for p in network.outgoing(name)})


class _Load:
    """The synapses, axons and memory that the neurons of one population need."""

    def __init__(self, network: FixedNetwork, name: str) -> None:
        self.neurons = network.size_of(name)
        self._incoming = network.incoming(name)
        self.synapses = sum(p.synapse_count for p in self._incoming)

    def fewest_cores(self, limits: Mapping[str, Figure], available: int) -> int:
        """Fewest equal parts that fit, or as many as the chip has cores where none do."""
        least = math.ceil(self.neurons / limits["compartments"].value)
        for parts in range(least, min(self.neurons, available) + 1):
            load = self.fullest(parts, 0)
            if all(load[name] <= limits[name].value for name in LIMITS):
                return parts
        return min(self.neurons, available)

    def _ends(self, parts: int) -> NDArray[np.int64]:
        """First neuron of each of ``parts`` equal parts of the population, and one past the last neuron."""
        return np.linspace(0, self.neurons, parts + 1).astype(np.int64)

    def bits(self, parts: int) -> NDArray[np.int64]:
        """Synaptic memory of each of so many equal parts."""
        ends = self._ends(parts)
        return sum((_synaptic_bits(p, ends) for p in self._incoming), start=np.zeros(parts, np.int64))

    def fullest(self, parts: int, reached: int) -> dict[str, float]:
        """Largest use of each limit by any of so many equal parts."""
        ends = self._ends(parts)
        largest = int(np.max(np.diff(ends)))
        return {
            "compartments": largest,
            "synaptic_memory": math.ceil(int(np.max(self.bits(parts))) / 8),
            "input_axons": sum(p.unshared.most_inputs(ends) for p in self._incoming),
            "output_axons": largest * reached,
        }


def _synaptic_bits(p: FixedProjection, ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Memory of the synapses in each part of the postsynaptic neurons.

    A sparse matrix is stored with the index of each target, or with its zeros, whichever is smaller.
    """
    bits = p.format.bits + (6 if p.max_delay else 0)
    stored = p.stored.stored_rows(ends)
    if not p.is_sparse:
        return stored * bits
    return np.minimum(stored * (bits + 10), np.diff(ends) * p.shape[1] * bits)
