"""A heat map of what a sweep found over two parameters."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ssdp_hw.display import Axes, Drawn
from ssdp_hw.errors import ParameterError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.pictures.style import INK, panels, picture, several, short, title


class Sweep(Protocol):
    """What is drawn of a sweep."""

    def column(self, name: str) -> list[JSON]: ...


@picture
def draw(sweep: Sweep, measure: str, x: str, y: str, *, ax: Axes | None = None) -> Drawn:
    """Draw the mean of a measure at each pair of values.

    Args:
        sweep: its cells.
        measure: the column that is drawn.
        x, y: the columns of the axes.
        ax: see :mod:`ssdp_hw.pictures`.

    Raises:
        ParameterError: no such column, or no number in it.
    """
    across, up = _values(sweep.column(x)), _values(sweep.column(y))
    sums, counts = np.zeros((len(up), len(across))), np.zeros((len(up), len(across)))
    for at_x, at_y, value in zip(sweep.column(x), sweep.column(y), sweep.column(measure), strict=True):
        if isinstance(value, int | float) and not isinstance(value, bool):
            sums[up.index(at_y), across.index(at_x)] += value
            counts[up.index(at_y), across.index(at_x)] += 1
    if not counts.any():
        raise ParameterError(f"'{measure}' holds no numbers, so there is nothing to draw")
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    [one] = panels(ax, [0.9 + 0.42 * len(up)])
    image = one.imshow(means, cmap="viridis", aspect="auto", origin="lower")
    one.set_xticks(range(len(across)), [short(str(v), 10) for v in across])
    one.set_yticks(range(len(up)), [short(str(v), 14) for v in up])
    one.set_xlabel(x)
    one.set_ylabel(y)
    one.spines[["left", "bottom"]].set_visible(False)
    one.tick_params(length=0)
    middle = (np.nanmin(means) + np.nanmax(means)) / 2
    if means.size <= 150:
        for (row, col), value in np.ndenumerate(means):
            if np.isfinite(value):
                color = INK if value > middle else "white"
                one.text(col, row, f"{value:.3g}", ha="center", va="center", color=color, fontsize=8.5)
    else:
        one.figure.colorbar(image, ax=one, label=measure)
    row, col = divmod(int(np.nanargmax(means)), len(across))
    title(one, f"{measure} is largest, {means[row, col]:.3g}, at {x} = {across[col]}, {y} = {up[row]}")
    return several([one])


def _values(column: list[JSON]) -> list[JSON]:
    """Each value once; numbers in order, others as they come."""
    found = [value for i, value in enumerate(column) if value not in column[:i]]
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in found):
        return sorted(found)  # type: ignore[type-var]
    return found
