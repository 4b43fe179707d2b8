"""``prove``: which registers of a fixed network can overflow, for any input at all.

Every population is followed from its initial state by the intervals of its states, while each presynaptic neuron may
fire or not in every step. Intervals that no further step widens hold for ever (an inductive invariant). What they do
not rule out is tried: inputs that drive a neuron in one direction, run on a target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ssdp_hw import arithmetic
from ssdp_hw.arrays import Int
from ssdp_hw.checks import Choice
from ssdp_hw.display import Table, cut, shown, wrapped
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.operations.base import Values
from ssdp_hw.operations.interval import Interval, IntervalOperations, Operand
from ssdp_hw.running.run import run

States = dict[str, Interval]

# Steps of a block, after each of which the growth of the intervals is extrapolated, and blocks before they are widened
# to their registers.
_STEPS, _BLOCKS = 64, 24
# The slowest geometric growth that is extrapolated.
_SLOWEST = 1.0 - 2.0**-10
# An extrapolated interval is made wider by this factor and this many units, so that rounding does not leave it.
_MARGIN, _SLACK = 1.002, 64.0
# An interval that a step does not leave is made narrower by at most this many further steps.
_NARROWINGS = 400
# Neurons that inputs are tried for, those with the widest intervals first, and steps of such an input.
_TRIED, _DRIVEN_STEPS = 16, 600
# Populations between a neuron and the inputs that drive it.
_DEPTH = 4


class Verdict(Choice):
    """What is known of the overflow of a register."""

    PROVED = "proved"  # it never overflows, whatever the input
    REACHED = "reached"  # it overflows under the input that `inputs` has
    OPEN = "open"  # neither is known


@shown
@dataclass(frozen=True, eq=False)
class RegisterProof:
    """One register of one population.

    Attributes:
        population: its name.
        count: the overflow that is meant, such as ``v_saturations``.
        verdict: see :class:`Verdict`.
        low, high: range of the value before it wraps or saturates.
        register_low, register_high: what the register holds.
        size: number of neurons of the population, each of which has the register.
        neurons: number of neurons whose range exceeds the register.
        reached: number of these that were seen at the end of their register in a run that overflowed; where the state
            does not show it, as of one that wraps, 1 for all.
        inputs: where reached, spikes (time, 1, channels) by input that make it overflow.
    """

    population: str
    count: str
    verdict: Verdict
    low: int
    high: int
    register_low: int
    register_high: int
    neurons: int
    size: int
    reached: int = 0
    inputs: dict[str, NDArray[np.bool_]] = field(default_factory=dict)

    def __str__(self) -> str:
        bounds = f"{self.low} .. {self.high} in a register of {self.register_low} .. {self.register_high}"
        told = {
            Verdict.PROVED: "never, for any input",
            Verdict.REACHED: (
                f"by an input that was made for it ({self.neurons} of {self.size} neurons are not ruled out, at least "
                f"{self.reached} overflow)"
            ),
            Verdict.OPEN: f"open for {self.neurons} neurons: no input was found that does it",
        }
        return f"population '{self.population}': {self.count}: {told[self.verdict]} ({bounds})"


@shown
@dataclass(frozen=True, eq=False)
class Proof:
    """The registers of a network."""

    registers: tuple[RegisterProof, ...]

    def of(self, verdict: Verdict | str) -> list[RegisterProof]:
        """The registers of one verdict."""
        return [r for r in self.registers if r.verdict is Verdict(verdict)]

    @property
    def holds(self) -> bool:
        """Whether no register can overflow."""
        return len(self.of(Verdict.PROVED)) == len(self.registers)

    def neurons_of(self, verdict: Verdict | str) -> int:
        """How many neurons' registers have a verdict, each neuron of each register counted by itself."""
        counted = {
            Verdict.PROVED: sum(r.size - r.neurons for r in self.registers),
            Verdict.REACHED: sum(r.reached for r in self.registers),
            Verdict.OPEN: sum(r.neurons - r.reached for r in self.registers),
        }
        return counted[Verdict(verdict)]

    def __str__(self) -> str:
        """How many neurons' registers overflow, and the first registers in sentences, those first that can or may."""
        order = sorted(self.registers, key=lambda r: r.verdict is Verdict.PROVED)
        said = [line for r in order for line in wrapped(str(r))]
        return "\n".join([*wrapped(self._counted()), *cut(said, "lines of its registers")])

    def _counted(self) -> str:
        proved, reached, unknown = (self.neurons_of(v) for v in (Verdict.PROVED, Verdict.REACHED, Verdict.OPEN))
        total = proved + reached + unknown
        share = f" ({unknown / total:.1%})" if unknown else ""
        return (
            f"of {total} registers of neurons {proved} never overflow for any input, {reached} do under the input that "
            f"is given, {unknown} are open{share}"
        )

    def _table(self) -> Table:
        proved = len(self.of(Verdict.PROVED))
        rows = [
            (r.population, r.count, r.verdict.value, f"{r.low} .. {r.high}", f"{r.register_low} .. {r.register_high}")
            for r in sorted(self.registers, key=lambda r: r.verdict is Verdict.PROVED)
        ]
        header = ("population", "overflow", "verdict", "bounds", "register")
        return Table(f"{proved} of {len(self.registers)} registers cannot overflow, for any input", header, rows)


