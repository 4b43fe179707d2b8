"""A rule from a formula as microcode, and how far the amplitude of each of its products is from the wanted one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.display import Table, shown
from ssdp_hw.microcode.code import Microcode
from ssdp_hw.microcode.learning_engine import Epoch, float_traces, pair_step

# The pair curve reaches so many times the longest time constant, and at most so many steps, to either side.
_REACH, _LONGEST = 4, 200


@shown
@dataclass(frozen=True)
class FormulaTerm:
    """One product of the formula.

    Attributes:
        factors: spikes, traces and weights, as in :class:`ssdp_hw.rules.models.formula.Formula`.
        wanted, obtained: the weight change in LSB, where every trace is that of one spike and the weight is one LSB: by
            the formula, and by what the learning engine's literals and impulses make of it.
    """

    factors: tuple[str, ...]
    wanted: float
    obtained: float

    @property
    def relative_error(self) -> float:
        """Difference between obtained and wanted, as a share of what is wanted."""
        return abs(self.obtained / self.wanted - 1)

    @property
    def text(self) -> str:
        """The factors as a formula has them."""
        return "*".join(self.factors)


@shown
@dataclass(frozen=True, eq=False)
class FormulaMicrocode(Microcode):
    """A formula as microcode; ``plot`` draws what one spike of both neurons does, by their distance.

    Attributes:
        terms: the products of the formula.
    """

    _picture = "formula_microcode"

    terms: tuple[FormulaTerm, ...]

    @property
    def largest_error(self) -> float:
        """Largest relative error of the amplitudes of the formula's products."""
        return max(term.relative_error for term in self.terms)

    def pair_curve(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Weight change in LSB by one spike of both neurons: distances (post less pre, steps), wanted, and obtained.

        In ``fixed_pt`` the latter is the mean over the random rounding. All traces are 0 before. Products with the
        weight or with ``u0`` are left out, since a pair of spikes does not say what they do.
        """
        reach = max((_REACH * trace.tau for trace in self.traces.values()), default=1.0)
        steps = int(np.clip(np.ceil(reach), 1, _LONGEST))
        distance = np.arange(-steps, steps + 1)
        impulses = {name: np.array([trace.impulse]) for name, trace in self.traces.items()}
        tables = {name: float_traces(impulses[name], t.tau, 2 * steps)[0] for name, t in self.traces.items()}
        products = [p for p in self.products if p.factors[0] in ("x0", "y0") and "w" not in p.factors]
        fired = [(max(0, -d), max(0, d)) for d in distance.tolist()]  # steps of the presynaptic and the other spike
        obtained = [pair_step(products, tables, Epoch.STEP, 2 * steps, pre, post) for pre, post in fired]
        return distance, np.array([self._wanted(pre, post) for pre, post in fired]), np.array(obtained)

    def _wanted(self, pre: int, post: int) -> float:
        """What the formula makes of these two spikes: a trace acts from the step after its spike on."""
        total, spike = 0.0, {"x": pre, "y": post}
        for term in self.terms:
            if "w" in term.factors or "u0" in term.factors:
                continue
            acts = {spike[f[0]] for f in term.factors if f in ("x0", "y0")}
            if len(acts) > 1:
                continue
            (now,) = acts
            ages = [(now - spike[f[0]], self.traces[f].tau) for f in term.factors if f in self.traces]
            if all(age > 0 for age, _ in ages):
                total += term.wanted * float(np.exp(-sum(age / tau for age, tau in ages)))
        return total

    def _figures(self) -> dict[str, Any]:
        terms = [{"factors": list(t.factors), "wanted": t.wanted, "obtained": t.obtained} for t in self.terms]
        return {"terms": terms, "largest_error": self.largest_error}

    def _sentences(self) -> list[str]:
        return [
            f"{t.text}: {t.wanted:.4g} LSB wanted, {t.obtained:.4g} obtained ({t.relative_error:.1%} off)"
            for t in self.terms
        ]

    def _table(self) -> Table:
        rows = [(t.text, f"{t.wanted:.4g}", f"{t.obtained:.4g}", f"{t.relative_error:.1%}") for t in self.terms]
        title = f"{len(self.products)} products, t_epoch = {self.t_epoch}"
        return Table(title, ("product", "wanted, LSB", "obtained", "off by"), rows, self.replaced)
