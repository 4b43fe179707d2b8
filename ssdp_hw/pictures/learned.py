"""A learning run: its curve, weights and counters after it, synchrony and saturation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.display import Axes, Drawn, count
from ssdp_hw.errors import ParameterError
from ssdp_hw.learning.result import LearnResult
from ssdp_hw.pictures.style import AFTER, BEFORE, CHANGED, FIXED, INK, legend, panels, picture, several, short, title
from ssdp_hw.rules import CounterRule

# Points to which a long curve of synchrony is averaged.
_POINTS = 120


@picture
def draw(learned: LearnResult, *, projection: str | None = None, ax: Axes | None = None) -> Drawn:
    """See :meth:`ssdp_hw.learning.result.LearnResult.plot`."""
    name = _projection(learned, projection)
    curve = bool(learned.curve or learned.evaluations)
    axes = panels(ax, [1.9] * curve + [1.8, 1.8, 1.7])
    if curve:
        _curve(axes[0], learned)
    weights, counters, synchrony = axes[-3:]
    _weights(weights, learned, name)
    _counters(counters, learned, name)
    _synchrony(synchrony, learned, name)
    title(axes[0], _finding(learned, name))
    for one in axes[: 2 if curve else 1]:
        legend(one, 2)
    return several(axes)


def _projection(learned: LearnResult, projection: str | None) -> str:
    if projection is None:
        return next(iter(learned.rules))
    if projection not in learned.rules:
        raise ParameterError(f"projection '{projection}' did not learn; there are: {', '.join(learned.rules)}")
    return projection


def _curve(ax: Axes, learned: LearnResult) -> None:
    if learned.curve:
        _asked(ax, learned)
    if learned.evaluations:
        ends = [100 * np.array([getattr(p.accuracy, k) for p in learned.evaluations]) for k in ("value", "low", "high")]
        ax.errorbar(
            [p.presented for p in learned.evaluations],
            ends[0],
            yerr=[ends[0] - ends[1], ends[2] - ends[0]],
            fmt="s--",
            color=CHANGED,
            ms=5,
            lw=1.2,
            capsize=3,
            label="samples of evaluate=",
        )
    ax.set_xlabel("samples asked so far" if learned.curve else "samples presented so far")
    ax.set_ylabel("accuracy, %")


def _asked(ax: Axes, learned: LearnResult) -> None:
    """What was right of the samples of the lesson itself, each before it was taught."""
    at = [p.presented for p in learned.curve]
    value, low, high = (
        100 * np.array([getattr(p.accuracy, k) for p in learned.curve]) for k in ("value", "low", "high")
    )
    ax.fill_between(at, low, high, color=AFTER, alpha=0.2, lw=0, label="95 % interval")
    ax.plot(at, value, "o-" if len(at) < 40 else "-", color=AFTER, ms=4, label="right before they are taught")
    for epoch in range(learned.curve[-1].epoch, -1, -1) if learned.curve[-1].epoch else ():
        here = [k for k, p in enumerate(learned.curve) if p.epoch == epoch]
        if here:
            span = [at[here[0] - 1] if here[0] else 0, at[here[-1]]]
            mean = 100 * pooled(learned, here)
            ax.plot(
                span, [mean, mean], color=INK, lw=1.8, label="mean of an epoch" if here[-1] + 1 == len(at) else None
            )


def pooled(learned: LearnResult, points: Sequence[int]) -> float:
    """Share of the samples of some points of the curve, taken together, that were right."""
    ends = [0, *(p.presented for p in learned.curve)]
    asked = [ends[k + 1] - ends[k] for k in points]
    return float(np.average([learned.curve[k].accuracy.value for k in points], weights=asked))


def _bars(ax: Axes, before: ArrayLike | None, after: ArrayLike, edges: NDArray[np.float64]) -> None:
    centres, width = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    if before is not None:
        ax.stairs(before, edges, color=BEFORE, lw=1.8, label="before")
    ax.bar(centres, after, 0.92 * width, color=FIXED, alpha=0.75, label="after")


def _weights(ax: Axes, learned: LearnResult, name: str) -> None:
    q, health = learned.network.projection(name), learned.health.get(name)
    if health is not None:
        low, high = q.format.mantissa_min, q.format.mantissa_max  # type: ignore[union-attr]
        edges = np.linspace(low, high + 1, len(health.histogram_after) + 1)
        _bars(ax, health.histogram_before, health.histogram_after, edges)
        step = q.format.step  # type: ignore[union-attr]
        ax.set_xlabel(f"weights of '{short(name, 22)}' in LSB" + (f", of {step} each" if step > 1 else ""))
    else:
        counts, edges = np.histogram(q.stored_weights, 24)
        _bars(ax, None, counts, edges)
        ax.set_xlabel(f"weights of '{short(name, 22)}'")
    ax.set_ylabel("weights")


def _counters(ax: Axes, learned: LearnResult, name: str) -> None:
    rule, values = learned.rules[name], learned.counters[name]
    if isinstance(rule, CounterRule):
        lsb = float(1 << rule.lsb_shift)
        counts, edges = (
            np.histogram(values / lsb, 24, (-1.0, 1.0))
            if np.all(np.abs(values) <= lsb)
            else np.histogram(values / lsb, 24)
        )
        ax.set_xlabel("counters after learning, weight LSBs")
    else:
        counts, edges = np.histogram(values, 24)
        ax.set_xlabel("steps gathered since the last update")
    _bars(ax, None, counts, edges)
    ax.set_ylabel("counters")
    saturated = (learned.counter_saturations or {}).get(name)
    if saturated:
        ax.text(
            0.99,
            0.92,
            f"saturated {count(saturated, 'time')}",
            transform=ax.transAxes,
            ha="right",
            va="top",
            color=CHANGED,
            fontsize=9.5,
        )


def _synchrony(ax: Axes, learned: LearnResult, name: str) -> None:
    found = learned.synchrony.get(name)
    q = learned.network.projection(name)
    ax.set_xlabel("window")
    ax.set_ylabel("fired, %")
    if found is None:
        ax.text(0.5, 0.5, "nothing was presented", transform=ax.transAxes, ha="center", color=INK)
        return
    at, shares = averaged(100.0 * found / np.array([q.shape[1], q.shape[0]]))
    for k, (color, style, end) in enumerate(((FIXED, "-", q.pre), (CHANGED, "--", q.post))):
        ax.plot(at, shares[:, k], style, color=color, lw=1.4, label=f"'{short(end)}'")
    ax.set_ylim(0, None)
    legend(ax, 2)


def averaged(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A long series as means of equal parts: the middle of each, and its mean. Shape (window, k) to (points, k)."""
    parts = np.array_split(np.arange(len(values)), min(_POINTS, len(values)))
    return np.array([p.mean() for p in parts]), np.array([values[p].mean(axis=0) for p in parts])


def _finding(learned: LearnResult, name: str) -> str:
    said = []
    groups = len(learned.curve)
    if groups > 1:
        part = max(1, groups // 4)
        first, last = pooled(learned, range(part)), pooled(learned, range(groups - part, groups))
        part_name = "quarter" if groups >= 4 else "group"
        said.append(f"Right before they are taught: {first:.1%} of the first {part_name}, {last:.1%} of the last")
    if learned.evaluations:
        first, last = (learned.evaluations[k].accuracy.value for k in (0, -1))
        said.append(f"evaluated: {first:.1%} before, {last:.1%} after")
    said.append(
        f"{learned.changed[name]:.0%} of the weights of '{short(name)}' moved in {count(learned.windows, 'window')}"
    )
    health, saturated = learned.health.get(name), (learned.weight_saturations or {}).get(name)
    if saturated:
        said.append(f"weights saturated {count(saturated, 'time')}")
    elif health is not None:
        said.append(f"{health.at_limit:.0%} lie at an end of their range")
    return "; ".join(said)
