"""Populations and projections of a fixed-point network: integers of a chip and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ssdp_hw.arithmetic import shift
from ssdp_hw.arrays import Given, Int, Integers
from ssdp_hw.checks import as_size, check_exact, check_name, int_vector, positive_vector, real_vector
from ssdp_hw.chips import Chip
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.files.record import Record
from ssdp_hw.models.base import NeuronModel
from ssdp_hw.models.cuba_lif import MODEL as CUBA_LIF
from ssdp_hw.models.form import StepForm, check_digest, check_options, ever_fires, step_digest, used_inputs
from ssdp_hw.models.registry import neuron_model
from ssdp_hw.network.formats import WeightFormat
from ssdp_hw.network.graph import Comparison, Reset
from ssdp_hw.network.projection import BaseProjection

FIELDS = {"du": 4095, "dv": 0, "vth": 0}

# Wider than any register of a chip: the checks of a whole network know the chip and are tighter.
_WIDE, _WIDE_STATE = 2**31 - 1, 2**46 - 1

# What a file keeps of a population: arrays, one value a neuron, and plain values.
_VECTORS = ("du", "dv", "vth", "bias_mant", "v_init")
_VALUES = ("name", "size", "bias_exp", "reset", "threshold", "spiking", "scale")

# Wider payloads than those of any chip; its own limit is a design rule.
_WIDE_PAYLOAD = 31


@shown
@dataclass(frozen=True, eq=False, kw_only=True)
class FixedPopulation:
    """Neurons in chip integers; the update is that of their model, by default the chip's own CUBA LIF.

    Attributes:
        name: unique in the network.
        size: number of neurons n.
        model: the neuron model, or its name; see :mod:`ssdp_hw.models`.
        parameters: the registers of the model beside ``du``, ``dv`` and ``vth``, each of shape (n,) or one integer.
        du, dv: decays of current and voltage, shape (n,) or one integer. ``du`` at its largest
            keeps nothing of the old current (a plain LIF).
        vth: threshold mantissa, on the scale of v shifted right by 6 on Loihi.
        bias_mant, bias_exp: the bias added to v in every step is ``bias_mant << bias_exp``, not
            shifted further; the mantissa one a neuron, the exponent one a population.
        v_init: voltage before the first step, on the scale of v; every other state begins at 0.
        reset: what a spike does to the voltage: 0, or minus the threshold.
        threshold: whether a neuron fires above or already at its threshold.
        spiking: False for a readout, which has no threshold; a model that never fires, such as Sigma, is one in any
            case.
        scale: chip voltage (on the scale of v) of one float volt above the reset, shape (n,) or one number;
            None where it is not known.
        payload_bits: bits of the payload of graded spikes, without the sign: it is within ``-(2**b - 1) .. 2**b - 1``.
            To be given for models whose spikes carry a payload, and for no others.
    """

    name: str
    size: int
    du: Given = 4095
    dv: Given = 0
    vth: Given = 0
    bias_mant: Given = 0
    bias_exp: int = 0
    v_init: Given = 0
    reset: Reset = Reset.ZERO
    threshold: Comparison = Comparison.ABOVE
    spiking: bool = True
    scale: Given = None
    model: NeuronModel | str = CUBA_LIF
    parameters: Mapping[str, Given] = field(default_factory=dict)
    payload_bits: int = 0

    def __post_init__(self) -> None:
        check_name(self.name, "population")
        owner = f"population '{self.name}'"
        object.__setattr__(self, "size", as_size(self.size, f"{owner}: size"))
        for name in ("du", "dv", "vth"):
            value = int_vector(getattr(self, name), self.size, 0, _WIDE, f"{owner}: {name}")
            object.__setattr__(self, name, value)
        for name, wide in (("bias_mant", _WIDE), ("v_init", _WIDE_STATE)):
            value = int_vector(getattr(self, name), self.size, -wide, wide, f"{owner}: {name}")
            object.__setattr__(self, name, value)
        object.__setattr__(self, "bias_exp", int(int_vector(self.bias_exp, 1, -31, 31, f"{owner}: bias_exp")[0]))
        object.__setattr__(self, "reset", Reset(self.reset))
        object.__setattr__(self, "threshold", Comparison(self.threshold))
        if not isinstance(self.spiking, bool | np.bool_):
            raise ParameterError(f"{owner}: spiking = {self.spiking!r} is neither True nor False")
        object.__setattr__(self, "spiking", bool(self.spiking))
        if self.scale is not None:
            object.__setattr__(self, "scale", positive_vector(self.scale, self.size, f"{owner}: scale"))
        self._check_model(owner)

    def _check_model(self, owner: str) -> None:
        """Resolve the model, and check that each of its registers is given and no other."""
        try:
            model = neuron_model(self.model)
        except ParameterError as error:
            raise ParameterError(f"{owner}: {error}") from None
        object.__setattr__(self, "model", model)
        object.__setattr__(self, "spiking", self.spiking and ever_fires(model))
        declared, states = [q.name for q in model.parameters], [s.name for s in model.states]
        wanted = [name for name in declared if name not in FIELDS]
        if set(self.parameters) != set(wanted):
            given = ", ".join(sorted(self.parameters)) or "none"
            raise ParameterError(
                f"{owner}: parameters given: {given}; {model} has beside {', '.join(FIELDS)}: "
                f"{', '.join(wanted) or 'none'}"
            )
        for name, neutral in FIELDS.items():
            if name not in declared and np.any(getattr(self, name) != neutral):
                raise ParameterError(f"{owner}: {name} is given, but {model} has no register of that name")
        self._check_payload(model, owner)
        at_least = self.threshold is Comparison.AT_LEAST
        options = {"subtract": self.reset is Reset.SUBTRACT, "at_least": at_least, "bias": bool(np.any(self.bias_mant))}
        check_options(model, owner, **options)
        if "v" not in states and np.any(self.v_init):
            raise ParameterError(f"{owner}: v_init is given, but {model} has no state v")
        values = {
            name: int_vector(self.parameters[name], self.size, -_WIDE, _WIDE, f"{owner}: {name}") for name in wanted
        }
        for value in values.values():
            value.flags.writeable = False
        object.__setattr__(self, "parameters", values)

    def _check_payload(self, model: NeuronModel, owner: str) -> None:
        """Check that the width of the payload is given where there is one."""
        bits = int(int_vector(self.payload_bits, 1, 0, _WIDE_PAYLOAD, f"{owner}: payload_bits")[0])
        if bits and not model.payload:
            raise ParameterError(f"{owner}: payload_bits = {bits} is given, but spikes of {model} carry no payload")
        if model.payload and not bits:
            raise ParameterError(
                f"{owner}: spikes of {model} carry '{model.payload}': give payload_bits, the bits of it without the "
                f"sign, 1 .. {_WIDE_PAYLOAD}; fewer bits leave more room for weights, larger payloads saturate"
            )
        object.__setattr__(self, "payload_bits", bits)

    @property
    def payload(self) -> str:
        """The state that its spikes carry; empty where they carry nothing, or there are none."""
        return self.declared.payload if self.spiking else ""

    @property
    def largest_payload(self) -> int:
        """By how much a spike may multiply a weight: 1 where spikes carry nothing."""
        return (1 << self.payload_bits) - 1 if self.payload else 1

    @property
    def declared(self) -> NeuronModel:
        """The neuron model, resolved."""
        assert isinstance(self.model, NeuronModel)
        return self.model

    @property
    def voltage(self) -> str:
        """The state that runs record as its voltage, where it has none of the name v."""
        return self.declared.voltage

    @property
    def known_ports(self) -> tuple[str, ...]:
        """Synaptic inputs of its model beside the first."""
        return self.declared.ports

    @property
    def used_inputs(self) -> tuple[str, ...]:
        """The synaptic inputs that its model computes with, by port; the first has no name."""
        return used_inputs(self.declared)

    @property
    def is_cuba_lif(self) -> bool:
        """Whether the model is the chip's own CUBA LIF, for which targets have steps that are written by hand."""
        return self.declared == CUBA_LIF

    @property
    def registers(self) -> dict[str, Int]:
        """The register of every parameter of the model, each of shape (n,)."""
        names = [q.name for q in self.declared.parameters]
        return {name: getattr(self, name) if name in FIELDS else self.parameters[name] for name in names}

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the states of its model."""
        return tuple(s.name for s in self.declared.states)

    @property
    def bias(self) -> Int:
        """What is added to v in every step, shape (n,): ``bias_mant << bias_exp``."""
        return shift(self.bias_mant, self.bias_exp)

    def to_record(self) -> Record:
        """What a file keeps of the population."""
        values = {name: getattr(self, name) for name in _VALUES}
        if self.scale is not None:
            same = bool(np.all(self.scale == self.scale[0]))
            values["scale"] = float(self.scale[0]) if same else self.scale.tolist()
        parameters = {f"parameter {name}": value for name, value in self.parameters.items()}
        if self.payload_bits:
            values["payload_bits"] = self.payload_bits
        if not self.is_cuba_lif:
            values |= {"model": self.declared.name, "model_step": step_digest(self.declared)}
        return Record(values, {**{name: getattr(self, name) for name in _VECTORS}, **parameters})

    @classmethod
    def from_record(cls, record: Record) -> FixedPopulation:
        """The population that :meth:`to_record` described.

        Raises:
            SsdpHwError: a value that the population refuses.
            Exception: of any other kind, where a file is damaged.
        """
        owner, size = f"population '{record.values['name']}'", record.values["size"]
        vectors: dict[str, Any] = {name: record.vector(name, size, owner) for name in _VECTORS}
        values = dict(record.values)
        model = neuron_model(values.pop("model", CUBA_LIF))
        if model != CUBA_LIF:
            check_digest(model, values.pop("model_step"))
        wanted = [q.name for q in model.parameters if q.name not in FIELDS]
        parameters = {name: record.vector(f"parameter {name}", size, owner) for name in wanted}
        return cls(**values, model=model, **vectors, parameters=parameters)

    @property
    def uniform(self) -> bool:
        """Whether all neurons share du, dv and vth, as Lava's own LIF demands."""
        return all(bool(np.all(x == x[0])) for x in (self.du, self.dv, self.vth))


