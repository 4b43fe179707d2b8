"""From a formula to products of Loihi's learning engine, exactly but for the literals.

A formula's trace acts from the step after its spike on, and a spike adds 1 to it. The learning engine's trace has the
spike of its own step already, and a spike adds the impulse I. With an update in every step, T the formula's trace and L
the engine's, and s the spike of the trace's own neuron in this step (a factor x0 or y0):

    at a spike            T = L / I - s
    at a window's end     T = exp(-1/tau) L / I, since the formula's traces have decayed by then

So a product of n traces becomes up to 2**n products. The coefficient of each is that of the product of all traces, a
sum of literals, times impulses, and so a sum of literals again: nothing is rounded but the formula's amplitudes. The
dependency u<k> acts in every 2**k-th step, which is the end of a window of that length.

How many products and factors a chip holds has not been published. What a product may multiply is bounded by the
exponent that makes up for Lava's right shift: at most 30 bits, such as three traces and the mantissa.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product as combinations

import numpy as np

from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.microcode.formula_code import FormulaMicrocode, FormulaTerm
from ssdp_hw.microcode.learning_engine import (
    EXPONENT_MAX,
    EXPONENT_MIN,
    MANTISSA_MAX,
    SMALLEST_STEP,
    TRACE_MAX,
    WEIGHT_MAX,
    Epoch,
    Product,
    Trace,
)
from ssdp_hw.microcode.literals import mantissa_and_exponent, nearest_literal
from ssdp_hw.operations.base import Rounding
from ssdp_hw.rules.declared import FloatDeclaredRule
from ssdp_hw.rules.models.formula import POST_TRACES, PRE_TRACES, SPIKES, WEIGHT_FACTOR, Formula

TRACE_BITS = 7
# u0 .. u9, of which the learning engine reads one digit.
LONGEST_WINDOW = 2**9
# An amplitude that one literal misses by more gets a second one; impulses are chosen so that few do.
TOLERANCE = 0.02
# An amplitude that is missed by more is refused.
WORST = 1 / 3

# Coefficients in LSB by factors of the learning engine, of which the first is the dependency.
_Sum = dict[tuple[str, ...], float]


@dataclass
class _Term:
    """A product of the formula with its amplitude in LSB; ``literals`` add up to what its traces are multiplied by."""

    factors: tuple[str, ...]
    wanted: float
    traces: tuple[str, ...]
    literals: list[float] = field(default_factory=list)

    def scale(self, impulses: Mapping[str, int], decays: Mapping[str, float]) -> float:
        """The engine's product of all traces, where the formula's is 1."""
        faded = "u0" in self.factors
        return math.prod(impulses[t] / (decays[t] if faded else 1.0) for t in self.traces)


def compile_formula(rule: FloatDeclaredRule, window: int | None, per_unit: float, notes: list[str]) -> FormulaMicrocode:
    """The products of the learning engine for a rule whose model is a formula.

    Args:
        rule: the rule.
        window: length of a window in steps; None where no product has ``u0``.
        per_unit: weight LSBs of a float weight of 1.
        notes: deviations that all rules have.

    Raises:
        ParameterError, UnsupportedError: what does not fit; the message has the product and the limit.
    """
    model = rule.model
    assert isinstance(model, Formula)
    _check(rule, model)
    terms = [_term(rule, k, per_unit) for k in range(len(model.products))]
    taus = {name: _value(rule, f"tau_{name}") for name in model.traces}
    decays = {name: math.exp(-1.0 / tau) for name, tau in taus.items()}
    dependency = _window_end(model, window)
    impulses = _impulses(terms, rule.registers, decays)
    for term in terms:
        term.literals = _amplitude(term, term.scale(impulses, decays))
    total: _Sum = {}
    for term in terms:
        for factors, coefficient in _expanded(term, impulses, dependency):
            total[factors] = total.get(factors, 0.0) + coefficient
    products = tuple(p for factors, coefficient in total.items() for p in _products(factors, coefficient))
    traces = {name: Trace(impulses[name], taus[name]) for name in model.traces}
    obtained = tuple(FormulaTerm(t.factors, t.wanted, math.fsum(t.literals) * t.scale(impulses, decays)) for t in terms)
    replaced = (*notes, *_replaced(rule, products, traces, obtained, per_unit))
    return FormulaMicrocode(products, traces, Epoch.STEP, 1, replaced, obtained)


def _value(rule: FloatDeclaredRule, name: str) -> float:
    found = rule.values[name]
    assert isinstance(found, int | float)
    return float(found)


def _check(rule: FloatDeclaredRule, model: Formula) -> None:
    if model.trace_bits != TRACE_BITS:
        raise UnsupportedError(
            f"microcode: trace_bits = {model.trace_bits}, and the traces of the learning engine have {TRACE_BITS} bits"
        )
    if model.traces and model.rounding is not Rounding.STOCHASTIC:
        raise UnsupportedError(
            f"microcode: trace_rounding = '{model.rounding.value}', and the learning engine rounds traces at random: "
            "give 'stochastic'"
        )
    if rule.registers.get("trace_max", TRACE_MAX) != TRACE_MAX:
        raise UnsupportedError(
            f"microcode: trace_max = {rule.registers['trace_max']}, and its traces end at {TRACE_MAX}"
        )
    largest = max(abs(_value(rule, f"c{k}")) for k in range(len(model.products)))
    if largest > rule.clip and not model.reads_weight:
        raise UnsupportedError(
            f"microcode: clip = {rule.clip:g} is below an amplitude of the formula, {largest:g}, and the learning "
            "engine has no such clip; lower the amplitude"
        )


def _term(rule: FloatDeclaredRule, k: int, per_unit: float) -> _Term:
    assert isinstance(rule.model, Formula)
    factors = rule.model.products[k]
    weights = factors.count(WEIGHT_FACTOR)
    traces = tuple(f for f in factors if f in (*PRE_TRACES, *POST_TRACES))
    return _Term(factors, _value(rule, f"c{k}") * per_unit ** (1 - weights), traces)


def _window_end(model: Formula, window: int | None) -> str:
    """The dependency that acts at the end of a window."""
    if not any("u0" in factors for factors in model.products):
        return "u0"
    if window is None:
        raise ParameterError("microcode: window is missing: the formula has u0, the end of a window; give its steps")
    if not 1 <= window <= LONGEST_WINDOW or window & (window - 1):
        raise ParameterError(
            f"microcode: window = {window} steps, and the formula has u0, for which the learning engine acts in every "
            f"2**k-th step, k from 0 to 9; choose a window of 1, 2, 4 ... {LONGEST_WINDOW} steps"
        )
    return f"u{window.bit_length() - 1}"


# Amplitudes and impulses


def _impulses(terms: list[_Term], given: Mapping[str, int], decays: Mapping[str, float]) -> dict[str, int]:
    """An impulse for each trace: those of the rule, and else such that amplitudes are as near to literals as can be.

    Of impulses that make no amplitude worse than :data:`TOLERANCE` the largest is taken, up to a quarter of the range:
    its trace is rounded least, and four spikes in quick succession do not saturate it.
    """
    names = sorted({t for term in terms for t in term.traces})
    chosen = {name: given.get(f"impulse_{name}", TRACE_MAX // 4) for name in names}
    free = [name for name in names if f"impulse_{name}" not in given]
    for _ in range(3):
        before = dict(chosen)
        for name in free:
            mine = [term for term in terms if name in term.traces]
            tries = [{**chosen, name: impulse} for impulse in range(TRACE_MAX // 4, 0, -1)]
            scales = np.array([[term.scale(one, decays) for term in mine] for one in tries])
            wanted = np.array([term.wanted for term in mine])
            errors = np.abs(nearest_literal(wanted / scales) * scales / wanted - 1).max(axis=1)
            good = np.flatnonzero(errors <= max(TOLERANCE, float(errors.min())))
            chosen = tries[int(good[0])]
        if chosen == before:
            break
    return chosen


def _amplitude(term: _Term, scale: float) -> list[float]:
    """Literals whose sum times ``scale`` is the amplitude of a term, the fewest that miss it by the tolerance."""
    wanted = term.wanted / scale
    found = [float(nearest_literal(np.array([wanted]))[0])]
    while (error := abs(math.fsum(found) / wanted - 1)) > TOLERANCE:
        another = float(nearest_literal(np.array([wanted - math.fsum(found)]))[0])
        if abs(math.fsum([*found, another]) / wanted - 1) > error / 2:  # what is left is below the smallest literal
            break
        found.append(another)
    name, smallest, largest = "*".join(term.factors), SMALLEST_STEP, MANTISSA_MAX * 2.0**EXPONENT_MAX
    if error > WORST:
        what = "raise" if abs(wanted) < smallest else "lower"
        raise ParameterError(
            f"microcode: the product {name} changes a weight by {term.wanted:.3g} LSBs at a spike, for which its "
            f"literal would have to be {wanted:.3g} (impulses: {scale:.3g}), and the learning engine's are from "
            f"2**{EXPONENT_MIN} to {largest:g}; {what} its amplitude or scale"
        )
    if abs(term.wanted) > WEIGHT_MAX:
        raise ParameterError(
            f"microcode: the product {name} changes a weight by {term.wanted:.3g} LSBs at a spike, and a product of "
            f"the learning engine holds {WEIGHT_MAX}; lower its amplitude or scale"
        )
    return found


# Products


def _expanded(term: _Term, impulses: Mapping[str, int], dependency: str) -> Iterator[tuple[tuple[str, ...], float]]:
    """What a term of the formula is in the factors of the learning engine, with its coefficients."""
    coefficient = math.fsum(term.literals)
    weights = (WEIGHT_FACTOR,) * term.factors.count(WEIGHT_FACTOR)
    if "u0" in term.factors:
        yield (dependency, *term.traces, *weights), coefficient
        return
    for kept in combinations((True, False), repeat=len(term.traces)):
        left = [t for t, k in zip(term.traces, kept, strict=True) if k]
        gone = [t for t, k in zip(term.traces, kept, strict=True) if not k]
        spikes = sorted({*(f for f in term.factors if f in SPIKES), *(f"{t[0]}0" for t in gone)})
        yield (*spikes, *left, *weights), coefficient * math.prod(-impulses[t] for t in gone)


def _products(factors: tuple[str, ...], coefficient: float) -> Iterator[Product]:
    """Products whose literals add up to a coefficient, which is a whole number of the smallest ones."""
    while coefficient:
        literal = float(nearest_literal(np.array([coefficient]))[0])
        try:
            yield Product(*mantissa_and_exponent(literal), factors)
        except ParameterError as error:
            raise ParameterError(f"microcode: {error}; lower an amplitude, scale or impulse") from None
        coefficient -= literal


def _replaced(
    rule: FloatDeclaredRule,
    products: tuple[Product, ...],
    traces: Mapping[str, Trace],
    terms: tuple[FormulaTerm, ...],
    per_unit: float,
) -> Iterator[str]:
    if traces:
        first = max(traces, key=lambda name: traces[name].impulse)
        yield ("Traces do not begin anew with a window or a sample: a spike is seen as long as its trace lasts.")
        yield (
            f"Traces end at {TRACE_MAX}, that of {first} after {TRACE_MAX // traces[first].impulse} spikes in quick "
            "succession; beyond, its products are too small."
        )
    yield f"The change of a window is not limited to {rule.clip * per_unit:.4g} LSBs (clip = {rule.clip:g})."
    if any(WEIGHT_FACTOR in term.factors for term in terms):
        yield "The factor w is the weight of the moment, which moves in every step."
    if lost := max((abs(p.shift and 2.0 ** (p.exponent + p.shift)) for p in products), default=0.0):
        yield (
            "In fixed_pt products of several traces or of the weight lose their lowest bits, and are rounded down by "
            f"less than {lost:.3g} LSBs each."
        )
    if len(products) > 1:
        yield (
            "Near the ends of the weight range a change can be wrong: the learning engine saturates after every "
            "product, not after their sum."
        )
