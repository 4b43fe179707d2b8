"""The plots of a report, drawn without a display."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssdp_hw.errors import UnsupportedError

if TYPE_CHECKING:
    from ssdp_hw.analysis.ladder import LossLadder
    from ssdp_hw.analysis.statistics import Interval
    from ssdp_hw.demo import DemoResult
    from ssdp_hw.microcode import Microcode

# Each colour has one meaning; they can be told apart without colour vision (Okabe and Ito).
_FLOAT, _FIXED, _BEFORE, _AFTER = "#56B4E9", "#0072B2", "#BBBBBB", "#009E73"
_ALONE = "#E69F00"
_LAYERS = ("#D55E00", "#009E73", "#CC79A7", "#0072B2")


def _figure(width: float, height: float, rows: int = 1) -> tuple[Any, Any]:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise UnsupportedError("plots need matplotlib, which is not installed: pip install 'ssdp-hw[report]'") from None
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


def plot_accuracy(result: DemoResult, path: Path) -> None:
    """Accuracy with its interval, float and fixed, by target."""
    figure, (axes,) = _figure(6, 3)
    rows = result.comparison.rows
    targets = list(dict.fromkeys(row.target for row in rows))
    at = np.arange(len(targets))
    for offset, kind, color in ((-0.2, "float", _FLOAT), (0.2, "fixed", _FIXED)):
        _bars(axes, at + offset, [r.accuracy for r in rows if r.arithmetic == kind], color, kind, 0.38)
    axes.set_xticks(at, targets)
    axes.set_ylim(_floor([r.accuracy for r in rows]), 100)
    axes.set_ylabel("accuracy in %, 95 % interval")
    axes.legend(loc="lower right", ncols=2)
    figure.savefig(path, dpi=150)


def plot_learning(result: DemoResult, path: Path) -> None:
    """Accuracy before and after learning, by rule, one panel a drift."""
    seeds = list(dict.fromkeys(row.drift_seed for row in result.learning))
    figure, panels = _figure(6, 1.0 + 1.7 * len(seeds), len(seeds))
    low = _floor([i for row in result.learning for i in (row.before, row.after)])
    for axes, seed in zip(panels, seeds, strict=True):
        rows = [row for row in result.learning if row.drift_seed == seed]
        at = np.arange(len(rows))
        _bars(axes, at - 0.2, [row.before for row in rows], _BEFORE, "before", 0.38)
        _bars(axes, at + 0.2, [row.after for row in rows], _AFTER, "after", 0.38)
        axes.axhline(100 * result.clean.value, color="black", lw=0.8, ls="--", label="without drift")
        axes.set_xticks(at, [row.rule for row in rows])
        axes.set_ylim(low, 100)
        axes.set_ylabel(f"%, drift {seed}")
    # The legend stands above the panels, since bars may reach anywhere within them.
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    figure.savefig(path, dpi=150)


def plot_raster(result: DemoResult, path: Path) -> None:
    """Spikes of one sample, layer by layer, and the voltages of the output."""
    layers = {name: trace for name, trace in result.traces.items() if name != "v"}
    figure, panels = _figure(6, 1.4 * (len(layers) + 1), len(layers) + 1)
    for axes, (name, raster) in zip(panels, layers.items(), strict=False):
        step, neuron = np.nonzero(raster)
        axes.plot(step, neuron, "|", color=_FIXED, ms=4)
        axes.set_ylim(-1, raster.shape[1])
        axes.set_ylabel(name)
    panels[-1].plot(result.traces["v"], lw=0.8)
    panels[-1].set_ylabel("output v")
    panels[-1].set_xlabel("step")
    figure.savefig(path, dpi=150)


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
