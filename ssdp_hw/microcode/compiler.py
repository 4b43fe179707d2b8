"""From a rule to a sum of products for Loihi's learning engine: SSDP here, a formula in :mod:`.formula`.

With one update per window (``t_epoch`` = window) SSDP has this form, where x0 and y0 are 1 if the neuron fired:

    both fired    a G(|t_x - t_y|)   sum of c_k (x0 y_k + y0 x_k), and c_0 x0 y3
    one silent   -b G(T - t)         sum of r_k u0 (x0 - x0 y0) x_k, and with x and y exchanged
    none fired   -b                  b (x0 + y0 - x0 y0 - u0)

The traces k are the exponentials of the learning window: its own, or those fitted to a Gaussian. Two spikes of
the same step find each other's impulses, so that distance 0 counts twice. The trace y3 has no memory:
x0 y3 is its impulse at distance 0 and else nothing, and c_0 brings the sum there to a. A silent
neuron's time T has no register, but T is the window's end, where the dependency u0 reads the traces:
distance is their age.

With an update in every step there are no windows in which a neuron could be silent: the learning window
stays, and -b goes to each spike without a partner in the same step.
"""

from __future__ import annotations

from typing import overload

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Real
from ssdp_hw.checks import as_int, positive_or_none
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.microcode.code import Branch, Microcode, SSDPMicrocode
from ssdp_hw.microcode.formula import compile_formula
from ssdp_hw.microcode.formula_code import FormulaMicrocode
from ssdp_hw.microcode.learning_engine import (
    Arithmetic,
    Epoch,
    Product,
    Trace,
    float_traces,
    mean_integer_traces,
    pair_step,
)
from ssdp_hw.microcode.learning_window import FittedWindow, fit_learning_window
from ssdp_hw.microcode.literals import is_literal, mantissa_and_exponent, nearest_literal
from ssdp_hw.microcode.wanted import OneSilent, Wanted, check_kind, check_wanted
from ssdp_hw.rules import FloatRule, WeightRounding, ssdp
from ssdp_hw.rules.declared import FloatDeclaredRule
from ssdp_hw.rules.spike_times import SpikeTime
from ssdp_hw.rules.ssdp import SSDP, SilentPairs

Term = tuple[float, tuple[str, ...]]  # coefficient and factors

# Branches are computed with traces that begin at 0; their errors mean nothing if half of a trace is left from the
# window before.
CARRY_OVER_MAX = 0.5
# A trace with this tau has no memory: exp(-64) is below the resolution of a trace.
_NO_MEMORY = 1.0 / 64


@overload
def compile_microcode(
    rule: SSDP,
    *,
    window: int | None,
    scale: float,
    weight_exp: int = 0,
    exponentials: int | None = None,
    epoch: Epoch | str | None = None,
    one_silent: OneSilent | str | None = None,
) -> SSDPMicrocode: ...


@overload
def compile_microcode(
    rule: FloatDeclaredRule, *, window: int | None = None, scale: float, weight_exp: int = 0
) -> FormulaMicrocode: ...


def compile_microcode(
    rule: SSDP | FloatDeclaredRule,
    *,
    window: int | None = None,
    scale: float,
    weight_exp: int = 0,
    exponentials: int | None = None,
    epoch: Epoch | str | None = None,
    one_silent: OneSilent | str | None = None,
) -> Microcode:
    """The sum of products that comes nearest to an SSDP rule, or that is a formula (:func:`ssdp_hw.Rule`).

    Of a formula nothing is replaced but the amplitudes of its products, by sums of literals; see
    :mod:`ssdp_hw.microcode.formula`. Its learning engine updates in every step.

    Args:
        rule: the rule to compile.
        window: length of a window in steps; a formula needs it only where it has ``u0``, as a power of two.
        scale: weight LSBs (weights are integers from -256 to 255) of a float weight of 1; for a
            quantised projection its ``scale``.
        weight_exp: that of the projection. At a negative one, -k, the chip drops what is below 2**k, which is then the
            LSB: the rule is compiled for ``weight >> k``, which at exponent 0 is the same synapse.
        exponentials: SSDP only: for the learning window, 1 or 2 (traces per side; default 2), or 0: any two spikes of a
            window are synchronous, whatever their distance.
        epoch: SSDP only: ``window`` (the default), or ``step`` to learn without windows.
        one_silent: SSDP only: default ``timed``; ``flat`` where that cannot be had (no traces, or no windows).

    Raises:
        ParameterError: a window that an epoch does not hold, or amplitudes or a learning window that no
            impulses and literals express.
        UnsupportedError: another rule, a gate of the rule's own, options that exclude each other, or a
            clip below an amplitude.
    """
    exponent = as_int(weight_exp, "microcode: weight_exp")
    if not -31 <= exponent <= 31:
        raise ParameterError(f"microcode: weight_exp = {exponent} is outside -31 .. 31")
    per_unit = positive_or_none(scale, "microcode: scale")
    if per_unit is None:
        raise ParameterError("microcode: scale is missing: the weight LSBs of a float weight of 1")
    per_unit /= 2.0 ** max(0, -exponent)
    check_kind(rule)
    if isinstance(rule, FloatDeclaredRule):
        for name, value in (("exponentials", exponentials), ("epoch", epoch), ("one_silent", one_silent)):
            if value is not None and (name, value) != ("epoch", Epoch.STEP):
                raise UnsupportedError(
                    f"microcode: {name} = {value!r} is of SSDP; a formula is compiled as it is, with an update in "
                    f"every step; leave {name} out"
                )
        steps = None if window is None else as_int(window, "microcode: window")
        return compile_formula(rule, steps, per_unit, _replaced_always(rule))
    count = 2 if exponentials is None else exponentials
    wanted = check_wanted(rule, window, per_unit, count, Epoch(epoch or Epoch.WINDOW), one_silent)
    return _compile_ssdp(wanted)


