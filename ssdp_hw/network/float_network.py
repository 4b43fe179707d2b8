"""The float network: NIR's neurons with everything that NIR leaves open made explicit."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Given, GivenWeight
from ssdp_hw.checks import as_mapping, check_exact, check_name, real_vector
from ssdp_hw.chips import load_chip
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.files.record import Record
from ssdp_hw.models.base import BIAS, NOISE_KEYS
from ssdp_hw.models.form import StepForm, check_options, used_inputs
from ssdp_hw.network.graph import NETWORK_FILE, Comparison, Graph, Reset, check_kind
from ssdp_hw.network.graph_parts import Input
from ssdp_hw.network.model_neuron import ModelNeuron
from ssdp_hw.network.neurons import NEURON_MODELS, Discretization, Neuron, StepCoefficients, UpdateOrder, check_neuron
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.operations.philox import noise_keys

# The chip whose binary places an ideal step divides by. They cancel out: what acts is multiplied by the same.
IDEAL_WIDTHS = "loihi2"


@shown
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
    bias: Given = 0.0
    reset: Reset = Reset.ZERO
    threshold: Comparison = Comparison.ABOVE

    def __post_init__(self) -> None:
        check_name(self.name, "population")
        check_neuron(self.neuron, f"population '{self.name}'")
        object.__setattr__(self, "reset", Reset(self.reset))
        object.__setattr__(self, "threshold", Comparison(self.threshold))
        bias = real_vector(self.bias, self.size, f"population '{self.name}': bias")
        if isinstance(self.neuron, ModelNeuron):
            owner, at_least = f"population '{self.name}'", self.threshold is Comparison.AT_LEAST
            given = {"subtract": self.reset is Reset.SUBTRACT, "at_least": at_least, "bias": bool(np.any(bias))}
            check_options(self.neuron.declared, owner, **given)
        object.__setattr__(self, "bias", bias)

    @property
    def size(self) -> int:
        """Number of neurons."""
        return self.neuron.size

    @property
    def spiking(self) -> bool:
        """Whether the neurons fire; a readout does not."""
        return self.neuron.spiking

    @property
    def payload(self) -> str:
        """The state that its spikes carry; empty where they carry nothing, or there are none."""
        return self.neuron.declared.payload if self.spiking and isinstance(self.neuron, ModelNeuron) else ""

    @property
    def voltage(self) -> str:
        """The state that runs record as its voltage, where it has none of the name v."""
        return self.neuron.declared.voltage if isinstance(self.neuron, ModelNeuron) else "v"

    @property
    def known_ports(self) -> tuple[str, ...]:
        """Synaptic inputs of its model beside the first."""
        return self.neuron.declared.ports if isinstance(self.neuron, ModelNeuron) else ()

    @property
    def used_inputs(self) -> tuple[str, ...]:
        """The synaptic inputs that its model computes with, by port; the first has no name."""
        return used_inputs(self.neuron.declared) if isinstance(self.neuron, ModelNeuron) else ("",)

    def to_record(self) -> Record:
        """What a file keeps of the population."""
        values = {name: getattr(self, name) for name in ("name", "size", "reset", "threshold")}
        if isinstance(self.neuron, ModelNeuron):
            own = self.neuron.to_record()
            return Record({**values, **own.values}, {"bias": self.bias, **own.arrays})
        parameters = {name: getattr(self.neuron, name) for name in self.neuron.parameter_names()}
        return Record({**values, "model": self.neuron.kind}, {"bias": self.bias, **parameters})

    @classmethod
    def from_record(cls, record: Record) -> Population:
        """The population that :meth:`to_record` described.

        Raises:
            SsdpHwError: a value that the population refuses.
            Exception: of any other kind, where a file is damaged.
        """
        values = record.values
        owner, size = f"population '{values['name']}'", values["size"]
        neuron: Neuron
        if "declared_model" in values:
            neuron = ModelNeuron.from_record(record, owner)
        elif values["model"] not in NEURON_MODELS:
            raise ParameterError(f"{owner}: neurons of model {values['model']!r} are unknown")
        else:
            model = NEURON_MODELS[values["model"]]
            neuron = model(size=size, **{name: record.vector(name, size, owner) for name in model.parameter_names()})
        return cls(
            name=values["name"],
            neuron=neuron,
            bias=record.vector("bias", size, owner),
            reset=values["reset"],
            threshold=values["threshold"],
        )

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the states of its neurons."""
        return self.neuron.state_names


