"""Plots that commands write to files, drawn without a display."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssdp_hw.errors import MissingPackageError

if TYPE_CHECKING:
    from ssdp_hw.analysis.ladder import LossLadder
    from ssdp_hw.analysis.statistics import Interval
    from ssdp_hw.microcode import Microcode

# Each colour has one meaning; they can be told apart without colour vision (Okabe and Ito).
_FIXED, _BEFORE = "#0072B2", "#BBBBBB"
_ALONE = "#E69F00"
_LAYERS = ("#D55E00", "#009E73", "#CC79A7", "#0072B2")


def _figure(width: float, height: float, rows: int = 1) -> tuple[Any, Any]:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingPackageError(
            "plots need matplotlib, which is not installed: pip install 'ssdp-hw[report]'"
        ) from None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, 1, sharex=rows > 1, squeeze=False)[:, 0]


def _bars(axes: Any, position: Any, intervals: Sequence[Interval], color: str, label: str, width: float) -> None:
    values = 100 * np.array([i.value for i in intervals])
    low, high = 100 * np.array([i.low for i in intervals]), 100 * np.array([i.high for i in intervals])
    axes.bar(
        position,
        values,
        width,
        yerr=[values - low, high - values],
        color=color,
        label=label,
        capsize=2,
        error_kw={"lw": 0.8},
    )


def _floor(intervals: Sequence[Interval]) -> float:
    """Lower end of an axis in percent that shows all of the intervals: a multiple of 10."""
    return min(90.0, 10.0 * math.floor(10.0 * min(i.low for i in intervals)))


def plot_ladder(ladder: LossLadder, path: Path) -> None:
    """Accuracy of every rung, and how far its spikes (of a readout: none) are those of the float network."""
    steps = [r.step for r in ladder.cumulative]
    at = np.arange(len(steps))
    figure, (above, below) = _figure(7, 5.5, 2)
    rungs = [r.accuracy for r in ladder.cumulative]
    _bars(above, at - 0.2, rungs, _FIXED, "on top of all before", 0.38)
    if ladder.alone:
        lone = np.array([steps.index(r.step) for r in ladder.alone])
        _bars(above, lone + 0.2, [r.accuracy for r in ladder.alone], _ALONE, "alone", 0.38)
    above.set_ylim(_floor([r.accuracy for r in ladder.rows]), 100)
    above.set_ylabel("accuracy in %, 95 % interval")
    figure.legend(*above.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    for k, layer in enumerate(a.population for a in ladder.rung("float").layers if a.v_difference is None):
        shares = [
            (i, 100 * a.agreement) for i, r in enumerate(ladder.cumulative) for a in r.layers if a.population == layer
        ]
        below.plot(*zip(*shares, strict=True), marker="osv^D"[k % 5], color=_LAYERS[k % len(_LAYERS)], label=layer)
    below.set_ylim(-3, 103)
    below.set_ylabel("spikes as in float, %")
    if below.lines:
        below.legend(loc="lower left")
    below.set_xticks(at, [step.label.replace(" and ", " and\n") for step in steps], rotation=30, ha="right")
    figure.savefig(path, dpi=150)


def plot_microcode(code: Microcode, path: Path) -> None:
    """Wanted and obtained step of a weight by distance, for pairs that both fired and that one fired."""
    figure, rows = _figure(6, 5, 2)
    titles = "both fired: distance of the spikes, steps", "one fired: steps to the end of the window"
    for axes, title, branch in zip(rows, titles, (code.both, code.one_silent), strict=True):
        axes.plot(branch.distance, branch.wanted, color=_BEFORE, lw=4, label="wanted")
        for (kind, steps), color, style in zip(branch.obtained.items(), (_FIXED, _ALONE), ("-", "--"), strict=True):
            axes.plot(branch.distance, steps, style, color=color, label=kind.value)
        axes.set_xlabel(title)
        axes.set_ylabel("weight LSBs")
    rows[0].legend()
    figure.savefig(path, dpi=150)
