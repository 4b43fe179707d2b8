"""Draws docs/architecture.png from the table of layers in docs/architecture.md."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot as plt
from matplotlib.patches import FancyBboxPatch

HERE = Path(__file__).parent
SHORT = {  # what a box says below its name
    "errors": "one hierarchy", "deprecation": "old names", "arrays": "names of types", "arithmetic": "operations",
    "checks": "arguments", "datasets": "of the demo", "chips": "limits with sources",
    "files": "containers, HDF5 guard",
    "operations": "integers, floats, graphs", "models": "neuron models",
    "network": "neurons, weights, graph, formats",
    "rules": "SSDP, STDP, SADP, counters", "running": "input, targets' interface, results",
    "microcode": "Loihi's learning engine", "quantization": "float to integers", "conversion": "NIR, torch, lava-dl",
    "analysis": "compare, verify, ladder", "learning": "learn, teacher, health", "demo": "make demo",
    "display": "of objects", "registry": "by name", "testing": "conformance",
    "estimator": "for scikit-learn", "neurobench": "for NeuroBench",
    "pictures": "what plot() draws",
    "reporting": "the page and its numbers", "sweeping": "grids on a cluster", "cli": "command line",
}  # fmt: skip
PIPELINE = {"conversion", "network", "quantization", "running", "learning", "analysis", "reporting"}
TARGETS = ("spec", "engine", "lava", "brian2")


def layers() -> list[list[str]]:
    """Names by layer, from the lowest."""
    text = (HERE / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", text, re.MULTILINE)
    return [re.findall(r"`([a-z_0-9]+)(?:/|\.py)`", names) for _, names in rows]


def box(ax: plt.Axes, x: float, y: float, width: float, name: str, note: str, colour: str) -> None:
    """A room with its name and what is in it."""
    ax.add_patch(FancyBboxPatch((x, y), width, 0.68, boxstyle="round,pad=0.02", facecolor=colour, edgecolor="0.35"))
    ax.text(x + width / 2, y + 0.45, name, ha="center", va="center", fontsize=11, weight="bold")
    ax.text(x + width / 2, y + 0.17, note, ha="center", va="center", fontsize=8.5, color="0.2")


def draw(path: Path) -> None:
    """Write the picture."""
    found = layers()
    figure, ax = plt.subplots(figsize=(10.5, 0.72 * len(found) + 1.0))
    for rank, names in enumerate(found):
        inside = [name for name in names if name != "targets"]
        width = 7.0 / len(inside)
        ax.text(-0.15, rank + 0.34, str(rank), ha="right", va="center", fontsize=10, color="0.4")
        for k, name in enumerate(inside):
            colour = "#cfe3f5" if name in PIPELINE else "#eeeeee"
            box(ax, k * width, rank, width - 0.1, name, SHORT[name], colour)
    low = next(rank for rank, names in enumerate(found) if "targets" in names)
    for k, name in enumerate(TARGETS):
        box(ax, 7.75, low - 1.5 + k, 2.1, f"targets/{name}", "imports layers 0 to 6", "#fbe3c8")
    ax.annotate("", (7.0, low - 0.6), (7.7, low - 0.6), arrowprops={"arrowstyle": "->", "color": "0.35", "lw": 1.5})
    ax.text(8.8, low + 2.85, "found by entry point,\nnever imported", ha="center", va="center", fontsize=9)
    ax.set_title(
        "A layer imports the layers below it, nothing above or beside it (blue: the pipeline)", loc="left", fontsize=12
    )
    ax.set_xlim(-0.5, 10.0)
    ax.set_ylim(-0.15, len(found))
    ax.axis("off")
    figure.savefig(path, dpi=130, bbox_inches="tight")


if __name__ == "__main__":
    draw(HERE / "architecture.png")
