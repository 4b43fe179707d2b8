"""The step of a model in the form of one population: widths of its chip, its reset, its threshold's comparison."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

import numpy as np

from ssdp_hw.chips import Chip, load_chip
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import ARRIVING, BIAS, NeuronModel
from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.operations.exact import ExactOperations
from ssdp_hw.operations.graph import GraphOperations
from ssdp_hw.operations.ideal import IdealOperations
from ssdp_hw.operations.interval import IntervalOperations
from ssdp_hw.operations.node import Node, graph_text, in_order
from ssdp_hw.operations.philox import NOISE_KEY_BITS

AnyOperations = TypeVar("AnyOperations", bound=Operations)


@dataclass(frozen=True, eq=False)
class StepGraph:
    """A step as values that depend on each other.

    Attributes:
        states: the value of every state after the step.
        fired: the condition under which a neuron fires.
        counts: for each overflow count the condition under which it counts.
        bits: width of a signed integer that holds every value of the step; 0 of a step in real numbers.
    """

    states: Mapping[str, Node]
    fired: Node
    counts: Mapping[str, Node]
    bits: int

    @property
    def leaf_bits(self) -> int:
        """Width of a signed integer that holds every state, every parameter and the synaptic input."""
        return max((_bits(node) for node in self.nodes if node.operation == "leaf"), default=1)

    @property
    def computed(self) -> list[Node]:
        """The values that the states and spikes need, without those of overflow counts."""
        return list(in_order([*self.states.values(), self.fired]))

    @property
    def nodes(self) -> list[Node]:
        """Every value, each after those that it is computed from."""
        return list(in_order([*self.states.values(), self.fired, *self.counts.values()]))


@dataclass(frozen=True)
class StepForm:
    """A model with all that is the same for every neuron of a population.

    Attributes:
        model: the neuron model.
        chip: the chip, whose widths the registers have.
        spiking, at_least, subtract: see :class:`~ssdp_hw.operations.base.Operations`.
        wide: whether the synaptic input of one step may be larger than the register of a state, so that a state which
            wraps may lie outside its register.
        ports: those synaptic inputs beside the first that something may arrive at; at the others it is 0.
        payload_bits: width of the payload without its sign, of a model whose spikes carry one; None for the width that
            the model gives this state.
        arriving_bits: the synaptic input of a step is at most 2 to the power of this or of the chip's ``state_bits``.
    """

    model: NeuronModel
    chip: Chip
    spiking: bool = True
    at_least: bool = False
    subtract: bool = False
    wide: bool = False
    ports: tuple[str, ...] = ()
    payload_bits: int | None = None
    arriving_bits: int = 0

    @property
    def registers(self) -> dict[str, int]:
        """Width of every state's register."""
        widths = {s.name: s.width(self.chip) for s in self.model.states}
        if self.model.payload and self.payload_bits is not None:
            widths[self.model.payload] = self.payload_bits + 1
        return widths

    @property
    def largest_arriving(self) -> int:
        """The largest synaptic input of a step that the step is made for, on the scale of the states."""
        return self.chip.current_max if self.wide else 1 << max(self.chip.state_bits, self.arriving_bits)

    def exact(self) -> ExactOperations:
        """The operations on integers for this form."""
        return self._operations(ExactOperations).counting()

    def ideal(self) -> IdealOperations:
        """The operations on real numbers for this form."""
        return self._operations(IdealOperations)

    def intervals(self) -> IntervalOperations:
        """The operations on intervals for this form."""
        return self._operations(IntervalOperations).counting()

    def _operations(self, kind: type[AnyOperations]) -> AnyOperations:
        made = kind(
            self.chip.decay_bits,
            self.registers,
            spiking=self.spiking,
            at_least=self.at_least,
            subtract=self.subtract,
        )
        made.activation_shift = self.chip.activation_shift
        return made

    def graph(self, *, ideal: bool = False, word: int = 64) -> StepGraph:
        """The step as a graph; see :class:`~ssdp_hw.operations.graph.GraphOperations`.

        Raises:
            ParameterError: the step is no step: it leaves out a state, uses what there is not, or makes a state that
                its register cannot hold.
        """
        return _graph(self, ideal, word)

    @cached_property
    def count_names(self) -> tuple[str, ...]:
        """Names of the overflow counts, in order."""
        return tuple(self.graph().counts)

    @property
    def digest(self) -> str:
        """A hash of what the step computes; two forms of the same meaning may have different ones."""
        return hashlib.sha256(_text(self.graph()).encode()).hexdigest()[:16]


