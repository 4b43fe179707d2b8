"""Impulses and literals for a learning window: the choice with the smallest largest error in ``fixed_pt``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from ssdp_hw.arrays import Real
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.microcode.exponentials import fit_gaussian
from ssdp_hw.microcode.learning_engine import TRACE_MAX, WEIGHT_MAX, Trace, mean_integer_traces
from ssdp_hw.microcode.literals import nearest_literal
from ssdp_hw.microcode.wanted import OneSilent, Wanted
from ssdp_hw.rules import ssdp as ssdp_rule

_IMPULSES = np.arange(1, TRACE_MAX + 1)


@dataclass(frozen=True)
class FittedWindow:
    """Traces, and for each its coefficient if both fired and if one was silent.

    ``coincidence`` is the coefficient and the impulse of the term that acts at distance 0 only.
    """

    traces: tuple[Trace, ...]
    both: tuple[float, ...]
    alone: tuple[float, ...]
    coincidence: tuple[float, int]

    def partial_sums(self) -> list[float]:
        """The sum at distance 0 after each of its terms, in the order in which they are written."""
        side = [c * trace.impulse for c, trace in zip(self.both, self.traces, strict=True)]
        return list(accumulate([*side, self.coincidence[0] * self.coincidence[1], *side]))


def _exponentials(wanted: Wanted) -> list[tuple[float, float, float]]:
    """Amplitude if both fired, amplitude if one was silent, and tau of each exponential.

    Raises:
        UnsupportedError: two exponential learning windows for one trace a side.
    """
    rule = wanted.rule
    if rule.learning_window is ssdp_rule.LearningWindow.GAUSSIAN:
        return [(q, q, tau) for q, tau in fit_gaussian(rule.sigma, wanted.exponentials, wanted.window)]
    timed = wanted.one_silent is OneSilent.TIMED and wanted.b > 0
    if not timed or rule.tau_minus == rule.tau_plus:
        return [(1.0, 1.0, rule.tau_plus)]
    if wanted.exponentials < 2:
        raise UnsupportedError(
            f"microcode: {wanted.widths} need two traces a side; choose exponentials=2, equal taus, or "
            "one_silent='flat' or 'skip'"
        )
    return [(1.0, 0.0, rule.tau_plus), (0.0, 1.0, rule.tau_minus)]


def fit_learning_window(wanted: Wanted) -> FittedWindow:
    """Impulses and literals with the smallest largest error, in ``fixed_pt``, of what uses traces."""
    if wanted.exponentials == 0:
        return FittedWindow((), (), (), (0.0, 1))
    fitted = _exponentials(wanted)
    timed = wanted.b if wanted.one_silent is OneSilent.TIMED else 0.0
    distance = np.arange(1, wanted.window + 1)
    # Sums over traces for every choice of impulses: one axis for each trace, the last axis is distance.
    both: Real = np.zeros(wanted.window)
    alone: Real = np.zeros(wanted.window)
    chosen: list[tuple[Real, Real]] = []  # for each trace its two coefficients for every impulse
    for near, far, tau in fitted:
        c = nearest_literal(wanted.a * near / _IMPULSES)
        # The trace is read at the end of the window's last step, when a spike's age is its distance minus 1.
        r = nearest_literal(-timed * far * np.exp(-1.0 / tau) / _IMPULSES)
        values = mean_integer_traces(_IMPULSES, tau, wanted.window, wanted.epoch)
        both = both[..., None, :] + c[:, None] * values[:, 1:]
        alone = alone[..., None, :] + r[:, None] * values[:, :-1]
        chosen.append((c, r))
    # Two spikes of a window cannot have the last distance of `both`.
    error = np.maximum(
        np.max(np.abs(both - wanted.a * wanted.rule.learning_windows(distance)[0])[..., :-1], axis=-1, initial=0.0),
        np.max(np.abs(alone + timed * wanted.rule.learning_windows(distance)[1]), axis=-1),
    )
    best = float(error.min())
    if best > max(wanted.a, timed) / 2:
        raise ParameterError(
            f"microcode: for a_plus of {wanted.a:.3g} weight LSBs and {wanted.widths} no impulses and "
            f"literals come nearer to the learning window than {best:.3g} LSBs; raise scale, or choose epoch='step' or "
            "exponentials=0"
        )
    # Among choices as good as the best one, the largest impulses are chosen, since their traces are rounded least.
    good = np.argwhere(error <= 1.02 * best + 1e-9)
    index = good[np.argmax(good.min(axis=1, initial=TRACE_MAX))]
    picked = [
        (Trace(int(_IMPULSES[i]), tau), float(c[i]), float(r[i]))
        for i, (_, _, tau), (c, r) in zip(index, fitted, chosen, strict=True)
        if c[i] != 0 or r[i] != 0
    ]
    traces, c_k, r_k = zip(*picked, strict=True) if picked else ((), (), ())
    twice = 2 * sum(c * trace.impulse for trace, c in zip(traces, c_k, strict=True))
    missing = nearest_literal((wanted.a - twice) / _IMPULSES)
    off = np.abs(wanted.a - twice - missing * _IMPULSES)
    i = int(np.flatnonzero(off <= off.min() + 1e-9)[-1])
    fit = FittedWindow(traces, c_k, r_k, (float(missing[i]), int(_IMPULSES[i])))
    largest = max(abs(s) for s in fit.partial_sums())
    if largest > WEIGHT_MAX:
        raise ParameterError(
            f"microcode: a_plus of {wanted.a:.3g} weight LSBs needs a partial sum of {largest:.3g} LSBs, and the "
            f"learning engine's holds {WEIGHT_MAX}; lower a_plus or scale"
        )
    return fit
