"""A node of the graph of a step: an operation, its arguments, and the interval that its value stays in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from ssdp_hw.errors import ParameterError
from ssdp_hw.operations.base import Value

# What a printer has to print:
# ``leaf`` is a state, a parameter, a random number or the synaptic input, by its name;
# ``entry`` is an entry of a parameter that is a table;
# ``random`` is a draw of a neuron model: its arguments are the step and both words of the neuron's key, its detail is
# the number of the draw in the step, and its bits.
# A shift by a parameter has that parameter as second argument. Shifts right and ``divide`` of an exact graph round
# down; an ideal graph has no shifts, and ``quotient`` in place of ``divide``.
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
    "random",
    "less",
    "less_equal",
    "equal",
    "not_equal",
    "and",
    "or",
    "not",
)


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
        o = as_number(other)
        return node_of("add", (as_number(self), o), self.low + o.low, self.high + o.high)

    def __sub__(self, other: Value) -> Node:
        o = as_number(other)
        return node_of("subtract", (as_number(self), o), self.low - o.high, self.high - o.low)

    def __mul__(self, other: Value) -> Node:
        o = as_number(other)
        products = [_times(a, b) for a in (self.low, self.high) for b in (o.low, o.high)]
        low = max(min(products), 0) if o is self else min(products)  # no square is below 0
        return node_of("multiply", (as_number(self), o), low, max(products))

    def __radd__(self, other: Value) -> Node:
        return self.__add__(other)

    def __rsub__(self, other: Value) -> Node:
        return as_number(other).__sub__(self)

    def __rmul__(self, other: Value) -> Node:
        return self.__mul__(other)

    def __neg__(self) -> Node:
        return as_number(0) - self

    def __lt__(self, other: Value) -> Node:
        return comparison("less", self, other)

    def __le__(self, other: Value) -> Node:
        return comparison("less_equal", self, other)

    def __gt__(self, other: Value) -> Node:
        return comparison("less", as_number(other), self)

    def __ge__(self, other: Value) -> Node:
        return comparison("less_equal", as_number(other), self)

    def __eq__(self, other: object) -> Node:  # type: ignore[override]
        return comparison("equal", self, other)

    def __ne__(self, other: object) -> Node:  # type: ignore[override]
        return comparison("not_equal", self, other)

    def __hash__(self) -> int:
        return id(self)

    def __and__(self, other: Value) -> Node:
        return Node("and", (as_condition(self), as_condition(other)), 0, 1, condition=True)

    def __or__(self, other: Value) -> Node:
        return Node("or", (as_condition(self), as_condition(other)), 0, 1, condition=True)

    def __invert__(self) -> Node:
        return Node("not", (as_condition(self),), 0, 1, condition=True)

    def __bool__(self) -> NoReturn:
        raise ParameterError(
            "a step has no branches: `if`, `while`, `and`, `or`, `not`, min(), max() and chains such as 0 < v < 9 take "
            "no values of a step; use op.select(condition, a, b), op.minimum, op.maximum, and & | ~ between conditions"
        )

    def __floordiv__(self, other: object) -> NoReturn:
        raise ParameterError(
            "a step cannot divide (/, //, %) or raise to a power: use op.shift_right, op.scale, op.divide or a table"
        )

    def __rshift__(self, other: object) -> NoReturn:
        raise ParameterError("a step shifts by op.shift_right(x, bits) and op.shift_left(x, bits), not by >> and <<")

    def __xor__(self, other: object) -> NoReturn:
        raise ParameterError("of conditions a step knows & | ~, not ^: a ^ b is (a & ~b) | (~a & b)")

    def __abs__(self) -> NoReturn:
        raise ParameterError("a step takes the size of x by op.absolute(x), not by abs(x)")

    def __pos__(self) -> NoReturn:
        raise ParameterError("a step knows no unary +: leave it out")

    def __float__(self) -> NoReturn:
        raise ParameterError(
            "a value of a step is no number of Python, which float(), int(), round() or a function of math could take: "
            "its functions are op.scale, op.divide, op.shift_right with their roundings, and tables (op.lookup)"
        )

    def __getitem__(self, index: object = None) -> NoReturn:
        raise ParameterError(
            "a value of a step is one number for each neuron, which has no parts and no length; an entry of a table is "
            "op.lookup(table, index)"
        )

    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise ParameterError(
            "its step calls NumPy; a step is made of op's operations alone: op.select for np.where, op.minimum, "
            "op.maximum, op.clip, op.absolute"
        )

    # NumPy's own numbers leave an operator between them and a value of a step to the value.
    __array_ufunc__ = None

    __int__ = __round__ = __trunc__ = __floor__ = __ceil__ = __float__
    __index__ = __len__ = __iter__ = __getitem__  # a tuple of Python asks its index for __index__

    __rrshift__ = __lshift__ = __rlshift__ = __rshift__
    __rxor__ = __xor__
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


def node_of(operation: str, arguments: tuple[Node, ...], low: Number, high: Number, detail: object = None) -> Node:
    """A node, or a constant where the node could have a single value only."""
    if low == high and operation != "leaf" and math.isfinite(low):
        return Node("constant", (), low, high, low)
    return Node(operation, arguments, low, high, detail)


def as_node(value: Value) -> Node:
    """A value of a step as a node: a node itself, or a constant.

    Raises:
        ParameterError: neither a node nor a number.
    """
    if isinstance(value, Node):
        return value
    if isinstance(value, np.integer | np.floating):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ParameterError(f"a step computes with numbers and values of the step, not with {value!r}")
    return Node("constant", (), value, value, value)


def as_number(value: Value) -> Node:
    """A value of a step as a node that is a number.

    Raises:
        ParameterError: it is a condition, or no value of a step.
    """
    node = as_node(value)
    if node.condition:
        raise ParameterError("a step computes with a condition as with a number; use op.select(condition, 1, 0)")
    return node


def as_condition(value: Value) -> Node:
    """A value of a step as a node that is a condition.

    Raises:
        ParameterError: it is none.
    """
    if not isinstance(value, Node) or not value.condition:
        raise ParameterError("a step uses a number as a condition; compare it with something")
    return value


def comparison(operation: str, a: Value, b: Value) -> Node:
    """The comparison of two numbers, as a condition; ``operation`` is one of the comparisons of :data:`PRIMITIVES`."""
    return Node(operation, (as_number(a), as_number(b)), 0, 1, condition=True)


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


def graph_text(nodes: Sequence[Node], results: Iterable[tuple[str, Node]]) -> str:
    """A graph as text, one line for each node and one for each named result."""
    number = {id(node): k for k, node in enumerate(nodes)}
    lines = [f"{n.operation} {[number[id(a)] for a in n.arguments]} {n.detail}" for n in nodes]
    return "\n".join([*lines, *(f"{name} = {number[id(node)]}" for name, node in results)])