# What a step writes where its equations have a real number.
_IN_PLACE_OF_REALS = (
    "a factor is a parameter of Kind.GAIN in op.scale(x, p.gain, op.decay_bits), or a fraction such as "
    "op.scale(x, 230, 8); a voltage is a parameter of Kind.LEVEL"
)
# How often the first graph of a step is made, to see whether it is the same one every time.
_TIMES = 4


@lru_cache(maxsize=256)
def _graph(form: StepForm, ideal: bool, word: int) -> StepGraph:
    made = _traced(form, ideal, word)
    _check_same_every_time(form.model)
    return made


@lru_cache(maxsize=256)
def _check_same_every_time(model: NeuronModel) -> None:
    """Raise where a step depends on more than it is given: targets which print it would all keep one such outcome."""
    form = StepForm(model, load_chip("loihi2"), wide=True)
    texts = {_text(_traced(form, True, 64)) for _ in range(_TIMES)}
    if len(texts) > 1:
        raise ParameterError(
            f"neuron model '{model.name}': its step computes something else each time that it is called; random "
            "numbers come from op.random(bits) of a class with stochastic = True, and a neuron remembers by its states"
        )


def _traced(form: StepForm, ideal: bool, word: int) -> StepGraph:
    model, owner = form.model, f"neuron model '{form.model.name}'"
    if model.payload and model.payload not in form.registers:
        raise ParameterError(f"{owner}: its spikes carry '{model.payload}', which is none of its states")
    op = GraphOperations(
        form.chip.decay_bits,
        form.registers,
        form.spiking,
        form.at_least,
        form.subtract,
        ideal=ideal,
        word=word,
        activation_shift=form.chip.activation_shift,
        real_shifts=True,
    )
    s, p, arriving = _leaves(form, ideal)
    try:
        returned = model.advance(op, Values(s), Values(p), arriving)
    except (ParameterError, AttributeError) as error:
        raise ParameterError(f"{owner}: {error}") from None
    except RecursionError:
        raise ParameterError(f"{owner}: its step calls itself without end; a step has no loops over time") from None
    except Exception as error:
        if isinstance(error, TypeError) and "ufunc" in str(error):
            raise ParameterError(f"{owner}: its step calls NumPy; a step is made of op's operations alone") from None
        raise ParameterError(f"{owner}: its step fails with {type(error).__name__}: {error}") from error
    states, fired = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, None)
    if fired is None:
        raise ParameterError(
            f"{owner}: its step must return two values: a dict of its states, and the condition under which it fires "
            "(op.never() where it never does)"
        )
    if not isinstance(states, dict):
        raise ParameterError(
            f"{owner}: its step must return a dict of its states first, and then the condition under which it fires; "
            f"first it returns {type(states).__name__}"
        )
    if set(states) != set(s):
        wrong = [f"'{n}' is missing" for n in s if n not in states]
        wrong += [f"{n!r} is none of them: declare State({n!r})" for n in states if n not in s]
        raise ParameterError(
            f"{owner}: its step must return every state, {', '.join(s)}, and nothing else; {', '.join(wrong)}"
        )
    if not isinstance(fired, Node) or not fired.condition:
        raise ParameterError(
            f"{owner}: its step must return a condition as its second value; use op.fires(v, level), a comparison, or "
            "op.never()"
        )
    new = {name: _result(owner, name, states[name]) for name in s}
    _check_limits(form, owner, new, op)
    bits = 0
    if not ideal:
        if not form.wide:  # else the design rule of the activation register shows what no single step can
            for name, node in new.items():
                _check_register(form, name, node, s[name], op)
        for node in in_order([*new.values(), fired]):
            if node.operation == "constant" and not isinstance(node.detail, int):
                whole = isinstance(node.detail, float) and node.detail.is_integer()
                raise ParameterError(
                    f"{owner}: its step has the number {node.detail!r}; a step is of integers: "
                    + (f"write {node.detail:.0f}" if whole else _IN_PLACE_OF_REALS)
                )
        nodes = list(in_order([*new.values(), fired, *op.counts.values()]))
        bits = max(_bits(node) for node in nodes)
        if bits > 64:
            first = next(node for node in nodes if _bits(node) > 64)
            made_of = " and ".join(f"{a.low} .. {a.high}" for a in first.arguments) or str(first.detail)
            raise ParameterError(
                f"{owner}: a value of its step needs {bits} bits on chip '{form.chip.name}'; 64 are held. The first is "
                f"'{first.operation}' of {made_of}: make one of them smaller first, by op.clip, op.minimum or "
                "op.shift_right"
            )
    return StepGraph(new, fired, dict(op.counts), bits)