def _compile_ssdp(wanted: Wanted) -> SSDPMicrocode:
    fit = fit_learning_window(wanted)
    products = _products(wanted, fit)
    traces = _named(fit)
    t_epoch = wanted.window if wanted.epoch is Epoch.WINDOW else 1
    carry_over = max((_left(trace, wanted) for trace in fit.traces), default=0.0)
    if carry_over > CARRY_OVER_MAX and wanted.epoch is Epoch.WINDOW:
        raise ParameterError(
            f"microcode: with {wanted.widths} and window = {wanted.window} steps {carry_over:.0%} of a spike is still "
            "in its trace a window later; choose a longer window, a larger scale, epoch='step' or exponentials=0"
        )
    replaced = (*_replaced_always(wanted.rule), *_replaced_here(wanted, fit, carry_over))
    branches = _branches(wanted, products, traces)
    return SSDPMicrocode(products, traces, wanted.epoch, t_epoch, replaced, *branches, carry_over)


def _named(fit: FittedWindow) -> dict[str, Trace]:
    named = {f"{side}{k}": trace for side in "xy" for k, trace in enumerate(fit.traces, start=1)}
    if fit.coincidence[0] != 0:
        named["y3"] = Trace(fit.coincidence[1], _NO_MEMORY)
    return named


def _products(wanted: Wanted, fit: FittedWindow) -> tuple[Product, ...]:
    """The terms of the rule as products; terms with equal factors are added where their sum is a literal."""
    terms = _window_terms(wanted, fit)
    b = float(nearest_literal(np.array([wanted.b]))[0])
    if wanted.depress_none:
        terms += [(-b, ("u0",)), (b, ("x0",)), (b, ("y0",)), (-b, ("x0", "y0"))]
    if wanted.one_silent is OneSilent.FLAT:
        terms += [(-b, ("x0",)), (-b, ("y0",)), (b, ("x0", "y0")), (b, ("x0", "y0"))]
    grouped: dict[tuple[str, ...], list[float]] = {}
    for coefficient, factors in terms:
        _add(grouped.setdefault(factors, []), coefficient)
    return tuple(
        Product(*mantissa_and_exponent(coefficient), factors)
        for factors, coefficients in grouped.items()
        for coefficient in coefficients
        if coefficient != 0
    )


def _add(coefficients: list[float], another: float) -> None:
    """Add a coefficient to a sum that is stored as a list of literals."""
    for index, coefficient in enumerate(coefficients):
        if is_literal(coefficient + another):
            coefficients[index] = coefficient + another
            return
    coefficients.append(another)


def _window_terms(wanted: Wanted, fit: FittedWindow) -> list[Term]:
    if wanted.exponentials == 0:
        return [(float(nearest_literal(np.array([wanted.a]))[0]), ("x0", "y0"))]
    # The learning engine saturates after each product. In this order the partial sums stay closest to the sum.
    terms: list[Term] = [(c, ("x0", f"y{k}")) for k, c in enumerate(fit.both, start=1)]
    terms.append((fit.coincidence[0], ("x0", "y3")))
    terms += [(c, ("y0", f"x{k}")) for k, c in enumerate(fit.both, start=1)]
    for k, r in enumerate(fit.alone, start=1):
        for side in "xy":
            terms += [(r, ("u0", f"{side}0", f"{side}{k}")), (-r, ("u0", "x0", "y0", f"{side}{k}"))]
    return terms


