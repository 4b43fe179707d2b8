"""A learning rule from a formula, in the names of Loihi's learning engine: ``sh.Rule(dw="a*x1*y0 - b*x0*y1", ...)``.

The formula is read by Python's parser and a whitelist; nothing of it is executed.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import Any

from ssdp_hw.checks import as_int, real_vector
from ssdp_hw.errors import ParameterError
from ssdp_hw.operations.base import Rounding
from ssdp_hw.rules.declared import FloatDeclaredRule, rule
from ssdp_hw.rules.model_checks import check_model
from ssdp_hw.rules.models.formula import POST_TRACES, PRE_TRACES, SPIKES, WEIGHT_FACTOR, Formula, Product

FACTORS = (*SPIKES, *PRE_TRACES, *POST_TRACES, WEIGHT_FACTOR)
_LENGTH_MAX, _PRODUCTS_MAX, _FACTORS_MAX = 1000, 32, 6

# A sum: the amplitude of each product, by its sorted factors.
_Sum = dict[Product, float]


def Rule(  # noqa: N802  # read as the name of a thing: a rule with this formula
    dw: str,
    *,
    trace_bits: int = 7,
    trace_rounding: str = "stochastic",
    clip: float = 1.0,
    windows_per_update: int = 1,
    counter_bits: int = 16,
    rounding: str = "carry",
    pre_trace: str = "fires",
    headroom: float = 1.0,
    **values: float,
) -> FloatDeclaredRule:
    """A rule whose weight change is a sum of products, such as ``a*x1*y0 - b*x0*y1``.

    Factors are the spikes ``x0`` (presynaptic) and ``y0`` (postsynaptic), the end of a window ``u0``, the traces
    ``x1``, ``x2``, ``y1``, ``y2`` and ``y3``, the weight ``w``, numbers, and names that ``values`` gives. Every product
    needs a spike or ``u0``, which says when it acts; see :class:`ssdp_hw.rules.models.formula.Formula`.

    Args:
        dw: the formula, with ``+ - * ( )``, ``**`` with a whole number, ``/`` by a number.
        trace_bits, trace_rounding: integer form only: width of the traces (Loihi: 7), and how they are rounded:
            ``stochastic``, ``nearest`` or ``zero``.
        clip, windows_per_update, counter_bits, rounding, pre_trace: see :class:`ssdp_hw.rules.FloatRule`.
        headroom: integer form only: see :func:`ssdp_hw.rule`.
        values: numbers by name: those of the formula, ``tau_x1`` ... ``tau_y3`` in steps (default 20), and
            ``impulse_x1`` ... in the integer form's register (default a quarter of its range).

    Raises:
        ParameterError: the formula is none; the message has the place. A number that it does not name, or lacks. A
            product that takes more than 64 bits in integers.
    """
    if not isinstance(dw, str) or len(dw) > _LENGTH_MAX:
        raise ParameterError(f"Rule: dw must be a formula of at most {_LENGTH_MAX} characters, found {str(dw)[:40]!r}")
    traces = (*PRE_TRACES, *POST_TRACES)
    of_traces = {n: v for n, v in values.items() if n in {f"{kind}_{t}" for kind in ("tau", "impulse") for t in traces}}
    reader = _Reader(dw, {n: v for n, v in values.items() if n not in of_traces})
    terms = {factors: amplitude for factors, amplitude in reader.read().items() if amplitude}
    if not terms:
        raise ParameterError(f"Rule: dw = {dw!r} is 0, so that no weight would move")
    bits = as_int(trace_bits, "Rule: trace_bits")
    if not 2 <= bits <= 16:
        raise ParameterError(f"Rule: trace_bits = {bits} is outside 2 .. 16")
    products = tuple(sorted(terms))
    model = Formula(products, bits, Rounding(trace_rounding))
    try:
        check_model(model, f"Rule: dw = {dw!r}")
    except ParameterError as error:  # its operations are ours, so that nothing but their width can be wrong
        widest = max(
            products, key=lambda factors: sum(16 * (f == WEIGHT_FACTOR) + bits * (f in traces) for f in factors)
        )
        raise ParameterError(
            f"Rule: dw = {dw!r} needs more than the 64 bits of its integer form: its widest product, "
            f"{'*'.join(widest)}, multiplies an amplitude of 16 bits, traces of {bits} and weights of 16; give it "
            "fewer factors, or its traces fewer bits (trace_bits)"
        ) from error
    for name in of_traces:
        if name.split("_", 1)[1] not in model.traces:
            raise ParameterError(f"Rule: {name} belongs to a trace that dw = {dw!r} does not read")
    registers = {n: as_int(v, f"Rule: {n}") for n, v in of_traces.items() if n.startswith("impulse_")}
    return rule(
        model,
        clip=clip,
        windows_per_update=windows_per_update,
        counter_bits=counter_bits,
        rounding=rounding,
        pre_trace=pre_trace,
        registers=registers,
        headroom=headroom,
        **{f"c{k}": terms[product] for k, product in enumerate(products)},
        **{n: v for n, v in of_traces.items() if n.startswith("tau_")},
    )


class _Reader:
    """Reads one formula with numbers for its names."""

    def __init__(self, formula: str, values: Mapping[str, Any]) -> None:
        self.formula = formula
        self.values = {n: float(real_vector(v, 1, f"Rule: {n}")[0]) for n, v in values.items()}
        self.used: set[str] = set()
        for name in self.values:
            if name in FACTORS:
                raise ParameterError(f"Rule: '{name}' is a factor of Loihi's formulas and cannot be given a number")

    def read(self) -> _Sum:
        """The products of the formula."""
        try:
            tree = ast.parse(self.formula, mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            place = getattr(error, "offset", None)
            raise self._error(f"it is no formula{f' at character {place}' if place else ''}") from None
        try:
            total = self._sum(tree.body)
        except RecursionError:
            raise self._error("it has too many levels; write it as a plain sum of products") from None
        if unused := set(self.values) - self.used:
            raise self._error(f"it does not use {', '.join(sorted(unused))}")
        for factors in total:
            if not set(factors) & set(SPIKES):
                raise self._error(
                    f"the product {'*'.join(factors) or 'of numbers alone'} has no x0, y0 or u0, which say when it "
                    "acts: at a presynaptic spike, at a postsynaptic one, or at the end of a window"
                )
            if "u0" in factors and {"x0", "y0"} & set(factors):
                raise self._error(f"the product {'*'.join(factors)} acts at a spike and at the end of a window")
        return total

    def _error(self, what: str, node: ast.AST | None = None) -> ParameterError:
        place = f" at character {node.col_offset + 1}" if isinstance(node, ast.expr) else ""
        return ParameterError(f"Rule: dw = {self.formula!r}{place}: {what}")

    def _sum(self, node: ast.expr) -> _Sum:
        if isinstance(node, ast.BinOp):
            return self._operation(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            sign = -1.0 if isinstance(node.op, ast.USub) else 1.0
            return {factors: sign * a for factors, a in self._sum(node.operand).items()}
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return {(): self._finite(float(node.value), node)}  # type: ignore[arg-type]
        if isinstance(node, ast.Name):
            return self._name(node)
        raise self._error(f"{ast.unparse(node)[:40]!r} is no sum, product, name or number", node)

    def _name(self, node: ast.Name) -> _Sum:
        if node.id in FACTORS:
            return {(node.id,): 1.0}
        if node.id not in self.values:
            raise self._error(
                f"'{node.id}' is no factor ({', '.join(FACTORS)}) and has no number; give {node.id}=", node
            )
        self.used.add(node.id)
        return {(): self.values[node.id]}

    def _operation(self, node: ast.BinOp) -> _Sum:
        left = self._sum(node.left)
        if isinstance(node.op, ast.Pow):
            power = node.right.value if isinstance(node.right, ast.Constant) else None
            if type(power) is not int or not 1 <= power <= _FACTORS_MAX:
                raise self._error(f"a power must be a whole number from 1 to {_FACTORS_MAX}", node)
            result = left
            for _ in range(power - 1):
                result = self._product(result, left, node)
            return result
        right = self._sum(node.right)
        if isinstance(node.op, ast.Add | ast.Sub):
            sign = -1.0 if isinstance(node.op, ast.Sub) else 1.0
            total = dict(left)
            for factors, a in right.items():
                total[factors] = total.get(factors, 0.0) + sign * a
            return self._bounded(total, node)
        if isinstance(node.op, ast.Mult):
            return self._product(left, right, node)
        if isinstance(node.op, ast.Div) and set(right) == {()} and right[()] != 0:
            return {factors: self._finite(a / right[()], node) for factors, a in left.items()}
        raise self._error("only + - * ** and a division by a number other than 0 are known", node)

    def _product(self, left: _Sum, right: _Sum, node: ast.expr) -> _Sum:
        total: _Sum = {}
        for first, a in left.items():
            for second, b in right.items():
                spikes = sorted({f for f in (*first, *second) if f in SPIKES})  # a spike is 0 or 1: so are its powers
                others = sorted(f for f in (*first, *second) if f not in SPIKES)
                if len(others) > _FACTORS_MAX:
                    raise self._error(f"a product of more than {_FACTORS_MAX} traces and weights", node)
                factors = (*spikes, *others)
                total[factors] = self._finite(total.get(factors, 0.0) + a * b, node)
        return self._bounded(total, node)

    def _bounded(self, total: _Sum, node: ast.expr) -> _Sum:
        if len(total) > _PRODUCTS_MAX:
            raise self._error(f"more than {_PRODUCTS_MAX} products", node)
        return total

    def _finite(self, value: float, node: ast.expr) -> float:
        if not math.isfinite(value):
            raise self._error("a number is not finite", node)
        return value