def _leaves(form: StepForm, ideal: bool) -> tuple[dict[str, Node], dict[str, Node], Node]:
    """Symbols of the states, of the parameters with the bias, and of the synaptic input."""
    chip, unbounded = form.chip, float("inf")

    def leaf(name: str, low: int, high: int) -> Node:
        return Node("leaf", (), -unbounded if ideal else low, unbounded if ideal else high, name)

    def symmetric(name: str, largest: int) -> Node:
        return leaf(name, -largest, largest)

    grown = chip.current_max  # by the design rule of the activation register
    s = {}
    for state in form.model.states:
        largest = grown if form.wide else 1 << (form.registers[state.name] - 1)
        s[state.name] = leaf(state.name, -largest if state.signed else 0, largest)
    p = {}
    for q in form.model.parameters:
        low, high = (q.acting(code, chip) for code in q.code_range(chip))
        p[q.name] = leaf(q.name, low, high)
    p |= {key: leaf(key, 0, (1 << NOISE_KEY_BITS) - 1) for key in form.model.noise_keys}
    p[BIAS] = symmetric(BIAS, chip.bias_mant_max << chip.bias_exp_max)
    most = form.largest_arriving
    for port in form.model.ports:
        p[port] = symmetric(port, most) if port in form.ports else Node("constant", (), 0, 0, 0)
    return s, p, symmetric(ARRIVING, most)


def _check_limits(form: StepForm, owner: str, new: Mapping[str, Node], op: GraphOperations) -> None:
    """Raise where another state gets what the register of a state of another width limited, by a name mistaken."""
    for name, limited in op.limited.items():
        getting = [n for n, node in new.items() if any(any(x is y for y in limited) for x in in_order([node]))]
        wrong = [n for n in getting if form.registers[n] != form.registers[name]]
        if wrong and name not in getting:
            raise ParameterError(
                f"{owner}: state '{wrong[0]}', of {form.registers[wrong[0]]} bits, gets a value that op.saturate or "
                f"op.wrap limited by the {form.registers[name]} bits of state '{name}', which does not get it: write "
                f"'{wrong[0]}' there. A bound of another kind is op.clip(x, low, high)"
            )


def _result(owner: str, name: str, value: Value) -> Node:
    if isinstance(value, np.integer):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Node("constant", (), value, value, value)
    if isinstance(value, Node) and value.condition:
        raise ParameterError(
            f"{owner}: its step returns a condition as state '{name}'; op.select({name}, 1, 0) counts it"
        )
    if not isinstance(value, Node):
        raise ParameterError(
            f"{owner}: its step returns {value!r} as state '{name}', which is no number of a step: an integer, or what "
            "op's operations make"
        )
    return value


