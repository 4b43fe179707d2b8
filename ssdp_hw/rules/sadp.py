"""Spike-agreement-dependent plasticity (SADP), in float and in integers.

The step follows Cohen's kappa between the two spike trains of a window of T steps: how much more
often they agree than trains of these rates would by chance. With a and b spikes of the two neurons
and n steps in which both fire,

    kappa = 2 (T n - a b) / (T (a + b) - 2 a b)        0 where the denominator is 0
    dw    = a_plus * kappa if kappa > 0, else a_minus * kappa

In integers kappa is cut toward zero to ``kappa_bits`` fraction bits. All it takes are the spike
trains of both neurons and population counts. Source: arXiv 2508.16216, with its piecewise-linear
function of kappa; its spline, fitted to a device, is not here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ssdp_hw.arrays import Int
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError
from ssdp_hw.rules.counter import CounterRule, rounded_product
from ssdp_hw.rules.local import Float, FloatRule, Observation, Observed, RasterRule, Train, check_integers
from ssdp_hw.rules.model import Declaration
from ssdp_hw.rules.models.sadp import AgreementSADP

# Beyond this length the products of kappa could exceed 63 bits.
STEPS_MAX = 2**20


def agreement(observed: Observation[Train], window: int, rows: Int, cols: Int) -> tuple[Int, Int]:
    """Numerator and denominator of kappa for each synapse; the denominator is 1 where kappa is 0 by definition."""
    pre, post = (g.spikes[:, window].astype(np.int64) for g in (observed.pre, observed.post))
    steps = len(pre)
    a, b = pre.sum(axis=0)[cols], post.sum(axis=0)[rows]
    together = (post.T @ pre)[rows, cols]
    denominator = steps * (a + b) - 2 * a * b
    return 2 * (steps * together - a * b), np.where(denominator == 0, 1, denominator)


def _declaration(rule: SADP | FixedSADP, one: float, dw_shift: int) -> Declaration:
    numbers = {"a_plus": rule.a_plus, "a_minus": rule.a_minus, "one": one, "dw_shift": dw_shift}
    return Declaration(AgreementSADP(), numbers)


def _check_window(steps: int) -> None:
    if steps > STEPS_MAX:
        raise ParameterError(f"a window of {steps} steps exceeds the {STEPS_MAX} of SADP; use several windows a sample")


@shown
@renamed(commit_windows="windows_per_update")
@dataclass(frozen=True, kw_only=True)
class SADP(RasterRule, FloatRule):
    """Parameters of SADP.

    Attributes:
        a_plus: potentiation at kappa = 1, in units of the float weight.
        a_minus: depression at kappa = -1, same unit.
        kappa_bits: integer form only: fraction bits of kappa.
        clip, windows_per_update, gate, rounding, counter_bits: see :class:`ssdp_hw.rules.FloatRule`.

    Raises:
        ParameterError: a value out of range.
    """

    a_plus: float = 1e-3
    a_minus: float = 1e-3
    kappa_bits: int = 8

    def __post_init__(self) -> None:
        self.check_common()
        self.check_numbers((), ("a_plus", "a_minus"))
        check_integers(self, (("kappa_bits", 1, 15),))

    def check_window(self, steps: int) -> None:
        super().check_window(steps)
        _check_window(steps)

    def declaration(self, steps: int) -> Declaration:
        """The rule as a declared one; windows of any length have the same."""
        return _declaration(self, 1.0, 0)

    def step(self, observed: Observed, window: int, rows: Int, cols: Int) -> Float:
        numerator, denominator = agreement(observed, window, rows, cols)
        return np.where(numerator > 0, self.a_plus, self.a_minus) * numerator / denominator


@shown
@renamed(evidence_shift="dw_shift", commit_windows="windows_per_update")
@dataclass(frozen=True, kw_only=True)
class FixedSADP(RasterRule, CounterRule):
    """Integer SADP of one projection.

    Attributes:
        a_plus, a_minus: amplitudes, 0 to 2**16 - 1; a window brings ``amplitude * |kappa|``.
        kappa_bits: fraction bits of kappa.
        dw_shift: right shift of amplitude times kappa, rounded half up.

    Raises:
        ParameterError: a value out of range, or a window that overflows the counter.
    """

    a_plus: int
    a_minus: int
    kappa_bits: int = 8
    dw_shift: int = 0

    def __post_init__(self) -> None:
        check_integers(
            self,
            (
                ("a_plus", 0, 2**16 - 1),
                ("a_minus", 0, 2**16 - 1),
                ("kappa_bits", 1, 15),
                ("dw_shift", 0, 24),
            ),
        )
        self.check_counter(self.largest_step)

    @property
    def largest_step(self) -> int:
        return int(rounded_product(max(self.a_plus, self.a_minus), np.array(1 << self.kappa_bits), self.dw_shift))

    def check_window(self, steps: int) -> None:
        super().check_window(steps)
        _check_window(steps)

    def declaration(self, steps: int) -> Declaration:
        """The rule as a declared one; windows of any length have the same."""
        return _declaration(self, 1 << self.kappa_bits, self.dw_shift)

    def kappa(self, observed: Observed, window: int, rows: Int, cols: Int) -> Int:
        """Kappa of each synapse in units of ``2**-kappa_bits``, cut toward zero."""
        numerator, denominator = agreement(observed, window, rows, cols)
        return np.asarray(np.sign(numerator) * ((np.abs(numerator) << self.kappa_bits) // denominator), np.int64)

    def step(self, observed: Observed, window: int, rows: Int, cols: Int) -> Int:
        kappa = self.kappa(observed, window, rows, cols)
        plus = rounded_product(self.a_plus, np.maximum(kappa, 0), self.dw_shift)
        return plus - rounded_product(self.a_minus, np.maximum(-kappa, 0), self.dw_shift)

    def unrounded(self, observed: Observed, window: int, rows: Int, cols: Int) -> Float:
        kappa = self.kappa(observed, window, rows, cols)
        unit = 2.0 ** -(self.dw_shift + self.lsb_shift)
        return np.where(kappa > 0, self.a_plus, self.a_minus) * kappa * unit
