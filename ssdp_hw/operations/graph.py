"""A step as a graph: the operations on symbols, each with the interval of the values that it can take.

Every operation of :mod:`.base` is written out in the few primitives of :data:`PRIMITIVES`, so that the printer of a
target needs these alone. Intervals are those of interval arithmetic: what lies outside them cannot occur.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from ssdp_hw.errors import ParameterError
from ssdp_hw.operations.base import Operations, Rounding, Value

# What a printer has to print. ``leaf`` is a state, a parameter, a random number or the synaptic input, by its name;
# ``entry`` is that of a parameter that is a table. A shift by a parameter has it as second argument. Shifts right and
# ``divide`` of an exact graph round down; an ideal graph has no shifts, and ``quotient`` in place of ``divide``.
# Conditions are the results of comparisons and of and, or, not.
PRIMITIVES = (
    "leaf",
    "constant",
    "add",
    "subtract",
    "multiply",
    "shift_left",
    "shift_right",
    "shift_left_by",
    "shift_right_by",
    "divide",
    "quotient",
    "minimum",
    "maximum",
    "select",
    "lookup",
    "entry",
    "less",
    "less_equal",
    "equal",
    "not_equal",
    "and",
    "or",
    "not",
)
_CONDITIONS = frozenset({"less", "less_equal", "equal", "not_equal", "and", "or", "not", "never"})

Number = int | float


@dataclass(frozen=True, eq=False)
class Node:
    """A value of a step.

    Attributes:
        operation: one of :data:`PRIMITIVES`.
        arguments: the values that it is computed from.
        low, high: every value lies within these; of a condition 0 and 1.
        detail: name of a leaf, value of a constant, bits of a shift, entries of a table.
        condition: whether it is true or false instead of a number.
    """

    operation: str
    arguments: tuple[Node, ...]
    low: Number
    high: Number
    detail: object = None
    condition: bool = False

    def __add__(self, other: Value) -> Node:
        o = _number(other)
        return _node("add", (_number(self), o), self.low + o.low, self.high + o.high)

    def __sub__(self, other: Value) -> Node:
        o = _number(other)
        return _node("subtract", (_number(self), o), self.low - o.high, self.high - o.low)

    def __mul__(self, other: Value) -> Node:
        o = _number(other)
        products = [_times(a, b) for a in (self.low, self.high) for b in (o.low, o.high)]
        return _node("multiply", (_number(self), o), min(products), max(products))

    def __radd__(self, other: Value) -> Node:
        return self.__add__(other)

    def __rsub__(self, other: Value) -> Node:
        return _number(other).__sub__(self)

    def __rmul__(self, other: Value) -> Node:
        return self.__mul__(other)

    def __neg__(self) -> Node:
        return _number(0) - self

    def __lt__(self, other: Value) -> Node:
        return _compare("less", self, other)

    def __le__(self, other: Value) -> Node:
        return _compare("less_equal", self, other)

    def __gt__(self, other: Value) -> Node:
        return _compare("less", _number(other), self)

    def __ge__(self, other: Value) -> Node:
        return _compare("less_equal", _number(other), self)

    def __eq__(self, other: object) -> Node:  # type: ignore[override]
        return _compare("equal", self, other)

    def __ne__(self, other: object) -> Node:  # type: ignore[override]
        return _compare("not_equal", self, other)

    def __hash__(self) -> int:
        return id(self)

    def __and__(self, other: Value) -> Node:
        return Node("and", (_condition(self), _condition(other)), 0, 1, condition=True)

    def __or__(self, other: Value) -> Node:
        return Node("or", (_condition(self), _condition(other)), 0, 1, condition=True)

    def __invert__(self) -> Node:
        return Node("not", (_condition(self),), 0, 1, condition=True)

    def __bool__(self) -> NoReturn:
        raise ParameterError("a step has no branches: it asks if a value is true; use op.select(condition, a, b)")

    def __floordiv__(self, other: object) -> NoReturn:
        raise ParameterError("a step cannot divide: use op.shift_right, op.scale or a table")

    __truediv__ = __rtruediv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __floordiv__


@dataclass(frozen=True, eq=False)
class TableLeaf:
    """A parameter that is a table: its name, its number of entries as a value, and the limits of all entries."""

    name: str
    size: Node
    low: Number
    high: Number


def _times(a: Number, b: Number) -> Number:
    return 0 if a == 0 or b == 0 else a * b


def _node(operation: str, arguments: tuple[Node, ...], low: Number, high: Number, detail: object = None) -> Node:
    """A node; one that can take a single value only is that constant."""
    if low == high and operation != "leaf" and math.isfinite(low):
        return Node("constant", (), low, high, low)
    return Node(operation, arguments, low, high, detail)


def _lifted(value: Value) -> Node:
    if isinstance(value, Node):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ParameterError(f"a step computes with numbers and values of the step, not with {value!r}")
    return Node("constant", (), value, value, value)


def _number(value: Value) -> Node:
    node = _lifted(value)
    if node.condition:
        raise ParameterError("a step computes with a condition as with a number; use op.select(condition, 1, 0)")
    return node


def _condition(value: Value) -> Node:
    if not isinstance(value, Node) or not value.condition:
        raise ParameterError("a step uses a number as a condition; compare it with something")
    return value


def _compare(operation: str, a: Value, b: Value) -> Node:
    return Node(operation, (_number(a), _number(b)), 0, 1, condition=True)


@dataclass
class GraphOperations(Operations):
    """Operations on symbols, of exact integers or (``ideal``) of real numbers.

    Attributes:
        counts: for each overflow count its name and the condition under which it counts.
        word: widest intermediate, in bits, that products should keep to where they can.
        draws: whether the step may draw random numbers.
        randoms: the random numbers that it draws, in order: leaves ``random_0``, ... from 0 to ``2**bits - 1``.
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
    randoms: list[Node] = field(default_factory=list)
    activation_shift: int = 0

    def __post_init__(self) -> None:
        self.lsb = 0 if self.ideal else 1

    def select(self, condition: Value, where_true: Value, where_false: Value) -> Node:
        a, b = _lifted(where_true), _lifted(where_false)
        if a.condition != b.condition:
            raise ParameterError("a step selects between a number and a condition")
        if a.condition:
            return (_condition(condition) & a) | (~_condition(condition) & b)
        return _node("select", (_condition(condition), a, b), min(a.low, b.low), max(a.high, b.high))

    def minimum(self, a: Value, b: Value) -> Node:
        x, y = _number(a), _number(b)
        return _node("minimum", (x, y), min(x.low, y.low), min(x.high, y.high))

    def maximum(self, a: Value, b: Value) -> Node:
        x, y = _number(a), _number(b)
        return _node("maximum", (x, y), max(x.low, y.low), max(x.high, y.high))

    def shift_left(self, x: Value, bits: int) -> Node:
        n = _number(x)
        if self.ideal:
            return n * 2.0**bits
        return _node("shift_left", (n,), int(n.low) << bits, int(n.high) << bits, bits) if bits else n

    def shift_right(self, x: Value, bits: Value, rounding: str = "floor") -> Node:
        n, how = _number(x), Rounding(rounding)
        if isinstance(bits, Node):
            return n if self.ideal else self._shift_right_by(n, bits, how)
        if self.ideal:
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
        return _number(x) if self.ideal else self.shift_right(x, self.activation_shift)

    def scale(self, x: Value, gain: Value, bits: int, rounding: str = "zero") -> Node:
        n, g, how = _number(x), _number(gain), Rounding(rounding)
        if self.ideal:
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
        n = _number(x)
        largest: Node = self.maximum(n, 0 - n)
        if largest.operation == "constant":
            return largest
        return Node(largest.operation, largest.arguments, max(n.low, -n.high, 0), max(-n.low, n.high))

    def divide(self, a: Value, b: Value) -> Node:
        n, d = _number(a), _number(b)
        if self.ideal:
            return Node("quotient", (n, d), -math.inf, math.inf)
        if n.low < 0 or d.low < 1:
            raise ParameterError(
                f"a step divides {n.low} .. {n.high} by {d.low} .. {d.high}; op.divide takes an a from 0 on and a b "
                "from 1 on: op.absolute, op.maximum(b, 1)"
            )
        return _node("divide", (n, d), int(n.low) // int(d.high), int(n.high) // int(d.low))

    def random(self, bits: int) -> Node:
        if self.ideal:
            return _number(0)
        if not self.draws:
            return _number(super().random(bits))
        leaf = Node("leaf", (), 0, (1 << bits) - 1, f"random_{len(self.randoms)}")
        self.randoms.append(leaf)
        return leaf

    def _shift_right_by(self, n: Node, bits: Node, how: Rounding) -> Node:
        """``n`` shifted by a parameter, which is from 0 to 62."""
        if how is Rounding.NEAREST:
            half = Node("shift_left_by", (_number(1), bits), 1, 1 << int(bits.high))
            n = n + self._floor(half, 1)
        elif how is not Rounding.FLOOR:
            raise ParameterError(f"a shift by a parameter rounds down or to the nearest, not '{how.value}'")
        return _node("shift_right_by", (n, bits), *_shifted(n, bits))

    def lookup(self, table: Sequence[int] | TableLeaf, index: Value) -> Node:
        if isinstance(table, TableLeaf):
            inside = self.clip(index, 0, table.size - 1)
            return Node("entry", (inside,), table.low, table.high, table.name)
        entries = tuple(int(x) for x in table)
        if not entries:
            raise ParameterError("a step looks up an empty table")
        if self.ideal:
            raise ParameterError(
                "a table of constants cannot be printed in real numbers; give a neuron model a step of its own for "
                "them, a learning rule a parameter of the kind table"
            )
        place = self.clip(index, 0, len(entries) - 1)
        return _node("lookup", (place,), min(entries), max(entries), entries)

    def saturate(self, x: Value, state: str) -> Node:
        n = _number(x)
        if self.ideal:
            return n
        top = (1 << (self.registers[state] - 1)) - 1
        clipped: Node = self.clip(n, -top, top)
        self._count(f"{state}_saturations", n != clipped)
        return clipped

    def wrap(self, x: Value, state: str) -> Node:
        n = _number(x)
        if self.ideal:
            return n
        bits = self.registers[state]
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
        self._count(f"{state}_wraps", n != wrapped)
        self._count(f"{state}_out_of_range", (wrapped > half) | (wrapped < -half))
        return wrapped

    def never(self) -> Node:
        return _compare("less", 0, 0)

    def reset(self, v: Value, fired: Value, threshold: Value) -> Value:
        after = super().reset(v, fired, threshold)
        if self.ideal or not self.spiking or not self.subtract:
            return after
        n, level = _number(v), _number(threshold)
        if not _implies(_condition(fired), level, n):
            return after
        # A neuron that fired was above the threshold (or at it), so that nothing below 0 is left.
        return Node(after.operation, after.arguments, min(0, n.low), max(n.high, n.high - level.low), after.detail)

    def _floor(self, n: Node, bits: int) -> Node:
        return _node("shift_right", (n,), int(n.low) >> bits, int(n.high) >> bits, bits)

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


def in_order(results: Sequence[Node]) -> Iterator[Node]:
    """Every node that the results need, each after its arguments and once."""
    done: set[int] = set()
    stack = [(node, False) for node in reversed(results)]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            yield node
        else:
            stack.append((node, True))
            stack += [(argument, False) for argument in reversed(node.arguments)]
