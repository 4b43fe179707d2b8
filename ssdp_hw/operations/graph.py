"""A step as a graph: the operations on symbols, each with the interval of the values that it can take.

Every operation of :mod:`.base` is written out in the few primitives of
:data:`~ssdp_hw.operations.node.PRIMITIVES`, so that the printer of a target needs these alone. Intervals are those of
interval arithmetic: what lies outside them cannot occur.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ssdp_hw.errors import ParameterError
from ssdp_hw.operations.base import LEAST_DIVISOR, Operations, Rounding, Value
from ssdp_hw.operations.node import Node, Number, TableLeaf, as_condition, as_node, as_number, comparison, node_of
from ssdp_hw.operations.philox import RANDOM_BITS

# No value has more bits.
_SHIFT_MAX = 63


@dataclass
class GraphOperations(Operations):
    """Operations on symbols, of exact integers or (``ideal``) of real numbers.

    Attributes:
        counts: for each overflow count its name and the condition under which it counts.
        word: widest intermediate, in bits, that products should keep to where they can.
        draws: whether the step may draw random numbers.
        noise: of a neuron model that draws, the step and both words of the key; the draws are nodes ``random``.
        randoms: the random numbers that a rule draws, in order: leaves ``random_0``, ... from 0 to ``2**bits - 1``.
        limited: by state what ``saturate`` and ``wrap`` made of values, of an exact step.
        turned_too_far: by state the limits of what ``wrap`` gets, where one turn does not bring it into the register.
        real_shifts: whether a parameter by which a step shifts acts in real numbers too, as in neuron models; those of
            rules are 0 there.
    """

    decay_bits: int
    registers: Mapping[str, int]
    spiking: bool
    at_least: bool
    subtract: bool
    ideal: bool = False
    word: int = 64
    counts: dict[str, Node] = field(default_factory=dict)
    draws: bool = False
    noise: tuple[Node, Node, Node] | None = None
    drawn: int = 0
    randoms: list[Node] = field(default_factory=list)
    activation_shift: int = 0
    turned_too_far: dict[str, tuple[Number, Number]] = field(default_factory=dict)
    limited: dict[str, list[Node]] = field(default_factory=dict)
    real_shifts: bool = False

    def __post_init__(self) -> None:
        self.lsb = 0 if self.ideal else 1

    def select(self, condition: Value, where_true: Value, where_false: Value) -> Node:
        a, b = as_node(where_true), as_node(where_false)
        if a.condition != b.condition:
            raise ParameterError("a step selects between a number and a condition")
        if a.condition:
            return (as_condition(condition) & a) | (~as_condition(condition) & b)
        least = a.low
        if a.operation == "subtract" and _implies(as_condition(condition), a.arguments[1], a.arguments[0]):
            least = max(a.low, 0)  # v - level is taken only where v is at the level or above it
        return node_of("select", (as_condition(condition), a, b), min(least, b.low), max(a.high, b.high))

    def minimum(self, a: Value, b: Value) -> Node:
        x, y = as_number(a), as_number(b)
        return node_of("minimum", (x, y), min(x.low, y.low), min(x.high, y.high))

    def maximum(self, a: Value, b: Value) -> Node:
        x, y = as_number(a), as_number(b)
        return node_of("maximum", (x, y), max(x.low, y.low), max(x.high, y.high))

    def shift_left(self, x: Value, bits: int) -> Node:
        n = as_number(x)
        _check_shift("left", bits)
        if self.ideal:
            return n * 2.0**bits
        return node_of("shift_left", (n,), int(n.low) << bits, int(n.high) << bits, bits) if bits else n

    def shift_right(self, x: Value, bits: Value, rounding: str = "floor") -> Node:
        n, how = as_number(x), Rounding(rounding)
        if isinstance(bits, Node):
            if not self.ideal:
                return self._shift_right_by(n, bits, how)
            return self._halved(n, bits) if self.real_shifts else n
        _check_shift("right", bits)
        if self.ideal:
            self.drawn += how is Rounding.STOCHASTIC  # later draws are those of the integers
            return n * float(2.0**-bits)
        if how is Rounding.STOCHASTIC:
            return self._floor(n + self.random(bits), bits)
        if bits == 0:
            return n
        if how is Rounding.NEAREST:
            n = n + (1 << (bits - 1))
        elif how is Rounding.ZERO and n.low < 0:
            n = n + self.select(n < 0, (1 << bits) - 1, 0)
        return self._floor(n, bits)

    def unshifted(self, x: Value) -> Node:
        return as_number(x) if self.ideal else self.shift_right(x, self.activation_shift)

    def scale(self, x: Value, gain: Value, bits: int, rounding: str = "zero") -> Node:
        n, g, how = as_number(x), as_number(gain), Rounding(rounding)
        if self.ideal:
            self.drawn += how is Rounding.STOCHASTIC
            return n * g * 2.0**-bits
        product = n * g
        if how is Rounding.STOCHASTIC:
            return self.shift_right(product, bits, how)
        if _fits(product, self.word - 1) or bits == 0:
            return self.shift_right(product, bits, how)
        # With x = high * 2**bits + low the product needs no more bits than its parts:
        # high * gain + ((low * gain + what rounding adds) >> bits).
        high = self._floor(n, bits)
        low = n - self.shift_left(high, bits)
        low = Node(low.operation, low.arguments, 0, (1 << bits) - 1, low.detail)
        part = low * g
        if how is Rounding.NEAREST:
            part = part + (1 << (bits - 1))
        elif how is Rounding.ZERO:
            part = part + self.select(_differ_in_sign(n, g), (1 << bits) - 1, 0)
        whole = high * g + self._floor(part, bits)
        return Node(whole.operation, whole.arguments, int(product.low) >> bits, -(-int(product.high) >> bits))

    def absolute(self, x: Value) -> Node:
        n = as_number(x)
        largest: Node = self.maximum(n, 0 - n)
        if largest.operation == "constant":
            return largest
        return Node(largest.operation, largest.arguments, max(n.low, -n.high, 0), max(-n.low, n.high))

    def divide(self, a: Value, b: Value) -> Node:
        n, d = as_number(a), as_number(b)
        if self.ideal:
            return Node("quotient", (n, self.select(d == 0.0, LEAST_DIVISOR, d)), -math.inf, math.inf)
        if n.low < 0 or d.low < 1:
            raise ParameterError(
                f"a step divides {n.low} .. {n.high} by {d.low} .. {d.high}; op.divide takes an a from 0 on and a b "
                "from 1 on: op.absolute, op.maximum(b, 1)"
            )
        return node_of("divide", (n, d), int(n.low) // int(d.high), int(n.high) // int(d.low))

    def begin_noise(self, step: Value, low: Value, high: Value) -> None:
        self.noise, self.drawn = (as_number(step), as_number(low), as_number(high)), 0

    def random(self, bits: int) -> Node:
        if isinstance(bits, bool) or not isinstance(bits, int) or not 0 <= bits <= RANDOM_BITS:
            raise ParameterError(f"a step draws, or rounds by, {bits!r} random bits; there are 0 to {RANDOM_BITS}")
        if self.noise is not None:
            self.drawn += 1
            return Node("random", self.noise, 0, (1 << bits) - 1, (self.drawn - 1, bits))
        if self.ideal:
            return as_number(0)
        if not self.draws:
            return as_number(super().random(bits))
        leaf = Node("leaf", (), 0, (1 << bits) - 1, f"random_{len(self.randoms)}")
        self.randoms.append(leaf)
        return leaf

    def _shift_right_by(self, n: Node, bits: Node, how: Rounding) -> Node:
        """``n`` shifted by a parameter, which is from 0 to 62."""
        if how is Rounding.NEAREST:
            half = Node("shift_left_by", (as_number(1), bits), 1, 1 << int(bits.high))
            n = n + self._floor(half, 1)
        elif how is not Rounding.FLOOR:
            raise ParameterError(f"a shift by a parameter rounds down or to the nearest, not '{how.value}'")
        return node_of("shift_right_by", (n, bits), *_shifted(n, bits))

    def _halved(self, n: Node, times: Node) -> Node:
        """``n * 2**-times`` in real numbers, for whole times from 0 to 63: their binary digits, the highest first."""
        left: Node = times
        for digit in (32, 16, 8, 4, 2, 1):
            has = left >= digit
            n, left = self.select(has, n * 2.0**-digit, n), self.select(has, left - digit, left)
        return n

    def lookup(self, table: Sequence[int] | TableLeaf, index: Value) -> Node:
        if isinstance(table, TableLeaf):
            inside = self.clip(index, 0, table.size - 1)
            return Node("entry", (inside,), table.low, table.high, table.name)
        if any(int(x) != x for x in table):
            raise ParameterError(f"a step looks up {table!r}; a table is of whole numbers, which it may scale")
        entries = tuple(int(x) for x in table)
        if not entries:
            raise ParameterError("a step looks up an empty table")
        if self.ideal:
            return self._between(entries, as_number(index))
        place = self.clip(index, 0, len(entries) - 1)
        return node_of("lookup", (place,), min(entries), max(entries), entries)

    def _between(self, entries: tuple[int, ...], place: Node) -> Node:
        """The value of a table in real numbers, on the straight lines through its entries."""
        value, start = as_number(float(entries[0])), 0
        slopes = [b - a for a, b in itertools.pairwise(entries)]
        for slope, run in itertools.groupby(slopes):
            length = len(list(run))
            value = value + self.clip(place - float(start), 0.0, float(length)) * float(slope)
            start += length
        return value

    def saturate(self, x: Value, state: str) -> Node:
        n = as_number(x)
        if self.ideal:
            return n
        top = (1 << (self._width(state) - 1)) - 1
        clipped: Node = self.clip(n, -top, top)
        self._count(f"{state}_saturations", n != clipped)
        self.limited.setdefault(state, []).append(clipped)
        return clipped

    def wrap(self, x: Value, state: str) -> Node:
        n = as_number(x)
        if self.ideal:
            return n
        bits = self._width(state)
        half, turn = 1 << (bits - 1), 1 << bits
        wrapped = self.select(n > half, n - turn, self.select(n <= -half, n + turn, n))
        ends: list[Number] = []
        if n.low <= half and n.high > -half:  # what is inside stays
            ends += [max(n.low, 1 - half), min(n.high, half)]
        if n.high > half:
            ends += [max(n.low, half + 1) - turn, n.high - turn]
        if n.low <= -half:
            ends += [n.low + turn, min(n.high, -half) + turn]
        wrapped = Node(wrapped.operation, wrapped.arguments, min(ends), max(ends), wrapped.detail)
        if wrapped.low < -half or wrapped.high > half:
            self.turned_too_far[state] = n.low, n.high
        self._count(f"{state}_wraps", n != wrapped)
        self._count(f"{state}_out_of_range", (wrapped > half) | (wrapped < -half))
        self.limited.setdefault(state, []).append(wrapped)
        return wrapped

    def never(self) -> Node:
        return comparison("less", 0, 0)

    def reset(self, v: Value, fired: Value, threshold: Value) -> Value:
        after = super().reset(v, fired, threshold)
        if self.ideal or not self.spiking or not self.subtract:
            return after
        n, level = as_number(v), as_number(threshold)
        if not _implies(as_condition(fired), level, n):
            return after
        # A neuron that fired was above the threshold (or at it), so that nothing below 0 is left.
        return Node(after.operation, after.arguments, min(0, n.low), max(n.high, n.high - level.low), after.detail)

    def _width(self, state: str) -> int:
        if state not in self.registers:
            raise ParameterError(f"a step limits '{state}', which is none of its states: {', '.join(self.registers)}")
        return self.registers[state]

    def _floor(self, n: Node, bits: int) -> Node:
        return node_of("shift_right", (n,), int(n.low) >> bits, int(n.high) >> bits, bits)

    def _count(self, name: str, where: Node) -> None:
        if name in self.counts:
            raise ParameterError(f"a step limits a state twice: the count '{name}' would be two; limit its sum once")
        self.counts[name] = where


def _shifted(n: Node, bits: Node) -> tuple[int, int]:
    """The interval of a value shifted right by a parameter."""
    corners = [int(end) >> int(by) for end in (n.low, n.high) for by in (bits.low, bits.high)]
    return min(corners), max(corners)


def _implies(condition: Node, level: Node, v: Node) -> bool:
    """Whether a condition holds only where the voltage reaches the level, by how it was made."""
    if condition.operation == "and":
        return any(_implies(part, level, v) for part in condition.arguments)
    if condition.operation not in ("less", "less_equal"):
        return False
    low, high = condition.arguments
    same = low is level or (low.operation == level.operation == "constant" and low.detail == level.detail)
    return same and high is v


def _fits(node: Node, bits: int) -> bool:
    return -(1 << bits) <= node.low and node.high < 1 << bits


def _differ_in_sign(x: Node, gain: Node) -> Node:
    """Whether a product is negative; where it is 0 the answer does not matter to the caller."""
    if gain.low >= 0:
        return x < 0
    if gain.high <= 0:
        return x > 0
    return ((x < 0) & (gain >= 0)).__or__((x >= 0) & (gain < 0))


def _check_shift(where: str, bits: object) -> None:
    """Raise for a shift that is no number of bits of a register."""
    if isinstance(bits, bool) or not isinstance(bits, int) or not 0 <= bits <= _SHIFT_MAX:
        raise ParameterError(
            f"a step shifts to the {where} by {bits!r}; a shift is a whole number from 0 to {_SHIFT_MAX}"
        )