def _check_register(form: StepForm, name: str, node: Node, leaf: Node, op: GraphOperations) -> None:
    """Raise where a state after the step may lie outside its register, ``leaf``; ``op`` knows how it was limited."""
    if leaf.low <= node.low and node.high <= leaf.high:
        return
    after = ", reset='subtract' included," if form.subtract else ""
    advice = (
        f"limit it in the step with op.saturate(value, '{name}') or op.wrap(value, '{name}') around all that the step "
        "returns, op.reset included"
    )
    if leaf.low == 0 and node.low >= -leaf.high and node.high <= leaf.high:
        advice = f"it is declared signed=False: return op.maximum(value, 0), or leave that out of State('{name}', ...)"
    elif name in op.turned_too_far:
        low, high = op.turned_too_far[name]
        advice = (
            f"op.wrap turns once around the register, and what it gets, {low} .. {high}, may need more turns: bound "
            "what is added, as by op.clip(arriving + p.bias, -level, level) with a level of the model, or give the "
            "register more bits"
        )
    elif f"{name}_saturations" in op.counts or f"{name}_wraps" in op.counts:
        advice = (
            "the step limits it, and computes with it further: limit the last value in place of the first, op.reset "
            "included, or keep it inside by op.minimum, op.maximum or op.clip, which count nothing"
        )
    raise ParameterError(
        f"neuron model '{form.model.name}': state '{name}' can reach {node.low} .. {node.high}{after} on chip "
        f"'{form.chip.name}', outside {leaf.low} .. {leaf.high} of its register; {advice}"
    )


def _bits(node: Node) -> int:
    """Bits of a signed integer that holds every value of a node."""
    return max((int(x) if x >= 0 else ~int(x)).bit_length() + 1 for x in (node.low, node.high))


@lru_cache(maxsize=256)
def without_effect(model: NeuronModel) -> frozenset[str]:
    """Which options of a population do nothing to a model, whose step has a reset or comparison of its own."""
    chip = load_chip("loihi2")
    plain = StepForm(model, chip).digest
    options = {"reset": StepForm(model, chip, subtract=True), "threshold": StepForm(model, chip, at_least=True)}
    return frozenset(name for name, form in options.items() if form.digest == plain)


@lru_cache(maxsize=256)
def _leaves_read(model: NeuronModel) -> frozenset[object]:
    """What the step computes with, by name: in real numbers, which any chip's registers hold."""
    nodes = StepForm(model, load_chip("loihi2"), ports=model.ports).graph(ideal=True).nodes
    return frozenset(node.detail for node in nodes if node.operation == "leaf")


def reads_bias(model: NeuronModel) -> bool:
    """Whether anything that the step computes depends on the bias."""
    return BIAS in _leaves_read(model)


def used_inputs(model: NeuronModel) -> tuple[str, ...]:
    """The synaptic inputs that the step computes with, by port; the first has no name."""
    return tuple(port for port in ("", *model.ports) if (port or ARRIVING) in _leaves_read(model))


@lru_cache(maxsize=256)
def ever_fires(model: NeuronModel) -> bool:
    """Whether the step may fire at all: not where its condition is ``op.never()``, as of a readout."""
    fired = StepForm(model, load_chip("loihi2")).graph().fired
    return not (fired.operation == "less" and all(a.operation == "constant" for a in fired.arguments))


def check_options(model: NeuronModel, owner: str, *, subtract: bool, at_least: bool, bias: bool) -> None:
    """Raise where a population asks for a reset, comparison or bias, not the default, that its model does not know.

    Raises:
        ParameterError: it does.
    """
    for option, given in {"reset": subtract, "threshold": at_least}.items():
        if given and option in without_effect(model):
            raise ParameterError(
                f"{owner}: {option} is given, but the step of {model} says itself what happens there; leave it out"
            )
    if bias and not reads_bias(model):
        raise ParameterError(
            f"{owner}: a bias is given, but the step of {model} uses no p.bias: leave it out, or add it in the step"
        )


@lru_cache(maxsize=256)
def step_digest(model: NeuronModel) -> str:
    """A hash of what a model's step computes and sends, on one chip and form that stand for all; it goes into files."""
    digest = StepForm(model, load_chip("loihi2")).digest
    return f"{digest} sends {model.payload}" if model.payload else digest


def check_digest(model: NeuronModel, digest: object) -> None:
    """Raise where a file was written with another step of a model of this name.

    Raises:
        ParameterError: it was.
    """
    if digest != step_digest(model):
        raise ParameterError(
            f"neuron model '{model.name}' computes another step here than where the file was written; install the "
            "version of its package that wrote the file"
        )


def _text(graph: StepGraph) -> str:
    """A graph as text, one line a node."""
    return graph_text(graph.nodes, [*graph.states.items(), *graph.counts.items(), ("fired", graph.fired)])
