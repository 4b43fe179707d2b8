"""The arguments of the compiler of microcode, checked against the limits of Loihi's learning engine."""

from __future__ import annotations

from dataclasses import dataclass

from ssdp_hw.checks import Choice, as_int, check_exact
from ssdp_hw.chips import load_chip
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.microcode.exponentials import TAU_MAX, TAU_MIN
from ssdp_hw.microcode.learning_engine import EXPONENT_MIN, WEIGHT_MAX, Epoch
from ssdp_hw.rules import FloatRule, PreTrace
from ssdp_hw.rules.declared import FloatDeclaredRule
from ssdp_hw.rules.models.formula import Formula
from ssdp_hw.rules.ssdp import SSDP, LearningWindow, SilentPairs

# With updates in every step nothing bounds a window: the learning window is fitted up to this distance in steps.
LONGEST_FIT = 255
# With sigma beyond these limits a Gaussian is 0 at all distances but 0, or 1 at all of them, and squares overflow.
SIGMA_MIN, SIGMA_MAX = 2.0**-10, 2.0**20


class OneSilent(Choice):
    """The weight change of a pair in which exactly one neuron fired."""

    TIMED = "timed"  # -b G(T - t), T the window's end
    FLAT = "flat"  # -b whenever it fired
    SKIP = "skip"  # nothing


@dataclass(frozen=True)
class Wanted:
    """An SSDP rule and the form of its microcode; ``a`` and ``b`` are its amplitudes in weight LSBs."""

    rule: SSDP
    a: float
    b: float
    window: int
    exponentials: int
    epoch: Epoch
    one_silent: OneSilent

    @property
    def widths(self) -> str:
        """Sigma or the two time constants, as text for error messages."""
        if self.rule.learning_window is LearningWindow.GAUSSIAN:
            return f"sigma = {self.rule.sigma:g}"
        return f"tau_plus = {self.rule.tau_plus:g} and tau_minus = {self.rule.tau_minus:g}"

    @property
    def depress_none(self) -> bool:
        """Whether pairs in which no neuron fired change their weight; without windows no pair is silent."""
        return self.rule.silent_pairs is SilentPairs.DEPRESS and self.epoch is Epoch.WINDOW


def check_kind(rule: FloatRule) -> None:
    """Raise unless the rule is one that has a form in the learning engine.

    Raises:
        ParameterError: no float rule.
        UnsupportedError: another rule, or what no rule in the learning engine has.
    """
    if isinstance(rule, FloatDeclaredRule) and isinstance(rule.model, Formula):
        check_exact(rule, (FloatDeclaredRule,), "microcode: the rule", "give what sh.Rule returns")
    elif isinstance(rule, FloatRule) and not isinstance(rule, SSDP):
        what = f"the rule {rule.model.name}" if isinstance(rule, FloatDeclaredRule) else type(rule).__name__
        raise UnsupportedError(f"microcode: {what} has no form here; an SSDP has, and a formula (sh.Rule)")
    elif not isinstance(rule, SSDP):
        raise ParameterError(
            f"microcode: the rule is a {type(rule).__name__}; give the float rule, an SSDP or a formula"
        )
    else:
        check_exact(rule, (SSDP,), "microcode: the rule", "give an SSDP itself")
    if rule.gate is not None:
        raise UnsupportedError(
            "microcode: the rule makes a gate of its own, and the learning engine has no group synchrony counters; "
            "compile the rule without its gate"
        )
    if rule.pre_trace is PreTrace.ARRIVES:
        raise UnsupportedError(
            "microcode: pre_trace = 'arrives', and the traces of the learning engine know no synaptic delay; compile "
            "the rule with pre_trace = 'fires'"
        )


def check_wanted(
    rule: SSDP, window: int | None, scale: float, exponentials: int, epoch: Epoch, one_silent: OneSilent | str | None
) -> Wanted:
    """The arguments of :func:`ssdp_hw.compile_microcode` for SSDP, checked."""
    if window is None:
        raise ParameterError("microcode: window is missing: the steps of a window")
    steps = as_int(window, "microcode: window")
    longest = load_chip("loihi").window_ticks_max if epoch is Epoch.WINDOW else LONGEST_FIT
    if not 1 <= steps <= longest:
        raise ParameterError(
            f"microcode: window = {steps} steps is outside 1 .. {longest}; shorten it"
            + (", or learn without windows by epoch='step'" if epoch is Epoch.WINDOW else "")
        )
    count = as_int(exponentials, "microcode: exponentials")
    if not 0 <= count <= 2:
        raise ParameterError(
            f"microcode: exponentials = {count} is outside 0 .. 2: the learning engine has 2 traces a side"
        )
    if count == 0 and epoch is Epoch.STEP:
        raise UnsupportedError(
            "microcode: exponentials=0 asks who fired in the same window, and with epoch='step' there are no "
            "windows; choose 1 or 2 exponentials, or epoch='window'"
        )
    can_time = count > 0 and epoch is Epoch.WINDOW
    silent = OneSilent(one_silent or (OneSilent.TIMED if can_time else OneSilent.FLAT))
    if silent is OneSilent.TIMED and not can_time:
        raise UnsupportedError(
            "microcode: one_silent='timed' reads traces at the end of a window: it needs 1 or 2 exponentials and "
            "epoch='window'; choose 'flat' or 'skip'"
        )
    gaussian = rule.learning_window is LearningWindow.GAUSSIAN
    low, high = (SIGMA_MIN, SIGMA_MAX) if gaussian else (TAU_MIN, TAU_MAX)
    for name in ("sigma",) if gaussian else ("tau_plus", "tau_minus"):
        if not low <= getattr(rule, name) <= high:
            raise ParameterError(f"microcode: {name} = {getattr(rule, name):g} steps is outside {low:g} .. {high:g}")
    if max(rule.a_plus, rule.a_baseline) > rule.clip:
        raise UnsupportedError(
            f"microcode: clip = {rule.clip:g} is below an amplitude of SSDP, and the learning engine has no such clip; "
            "lower the amplitudes"
        )
    a, b = (_amplitude(rule, name, scale) for name in ("a_plus", "a_baseline"))
    return Wanted(rule, a, b, steps, count, epoch, silent)


def _amplitude(rule: SSDP, name: str, scale: float) -> float:
    """An amplitude of the rule in weight LSBs.

    Raises:
        ParameterError: it is smaller or larger than any step of the learning engine.
    """
    value = float(getattr(rule, name))
    amplitude = value * scale
    smallest = 2.0**EXPONENT_MIN
    # For amplitudes below two thirds of the smallest step, that step is wrong by more than half of the amplitude.
    if (value > 0 or name == "a_plus") and not 2 / 3 * smallest <= amplitude <= WEIGHT_MAX:
        raise ParameterError(
            f"microcode: {name} = {value:g} is {amplitude:.3g} weight LSBs, but a step of the learning engine is from "
            f"2**{EXPONENT_MIN} to {WEIGHT_MAX}; change {name} or scale"
        )
    return amplitude
