"""The functions of neuron models and learning rules in Brian2's language.

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
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.models.base import NeuronModel
from ssdp_hw.models.printing import Printer

from .random_bits import neuron_bits


def state_variable(name: str) -> str:
    """The variable of a group that holds a state; a name of a model alone may be one that Brian2 reserves."""
    return f"state_{name}"


def parameter_variable(name: str) -> str:
    """The variable of a group that holds a parameter as it acts."""
    return f"parameter_{name}"


class Brian2Printer(Printer):
    """Prints integers, or (``ideal``) real numbers.

    Attributes:
        functions: functions that the printed code calls, by name.
    """

    templates: ClassVar[Mapping[str, str]] = {
        **Printer.templates,
        "multiply": "{0}*{1}",
        "shift_left": "{0}*{unit}",
        "shift_right": "{0}//{unit}",
        "shift_left_by": "shift_left_by({0}, {1})",
        "shift_right_by": "shift_right_by({0}, {1})",
        "divide": "{0}//{1}",
        "quotient": "{0}/{1}",
        "minimum": "choose({0} < {1}, {0}, {1})",
        "maximum": "choose({0} < {1}, {1}, {0})",
        "select": "choose({0}, {1}, {2})",
    }

    def __init__(self, *, ideal: bool) -> None:
        self.ideal = ideal
        self.functions: dict[str, Function] = dict(REAL_FUNCTIONS if ideal else INTEGER_FUNCTIONS)

    def constant(self, value: int | float) -> str:
        """A constant of the type of all numbers of the step: Brian2's functions tell integers from real numbers."""
        return super().constant(float(value) if self.ideal else int(value))

    def drawn(self, step: str, low: str, high: str, draw: int, bits: int) -> str:
        """A call of the generator, whose arguments are integers also where the step is of real numbers."""
        name = "real_neuron_random" if self.ideal else "neuron_random"
        self.functions[name] = neuron_bits(ideal=self.ideal)
        number = (lambda x: f"{x}.0") if self.ideal else str
        return f"{name}({step}, {low}, {high}, {number(draw)}, {number(bits)})"

    def lookup(self, table: tuple[int, ...], index: str) -> str:
        """A call of a function that holds the table."""
        name = f"{self.prefix}table_{len(self.functions)}"
        self.functions[name] = table_function(name, table)
        return f"{name}({index})"


class StepPrinter(Brian2Printer):
    """Prints the step of a neuron model.

    What Brian2 reads while it writes may be old or new, so that the code of a step first gives the states of before
    names of their own, ``old_...``.
    """

    def __init__(self, model: NeuronModel, *, ideal: bool) -> None:
        super().__init__(ideal=ideal)
        self._states = {s.name for s in model.states}
        self._parameters = set(model.acting_names)

    def leaf(self, name: str) -> str:
        """A state of before the step, a parameter, or ``arriving`` or ``bias``, which the code before the step sets."""
        if name in self._states:
            return f"old_{state_variable(name)}"
        return parameter_variable(name) if name in self._parameters else f"input_{name}"


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


def _shift_by(name: str, operator: str, in_numpy: Callable[..., Any]) -> Function:
    text = f"static inline int64_t {name}(int64_t x, int64_t bits) {{ return x {operator} bits; }}"
    return _function(name, text, in_numpy, f"int64_t {name}(int64_t, int64_t)", ("integer", "integer"), "integer")


# Shifts by a value; compilers that Brian2 knows shift negative integers right as if they were divided and rounded down.
INTEGER_FUNCTIONS = {
    "choose": CHOOSE_INTEGER,
    "shift_left_by": _shift_by("shift_left_by", "<<", np.left_shift),
    "shift_right_by": _shift_by("shift_right_by", ">>", np.right_shift),
}
REAL_FUNCTIONS = {"choose": CHOOSE_REAL}


def table_function(name: str, entries: tuple[int, ...]) -> Function:
    """A function of that name that gives the entry of an integer table at an index that is inside it."""
    listed = ", ".join(f"{x}LL" for x in entries)
    text = f"static inline int64_t {name}(int64_t i) {{ static const int64_t t[] = {{{listed}}}; return t[i]; }}"
    return _function(
        name, text, np.asarray(entries, np.int64).take, f"int64_t {name}(int64_t)", ("integer",), "integer"
    )


def real_table_function(name: str, entries: tuple[float, ...]) -> Function:
    """A function of that name that gives the value of a real table at a place inside it, by the straight line through
    the two entries beside it.
    """
    values = np.asarray(entries, np.float64)
    listed = ", ".join(repr(float(x)) for x in values)
    text = f"""
static inline double {name}(double x)
{{
    static const double t[] = {{{listed}}};
    const int64_t k = (int64_t)x;
    return k < {len(values) - 1} ? t[k] + (t[k + 1] - t[k]) * (x - (double)k) : t[{len(values) - 1}];
}}"""

    def in_numpy(x: ArrayLike) -> NDArray[np.float64]:
        return np.asarray(np.interp(np.asarray(x, np.float64), np.arange(len(values)), values))

    return _function(name, text, in_numpy, f"double {name}(double)", ("float",), "float")
