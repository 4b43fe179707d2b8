"""The float network: NIR's neurons with everything that NIR leaves open made explicit."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ssdp_hw.checks import check_name, real_vector
from ssdp_hw.deprecation import renamed
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.graph import BaseProjection, Comparison, Graph, Input, Reset
from ssdp_hw.network.neurons import Discretization, Neuron, StepCoefficients, UpdateOrder


@dataclass(frozen=True, eq=False, kw_only=True)
class Population:
    """Neurons of one model.

    Attributes:
        name: unique in the network.
        neuron: the model and its parameters, one value a neuron.
        bias: constant part of the synaptic input S, shape (n,) (the bias of NIR's Affine).
        reset: what a spike does to the voltage.
        threshold: whether a neuron fires above or already at its threshold.
    """

    name: str
    neuron: Neuron
    bias: Any = 0.0
    reset: Reset = Reset.ZERO
    threshold: Comparison = Comparison.ABOVE

    def __post_init__(self) -> None:
        check_name(self.name, "population")
        object.__setattr__(self, "reset", Reset(self.reset))
        object.__setattr__(self, "threshold", Comparison(self.threshold))
        bias = real_vector(self.bias, self.size, f"population '{self.name}': bias")
        object.__setattr__(self, "bias", bias)

    @property
    def size(self) -> int:
        """Number of neurons."""
        return self.neuron.size

    @property
    def spiking(self) -> bool:
        """Whether the neurons fire; a readout does not."""
        return self.neuron.spiking


@renamed(source="pre", target="post")
@dataclass(frozen=True, eq=False, kw_only=True)
class Projection(BaseProjection):
    """Synapses of a float network; see :class:`~ssdp_hw.network.graph.BaseProjection`."""


@dataclass(frozen=True)
class Semantics:
    """What NIR leaves open, for a whole network.

    Attributes:
        dt: length of a step in seconds.
        discretization: how the differential equations become a step.
        update_order: which current the voltage of a current-based neuron sees.

    Raises:
        ParameterError: dt is not a finite number above 0.
    """

    dt: float
    discretization: Discretization = Discretization.EULER
    update_order: UpdateOrder = UpdateOrder.CURRENT_FIRST

    def __post_init__(self) -> None:
        try:
            dt = float(self.dt)
        except (TypeError, ValueError):
            raise ParameterError(f"dt = {self.dt!r} is not a number of seconds") from None
        if not math.isfinite(dt) or dt <= 0:
            raise ParameterError(f"dt = {dt:g} s must be finite and above 0")
        object.__setattr__(self, "dt", dt)
        object.__setattr__(self, "discretization", Discretization(self.discretization))
        object.__setattr__(self, "update_order", UpdateOrder(self.update_order))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for reports and files."""
        return {
            "dt": self.dt,
            "discretization": self.discretization.value,
            "update_order": self.update_order.value,
        }


@dataclass(frozen=True, eq=False)
class Network(Graph[Population, Projection]):
    """Float populations joined by projections, run in steps of dt.

    Attributes:
        inputs, populations, projections, outputs: the graph; outputs are population names.
        semantics: dt and what else a step means.
        notes: what a reader had to assume or repair, one sentence each.

    Raises:
        ParameterError, ShapeError: see :class:`~ssdp_hw.network.graph.Graph`; dt too large for a tau.
    """

    inputs: Sequence[Input]
    populations: Sequence[Population]
    projections: Sequence[Projection]
    outputs: Sequence[str]
    semantics: Semantics
    notes: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))
        self._index()
        for population in self.populations:
            self.coefficients(population.name)

    def coefficients(self, name: str) -> StepCoefficients:
        """The step update of a population.

        Raises:
            ParameterError: dt is too large for a time constant, named with its population.
        """
        try:
            return self.population(name).neuron.coefficients(self.semantics.dt, self.semantics.discretization)
        except ParameterError as error:
            raise ParameterError(f"population '{name}': {error}") from None

    def uses_old_current(self, name: str) -> bool:
        """Whether the voltage of this population sees the current before the step."""
        old = self.semantics.update_order is UpdateOrder.VOLTAGE_FIRST
        return old and self.population(name).neuron.has_current

    def with_weights(self, weights: Mapping[str, Any]) -> Network:
        """A copy with other weights for the named projections."""
        for name in weights:
            self.projection(name)
        changed = [replace(p, weight=weights[p.name]) if p.name in weights else p for p in self.projections]
        return replace(self, projections=changed)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to one file; see :func:`ssdp_hw.save`."""
        from ssdp_hw.files.storage import save

        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Read a float network from a file; see :func:`ssdp_hw.load`.

        Raises:
            FileFormatError: see there; or the file holds a fixed network.
        """
        from ssdp_hw.files.storage import load_as

        return load_as(cls, path)
