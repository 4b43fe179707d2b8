"""What a learning rule declares: its variables, its parameters, and what happens at which moment.

A rule is one class in one file. It is written in the operations of :mod:`ssdp_hw.operations.base`, so that the same
functions mean the chip's integers, real numbers, and the code that every target runs.

In each step of a window, for every plastic projection, in this order:

1. ``each_step`` for every synapse, ``pre_spike`` for the synapses whose presynaptic neuron fires, ``post_spike`` for
   those whose postsynaptic neuron fires. They read the variables of the neurons as they were before the step.
2. ``pre_step`` and ``post_step`` for every neuron, ``post_sum`` for every postsynaptic one, and with these sums
   ``group_step`` once; all read the variables as they were before the step.

A rule may read states of the neurons (:class:`StateRead`): everything above finds what they are at the end of the
step, after threshold and reset.

After the last step of a window comes ``window_end`` for every synapse. Every variable has its start value at the
beginning of a window, but one that ``lasts``: it goes on from window to window, and from run to run by the learning
state. A :class:`WrittenVariable` gathers changes of another quantity than the weight, which moves with the weights; an
:class:`AliveBit` lets a synapse die with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ssdp_hw.checks import Choice
from ssdp_hw.display import Table, shown, text
from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.operations.unchanging import UnchangingType

# What the functions of a rule find beside its own variables and parameters.
SPIKE, STEP, STEPS, WEIGHT = "spike", "step", "steps", "weight"
PRE_COUNT, POST_COUNT = "pre_count", "post_count"
INDEX, SUMS = "index", "sums"
WEIGHT_SUM, FAN_IN = "weight_sum", "fan_in"

# What has variables: both ends of a synapse, the synapse, and the projection.
HOMES = ("pre", "post", "synapse", "group")

# Longest window in steps: products of the squares of two counts of steps fit 64 bits.
STEPS_MAX = 2**20


@shown
@dataclass(frozen=True)
class RuleVariable:
    """An integer of every neuron, of every synapse, or of the projection.

    Attributes:
        name: a Python identifier.
        bits: width of its register; a signed one holds ``-(2**(bits-1) - 1) .. 2**(bits-1) - 1``.
        signed: False where the rule never makes it negative, which is checked.
        start: value at the beginning of a window: a number, or the name of a parameter.
        lasts: whether it goes on from window to window, as a sliding threshold or the mean rate of a neuron does;
            ``start`` is then its value before the first window of all.
    """

    name: str
    bits: int = 16
    signed: bool = False
    start: int | str = 0
    lasts: bool = False

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest value of the register."""
        return (1 - (1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1) if self.signed else (0, (1 << self.bits) - 1)

    def start_value(self, parameters: Mapping[str, Any]) -> Any:
        """The start value where the parameters have these values."""
        return parameters[self.start] if isinstance(self.start, str) else self.start


@shown
@dataclass(frozen=True)
class RuleFactor:
    """A third factor: a number that comes from outside in every step, such as a reward or an error.

    ``sh.learn(..., factors={"reward": array})`` gives it. Functions read it as they read variables, and never change
    it; ``window_end`` finds the value of the last step.

    Attributes:
        name: a Python identifier.
        home: ``post``, one for every postsynaptic neuron, or ``group``, one for the projection.
        bits, signed: its register, as of a variable; at most 31 bits.
        unit: the parameter of the kind ``unit`` that says what 1 is in the register; without one it is whole.
    """

    name: str
    home: str = "group"
    bits: int = 8
    signed: bool = True
    unit: str = ""

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest value of the register."""
        return RuleVariable(self.name, self.bits, self.signed).limits


@shown
@dataclass(frozen=True)
class StateRead:
    """A state of the neurons at one end that functions read, such as the membrane voltage.

    In a step they find its value at the end of that step, after threshold and reset, which is what
    :func:`ssdp_hw.run` records; ``window_end`` finds that of the last step. What a reset took away they can put back
    where it subtracts: ``v`` before it was ``v`` plus the threshold where the neuron fires.

    Attributes:
        state: name of the state, in the neuron's model.
        home: ``post`` or ``pre``, whose state it is; inputs have none.
        bits, signed: the register in which the rule holds it, as wide as the neuron's own or wider; a current that is
            outside its own even after it has wrapped saturates here. In real numbers it has no ends.
        name: by which functions find it; where it is empty that of the state.
    """

    state: str
    home: str = "post"
    bits: int = 24
    signed: bool = True
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.state)

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest value of the register; a chip's current reaches the latter."""
        half = 1 << (self.bits - 1)
        return (-half, half) if self.signed else (0, 2 * half - 1)


class Quantity(Choice):
    """What a rule can move beside weights."""

    THRESHOLD = "threshold"  # of a postsynaptic neuron: ``vth``, in real numbers ``v_threshold``
    DELAY = "delay"  # of a synapse, in whole steps also in real numbers


@shown
@dataclass(frozen=True)
class WrittenVariable(RuleVariable):
    """An accumulator: a register in which changes of a quantity of the network gather until they make a whole unit.

    Functions of its home return by its name the change, which is added to the register and saturates there; they do not
    see it. At a weight update the quantity takes the whole units from the register by the rule's rounding, as weights
    do from their counters. It outlasts windows.

    Attributes:
        quantity: what it moves.
        shift: name of the parameter of the kind ``shift``: one unit of the quantity is ``2**shift`` of the register.
        least, most: names of the parameters between which the quantity stays; a delay needs none.
        shows: name of a variable of the same home that outlasts windows, in which functions find the quantity's value.
    """

    bits: int = 24
    signed: bool = True
    lasts: bool = True
    quantity: Quantity = Quantity.THRESHOLD
    shift: str = ""
    least: str = ""
    most: str = ""
    shows: str = ""


@shown
@dataclass(frozen=True)
class AliveBit(RuleVariable):
    """Whether a synapse is alive, a variable of synapses.

    Functions return by its name 1, or 0 for a synapse that is to die; a 0 stays, whatever they return later. At the
    next weight update dead synapses leave the network: they transmit nothing from then on and take no memory.
    """

    bits: int = 1
    start: int | str = 1
    lasts: bool = True


# The home of each quantity.
QUANTITY_HOMES = {Quantity.THRESHOLD: "post", Quantity.DELAY: "synapse"}


class RuleKind(Choice):
    """How a parameter goes from the float rule to a register."""

    WEIGHT = "weight"  # a weight in units of the float weight; the register holds LSB, as ``at.synapse.weight`` does
    AMPLITUDE = "amplitude"  # weight change in units of the float weight; the register counts counter units
    DECAY = "decay"  # a time constant in steps; the register holds the part lost in a step, times 2**12
    UNIT = "unit"  # what 1 is in the register, such as the trace that a spike leaves; 1 in real numbers
    LIMIT = "limit"  # the largest value of a register; infinite in real numbers
    NUMBER = "number"  # a count, as it is
    GAIN = "gain"  # a plain factor; the register holds it times the ``units`` that it names
    SHIFT = "shift"  # a right shift, 0 in real numbers; ``dw_shift``, that of weight changes, is found with amplitudes
    TABLE = "table"  # entries of a table
    THRESHOLD_CHANGE = "threshold_change"  # in units of the float threshold; the register has those of an accumulator
    THRESHOLD = "threshold"  # a threshold in units of the float one; the register holds that of the neurons
    LEVEL = "level"  # of the voltage of postsynaptic neurons, in its float units; the register has those of v
    DELAY_CHANGE = "delay_change"  # in steps; the register has the units of an accumulator


@shown
@dataclass(frozen=True)
class RuleParameter:
    """A number of a rule that a run does not change, the same for all synapses of a projection.

    Attributes:
        name: of the register, a Python identifier.
        kind: see :class:`RuleKind`.
        bits: width of the register, without a sign; of a table, width of an entry.
        signed: whether it may be negative.
        float_name: of the parameter in the float rule; the register's own name where it is empty.
        default: in the float rule; for a unit or a limit the register's. None where the user must give it.
        units: for an amplitude the parameters of the kind ``unit`` by which its factors are scaled, one name a factor;
            for a table or a gain those by which it is scaled.
        weights: for an amplitude, how many of its factors are the synapse's own weight.
    """

    name: str
    kind: RuleKind = RuleKind.NUMBER
    bits: int = 16
    signed: bool = False
    float_name: str = ""
    default: float | None = None
    units: tuple[str, ...] = ()
    weights: int = 0

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest integer of the register."""
        if self.kind is RuleKind.SHIFT:
            return 0, 24
        if self.kind is RuleKind.DECAY:
            return 0, 1 << DECAY_BITS
        top = (1 << self.bits) - 1
        return (-top if self.signed else 0), top


# Fraction bits of the decay of a variable.
DECAY_BITS = 12

Changes = Value | Mapping[str, Value]
Parameters = Mapping[str, int | float | tuple[int, ...] | tuple[float, ...]]


class RuleModel(metaclass=UnchangingType):
    """Base of the declared rules. Attributes of an instance, if there are any, are choices that change the functions;
    such a rule is a frozen dataclass.

    Attributes:
        name: by which files and users name it.
        pre, post: variables of every presynaptic and postsynaptic neuron.
        synapse: variables of every synapse.
        group: variables of the projection.
        factors: numbers that come from outside in every step.
        reads: states of the neurons that functions read.
        parameters: numbers that a run does not change.
        reads_weight: whether a function reads ``at.synapse.weight``, the stored weight in LSB; it moves at weight
            updates only.
        reads_weight_sums: whether a function of synapses reads ``at.post.weight_sum``, the sum of the stored weights of
            all synapses of the projection that end at the neuron, or ``at.post.fan_in``, their number.
        source: where its equations come from.
    """

    name: ClassVar[str]
    pre: ClassVar[tuple[RuleVariable, ...]] = ()
    post: ClassVar[tuple[RuleVariable, ...]] = ()
    synapse: ClassVar[tuple[RuleVariable, ...]] = ()
    group: ClassVar[tuple[RuleVariable, ...]] = ()
    factors: ClassVar[tuple[RuleFactor, ...]] = ()
    reads: ClassVar[tuple[StateRead, ...]] = ()
    parameters: ClassVar[tuple[RuleParameter, ...]] = ()
    reads_weight: ClassVar[bool] = False
    reads_weight_sums: ClassVar[bool] = False
    source: ClassVar[str] = ""

    def pre_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The variables of a presynaptic neuron after a step.

        Args:
            op: the operations.
            n: variables of the neuron before the step, factors of its home and states that the rule reads as
                attributes, ``n.spike`` (whether it fires), ``n.index`` (number of the neuron in its population),
                ``n.step`` (number of the step in the window) and ``n.group`` (variables and factors of the projection).
            p: the parameters as attributes, and ``p.steps``, the number of steps of a window.
        """
        raise NotImplementedError

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The variables of a postsynaptic neuron after a step; see :meth:`pre_step`."""
        raise NotImplementedError

    def group_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The variables of the projection after a step; ``n.pre_count`` and ``n.post_count`` neurons fire in it.

        ``n.sums`` has what :meth:`post_sum` returns, summed over the postsynaptic neurons.
        """
        raise NotImplementedError

    def post_sum(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """What a postsynaptic neuron adds to sums over its population, by name; see :meth:`post_step`.

        A sum of squares of a trace is the layer's goodness; spikes times entries of a table by ``n.index`` are a fixed
        projection of the layer's spikes.
        """
        raise NotImplementedError

    def each_step(self, op: Operations, at: Values, p: Values) -> Changes:
        """What a step brings a synapse.

        Args:
            op: the operations.
            at: ``at.pre``, ``at.post`` and ``at.synapse`` have variables as attributes, the former two ``spike`` too,
                ``at.synapse`` the ``weight``; ``at.group`` has the projection's variables, ``at.step`` is the step.
                ``at.post`` and ``at.group`` have the factors of their home, ``at.pre`` and ``at.post`` the ``index``
                and the states that the rule reads.
            p: see :meth:`pre_step`.

        Returns:
            The weight change in counter units; or by name the ``weight`` change and new variables of the synapse.
        """
        raise NotImplementedError

    def pre_spike(self, op: Operations, at: Values, p: Values) -> Changes:
        """What a spike of its presynaptic neuron brings a synapse; see :meth:`each_step`."""
        raise NotImplementedError

    def post_spike(self, op: Operations, at: Values, p: Values) -> Changes:
        """What a spike of its postsynaptic neuron brings a synapse; see :meth:`each_step`."""
        raise NotImplementedError

    def window_end(self, op: Operations, at: Values, p: Values) -> Changes:
        """What the end of a window brings a synapse; see :meth:`each_step`. There is no ``spike`` and no ``step``."""
        raise NotImplementedError

    def factors_of(self, home: str) -> tuple[RuleFactor, ...]:
        """The factors of one home."""
        return tuple(f for f in self.factors if f.home == home)

    def reads_of(self, home: str) -> tuple[StateRead, ...]:
        """The states of the neurons of one home that functions read."""
        return tuple(r for r in self.reads if r.home == home)

    def given_of(self, home: str) -> tuple[RuleFactor | StateRead, ...]:
        """What functions of one home find beside its variables, and never change: factors, then states."""
        return (*self.factors_of(home), *self.reads_of(home))

    @property
    def lasting(self) -> dict[str, tuple[RuleVariable, ...]]:
        """The variables that go on from window to window, by their home."""
        homes = {home: getattr(self, home) for home in HOMES}
        return {home: kept for home, found in homes.items() if (kept := tuple(v for v in found if v.lasts))}

    @property
    def writes(self) -> dict[str, tuple[WrittenVariable, ...]]:
        """The accumulators of what the rule moves beside weights, by their home."""
        homes = {home: tuple(v for v in getattr(self, home) if isinstance(v, WrittenVariable)) for home in HOMES}
        return {home: found for home, found in homes.items() if found}

    @property
    def alive(self) -> AliveBit | None:
        """The variable by which synapses die; None where they never do."""
        return next((v for v in self.synapse if isinstance(v, AliveBit)), None)

    def has(self, moment: str) -> bool:
        """Whether the rule declares what happens at that moment, such as ``pre_spike``."""
        return getattr(type(self), moment) is not getattr(RuleModel, moment)

    def __repr__(self) -> str:
        return f"learning rule {self.name}"

    def _repr_html_(self) -> str:
        rows = [(p.name, text(p.kind)) for p in self.parameters]
        return Table(repr(self), ("parameter", "kind"), rows, [self.source] if self.source else []).to_html()


@dataclass(frozen=True)
class Declaration:
    """A rule as targets run it.

    Attributes:
        model: the declared rule.
        parameters: its numbers, tables as tuples: integers of the registers, or real numbers as they act.
    """

    model: RuleModel
    parameters: Parameters


def faded(op: Operations, raised: Value, decay: Value, rounding: str) -> Value:
    """A trace after the decay of one step: it keeps ``4096 - decay`` of 4096."""
    return op.decay(raised, decay, DECAY_BITS, rounding)