def prove(fixed: FixedNetwork, target: str | None = None) -> Proof:
    """For every register that a step limits, whether any spike input can make it overflow.

    Biases are those of the network; analog inputs, which may be of any size, are not considered. Graded
    inputs are taken to send their largest payloads; an input that reaches a limit is looked for among spikes without
    payloads. Populations that bring others' biases (``fixed.helpers``) are listed only where a register is not proved.

    Args:
        fixed: the network.
        target: where inputs are tried; default the fastest that can run it.

    Raises:
        ParameterError: no fixed network.
        UnknownTargetError, TargetUnavailableError, UnsupportedError: see :func:`ssdp_hw.run`.
    """
    if not isinstance(fixed, FixedNetwork):
        raise ParameterError(f"prove takes a FixedNetwork, not {type(fixed).__name__}")
    found: list[RegisterProof] = []
    for name in fixed.population_names:
        judged = [_judged(fixed, name, count, limited, target) for count, limited in _limits(fixed, name).items()]
        found += [r for r in judged if name not in fixed.helpers or r.verdict is not Verdict.PROVED]
    return Proof(tuple(found))


def _limits(fixed: FixedNetwork, name: str) -> dict[str, Interval]:
    """For every limit of a population the range of the values that reach it, shape (n,), over all steps."""
    p, form = fixed.population(name), fixed.step_form(name)
    op = form.intervals()
    acting = {key: Interval.of(value) for key, value in fixed.acting_parameters(name).items()}
    parameters = Values({**acting, **{port: _arriving(fixed, name, port) for port in form.model.ports}})
    arriving = _arriving(fixed, name)
    zero = np.zeros(p.size, np.int64)
    states = {s: Interval(zero, zero) for s in p.state_names}
    if "v" in states:
        states["v"] = Interval.of(p.v_init)

    def after(before: States) -> States:
        new, _ = form.model.advance(op, Values(before), parameters, arriving)
        return {s: states[s].union(_spread(new[s], p.size)) for s in before}

    marks = [states]
    for _ in range(_BLOCKS):
        now = marks[-1]
        for _ in range(_STEPS):
            before, now = now, after(now)
            if _within(now, before):
                return dict(op.limited)
        marks = [*marks[-2:], now]
        if len(marks) < 3:
            continue
        guess = {s: _extrapolated(*(mark[s] for mark in marks), bits=form.registers[s]) for s in states}
        if _within(after(guess), guess):
            return _narrowed(op, guess, states, after)
    return _narrowed(op, {s: _register(form.registers[s], p.size) for s in states}, states, after)


def _narrowed(
    op: IntervalOperations, invariant: States, first: States, after: Callable[[States], States]
) -> dict[str, Interval]:
    """What the limits get under an invariant, made as narrow as some steps from it make it."""
    for _ in range(_NARROWINGS):
        wide = after(invariant)
        narrow = {s: first[s].union(wide[s]) for s in first}
        if _within(invariant, narrow):
            break
        invariant = narrow
    after(invariant)
    return dict(op.limited)


def _within(inner: States, outer: States) -> bool:
    return all(inner[s].within(outer[s]) for s in inner)


def _spread(value: Operand, size: int) -> Interval:
    made = Interval.of(value)
    return Interval(np.broadcast_to(made.low, (size,)), np.broadcast_to(made.high, (size,)))


def _register(bits: int, size: int) -> Interval:
    half = 1 << (bits - 1)
    return Interval(np.full(size, -half), np.full(size, half))


def _extrapolated(first: Interval, second: Interval, third: Interval, *, bits: int) -> Interval:
    """Extrapolate intervals from those after blocks of steps, as geometric series, with a margin."""
    register = _register(bits, len(third.low))

    def end(a: Int, b: Int, c: Int) -> Int:
        before, last = (b - a).astype(np.float64), (c - b).astype(np.float64)
        ratio = np.clip(np.divide(last, before, out=np.ones_like(last), where=before != 0), 0.0, _SLOWEST)
        grown = c + (last * ratio / (1.0 - ratio)) * _MARGIN + np.sign(last) * _SLACK
        return np.clip(np.where(last == 0, c, grown), register.low, register.high).astype(np.int64)

    return Interval(end(first.low, second.low, third.low), end(first.high, second.high, third.high))


