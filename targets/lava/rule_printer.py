"""A declared learning rule as a module of NumPy functions, one for each of its moments, which Lava's worker loads.

As in :mod:`.printer` the text imports NumPy alone. The arguments of a function are what it reads: ``pre_x``,
``post_spike``, ``synapse_weight``, ``group_a``, ``group_pre_count``, ``step``, and ``draw`` where it needs random
numbers. It returns its results by name. The rule's parameters are constants of the module.
"""

from __future__ import annotations

import math

from ssdp_hw.operations.node import Node
from ssdp_hw.operations.philox import neuron_layer
from ssdp_hw.rules.form import MomentGraph, leaf_name, moment_graph, moments
from ssdp_hw.rules.model import STEPS, Declaration, RuleModel

from .printer import NumpyPrinter

# Leaves that are parameters begin so; random numbers begin with the latter, and are drawn in the function.
_PARAMETER, _RANDOM = leaf_name("of", ""), "random_"

HOMES = ("pre", "post", "synapse", "group")


class _RulePrinter(NumpyPrinter):
    """Prints moments on int64 or (``ideal``) on float64 arrays."""

    def __init__(self, *, ideal: bool) -> None:
        super().__init__()
        self.ideal = ideal

    def entry(self, table: str, index: str) -> str:
        """The entry of a table; in real numbers on the straight line between two entries."""
        return f"np.interp({index}, np.arange({table}_size), {table})" if self.ideal else f"{table}[{index}]"


def rule_module(declaration: Declaration, steps: int, *, ideal: bool) -> str:
    """A module with a function for every moment of :func:`ssdp_hw.rules.form.moments`, and ``start``.

    ``start()`` returns the start values of all variables by home and name.

    Args:
        declaration: the rule and its parameters.
        steps: number of steps of a window.
        ideal: whether in real numbers.

    Raises:
        ParameterError: a function has no meaning in real numbers.
    """
    model, printer = declaration.model, _RulePrinter(ideal=ideal)
    functions: list[str] = []
    for moment in moments(model):
        functions += ["", "", *_function(moment, moment_graph(model, moment, ideal=ideal), printer)]
    text = [
        f"# The learning rule {model.name} in {'real numbers' if ideal else 'integers'}, printed by ssdp-hw.",
        "import numpy as np",
        "",
        *_parameters(declaration, steps, ideal=ideal),
        *printer.table_lines(),
        "",
        "",
        "def start():",
        f"    return {{{', '.join(_start(model, home) for home in HOMES)}}}",
    ]
    return "\n".join([*text, *functions, ""])


def _parameters(declaration: Declaration, steps: int, *, ideal: bool) -> list[str]:
    """Lines that give every parameter its name."""
    lines = [f"{leaf_name('of', STEPS)} = {steps}"]
    for name, value in declaration.parameters.items():
        full = leaf_name("of", name)
        if isinstance(value, tuple):
            entries = ", ".join(_number(x, ideal=ideal) for x in value)
            kind = "np.float64" if ideal else "np.int64"
            lines += [f"{full} = np.array([{entries}], {kind})", f"{full}_size = {len(value)}"]
        else:
            lines.append(f"{full} = {_number(value, ideal=ideal)}")
    return lines


def _number(value: float, *, ideal: bool) -> str:
    if ideal:
        return "np.inf" if math.isinf(value) else repr(float(value))  # a limit, which real numbers do not have
    return str(int(value))


def _start(model: RuleModel, home: str) -> str:
    values = [
        f"{v.name!r}: {leaf_name('of', v.start) if isinstance(v.start, str) else v.start}" for v in getattr(model, home)
    ]
    return f"{home!r}: {{{', '.join(values)}}}"


def _function(moment: str, graph: MomentGraph, printer: NumpyPrinter) -> list[str]:
    read = [n for n in _leaf_names(graph) if not n.startswith((_PARAMETER, _RANDOM))]
    drawn = [_drawn(moment, number, leaf) for number, leaf in enumerate(graph.randoms)]
    lines, names = printer.printed(graph.nodes)
    results = ", ".join(f"{name!r}: {names[id(node)]}" for name, node in graph.results.items())
    arguments = ", ".join([*read, *(["draw"] if drawn else [])])
    body = [*drawn, *lines, f"return {{{results}}}"]
    return [f"def {moment}({arguments}):", *(f"    {line}" for line in body)]


def _leaf_names(graph: MomentGraph) -> list[str]:
    return sorted({str(n.detail) for n in graph.nodes if n.operation == "leaf"})


def _drawn(moment: str, number: int, leaf: Node) -> str:
    """The line that draws a random number: ``draw`` takes what is added to the projection's layer, and the bits."""
    layer, bits = neuron_layer(0, int(moment == "post_step"), number), int(leaf.high).bit_length()
    return f"{leaf.detail} = draw({layer}, {bits})"
