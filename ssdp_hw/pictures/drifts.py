"""Accuracy before and after learning, by rule, one panel for each drift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ssdp_hw.analysis.statistics import Interval
from ssdp_hw.display import Axes, Drawn
from ssdp_hw.pictures.style import AFTER, BEFORE, INK, dots, legend, panels, picture, several, title


class Lesson(Protocol):
    """What is drawn of learning after one drift by one rule."""

    @property
    def drift_seed(self) -> int: ...
    @property
    def rule(self) -> str: ...
    @property
    def before(self) -> Interval: ...
    @property
    def after(self) -> Interval: ...


@picture
def draw(lessons: Sequence[Lesson], clean: Interval, *, ax: Axes | None = None) -> Drawn:
    """Draw lessons after drifts.

    Args:
        lessons: one for each drift and rule.
        clean: accuracy without a drift.
        ax: see :mod:`ssdp_hw.pictures`.
    """
    seeds = list(dict.fromkeys(lesson.drift_seed for lesson in lessons))
    rules = list(dict.fromkeys(lesson.rule for lesson in lessons))
    axes = panels(ax, [0.5 + 0.32 * len(rules)] * len(seeds), sharex=True)
    for one, seed in zip(axes, seeds, strict=True):
        rows = [lesson for lesson in lessons if lesson.drift_seed == seed]
        at = np.arange(len(rows))[::-1]
        dots(one, at + 0.12, [row.before for row in rows], BEFORE, "s", "before")
        dots(one, at - 0.12, [row.after for row in rows], AFTER, "o", "after")
        one.axvline(100 * clean.value, color=INK, lw=1, ls="--", label="without drift")
        one.set_yticks(at, [row.rule for row in rows])
        one.set_ylim(-0.6, len(rows) - 0.4)
        one.set_ylabel(f"drift {seed}")
    axes[-1].set_xlabel("accuracy in %, 95 % intervals")
    title(axes[0], _finding(lessons, clean))
    legend(axes[0], 3)
    return several(axes)


def _finding(lessons: Sequence[Lesson], clean: Interval) -> str:
    best = {rule: np.mean([_back(x, clean) for x in lessons if x.rule == rule]) for rule in {x.rule for x in lessons}}
    exact = best.pop("float", None)
    rule, share = max(best.items(), key=lambda item: item[1])
    said = f"With '{rule}' rounding the chip wins back {share:.0%} of what a drift costs"
    return said if exact is None else f"{said}, the float rule {exact:.0%}"


def _back(lesson: Lesson, clean: Interval) -> float:
    lost = clean.value - lesson.before.value
    return (lesson.after.value - lesson.before.value) / lost if lost > 0 else 0.0
