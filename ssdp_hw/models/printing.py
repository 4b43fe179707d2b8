"""The graph of a step as text in the language of a target: one line a value, each with a name of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from ssdp_hw.models.form import StepGraph
from ssdp_hw.operations.node import Node


@dataclass(frozen=True)
class PrintedStep:
    """A step as text.

    Attributes:
        lines: assignments, in order.
        states: for every state the name or constant that holds it after the step.
        fired: the name of the condition under which a neuron fires.
        counts: for every overflow count the name of the condition under which it counts.
    """

    lines: tuple[str, ...]
    states: Mapping[str, str]
    fired: str
    counts: Mapping[str, str]


class Printer(ABC):
    """Prints a graph; a target's printer says how it writes each primitive.

    Attributes:
        templates: by primitive the expression, with ``{0}``, ``{1}``, ``{2}`` for the arguments and ``{bits}`` and
            ``{unit}`` (``2**bits``) for a shift. ``leaf``, ``constant``, ``lookup``, ``entry`` and ``random`` have
            methods instead. Here are those that every language like Python writes alike; a target's printer adds the
            others.
        prefix: with which the names of all values begin.
    """

    prefix: str = "x"

    templates: ClassVar[Mapping[str, str]] = {
        "add": "{0} + {1}",
        "subtract": "{0} - {1}",
        "multiply": "{0} * {1}",
        "divide": "{0} // {1}",
        "quotient": "{0} / {1}",
        "less": "{0} < {1}",
        "less_equal": "{0} <= {1}",
        "equal": "{0} == {1}",
        "not_equal": "{0} != {1}",
        "and": "{0} and {1}",
        "or": "{0} or {1}",
        "not": "not {0}",
    }

    @abstractmethod
    def leaf(self, name: str) -> str:
        """The name under which the code has a state, a parameter or the synaptic input."""

    def constant(self, value: int | float) -> str:
        """A constant."""
        return repr(value) if value >= 0 else f"({value!r})"

    @abstractmethod
    def lookup(self, table: tuple[int, ...], index: str) -> str:
        """The entry of a table at an index that is inside it."""

    def entry(self, table: str, index: str) -> str:
        """The entry of a parameter that is a table, at an index that is inside it."""
        return f"{self.leaf(table)}[{index}]"

    def drawn(self, step: str, low: str, high: str, draw: int, bits: int) -> str:
        """A random number of a neuron; see :func:`ssdp_hw.operations.philox.neuron_random`."""
        return f"neuron_random({step}, {low}, {high}, {draw}, {bits})"

    def assign(self, name: str, expression: str, node: Node) -> str:
        """A line that gives a value its name."""
        return f"{name} = {expression}"

    def print(self, graph: StepGraph) -> PrintedStep:
        """The step as text."""
        lines, names = self.printed(graph.nodes)
        return PrintedStep(
            lines,
            {name: names[id(node)] for name, node in graph.states.items()},
            names[id(graph.fired)],
            {name: names[id(node)] for name, node in graph.counts.items()},
        )

    def printed(self, nodes: Iterable[Node]) -> tuple[tuple[str, ...], dict[int, str]]:
        """The lines that compute some values, and the name or constant of each by the ``id`` of its node.

        Args:
            nodes: every value, each after those that it is computed from.
        """
        names: dict[int, str] = {}
        lines: list[str] = []
        for node in nodes:
            if node.operation == "leaf":
                names[id(node)] = self.leaf(str(node.detail))
            elif node.operation == "constant":
                assert isinstance(node.detail, int | float)
                names[id(node)] = self.constant(node.detail)
            else:
                name = names[id(node)] = f"{self.prefix}{len(lines)}"
                lines.append(self.assign(name, self.expression(node, [names[id(a)] for a in node.arguments]), node))
        return tuple(lines), names

    def expression(self, node: Node, arguments: list[str]) -> str:
        """The expression of one node."""
        if node.operation == "lookup":
            assert isinstance(node.detail, tuple)
            return self.lookup(node.detail, *arguments)
        if node.operation == "entry":
            return self.entry(str(node.detail), *arguments)
        if node.operation == "random":
            assert isinstance(node.detail, tuple)
            step, low, high = arguments
            draw, bits = node.detail
            return self.drawn(step, low, high, draw, bits)
        bits = node.detail if isinstance(node.detail, int) else 0
        return self.templates[node.operation].format(*arguments, bits=bits, unit=1 << bits)
