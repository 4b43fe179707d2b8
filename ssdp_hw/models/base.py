"""What a neuron model declares: its states, its parameters and its step."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from ssdp_hw.checks import Choice
from ssdp_hw.chips import Chip
from ssdp_hw.display import Table, shown
from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.operations.unchanging import UnchangingType


class Unit(Choice):
    """What the integers of a state count."""

    VOLTAGE = "voltage"  # units of the population's scale: so many make a volt
    NUMBER = "number"  # itself: steps, spikes


@shown
@dataclass(frozen=True)
class State:
    """A register of every neuron that keeps its value from one step to the next.

    Attributes:
        name: a Python identifier.
        bits: width; None for the chip's ``state_bits``.
        unit: see :class:`Unit`.
        signed: False where the step never makes it negative, which is checked.
    """

    name: str
    bits: int | None = None
    unit: Unit = Unit.VOLTAGE
    signed: bool = True

    def width(self, chip: Chip) -> int:
        """The register's bits on a chip."""
        return chip.state_bits if self.bits is None else self.bits

    def limits(self, chip: Chip) -> tuple[int, int]:
        """The smallest and the largest value of the register on a chip."""
        largest = (1 << (self.width(chip) - 1)) - 1
        return (-largest if self.signed else 0), largest


class Kind(Choice):
    """How a parameter goes from numbers of the float model to a register, and back."""

    DECAY = "decay"  # a time constant in seconds; the register holds the part that is lost in a step, times 2**bits
    LEVEL = "level"  # volts; the register holds units of the population's scale, shifted right by the chip's shift
    GAIN = "gain"  # a plain factor; the register holds it times 2**places, signed
    NUMBER = "number"  # a count of steps or spikes, as it is


@shown
@dataclass(frozen=True)
class Parameter:
    """A register of every neuron that a run does not change.

    Attributes:
        name: of the register, a Python identifier.
        float_name: of the parameter in the float model.
        kind: see :class:`Kind`.
        default: value in the float model; None where the user must give it.
        bits: width of the register; None for the chip's: ``decay_bits`` of a decay, ``threshold_bits`` of a level,
            ``decay_bits`` and a sign of a gain, ``state_bits`` without a sign of a number.
        offset: ``current`` or ``voltage`` where the chip adds its decay offset of that name, else empty.
        places: binary places of a gain; None for the chip's ``decay_bits``.
        powers_of_two: whether the register of a decay holds powers of two only, as on chips that decay by shifts.
    """

    name: str
    float_name: str
    kind: Kind
    default: float | None = None
    bits: int | None = None
    offset: str = ""
    places: int | None = None
    powers_of_two: bool = False

    def width(self, chip: Chip) -> int:
        """The register's bits on a chip, without a sign."""
        if self.bits is not None:
            return self.bits
        return {
            Kind.DECAY: chip.decay_bits,
            Kind.LEVEL: chip.threshold_bits,
            Kind.GAIN: chip.decay_bits,
            Kind.NUMBER: chip.state_bits - 1,
        }[self.kind]

    def code_range(self, chip: Chip) -> tuple[int, int]:
        """The smallest and the largest integer of the register."""
        if self.powers_of_two:
            return 1, 1 << (self.width(chip) - 1)
        top = (1 << self.width(chip)) - 1
        return (-top if self.kind is Kind.GAIN else 0), top

    def added(self, chip: Chip) -> int:
        """What the chip adds to the register before it acts."""
        offsets = {"": 0, "current": chip.current_decay_offset, "voltage": chip.voltage_decay_offset}
        return offsets[self.offset]

    def shift(self, chip: Chip) -> int:
        """By how many bits the register is shifted left before it acts."""
        return chip.activation_shift if self.kind is Kind.LEVEL else 0

    def unity(self, chip: Chip) -> float:
        """Units of the value that acts in one unit of the float parameter's step coefficient; 1 of a level."""
        if self.kind is Kind.DECAY:
            return float(1 << self.width(chip))
        if self.kind is Kind.GAIN:
            return float(1 << (chip.decay_bits if self.places is None else self.places))
        return 1.0

    def acting(self, code: Any, chip: Chip) -> Any:
        """What acts in a step where the register holds ``code``."""
        return (code + self.added(chip)) << self.shift(chip)


# Of a stochastic model: the state that counts the steps of a sample, the register that seeds its random numbers, and
# what keys those of a neuron, which networks derive from the seed.
NOISE_STEP = State("noise_step", bits=31, unit=Unit.NUMBER, signed=False)
SEED = Parameter("seed", "seed", Kind.NUMBER, default=0.0)
NOISE_KEYS = ("noise_low", "noise_high")