@shown
@renamed(source="pre", target="post")
@dataclass(frozen=True, eq=False, kw_only=True)
class FixedProjection(BaseProjection):
    """Synapses in chip integers.

    Attributes:
        weight: integers on the chip's weight scale (for Loihi -256, -254 .. 254 with mixed signs),
            shape (post, pre), dense, sparse or a convolution. They must be representable: nothing
            is rounded.
        weight_exp: the activation, a sum of weights, acts as ``activation * 2**weight_exp``. At a negative
            exponent -k weights are multiples of ``2**k``, since the chip drops the lower bits of each.
        format: bits and sign mode of the weights; the projection's own says the step at ``weight_exp`` too.
        scale: chip weight units (on the weight scale) of one float weight unit, shape (post,) or one number; None where
            it is not known.
    """

    weight_exp: int = 0
    format: WeightFormat = field(default_factory=WeightFormat)
    scale: Given = None

    def __post_init__(self) -> None:
        super().__post_init__()
        owner = f"projection '{self.name}'"
        exp = int(int_vector(self.weight_exp, 1, -31, 31, f"{owner}: weight_exp")[0])
        object.__setattr__(self, "weight_exp", exp)
        check_exact(self.format, (WeightFormat,), f"{owner}: its format", "give a WeightFormat itself")
        object.__setattr__(self, "format", self.format.at_exponent(exp))
        reason = self.format.violation(self.stored_weights)
        if reason is not None:
            at = f".at_exponent({exp})" if self.format.right_shift else ""
            raise ParameterError(f"{owner}: {reason}; use format{at}.nearest(weight) to round it first")
        narrow = np.int16 if self.format.scale_bits <= 8 else np.int32
        values = self.stored_weights
        if values.dtype != narrow:
            stored = self.stored.with_values(values.astype(narrow))
            object.__setattr__(self, "weight", stored.given)
            object.__setattr__(self, "stored", stored)
        if self.scale is not None:
            object.__setattr__(self, "scale", real_vector(self.scale, self.shape[0], f"{owner}: scale"))

    def to_record(self) -> Record:
        """What a file keeps of the projection."""
        record = super().to_record()
        record.values |= {"weight_exp": self.weight_exp, "format": self.format.to_dict()}
        if self.scale is not None:
            record.arrays["scale"] = self.scale
        return record

    @classmethod
    def from_record(cls, record: Record) -> FixedProjection:
        """The projection that :meth:`to_record` described.

        Raises:
            SsdpHwError: a value that the projection refuses.
            Exception: of any other kind, where a file is damaged.
        """
        arguments = cls.arguments_from(record)
        return cls(**{**arguments, "format": WeightFormat(**arguments["format"])}, scale=record.arrays.get("scale"))

    @property
    def mantissa(self) -> Integers:
        """Stored weight integers, in the order of ``stored_weights``: ``weight / step``."""
        mantissa: Integers = self.stored_weights >> self.format.lsb_shift
        return mantissa

    def with_mantissa(self, mantissa: Integers) -> FixedProjection:
        """A copy with these stored weight integers, in the order of ``mantissa``.

        Raises:
            ShapeError: another number of them.
        """
        if np.size(mantissa) != self.stored_weights.size:
            raise ShapeError(
                f"projection '{self.name}': {np.size(mantissa)} weight integers; it stores {self.stored_weights.size}"
            )
        values = np.asarray(mantissa, np.int64).reshape(-1) << self.format.lsb_shift
        return replace(self, weight=self.stored.with_values(values))


