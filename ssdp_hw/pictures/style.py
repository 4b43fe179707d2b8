"""What all pictures have in common: colours, sizes, panels, titles and legends."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import GridSpecBase
from numpy.typing import ArrayLike

from ssdp_hw.analysis.statistics import Interval
from ssdp_hw.display import Axes, Drawn
from ssdp_hw.errors import ParameterError

# Okabe and Ito's colours, which differ without colour vision too. Each has one meaning in all pictures.
FLOAT, FIXED, AFTER, CHANGED, BOUND = "#56B4E9", "#0072B2", "#009E73", "#D55E00", "#E69F00"
BEFORE, INK, FAINT = "#8C8C8C", "#222222", "#CCCCCC"
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")
MARKERS = "osv^DPX"

# Inches, a column of print: at 390 pixels a point of such a figure is a pixel.
WIDTH = 5.4
_LETTER = 10.0

_RC = {
    "font.size": _LETTER,
    "axes.titlesize": _LETTER + 0.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": _LETTER,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "white",
    "figure.facecolor": "white",
    "legend.fontsize": _LETTER - 0.5,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "text.parse_math": False,  # a name may hold a dollar
    "figure.dpi": 100,
    "savefig.dpi": 150,
}

P = ParamSpec("P")
R = TypeVar("R")


def picture(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function draw in the style of all pictures, and leave matplotlib's own settings as they were."""

    @wraps(function)
    def styled(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(_RC):
            drawn = function(*args, **kwargs)
            interactive = mpl.is_interactive()
        # A notebook's backend, which is loaded with the first figure, sets it, and without it shows no later figure.
        mpl.interactive(interactive)
        return drawn

    return styled


def panels(ax: Axes | None, heights: Sequence[float], *, sharex: bool = False) -> list[Axes]:
    """Axes from top to bottom, in a figure of their own or in the place of ``ax``.

    Args:
        ax: None, or the Axes whose place they take.
        heights: of each, in inches; in the place of ``ax`` they are relative.
        sharex: whether they have one horizontal axis.

    Raises:
        ParameterError: ``ax`` is no Axes.
    """
    rows = len(heights)
    if ax is None:
        figure: Figure | SubFigure = plt.figure(figsize=(WIDTH, sum(heights) + 0.4), layout="constrained")
        grid: GridSpecBase = figure.add_gridspec(rows, 1, height_ratios=heights)
    elif not isinstance(ax, mpl.axes.Axes):
        raise ParameterError(f"ax = {type(ax).__name__}; give one matplotlib Axes, or none for a figure of its own")
    elif rows == 1:
        _dress(ax)
        return [ax]
    else:
        figure, spec = ax.figure, ax.get_subplotspec()
        if spec is None:
            raise ParameterError(f"ax has no place in a grid for {rows} panels: make it by subplots() or add_subplot()")
        ax.remove()
        grid = spec.subgridspec(rows, 1, height_ratios=heights, hspace=0.35)
    found: list[Axes] = []
    for row in range(rows):
        found.append(figure.add_subplot(grid[row], sharex=found[0] if sharex and found else None))
    for one in found:
        _dress(one)
    for above in found[:-1] if sharex else []:
        above.tick_params(labelbottom=False)
    return found


def _dress(ax: Axes) -> None:
    """Settings that ticks would take from matplotlib's own when they are made later."""
    ax.tick_params(labelsize=_LETTER - 0.5, colors=INK)
    ax.spines[["top", "right"]].set_visible(False)


def title(ax: Axes, text: str) -> None:
    """The finding, above the axes, in as many lines as its width asks for."""
    bold = 0.56 * (_LETTER + 0.5) / 72
    place = ax.get_subplotspec()
    figure = ax.figure
    # A subfigure has its position by the same name.
    share = place.get_position(figure).width if place else ax.get_position().width  # type: ignore[arg-type]
    inches = figure.bbox.width / figure.dpi * share
    # Labels of rows, once they are set, take their part of the width.
    labels = max((len(line) for label in ax.get_yticklabels() for line in label.get_text().split("\n")), default=0)
    letters = max(18, int((inches - 0.3 - 0.55 * _LETTER / 72 * max(labels, 4)) / bold))
    ax.set_title(textwrap.fill(text, letters), pad=8, color=INK)


def legend(ax: Axes, columns: int = 2) -> None:
    """A legend below the axes' title, outside the data."""
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        ax.legend(
            handles, labels, loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=columns, borderpad=0.1,
            columnspacing=1.2, borderaxespad=0.0,
        )  # fmt: skip
        if ax.get_title(loc="left"):  # the title stands above the legend
            rows = -(-len(handles) // columns)
            ax.set_title(ax.get_title(loc="left"), pad=8 + 15 * rows, color=INK)


def short(name: str, letters: int = 18) -> str:
    """A name of the user's, cut in its middle where it is long, on one line."""
    line = " ".join(name.split())
    if len(line) <= letters:
        return line
    head = (letters - 1) // 2
    return f"{line[:head]}…{line[-(letters - 1 - head) :]}"


def dots(ax: Axes, rows: ArrayLike, found: Sequence[Interval], color: str, marker: str, label: str) -> None:
    """Accuracies in percent with their intervals, one a row."""
    values = 100 * np.array([i.value for i in found])
    low, high = 100 * np.array([i.low for i in found]), 100 * np.array([i.high for i in found])
    # Float rounding can put an end of an interval beyond its value.
    reach = np.maximum([values - low, high - values], 0.0)
    ax.errorbar(
        values, rows, xerr=reach, fmt=marker, color=color, label=label, ms=6, lw=1.2, capsize=3, markeredgecolor="white"
    )


def several(axes: Sequence[Axes]) -> Drawn:
    """What a picture gives back: its Axes, or an array of them."""
    if len(axes) == 1:
        return axes[0]
    found = np.empty(len(axes), object)
    found[:] = axes
    return found