@shown
@renamed(source="pre", target="post")
@dataclass(frozen=True, eq=False, kw_only=True)
class Projection(BaseProjection):
    """Synapses of a float network; see :class:`~ssdp_hw.network.projection.BaseProjection`."""

    @classmethod
    def from_record(cls, record: Record) -> Projection:
        """The projection that :meth:`to_record` described.

        Raises:
            SsdpHwError: a value that the projection refuses.
            Exception: of any other kind, where a file is damaged.
        """
        return cls(**cls.arguments_from(record))


@shown
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

    def to_dict(self) -> dict[str, JSON]:
        """Plain values for reports and files."""
        return {
            "dt": self.dt,
            "discretization": self.discretization.value,
            "update_order": self.update_order.value,
        }


@shown
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
        self._check_classes(Network, Population, Projection)
        check_exact(self.semantics, (Semantics,), "the network: semantics", "give a Semantics itself")
        self._index()
        for population in self.populations:
            try:
                population.neuron.check_step(self.semantics.dt, self.semantics.discretization)
            except ParameterError as error:
                raise ParameterError(f"population '{population.name}': {error}") from None

    def _model_of(self, population: Population) -> str:
        neuron = population.neuron
        return neuron.declared.name if isinstance(neuron, ModelNeuron) else neuron.kind

    def _kind_said(self) -> str:
        return f", float, dt = {self.semantics.dt:g} s"

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

    def step_form(self, name: str) -> StepForm:
        """The declared model of a population in the form of this network; its step is the ideal one.

        Raises:
            UnsupportedError: the population's neurons are NIR's.
        """
        p = self.population(name)
        if not isinstance(p.neuron, ModelNeuron):
            raise UnsupportedError(f"population '{name}': {p.neuron.kind} is no declared neuron model")
        at_least, subtract = p.threshold is Comparison.AT_LEAST, p.reset is Reset.SUBTRACT
        return StepForm(
            p.neuron.declared, load_chip(IDEAL_WIDTHS), p.spiking, at_least, subtract, ports=self.ports(name)
        )

    def acting_parameters(self, name: str, bias: NDArray[np.float64] | None = None) -> dict[str, NDArray[np.float64]]:
        """What acts in every step of a population of a declared model, in real numbers, and its bias.

        Args:
            name: the population.
            bias: its constant input, of any shape that ends with (n,); default that of the population.
        """
        p, form = self.population(name), self.step_form(name)
        assert isinstance(p.neuron, ModelNeuron)
        acting = p.neuron.acting(form.chip, self.semantics.dt, self.semantics.discretization)
        if form.model.stochastic:
            keys = noise_keys(acting["seed"], self.population_names.index(name))
            acting |= {key: values.astype(np.float64) for key, values in zip(NOISE_KEYS, keys, strict=True)}
        ports = {port: np.zeros(p.size) for port in form.model.ports}
        return {**acting, **ports, BIAS: np.asarray(p.bias if bias is None else bias, np.float64)}

    def with_weights(self, weights: Mapping[str, GivenWeight]) -> Network:
        """A copy with other weights for the named projections."""
        weights = as_mapping(weights, "weights")
        for name in weights:
            self.projection(name)
        changed = [replace(p, weight=weights[p.name]) if p.name in weights else p for p in self.projections]
        return replace(self, projections=changed)

    def to_record(self) -> Record:
        """What a file keeps of the network."""
        record = super().to_record()
        record.values |= {"kind": "float", "semantics": self.semantics.to_dict()}
        return record

    @classmethod
    def from_record(cls, record: Record) -> Network:
        """The network that :meth:`to_record` described.

        Raises:
            SsdpHwError: a value that the network refuses, or it is a fixed one.
            Exception: of any other kind, where a file is damaged.
        """
        check_kind(record, "float")
        return cls(
            inputs=[Input(**i) for i in record.values["inputs"]],
            populations=[Population.from_record(p) for p in record.parts("populations")],
            projections=[Projection.from_record(q) for q in record.parts("projections")],
            outputs=record.texts("outputs"),
            semantics=Semantics(**record.values["semantics"]),
            notes=record.texts("notes"),
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Read a float network from a file; see :func:`ssdp_hw.load`.

        Raises:
            FileFormatError: see there; or the file holds a fixed network.
        """
        return NETWORK_FILE.read(path, cls.from_record)