# Added to what the step of a model asks for by this name, whatever the model: the constant input of a population.
BIAS = "bias"
# Name of the synaptic input.
ARRIVING = "arriving"


class NeuronModel(metaclass=UnchangingType):
    """Base of the neuron models. A model is one class without attributes of its instances, in one file.

    Two instances of a class are the same model; what is to differ is a parameter, or a class attribute of a subclass.

    Attributes:
        name: by which files and users name it.
        states: registers that change.
        parameters: registers that do not.
        voltage: the state that is recorded as v, and that a readout by ``max_membrane`` reads; only of a model that
            has no state of the name v.
        ports: synaptic inputs beside ``arriving``; the step finds them as attributes of p.
        payload: the state that a neuron sends with each of its spikes, which are then graded: a synapse adds its
            weight times the value of this state after the step. Empty where spikes carry nothing.
        stochastic: whether the step draws random numbers: ``op.random(bits)``, or the rounding ``stochastic``. The
            model then has the state ``noise_step`` and the parameter ``seed`` too. A neuron's random numbers depend on
            its seed, its number, the position of its population and the step alone: each target draws the same, every
            sample meets the same, and another seed gives others.
        source: where its equations come from.
    """

    name: ClassVar[str]
    states: ClassVar[tuple[State, ...]]
    parameters: ClassVar[tuple[Parameter, ...]]
    voltage: ClassVar[str] = "v"
    ports: ClassVar[tuple[str, ...]] = ()
    payload: ClassVar[str] = ""
    stochastic: ClassVar[bool] = False
    source: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.stochastic and NOISE_STEP not in cls.states:
            # The class is being made: nothing has seen it yet.
            type.__setattr__(cls, "states", (*cls.states, NOISE_STEP))
            type.__setattr__(cls, "parameters", (*cls.parameters, SEED))

    @abstractmethod
    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """One step of every neuron.

        Args:
            op: the operations, see :class:`~ssdp_hw.operations.base.Operations`.
            s: states before the step, as attributes.
            p: parameters as they act (offsets added, levels shifted to the scale of the states), and ``p.bias``.
            arriving: synaptic input of the step on the scale of the states.

        Returns:
            Every state after the step, after any reset; and the condition under which a neuron fires.
        """

    def advance(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """:meth:`step`, with random numbers where the model is stochastic; what everything calls that runs a model.

        A readout never fires, whatever condition the step makes without ``op.fires``.
        """
        if self.stochastic:
            op.begin_noise(s.noise_step, p.noise_low, p.noise_high)
        returned: Any = self.step(op, s, p, arriving)
        if not isinstance(returned, tuple) or len(returned) != 2:
            return returned  # no step, which :mod:`ssdp_hw.models.form` says
        states, fired = returned
        if not op.spiking:
            fired = op.never()
        if not self.stochastic:
            return states, fired
        last = (1 << (NOISE_STEP.bits or 0) - 1) - 1  # after it the steps are counted from 0 again
        return {**states, NOISE_STEP.name: op.select(s.noise_step < last, op.minimum(s.noise_step + 1, last), 0)}, fired

    @property
    def noise_keys(self) -> tuple[str, ...]:
        """What keys a neuron's random numbers, given to the step beside its parameters; empty where it draws none."""
        return NOISE_KEYS if self.stochastic else ()

    @property
    def acting_names(self) -> tuple[str, ...]:
        """What a step needs of every neuron beside its states, its inputs and its bias: parameters and noise keys."""
        return (*(q.name for q in self.parameters), *self.noise_keys)

    def __repr__(self) -> str:
        return f"neuron model {self.name}"

    def _repr_html_(self) -> str:
        rows = [(s.name, "state", "changes in every step") for s in self.states]
        rows += [(p.name, p.kind.value, f"of {p.float_name}") for p in self.parameters]
        return Table(repr(self), ("register", "kind", "what"), rows, [self.source] if self.source else []).to_html()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def initial_limits(self, chip: Chip) -> tuple[int, int]:
        """The range of the voltage before the first step: that of the state ``v``, or the chip's without one."""
        found = [state.limits(chip) for state in self.states if state.name == "v"]
        return found[0] if found else (-chip.state_max, chip.state_max)

    def parameter(self, name: str) -> Parameter | None:
        """The parameter whose register has that name."""
        return next((p for p in self.parameters if p.name == name), None)