def _branches(wanted: Wanted, products: tuple[Product, ...], traces: dict[str, Trace]) -> tuple[Branch, Branch, Branch]:
    window = wanted.window
    tables: dict[Arithmetic, dict[str, Real]] = {kind: {} for kind in Arithmetic}
    for name, trace in traces.items():
        impulse = np.array([trace.impulse])
        tables[Arithmetic.FIXED][name] = mean_integer_traces(impulse, trace.tau, window, wanted.epoch)[0]
        tables[Arithmetic.FLOATING][name] = float_traces(impulse, trace.tau, window)[0]

    def branch(distance: NDArray[np.int64], steps: Real, spikes: list[tuple[int | None, int | None]]) -> Branch:
        obtained = {
            kind: np.array([pair_step(products, table, wanted.epoch, window, *s) for s in spikes])
            for kind, table in tables.items()
        }
        return Branch(distance, steps, obtained)

    near, far, zero = np.arange(window), np.arange(1, window + 1), np.zeros(1, np.int64)
    return (
        branch(near, wanted.a * wanted.rule.learning_windows(near)[0], [(0, d) for d in near.tolist()]),
        branch(far, -wanted.b * wanted.rule.learning_windows(far)[1], [(window - d, None) for d in far.tolist()]),
        branch(zero, np.full(1, -wanted.b if wanted.depress_none else 0.0), [(None, None)]),
    )


def _left(trace: Trace, wanted: Wanted) -> float:
    """Mean share of a trace's impulse that is left one window after the spike."""
    after = mean_integer_traces(np.array([trace.impulse]), trace.tau, wanted.window, wanted.epoch)[0, -1]
    return float(after) / trace.impulse


def _replaced_always(rule: FloatRule) -> list[str]:
    """Deviations of the learning engine that every rule has."""
    notes = [
        "The sum is rounded to a whole weight LSB at every update, with one random number for all synapses of a "
        "projection: there is no counter beside a synapse, and their rounding errors are correlated."
    ]
    if rule.rounding is not WeightRounding.STOCHASTIC:
        notes.append(f"Rounding '{rule.rounding}' is not available: the learning engine rounds stochastically.")
    if rule.windows_per_update > 1:
        notes.append(f"Weights move at every update, not after {rule.windows_per_update} windows.")
    return notes


def _replaced_here(wanted: Wanted, fit: FittedWindow, carry_over: float) -> list[str]:
    notes = []
    if wanted.epoch is Epoch.STEP:
        notes.append(
            "There are no windows: every pair of spikes counts, however many a neuron fires, and spikes of "
            "neighbouring windows count as neighbours."
        )
        if wanted.rule.silent_pairs is SilentPairs.DEPRESS:
            notes.append("A pair in which no neuron fired keeps its weight, since it is silent in no window.")
    elif wanted.rule.spike_time is SpikeTime.FIRST:
        notes.append(
            "The last spike of a window stands for a neuron, not the first: the learning engine keeps no other."
        )
    if wanted.epoch is Epoch.WINDOW and fit.traces:
        notes.append(
            "Of several spikes of a neuron in one window each but the last raises its traces as if it had come "
            "just before the window."
        )
    if wanted.exponentials == 0:
        notes.append("The learning window is replaced by 1: all spikes of a window are equally synchronous.")
    elif wanted.rule.learning_window is ssdp.LearningWindow.GAUSSIAN:
        count = len(fit.traces)
        notes.append(
            f"The Gaussian is replaced by {count} exponential{'s' * (count != 1)} and a value of its own at distance 0."
        )
    if fit.traces:
        sums = fit.partial_sums()
        strays = max(max(sums) - sums[-1], -min(sums))
        if strays > 0:
            notes.append(
                f"Within {strays:.3g} LSBs of the ends of the weight range a step can be wrong: the learning engine "
                "saturates after every product, not after their sum."
            )
    if carry_over > 0.005 and wanted.epoch is Epoch.WINDOW:
        notes.append(
            f"A window later {carry_over:.1%} of a spike's impulse is still in its trace in fixed_pt, where the whole "
            "epoch is rounded with one random number; the next window sees it."
        )
    if wanted.b > 0 and wanted.one_silent is not OneSilent.TIMED:
        what = "nothing" if wanted.one_silent is OneSilent.SKIP else "the full baseline"
        per = "each spike without a partner in its step" if wanted.epoch is Epoch.STEP else "it, whenever it fired"
        notes.append(f"If one neuron was silent, the time to the end of the window is ignored: {what} for {per}.")
    if wanted.one_silent is OneSilent.TIMED and wanted.b > 0 and not any(fit.alone):
        notes.append("If one neuron was silent, nothing happens: that step is below what the impulses can express.")
    return notes
