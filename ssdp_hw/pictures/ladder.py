"""The loss ladder: accuracy of every rung, what each layer keeps of float's spikes, and what rounding a layer costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ssdp_hw.analysis.ladder import LayerLoss, LossLadder, Step
from ssdp_hw.display import Axes, Drawn
from ssdp_hw.pictures.style import (
    BEFORE,
    BOUND,
    FIXED,
    MARKERS,
    SERIES,
    dots,
    legend,
    panels,
    picture,
    several,
    short,
    title,
)

# Layers whose spikes are drawn at most: those that keep least of them.
_LAYERS = 6
# Layers whose loss is drawn at most: those that lose most where they alone are rounded.
_LOSSES = 12


@picture
def draw(ladder: LossLadder, *, ax: Axes | None = None) -> Drawn:
    """See :meth:`ssdp_hw.analysis.ladder.LossLadder.plot`."""
    steps = [r.step for r in ladder.cumulative]
    layers = _layers(ladder)
    height = 0.5 + 0.36 * len(steps)
    losses = _costliest_layers(ladder)
    heights = [height] * (2 if layers else 1) + [0.5 + 0.36 * len(losses)] * bool(losses)
    axes = panels(ax, heights)
    rows = np.arange(len(steps))[::-1]
    dots(
        axes[0],
        rows + (0.12 if ladder.alone else 0),
        [r.accuracy for r in ladder.cumulative],
        FIXED,
        "o",
        "all steps so far",
    )
    if ladder.alone:
        lone = [rows[steps.index(r.step)] - 0.18 for r in ladder.alone]
        dots(axes[0], lone, [r.accuracy for r in ladder.alone], BOUND, "s", "this step alone")
    axes[0].axvline(100 * ladder.rung(Step.FLOAT).accuracy.value, color=BEFORE, lw=1, ls=":")
    axes[0].set_xlabel("accuracy in %, 95 % intervals")
    for k, layer in enumerate(layers):
        found = [
            (100 * a.agreement, row)
            for row, r in zip(rows, ladder.cumulative, strict=True)
            for a in r.layers
            if a.population == layer
        ]
        shares, at = zip(*found, strict=True)
        axes[1].plot(
            shares, at, marker=MARKERS[k % len(MARKERS)], color=SERIES[k % len(SERIES)], label=f"'{short(layer)}'"
        )
    if layers:
        axes[1].set_xlabel("spikes as in float, % of either's")
    for one in axes[: 2 if layers else 1]:
        one.set_yticks(
            rows, [step.label.replace(" and ", "\nand ") if len(step.label) > 20 else step.label for step in steps]
        )
        one.set_ylim(-0.6, len(steps) - 0.4)
        one.grid(axis="y", lw=0.4, alpha=0.5)
    title(axes[0], _finding(ladder))
    legend(axes[0], 2)
    if layers:
        legend(axes[1], 3)
    if losses:
        _draw_losses(axes[-1], losses)
    return several(axes)


def _draw_losses(axes: Axes, losses: Sequence[LayerLoss]) -> None:
    """Accuracy where one layer alone is rounded, and where all others are."""
    rows = np.arange(len(losses))[::-1]
    dots(axes, rows + 0.12, [x.only for x in losses], BOUND, "s", "this layer rounded alone")
    dots(axes, rows - 0.18, [x.others for x in losses], FIXED, "o", "all layers but this")
    axes.set_yticks(rows, [f"'{short(x.population)}'" for x in losses])
    axes.set_ylim(-0.6, len(losses) - 0.4)
    axes.grid(axis="y", lw=0.4, alpha=0.5)
    axes.set_xlabel("accuracy in %, 95 % intervals; state exact")
    legend(axes, 2)


def _costliest_layers(ladder: LossLadder) -> list[LayerLoss]:
    """The layers whose rounding alone loses most, in their order in the network."""
    kept = sorted(ladder.by_layer, key=lambda x: x.only.value)[:_LOSSES]
    return [x for x in ladder.by_layer if x in kept]


def _layers(ladder: LossLadder) -> list[str]:
    """Spiking populations of the float network in their order."""
    last = [a for a in ladder.cumulative[-1].layers if a.v_difference is None]
    kept = sorted(last, key=lambda a: a.agreement)[:_LAYERS]
    return [a.population for a in last if a in kept]


def _finding(ladder: LossLadder) -> str:
    worst = _costliest(ladder)
    points = "nothing" if abs(ladder.loss) < 0.005 else f"{ladder.loss:.1f} points"
    head = (
        f"{ladder.chip} costs {points} of accuracy"
        if ladder.loss >= 0
        else f"{ladder.chip} wins {-ladder.loss:.1f} points"
    )
    if worst is None:
        return f"{head}; no single step loses any"
    name, lost = worst
    return f"{head}; the costliest step is '{name}': {lost:.1f} points"


def _costliest(ladder: LossLadder) -> tuple[str, float] | None:
    """The step on top of all before that loses most, and how many points."""
    found = []
    for before, rung in zip(ladder.cumulative, ladder.cumulative[1:], strict=False):
        found.append((100 * (before.accuracy.value - rung.accuracy.value), rung.step.label))
    lost, name = max(found, default=(0.0, ""))
    return (name, lost) if lost > 0 else None
