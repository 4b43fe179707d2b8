"""A compiled learning rule, and how far its weight changes are from those of the float rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.display import Drawable, Table, shown
from ssdp_hw.microcode.learning_engine import TRACES, Arithmetic, Epoch, Product, Trace


@shown
@dataclass(frozen=True, eq=False)
class Branch:
    """One branch of SSDP: the step of a weight by distance, in weight LSBs.

    Both steps are those of neurons that fire once per window and whose traces were 0 before.

    Attributes:
        distance: distances in steps, shape (n,).
        wanted: the step of the float rule at each distance.
        obtained: for each arithmetic the step of the compiled rule at each distance; in ``fixed_pt`` its mean
            over the random rounding.
    """

    distance: NDArray[np.int64]
    wanted: NDArray[np.float64]
    obtained: Mapping[Arithmetic, NDArray[np.float64]]

    def largest_error(self, arithmetic: Arithmetic | str = Arithmetic.FIXED) -> float:
        """Largest difference between obtained and wanted, in weight LSBs."""
        difference = self.obtained[Arithmetic(arithmetic)] - self.wanted
        return float(np.max(np.abs(difference), initial=0.0))


@shown
@dataclass(frozen=True, eq=False)
class Microcode(Drawable):
    """A sum-of-products learning rule for Loihi's learning engine.

    Weights are integers from -256 to 255; a step of 1 is a weight LSB. Lava's own object is made by
    ``ssdp_hw.targets.lava.microcode.learning_rule(code, arithmetic)``.

    Attributes:
        products: the terms of the sum.
        traces: the traces that the products use, by name (x1, x2, y1, y2, y3).
        epoch: when the learning engine updates; ``t_epoch`` is the number of steps between two updates.
        replaced: sentences, each of which says where the learning engine deviates from the rule.
    """

    _picture = "microcode"

    products: tuple[Product, ...]
    traces: Mapping[str, Trace]
    epoch: Epoch
    t_epoch: int
    replaced: tuple[str, ...]

    def dw(self, arithmetic: Arithmetic | str = Arithmetic.FIXED) -> str:
        """The sum of products as the text that Lava's parser reads."""
        kind = Arithmetic(arithmetic)
        # Lava's parser would read two signs in a row as a product without factors.
        return " + ".join(product.text(kind) for product in self.products).replace("+ -", "- ")

    def lava_arguments(self, arithmetic: Arithmetic | str = Arithmetic.FIXED, rng_seed: int = 1) -> dict[str, Any]:
        """Keyword arguments of Lava's ``Loihi2FLearningRule``; a trace that is not used stays 0."""
        arguments: dict[str, Any] = {"dw": self.dw(arithmetic), "t_epoch": self.t_epoch, "rng_seed": rng_seed}
        for name in TRACES:
            trace = self.traces.get(name)
            arguments[f"{name}_impulse"] = trace.impulse if trace else 0
            arguments[f"{name}_tau"] = trace.tau if trace else 1.0  # a tau of 0 makes NaN in Lava's floating_pt
        return arguments

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "t_epoch": self.t_epoch,
            "epoch": self.epoch.value,
            "dw": {kind.value: self.dw(kind) for kind in Arithmetic},
            "traces": {name: {"impulse": t.impulse, "tau": t.tau} for name, t in self.traces.items()},
            **self._figures(),
            "replaced": list(self.replaced),
        }

    def _figures(self) -> dict[str, Any]:
        """What :meth:`to_dict` says of the steps of a weight, wanted and obtained."""
        return {}

    def _sentences(self) -> list[str]:
        """What the text says of them."""
        return []

    def __str__(self) -> str:
        lines = [f"t_epoch = {self.t_epoch}", f"dw = {self.dw()}"]
        lines += [f"{name}: impulse {t.impulse}, tau {t.tau:.4g}" for name, t in self.traces.items()]
        return "\n".join([*lines, *self._sentences(), *self.replaced])


@shown
@dataclass(frozen=True, eq=False)
class SSDPMicrocode(Microcode):
    """SSDP as microcode; ``plot`` draws the wanted and the obtained step of a weight, by the distance of the spikes.

    Attributes:
        both: the step if both neurons fired, by the distance of their spikes, 0 .. window - 1.
        one_silent: the step if one fired, by its distance from the window's end, 1 .. window.
        none: the step if none fired; one entry, distance 0.
        carry_over: mean share of a trace's impulse that is left one window after the spike, in
            ``fixed_pt``; the largest share among all traces.
    """

    both: Branch
    one_silent: Branch
    none: Branch
    carry_over: float

    @property
    def branches(self) -> dict[str, Branch]:
        """The three branches, by the neurons that fired."""
        return {"both fired": self.both, "one silent": self.one_silent, "none fired": self.none}

    def _figures(self) -> dict[str, Any]:
        branches = {
            name: {
                "distance": b.distance.tolist(),
                "wanted": b.wanted.tolist(),
                "obtained": {kind.value: b.obtained[kind].tolist() for kind in Arithmetic},
                "largest_error": {kind.value: b.largest_error(kind) for kind in Arithmetic},
            }
            for name, b in self.branches.items()
        }
        return {"branches": branches, "carry_over": self.carry_over}

    def _sentences(self) -> list[str]:
        return [
            f"{title}: largest error {branch.largest_error():.4g} LSB in fixed_pt, "
            f"{branch.largest_error(Arithmetic.FLOATING):.4g} in floating_pt"
            for title, branch in self.branches.items()
        ]

    def _table(self) -> Table:
        rows = [
            (title, f"{branch.largest_error():.4g}", f"{branch.largest_error(Arithmetic.FLOATING):.4g}")
            for title, branch in self.branches.items()
        ]
        title = f"{len(self.products)} products, t_epoch = {self.t_epoch}"
        return Table(title, ("neurons", "largest error in fixed_pt, LSB", "in floating_pt"), rows, self.replaced)
