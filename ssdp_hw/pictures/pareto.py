"""What a sweep found, by cost and benefit, with the front of the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.display import Axes, Drawn
from ssdp_hw.errors import ParameterError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.pictures.style import BEFORE, FIXED, INK, legend, panels, picture, several, short, title

# Height and width of a name beside a point, in parts of the axes.
_LINE, _NAME = 0.06, 0.3


class Cell(Protocol):
    """One run of the study."""

    @property
    def key(self) -> str: ...
    @property
    def parameters(self) -> dict[str, JSON]: ...


class Sweep(Protocol):
    """What is drawn of a sweep."""

    @property
    def cells(self) -> Sequence[Cell]: ...
    @property
    def varied(self) -> Sequence[str]: ...
    def column(self, name: str) -> list[JSON]: ...
    def pareto(self, cost: str, measure: str = "accuracy") -> Sequence[Cell]: ...


@picture
def draw(sweep: Sweep, cost: str, measure: str, *, ax: Axes | None = None) -> Drawn:
    """Draw all cells, and join those to which no other is better in both.

    Args:
        sweep: its cells.
        cost: a column of which less is better.
        measure: a column of which more is better.
        ax: see :mod:`ssdp_hw.pictures`.

    Raises:
        ParameterError: no such column, or no numbers in it.
    """
    front = {cell.key for cell in sweep.pareto(cost, measure)}
    if not front:
        raise ParameterError(f"'{cost}' and '{measure}' hold no numbers in the same cell, so there is nothing to draw")
    pairs = [
        (c, m, cell)
        for c, m, cell in zip(sweep.column(cost), sweep.column(measure), sweep.cells, strict=True)
        if isinstance(c, int | float) and isinstance(m, int | float)
    ]
    [one] = panels(ax, [3.4])
    rest = np.array([(c, m) for c, m, cell in pairs if cell.key not in front]).reshape(-1, 2)
    best = sorted(((c, m, cell) for c, m, cell in pairs if cell.key in front), key=lambda item: item[:2])
    named = [name for name in sweep.varied if name != "seed"][:2]
    one.plot(rest[:, 0], rest[:, 1], ls="", marker="o", ms=5, color=BEFORE, label="others", alpha=0.7)
    one.plot([c for c, _, _ in best], [m for _, m, _ in best], drawstyle="steps-post", color=FIXED, marker="s", ms=6,
             label="no other is better in both")  # fmt: skip
    one.margins(x=0.15, y=0.12)
    one.autoscale_view()  # so that the points are where they will be drawn
    at = [one.transAxes.inverted().transform(one.transData.transform((c, m))) for c, m, _ in best]
    for k in _apart(np.array(at)):
        c, m, cell = best[k]
        said = short(", ".join(str(cell.parameters.get(name)) for name in named), 24)
        one.annotate(said, (c, m), xytext=(5, -11), textcoords="offset points", fontsize=8, color=INK)
    one.set_xlabel(f"{cost} (points are named by {', '.join(named)})" if named else cost)
    one.set_ylabel(measure)
    cheapest, dearest = best[0], best[-1]
    title(one, f"{measure} from {cheapest[1]:.3g} at {cost} {cheapest[0]:.4g} to {dearest[1]:.3g} at {dearest[0]:.4g}")
    legend(one)
    return several([one])


def _apart(at: NDArray[np.float64]) -> list[int]:
    """Which of these points, in parts of the axes, have room for a name beside them."""
    kept: list[int] = []
    for k, (x, y) in enumerate(at):
        if all(abs(y - at[j][1]) > _LINE or abs(x - at[j][0]) > _NAME for j in kept):
            kept.append(k)
    return kept
