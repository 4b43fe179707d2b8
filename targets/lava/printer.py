"""The step of a neuron model as a Python function of NumPy arrays, which Lava's worker loads from a file.

A learning rule is printed by :mod:`.rule_printer`, with what is here.

The worker may be another interpreter, without the toolkit: the text imports NumPy alone. Names of a model are
identifiers, and none stands in the text without a prefix.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from ssdp_hw.models.base import ARRIVING, BIAS, NeuronModel
from ssdp_hw.models.form import StepForm
from ssdp_hw.models.printing import Printer
from ssdp_hw.operations import philox


class NumpyPrinter(Printer):
    """Prints values that are int64 or float64 arrays; leaves have their own names.

    Attributes:
        tables: the constant tables by the names that the text gives them.
    """

    templates: ClassVar[Mapping[str, str]] = {
        **Printer.templates,
        "shift_left": "{0} << {bits}",
        "shift_right": "{0} >> {bits}",
        "shift_left_by": "{0} << {1}",
        "shift_right_by": "{0} >> {1}",
        "minimum": "np.minimum({0}, {1})",
        "maximum": "np.maximum({0}, {1})",
        "select": "np.where({0}, {1}, {2})",
        "and": "np.logical_and({0}, {1})",
        "or": "np.logical_or({0}, {1})",
        "not": "np.logical_not({0})",
    }

    def __init__(self) -> None:
        self.tables: dict[str, tuple[int, ...]] = {}

    def leaf(self, name: str) -> str:
        return name

    def lookup(self, table: tuple[int, ...], index: str) -> str:
        """An entry of an array of the module."""
        name = f"TABLE_{len(self.tables)}"
        self.tables[name] = table
        return f"{name}[{index}]"

    def table_lines(self) -> list[str]:
        """The constant tables as lines of the module."""
        return [f"{name} = np.array({list(entries)!r}, np.int64)" for name, entries in self.tables.items()]


class StepPrinter(NumpyPrinter):
    """Prints the step of a neuron model; no name of the model stands in the text without a prefix."""

    def __init__(self, model: NeuronModel) -> None:
        super().__init__()
        self._states = {s.name for s in model.states}
        self._parameters = set(model.acting_names)

    def leaf(self, name: str) -> str:
        """A state, a parameter, or the synaptic input or the bias."""
        kind = "state" if name in self._states else "parameter" if name in self._parameters else "input"
        return f"{kind}_{name}"


def _philox_text() -> str:
    """The module with the random numbers of neurons, which imports NumPy alone; it has to stand first in a file."""
    return Path(philox.__file__).read_text(encoding="utf-8")


def parameter_names(model: NeuronModel) -> list[str]:
    """The parameters of the printed function after the states, in order: those of the model, and the bias.

    Those of a stochastic model have the keys of its random numbers among them.
    """
    return [*model.acting_names, BIAS]


def step_module(form: StepForm, *, ideal: bool) -> str:
    """A module with the function ``step`` of the synaptic inputs, the states and :func:`parameter_names`.

    The synaptic inputs are the first of every model and the form's ports.

    ``step`` returns the states after the step, the spikes and the conditions of the overflow counts.
    """
    model, printer = form.model, StepPrinter(form.model)
    printed = printer.print(form.graph(ideal=ideal))
    states = [s.name for s in model.states]
    inputs = [ARRIVING, *form.ports]
    received = [f"received_{name}" for name in inputs]
    arguments = ", ".join([*received, *(printer.leaf(name) for name in [*states, *parameter_names(model)])])
    scaled = "" if ideal else f".astype(np.int64) << {form.chip.activation_shift}"
    arithmetic = "real numbers" if ideal else "integers"
    lines = [f"{printer.leaf(name)} = received_{name}{scaled}" for name in inputs] + list(printed.lines)
    lines += [f"new_{name} = {printed.states[name]}" for name in states]
    lines += [f"fired = {printed.fired}"]
    lines += [f"count_{name} = {condition}" for name, condition in printed.counts.items()]
    new = "".join(f"new_{name}, " for name in states)
    counts = "".join(f"count_{name}, " for name in printed.counts)
    text = [
        *([_philox_text()] if model.stochastic else []),
        f"# One step of the neuron model {model.name} in {arithmetic}, printed by ssdp-hw.",
        "import numpy as np",
        "",
        *printer.table_lines(),
        "",
        f"def step({arguments}):",
        *(f"    {line}" for line in lines),
        f"    return ({new}), fired, ({counts})",
    ]
    return "\n".join([*text, ""])