def activation_bound(size: int, incoming: Sequence[FixedProjection], payloads: Mapping[str, int]) -> Int:
    """Largest |synaptic input| that any one step can bring to a population, shape (size,).

    Args:
        size: its number of neurons.
        incoming: all projections that end there.
        payloads: of each input and population by how much a spike may multiply a weight; 1 where it is missing.
    """
    bound = np.zeros(size, np.int64)
    for p in incoming:
        bound += shift(p.stored.absolute_row_sums() * payloads.get(p.pre, 1), p.weight_exp)
    return bound


def step_form(chip: Chip, p: FixedPopulation, largest: int, ports: tuple[str, ...] = ()) -> StepForm:
    """The model of a population in the form of its chip and options.

    Args:
        chip: whose widths the registers have.
        p: the population.
        largest: the largest synaptic input of a step, on the scale of the states.
        ports: the synaptic inputs beside the first that something may arrive at.
    """
    return StepForm(
        p.declared,
        chip,
        spiking=p.spiking,
        at_least=p.threshold is Comparison.AT_LEAST,
        subtract=p.reset is Reset.SUBTRACT,
        wide=p.is_cuba_lif and largest > 1 << chip.state_bits,
        ports=ports,
        payload_bits=p.payload_bits or None,
        # Rounded up to a power of two, so that few different forms are printed and compiled.
        arriving_bits=0 if p.is_cuba_lif or largest <= 1 << chip.state_bits else (largest - 1).bit_length(),
    )
