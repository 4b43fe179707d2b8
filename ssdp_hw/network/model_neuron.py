"""Neurons of a declared model in a float network: its step in real numbers, without rounding and overflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from ssdp_hw.arrays import Given, Real
from ssdp_hw.checks import as_size, real_vector
from ssdp_hw.chips import Chip
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.files.record import Record
from ssdp_hw.models.base import Kind, NeuronModel
from ssdp_hw.models.form import check_digest, ever_fires, step_digest
from ssdp_hw.models.registry import neuron_model
from ssdp_hw.network.neurons import Discretization, Neuron, known_neuron, step_decay


@shown
@known_neuron
@dataclass(frozen=True, eq=False, kw_only=True)
class ModelNeuron(Neuron):
    """Neurons of a model of :mod:`ssdp_hw.models` or of another package; see :func:`ssdp_hw.neuron`.

    Attributes:
        model: the model, or its name.
        parameters: by float name, each of shape (n,) or one number: seconds for a time constant, volts for a level.
        v_init: voltage before the first step, of a model that has a state v; every other state begins at 0.
        fires: False for a readout, which has no threshold; a model that never fires, such as Sigma, is one in any case.
    """

    model: NeuronModel | str
    parameters: Mapping[str, Given] = field(default_factory=dict)
    fires: bool = True

    def __post_init__(self) -> None:
        model = neuron_model(self.model)
        object.__setattr__(self, "model", model)
        object.__setattr__(self, "size", as_size(self.size, f"{model.name}: size"))
        object.__setattr__(self, "fires", bool(self.fires) and ever_fires(model))
        names = {q.float_name: q for q in model.parameters}
        unknown = set(self.parameters) - set(names)
        if unknown:
            raise ParameterError(f"{model.name} has no {sorted(unknown)[0]!r}; it has: {', '.join(names)}")
        values = {}
        for name, q in names.items():
            value = self.parameters.get(name, q.default)
            if value is None:
                raise ParameterError(f"{model.name}: {name} is missing; it has no default")
            values[name] = real_vector(value, self.size, f"{model.name}: {name}")
            if q.kind is Kind.DECAY and np.any(values[name] <= 0):
                raise ParameterError(f"{model.name}: {name} = {float(values[name].min()):g} s must be above 0")
            if q.kind in (Kind.LEVEL, Kind.NUMBER) and np.any(values[name] < 0):
                raise ParameterError(f"{model.name}: {name} = {float(values[name].min()):g} must not be below 0")
            if q.kind is Kind.NUMBER and np.any(values[name] != np.rint(values[name])):
                raise ParameterError(f"{model.name}: {name} = {float(values[name][0]):g} must be whole: it is counted")
            values[name].flags.writeable = False
        object.__setattr__(self, "parameters", values)
        v_init = real_vector(self.v_init, self.size, f"{model.name}: v_init")
        if np.any(v_init) and "v" not in self.state_names:
            raise ParameterError(f"{model.name}: v_init is given, but the model has no state v")
        v_init.flags.writeable = False
        object.__setattr__(self, "v_init", v_init)

    @property
    def declared(self) -> NeuronModel:
        """The model, resolved."""
        assert isinstance(self.model, NeuronModel)
        return self.model

    @property
    def spiking(self) -> bool:  # type: ignore[override]
        """Whether the neurons fire."""
        return self.fires

    @property
    def kind(self) -> str:
        """Name of the model."""
        return self.declared.name

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the model's states."""
        return tuple(s.name for s in self.declared.states)

    def parameter(self, name: str) -> Real:
        """The parameter of that float name, shape (n,); zeros where the model has none."""
        return np.asarray(self.parameters.get(name, np.zeros(self.size)), np.float64)

    def coefficients(self, dt: float, method: Discretization) -> NoReturn:
        """There are none: the model need not be linear.

        Raises:
            UnsupportedError: always.
        """
        raise UnsupportedError(
            f"{self.declared} has no step coefficients of a leaky integrator, which this operation asks for"
        )

    def check_step(self, dt: float, method: Discretization) -> None:
        """Raise where a time constant is shorter than a step of forward Euler.

        Raises:
            ParameterError: it is.
        """
        for q in self.declared.parameters:
            if q.kind is Kind.DECAY:
                step_decay(self.parameter(q.float_name), dt, method, f"{self.kind}: ", q.float_name)

    def to_record(self) -> Record:
        """What a file keeps of the neurons."""
        model = self.declared
        values = {"declared_model": model.name, "model_step": step_digest(model), "fires": self.fires}
        return Record(values, {"v_init": self.v_init, **{f"parameter {n}": x for n, x in self.parameters.items()}})

    @classmethod
    def from_record(cls, record: Record, owner: str) -> ModelNeuron:
        """The neurons that :meth:`to_record` described; ``owner`` names their population in errors.

        Raises:
            ParameterError: a model that is unknown here, or that has changed its parameters since.
            Exception: of any other kind, where a file is damaged.
        """
        model, size = neuron_model(record.values["declared_model"]), record.values["size"]
        check_digest(model, record.values["model_step"])
        names = [q.float_name for q in model.parameters]
        parameters = {name: record.vector(f"parameter {name}", size, owner) for name in names}
        v_init = record.vector("v_init", size, owner)
        return cls(model=model, size=size, v_init=v_init, fires=record.values["fires"], parameters=parameters)

    def step_values(self, dt: float, method: Discretization) -> dict[str, Real]:
        """What a step needs of every parameter, by the name of its register, each of shape (n,).

        Of a decay the factor that a step leaves, of a level volts, of a gain or a number itself.
        """
        values = {}
        for q in self.declared.parameters:
            value = self.parameter(q.float_name)
            if q.kind is Kind.DECAY:
                value = step_decay(value, dt, method, f"{self.kind}: ", q.float_name)
            values[q.name] = value
        return values

    def acting(self, chip: Chip, dt: float, method: Discretization) -> dict[str, Real]:
        """What acts in every step, in real numbers: the values that an exact chip of these widths would hold.

        A decay acts as ``2**bits (1 - factor)``, a gain as ``2**places`` times itself, a level in volts.
        """
        values = self.step_values(dt, method)
        return {
            q.name: (1.0 - values[q.name] if q.kind is Kind.DECAY else values[q.name]) * q.unity(chip)
            for q in self.declared.parameters
        }


def neuron(
    model: NeuronModel | str, size: int, *, fires: bool = True, v_init: Given = 0.0, **parameters: Given
) -> ModelNeuron:
    """Neurons of a model, for :class:`ssdp_hw.Population`: ``sh.neuron("SEAdLIF", 64, tau_mem=20e-3)``.

    Args:
        model: the model, or its name; see ``ssdp_hw.model_names()``.
        size: number of neurons n.
        fires: False for a readout.
        v_init: voltage before the first step.
        parameters: by float name, shape (n,) or one number.

    Raises:
        ParameterError: an unknown model or parameter, one that is missing or out of its range.
    """
    return ModelNeuron(model=model, size=size, fires=fires, v_init=v_init, parameters=parameters)