def _arriving(fixed: FixedNetwork, name: str, port: str = "") -> Interval:
    """Synaptic input of one step, shape (n,): all inhibitory synapses at once, to all excitatory ones at once.

    Spikes with a payload, which may be negative, bring as much in both directions.
    """
    low = np.zeros(fixed.size_of(name), np.int64)
    high = low.copy()
    graded = {sender.name for sender in fixed.senders if sender.payload_bits}
    for q in (q for q in fixed.incoming(name) if q.port == port):
        excitatory, inhibitory = q.stored.signed_row_sums()
        if q.pre in graded:
            excitatory = inhibitory = (excitatory + inhibitory) * fixed.payloads[q.pre]
        high = high + arithmetic.shift(np.asarray(excitatory, np.int64), q.weight_exp)
        low = low - arithmetic.shift(np.asarray(inhibitory, np.int64), q.weight_exp)
    shift = fixed.limits.activation_shift
    return Interval(arithmetic.shift(low, shift), arithmetic.shift(high, shift))


def _judged(fixed: FixedNetwork, name: str, count: str, limited: Interval, target: str | None) -> RegisterProof:
    size = fixed.size_of(name)
    values = _spread(limited, size)
    state = count.rpartition("_")[0]
    bits = fixed.step_form(name).registers[state]
    half = 1 << (bits - 1)
    low, high = (1 - half, half) if count.endswith("_wraps") else (1 - half, half - 1)
    outside = (values.low < low) | (values.high > high)
    verdict = Verdict.OPEN if outside.any() else Verdict.PROVED
    inputs: dict[str, NDArray[np.bool_]] = {}
    reached = np.zeros(size, bool)
    if outside.any():
        excess = np.maximum(values.high - high, low - values.low)
        widest = np.argsort(-excess, kind="stable")[: min(_TRIED, np.count_nonzero(outside))]
        for tried in _inputs(fixed, name, widest):
            result = run(fixed, tried, target, populations=[name], record=(state,), on_overflow="ignore")
            if result.overflow is None or not result.overflow[name].counts.get(count):
                continue
            if not inputs:
                verdict, inputs = Verdict.REACHED, tried
            trace = result.recorded(state)[name][:, 0]
            reached |= outside & ((trace <= low) | (trace >= high)).any(axis=0)
            if count.endswith("_wraps") or np.array_equal(reached, outside):
                break
    return RegisterProof(
        name,
        count,
        verdict,
        int(values.low.min()),
        int(values.high.max()),
        low,
        high,
        int(np.count_nonzero(outside)),
        size,
        max(int(reached.sum()), int(verdict is Verdict.REACHED)),
        inputs,
    )


def _inputs(fixed: FixedNetwork, name: str, neurons: Int) -> Iterator[dict[str, NDArray[np.bool_]]]:
    """Inputs that may overflow a register: those that drive one neuron up or down, and all channels at once."""
    shape = {i.name: (_DRIVEN_STEPS, 1, i.size) for i in fixed.inputs}
    for neuron in neurons.tolist():
        row = np.zeros(fixed.size_of(name))
        row[neuron] = 1.0
        effect = _effect(fixed, name, row, _DEPTH)
        for sign in (1, -1):
            driving = {i: np.broadcast_to(sign * effect.get(i, np.zeros(1)) > 0, size) for i, size in shape.items()}
            if any(spikes.any() for spikes in driving.values()):
                yield driving
    yield {i: np.ones(size, bool) for i, size in shape.items()}
    rng = np.random.default_rng(0)
    for share in (0.5, 0.1):
        yield {i: np.broadcast_to(rng.random(size[2]) < share, size) for i, size in shape.items()}


def _effect(fixed: FixedNetwork, name: str, row: NDArray[np.float64], depth: int) -> dict[str, NDArray[np.float64]]:
    """What a spike of every input channel adds to a weighted sum of a population's neurons, to first order.

    At each population on the way the effects of its neurons are reduced to their signs.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for q in fixed.incoming(name):
        back = np.asarray(q.unshared.given.T @ row, np.float64).reshape(-1) * 2.0**q.weight_exp
        parts = {q.pre: back}
        if q.pre not in fixed.input_names:
            parts = _effect(fixed, q.pre, np.sign(back), depth - 1) if depth > 1 else {}
        for source, part in parts.items():
            found[source] = found.get(source, 0.0) + part
    return found
