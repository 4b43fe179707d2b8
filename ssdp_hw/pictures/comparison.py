"""A comparison: accuracy and agreement by target, and which classes the fixed network takes for which."""

from __future__ import annotations

import numpy as np

from ssdp_hw.analysis.comparison import Comparison, Row
from ssdp_hw.display import Axes, Drawn
from ssdp_hw.pictures.style import FIXED, FLOAT, INK, dots, legend, panels, picture, several, title

# Classes up to which every cell of the confusion matrix has its number.
_NUMBERED = 12


@picture
def draw(comparison: Comparison, *, ax: Axes | None = None) -> Drawn:
    """See :meth:`ssdp_hw.analysis.comparison.Comparison.plot`."""
    rows = comparison.rows
    axes = panels(ax, [0.8 + 0.32 * len(rows), 3.6])
    at = np.arange(len(rows))[::-1]
    for kind, color, marker in (("float", FLOAT, "o"), ("fixed", FIXED, "s")):
        chosen = [k for k, row in enumerate(rows) if row.arithmetic == kind]
        dots(axes[0], at[chosen], [rows[k].accuracy for k in chosen], color, marker, kind)
    right = max(row.accuracy.high for row in rows)
    for y, row in zip(at, rows, strict=True):
        axes[0].text(
            1.02,
            y,
            f"{row.same_as_float:.1%}",
            transform=axes[0].get_yaxis_transform(),
            va="center",
            color=INK,
            fontsize=9.5,
        )
    axes[0].text(1.02, len(rows) - 0.4, "as float", transform=axes[0].get_yaxis_transform(), fontsize=9.5, va="bottom")
    axes[0].set_yticks(at, [f"{row.target} {row.arithmetic}" for row in rows])
    axes[0].set_ylim(-0.6, len(rows) - 0.4)
    axes[0].set_xlim(None, min(100.5, 100 * right + 1.0))
    axes[0].set_xlabel("accuracy in %, 95 % intervals")
    _confusion(axes[1], comparison.row(comparison.reference, "fixed"))
    title(axes[0], _finding(comparison))
    legend(axes[0], 2)
    return several(axes)


def _confusion(ax: Axes, row: Row) -> None:
    matrix = row.confusion_matrix()
    classes = len(matrix)
    undecided = bool(matrix[:, -1].any())
    shown = matrix if undecided else matrix[:, :-1]
    share = shown / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    if classes <= _NUMBERED:
        for (k, j), value in np.ndenumerate(shown):
            if value:
                ax.text(
                    j, k, str(value), ha="center", va="center", fontsize=9, color="white" if share[k, j] > 0.6 else INK
                )
        ticks = np.arange(shown.shape[1])
        ax.set_xticks(ticks, [str(t) for t in ticks[:classes]] + ["none"] * undecided)
        ax.set_yticks(np.arange(classes))
    ax.set_ylabel("label")
    ax.set_xlabel(f"class that the fixed network gives ({row.target})")


def _finding(comparison: Comparison) -> str:
    fixed, float_ = (comparison.row(comparison.reference, kind) for kind in ("fixed", "float"))
    said = f"{fixed.accuracy.value:.1%} in fixed point, {float_.accuracy.value:.1%} in float"
    pairs = fixed.confusions()
    if pairs:
        label, predicted, number = pairs[0]
        taken = "left undecided" if predicted < 0 else f"taken for {predicted}"
        said += f"; most often {label} is {taken} ({number} of {fixed.samples} samples)"
    if len({row.target for row in comparison.rows}) > 1:
        same = "give the same bits" if comparison.fixed_runs_equal else "DIFFER"
        said += f"; the targets {same}"
    return said
