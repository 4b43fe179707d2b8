"""The figures of a page, each drawn from the numbers of the report alone.

They are not the pictures of :mod:`ssdp_hw.pictures`, which are drawn from networks and runs: a page must be made again
from its JSON, where those no longer exist. And their colours are the page's own, so that they follow it into the dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from ssdp_hw.display import Axes
from ssdp_hw.reporting.data import Facts
from ssdp_hw.reporting.svg import AFTER, BEFORE, FIXED, FLOAT, GRID, LIMIT, TEXT, drawing

# In inches of 72 units. A phone's 358 pixels enlarge that a little, so that labels can be read there.
WIDTH = 4.6
KINDS = {"float": FLOAT, "fixed": FIXED}
# Projections and lessons that a figure shows; the tables have all.
MOST_PANELS = 6
# Layers whose loss a figure shows.
MOST_LAYERS = 16


def _points(axes: Axes, y: float, interval: Facts, color: str, marker: str, label: str | None = None) -> None:
    """A value with its interval, in percent."""
    value, low, high = (100 * interval[name] for name in ("value", "low", "high"))
    axes.plot([low, high], [y, y], color=color, lw=2, solid_capstyle="butt")
    axes.plot([value], [y], marker, color=color, ms=6, label=label)


def _names(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRID, lw=0.5)
    axes.set_axisbelow(True)


def _short(name: str, most: int = 26) -> str:
    """A name that leaves room for the picture; as text, never as mathematics."""
    text = name if len(name) <= most else f"{name[: most - 1]}…"
    return text.replace("$", r"\$")


def accuracy(rows: Sequence[tuple[str, str, Facts]]) -> Markup:
    """Accuracies with their intervals: one (name, ``float`` or ``fixed``, interval) a row."""
    with drawing(WIDTH, 0.7 + 0.3 * len(rows), name="accuracy") as (_, (axes,), out):
        for y, (_, kind, interval) in enumerate(rows):
            _points(axes, y, interval, KINDS[kind], "o" if kind == "float" else "s")
        _names(axes, [name for name, _, _ in rows])
        axes.set_xlabel("accuracy in %, 95 % interval")
    return out[0]


def ladder(section: Facts) -> Markup:
    """Accuracy of every rung, and how far the spikes of every layer are those of the float network."""
    rungs = section["cumulative"]
    alone = {r["step"]: r for r in section["alone"]}
    with drawing(WIDTH, 1.2 + 0.34 * len(rungs), name="ladder") as (_, (axes,), out):
        for y, rung in enumerate(rungs):
            _points(axes, y - 0.12, rung["accuracy"], FIXED, "s", "on top of all before" if y == 0 else None)
            if rung["step"] in alone:
                first = rung["step"] == next(iter(alone))
                _points(axes, y + 0.18, alone[rung["step"]]["accuracy"], FLOAT, "o", "alone" if first else None)
        _names(axes, [label(r["step"]) for r in rungs])
        axes.set_xlabel("accuracy in %, 95 % interval")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return out[0]


def layer_losses(section: Facts) -> Markup:
    """Accuracy where one layer alone is rounded, and where all others are; of many layers those that lose most."""
    kept = sorted(section["by_layer"], key=lambda x: float(x["only"]["value"]))[:MOST_LAYERS]
    layers = [x for x in section["by_layer"] if x in kept]
    with drawing(WIDTH, 1.2 + 0.34 * len(layers), name="layer-losses") as (_, (axes,), out):
        for y, layer in enumerate(layers):
            _points(axes, y - 0.12, layer["only"], FLOAT, "o", "rounded alone" if y == 0 else None)
            _points(axes, y + 0.18, layer["others"], FIXED, "s", "all others rounded" if y == 0 else None)
        _names(axes, [layer["population"] for layer in layers])
        axes.set_xlabel("accuracy in %, 95 % interval")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return out[0]


def label(step: str) -> str:
    """A step of the ladder in words."""
    from ssdp_hw.analysis.ladder import Step

    return Step(step).label


def agreement_by_layer(section: Facts) -> Markup:
    """Share of its spikes that each layer still has in common with float, on every rung."""
    rungs = [r for r in section["cumulative"] if r["layers"]]
    names = [a["population"] for a in rungs[0]["layers"] if a["v_difference"] is None]
    with drawing(WIDTH, 2.6, name="layers") as (_, (axes,), out):
        styles = [(FIXED, "s", "-"), (FLOAT, "o", "--"), (AFTER, "^", ":"), (LIMIT, "D", "-."), (TEXT, "v", "-")]
        for k, name in enumerate(names[:MOST_PANELS]):
            shares = [100 * next(a["agreement"] for a in r["layers"] if a["population"] == name) for r in rungs]
            color, marker, line = styles[k % len(styles)]
            axes.plot(shares, line, color=color, marker=marker, ms=4, lw=1.2, label=_short(name))
        axes.set_xticks(range(len(rungs)), [label(r["step"]) for r in rungs], rotation=30, ha="right")
        axes.set_ylabel("spikes as in float, %")
        axes.grid(axis="y", color=GRID, lw=0.5)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return out[0]


def raster(section: Facts) -> Markup:
    """Spikes of one sample: those of both networks, and those that one of them alone has."""
    layers = section["layers"][:MOST_PANELS]
    heights = [0.4 + 1.6 * math.sqrt(layer["shown"] / 128) for layer in layers]
    options = {"sharex": True, "gridspec_kw": {"height_ratios": heights}}
    with drawing(WIDTH, 0.9 + sum(heights), len(layers), name="raster", **options) as (figure, panels, out):
        for axes, layer in zip(panels, layers, strict=True):
            thin = 1.0 if layer["shown"] <= 32 else 1.8  # low lines are seen by their width
            spikes = {kind: {(t, n) for t, n in pairs} for kind, pairs in layer["spikes"].items()}
            if len(spikes) == 2:
                both = spikes["float"] & spikes["fixed"]
                _ticks(axes, both, TEXT, "in both", thin)
                _ticks(axes, spikes["float"] - both, FLOAT, "in float alone", 2 * thin)
                _ticks(axes, spikes["fixed"] - both, FIXED, "on the chip alone", 2 * thin)
            else:
                _ticks(axes, next(iter(spikes.values())), TEXT, "spikes", thin)
            axes.set_ylim(layer["shown"] - 0.5, -0.5)
            axes.set_ylabel(_short(layer["population"], 14))
            axes.set_yticks(sorted({0, layer["shown"] - 1}))
        panels[-1].set_xlim(-0.5, section["steps_shown"] - 0.5)
        panels[-1].set_xlabel("step")
        figure.legend(
            *panels[0].get_legend_handles_labels(),
            loc="outside upper center",
            ncols=3,
            columnspacing=0.9,
            handlelength=1.2,
        )
    return out[0]


def _ticks(axes: Axes, spikes: set[tuple[int, int]], color: str, title: str, width: float) -> None:
    """One short line a spike, all of them one path."""
    at = sorted(spikes)
    x = np.repeat([float(t) for t, _ in at], 3) if at else np.zeros(0)
    y = np.array([[n - 0.42, n + 0.42, np.nan] for _, n in at]).reshape(-1)
    axes.plot(x, y, "-", color=color, lw=width, label=title, solid_capstyle="butt")


def ranges(section: Facts, registers: Sequence[Facts]) -> Markup:
    """Bits of every register that are used: reached, at most possible, threshold, and the register's end."""
    rows = section["states"]
    proved = {(r["population"], r["count"].rpartition("_")[0]): r for r in registers}
    with drawing(WIDTH, 1.0 + 0.3 * len(rows), name="ranges") as (_, (axes,), out):
        for y, row in enumerate(rows):
            ends = _bits(row["register_low"], row["register_high"])
            axes.barh(y, _bits(row["low"], row["high"]), 0.55, color=FIXED, label="reached" if y == 0 else None)
            axes.plot([ends, ends], [y - 0.4, y + 0.4], color=LIMIT, lw=2, label="register" if y == 0 else None)
            if row["threshold"] is not None and row["threshold"] > 0:
                named = not any(r["threshold"] for r in rows[:y])
                bits = _bits(0, row["threshold"])
                axes.plot(bits, y, "D", color=FLOAT, ms=5, label="threshold" if named else None)
            bound = proved.get((row["population"], row["state"]))
            if bound is not None:
                first = not any((r["population"], r["state"]) in proved for r in rows[:y])
                most = _bits(bound["low"], bound["high"])
                axes.plot(most, y, "|", color=TEXT, ms=12, mew=2, label="bound of any input" if first else None)
        _names(axes, [f"{r['population']}: {r['state']}" for r in rows])
        axes.set_xlim(left=0)
        axes.set_xlabel("bits of the largest magnitude, without sign")
        axes.legend(loc="lower center", bbox_to_anchor=(0.35, 1.0), ncols=2, columnspacing=0.9, handletextpad=0.5)
    return out[0]


