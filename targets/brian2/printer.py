"""The step of a neuron model in Brian2's language.

The language has no shifts: a shift left is a product, a shift right is ``//``, which rounds down in all of Brian2's
code (NumPy, Cython, C++). It has no choice between two numbers either, and its ``clip`` takes limits as float64, so
that it would lose bits of large integers: the functions of this module choose, and look up tables. Every integer is
64 bits wide; Brian2's own ``int()`` has 32 and is used on conditions alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from brian2 import Function

from ssdp_hw.models.base import NeuronModel
from ssdp_hw.models.printing import Printer


def state_variable(name: str) -> str:
    """The variable of a group that holds a state; a name of a model alone may be one that Brian2 reserves."""
    return f"state_{name}"


def parameter_variable(name: str) -> str:
    """The variable of a group that holds a parameter as it acts."""
    return f"parameter_{name}"


class Brian2Printer(Printer):
    """Prints a step of integers, or (``ideal``) of real numbers.

    What Brian2 reads while it writes may be old or new, so that the code of a step first gives the states of before
    names of their own, ``old_...``.

    Attributes:
        functions: functions that the printed code calls, by name.
    """

    templates: ClassVar[Mapping[str, str]] = {
        **Printer.templates,
        "multiply": "{0}*{1}",
        "shift_left": "{0}*{unit}",
        "shift_right": "{0}//{unit}",
        "minimum": "choose({0} < {1}, {0}, {1})",
        "maximum": "choose({0} < {1}, {1}, {0})",
        "select": "choose({0}, {1}, {2})",
    }

    def __init__(self, model: NeuronModel, *, ideal: bool) -> None:
        self._states = {s.name for s in model.states}
        self._parameters = {q.name for q in model.parameters}
        self._number: type[int] | type[float] = float if ideal else int
        self.functions: dict[str, Function] = {"choose": CHOOSE_REAL if ideal else CHOOSE_INTEGER}

    def leaf(self, name: str) -> str:
        """A state of before the step, a parameter, or ``arriving`` or ``bias``, which the code before the step sets."""
        if name in self._states:
            return f"old_{state_variable(name)}"
        return parameter_variable(name) if name in self._parameters else f"input_{name}"

    def constant(self, value: int | float) -> str:
        """A constant of the type of all numbers of the step: Brian2's functions tell integers from real numbers."""
        return super().constant(self._number(value))

    def lookup(self, table: tuple[int, ...], index: str) -> str:
        """A call of a function that holds the table."""
        name = f"table_{len(self.functions)}"
        self.functions[name] = _table(name, table)
        return f"{name}({index})"


def _function(
    name: str, text: str, in_numpy: Callable[..., Any], arguments: str, types: Sequence[str], returned: str
) -> Function:
    """A function with one C text for C++ and Cython, and another for NumPy code."""
    declared = f'cdef extern from *:\n    """\n{text}\n    """\n    {arguments}\n'
    function = Function(
        in_numpy,
        arg_names=[f"x{k}" for k in range(len(types))],
        arg_units=[None if kind == "boolean" else 1 for kind in types],
        return_unit=1,
        arg_types=list(types),
        return_type=returned,
    )
    function.implementations.add_implementation("numpy", in_numpy)
    function.implementations.add_implementation("cpp", text, name=name)
    function.implementations.add_implementation("cython", declared, name=name)
    return function


def _choose(kind: str, number: str) -> Function:
    """The function ``choose(condition, a, b)`` of numbers of one type."""
    text = f"static inline {number} choose(bool c, {number} a, {number} b) {{ return c ? a : b; }}"
    return _function(
        "choose", text, np.where, f"{number} choose(bint, {number}, {number})", ("boolean", kind, kind), kind
    )


CHOOSE_INTEGER, CHOOSE_REAL = _choose("integer", "int64_t"), _choose("float", "double")


def _table(name: str, entries: tuple[int, ...]) -> Function:
    listed = ", ".join(f"{x}LL" for x in entries)
    text = f"static inline int64_t {name}(int64_t i) {{ static const int64_t t[] = {{{listed}}}; return t[i]; }}"
    return _function(
        name, text, np.asarray(entries, np.int64).take, f"int64_t {name}(int64_t)", ("integer",), "integer"
    )
