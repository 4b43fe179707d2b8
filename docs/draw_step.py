"""Draws docs/step.png: twelve steps of one neuron, with numbers from a run of the specification.

The numbers are kept in the picture's description, so that `tests/test_step_picture.py` can hold them to a new run.
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib
import numpy as np

import ssdp_hw as sh

matplotlib.use("agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
STEPS, WEIGHT, DELAY = 12, 40, 2
INPUT = (1, 2, 3, 7)  # steps in which the input sends a spike


def network() -> sh.FixedNetwork:
    """One input, one neuron that loses half of its current and an eighth of its voltage in a step."""
    return sh.FixedNetwork(
        [sh.Input("in", 1)],
        [sh.FixedPopulation(name="neuron", size=1, du=2047, dv=512, vth=75)],
        [sh.FixedProjection(pre="in", post="neuron", weight=[[WEIGHT]], delay=DELAY)],
        ["neuron"],
    )


def numbers() -> dict[str, list[int]]:
    """What the specification computes, step by step."""
    spikes = np.zeros((STEPS, 1, 1), bool)
    spikes[list(INPUT)] = True
    result = sh.run(network(), spikes, "spec", record=("spikes", "u", "v"), steps=STEPS)
    traces = {"sent": spikes, "u": result.u["neuron"], "v": result.v["neuron"], "fired": result.spikes["neuron"]}
    return {name: values[:, 0, 0].astype(int).tolist() for name, values in traces.items()}


def draw(path: Path) -> None:
    """Three rows over the same steps: spikes at the input, the neuron's registers, spikes of the neuron."""
    found, steps = numbers(), np.arange(STEPS)
    threshold = 75 << 6
    figure, (top, middle, bottom) = plt.subplots(
        3, 1, figsize=(8, 5.6), sharex=True, height_ratios=(1, 4, 1), layout="constrained"
    )
    for axis, name, label in ((top, "sent", "input\nsends"), (bottom, "fired", "neuron\nfires")):
        at = np.flatnonzero(found[name])
        axis.vlines(at, 0, 1, color="#1f4e9c", linewidth=4)
        axis.set(ylim=(0, 1.15), yticks=[], ylabel=label)
    edges = np.arange(STEPS + 1) - 0.5
    middle.stairs(found["u"], edges, baseline=None, color="#c2570c", label="u, the current")
    middle.stairs(found["v"], edges, baseline=None, color="#1f4e9c", label="v, the voltage, after the reset")
    middle.axhline(threshold, color="#444", linestyle="--", linewidth=1, label=f"threshold, vth << 6 = {threshold}")
    for name, colour, below in (("u", "#c2570c", False), ("v", "#1f4e9c", True)):
        for step, value in enumerate(found[name]):
            if value:
                place = (0, -13) if below else (0, 5)
                middle.annotate(str(value), (step, value), place, textcoords="offset points", ha="center", fontsize=7,
                                color=colour)  # fmt: skip
    middle.set_ylabel("registers")
    middle.legend(loc="upper left", fontsize=8)
    middle.set_ylim(-500, 6600)
    bottom.set(xticks=steps, xlim=(-0.5, STEPS - 0.5), xlabel="step")
    first = INPUT[0]
    middle.annotate(
        f"sent in step {first}, acts\nin step {first} + 1 + delay {DELAY}",
        (first + 1 + DELAY, 0), (first - 0.6, threshold * 0.25), fontsize=8,
        arrowprops={"arrowstyle": "->", "color": "#444"},
    )  # fmt: skip
    for axis in (top, middle, bottom):
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="x", color="#ddd", linewidth=0.6)
    figure.savefig(path, dpi=150, metadata={"Description": json.dumps(found), "Software": None})
    plt.close(figure)


if __name__ == "__main__":
    draw(HERE / "step.png")