def _bits(low: int, high: int) -> float:
    return math.log2(max(abs(low), abs(high), 0) + 1)


def weights(section: Facts) -> Markup:
    """Histogram of the weight integers of every projection."""
    rows = section["projections"][:MOST_PANELS]
    with drawing(WIDTH, 0.4 + 1.1 * len(rows), len(rows), name="weights") as (_, panels, out):
        for axes, row in zip(panels, rows, strict=True):
            edges = row["edges"]
            axes.stairs(row["counts"], edges, fill=True, color=FIXED)
            axes.set_title(_short(row["projection"], 40), loc="left")
            axes.set_ylabel("weights")
        panels[-1].set_xlabel("stored integer")
    return out[0]


def learning(section: Facts) -> Markup:
    """Accuracy before and after every lesson."""
    runs = [r for r in section["runs"] if r["before"] and r["after"]]
    with drawing(WIDTH, 1.0 + 0.34 * len(runs), name="learning") as (_, (axes,), out):
        for y, run in enumerate(runs):
            _points(axes, y - 0.12, run["before"], BEFORE, "o", "before" if y == 0 else None)
            _points(axes, y + 0.12, run["after"], AFTER, "s", "after" if y == 0 else None)
        undrifted = section.get("undrifted")
        if undrifted:
            axes.axvline(100 * undrifted["value"], color=TEXT, lw=1, ls="--", label="without drift")
        _names(axes, [r["name"] for r in runs])
        axes.set_xlabel("accuracy in %, 95 % interval")
        axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=3)
    return out[0]
