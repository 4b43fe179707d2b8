"""SSDP as microcode of Loihi's learning engine: wanted and obtained windows, and Lava's random numbers.

    python examples/microcode.py

Needs lava-nc and matplotlib. Each rule runs on Lava's LearningDense: one post-synaptic spike a window
and, on synapses of their own, a pre-synaptic one at every delta of -12 .. 12; then windows in which
the post-synaptic neuron is silent. ``fixed_pt`` rounds at random, so its curve is the mean of many windows.

Then the rounding errors of a matrix of synapses are correlated with one another: those of
LearningDense, which draws one random number for all of them, and those of ssdp_hw, which draws
one for each. All synapses get the same weight change in every window, at distance 0; or, mixed, at a
distance of their own.

Writes ``microcode.json`` (all numbers) and ``microcode.png`` into ``examples/results``.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from ssdp_hw.targets.lava.microcode import MicrocodeRun, run_microcode

import ssdp_hw as sh
from ssdp_hw.microcode import Arithmetic, Branch, Epoch, Microcode
from ssdp_hw.rules.fixed_ssdp import update_weights

WINDOW = 31
CENTRE = WINDOW // 2
DELTAS = np.arange(-12, 13)
RULE = {"a_plus": 0.04, "a_baseline": 0.01, "silent_pairs": "skip", "spike_time": "last", "rounding": "stochastic"}
SCALE = 100.0  # so that a_plus is 4 weight LSBs
SIGMAS = (1.0, 3.0)
WANTED, FIXED, FLOAT = "#000000", "#0072B2", "#D55E00"


@dataclass(frozen=True)
class Case:
    """One rule and the branch that is measured."""

    sigma: float
    exponentials: int
    code: Microcode
    branch: str

    @property
    def stated(self) -> Branch:
        """What the compiler says of this branch."""
        branch: Branch = getattr(self.code, self.branch)
        return branch

    @property
    def index(self) -> NDArray[np.int64]:
        """For each synapse of the run its place in the branch."""
        return np.abs(DELTAS) if self.branch == "both" else np.arange(WINDOW)

    def run(self, arithmetic: Arithmetic, windows: int) -> MicrocodeRun:
        """Active windows, each followed by a silent one in which the traces fade."""
        pre = np.zeros((windows, 2, WINDOW, len(self.index)), bool)
        post = np.zeros((windows, 2, WINDOW, 1), bool)
        if self.branch == "both":
            post[:, 0, CENTRE] = True
            pre[:, 0, CENTRE - DELTAS, np.arange(len(DELTAS))] = True
        else:
            pre[:, 0, WINDOW - 1 - self.index, self.index] = True
        start = np.full((1, len(self.index)), -240 if self.branch == "both" else 240)
        return MicrocodeRun(self.code, arithmetic, pre.reshape(-1, len(self.index)), post.reshape(-1, 1), start)

    def steps(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each active window and the silent one behind it moved, shape (windows, synapses)."""
        epochs = 2 * WINDOW // self.code.t_epoch
        return np.asarray(np.diff(weights[::epochs, 0], axis=0))


def cases() -> list[Case]:
    """Both epochs for the pair window; the silent branch where windows exist."""
    found = []
    for epoch in Epoch:
        for sigma in SIGMAS:
            for exponentials in (1, 2):
                code = sh.compile_microcode(
                    sh.SSDP(sigma=sigma, **RULE),
                    window=WINDOW,
                    scale=SCALE,
                    exponentials=exponentials,
                    epoch=epoch,
                    one_silent="skip" if epoch is Epoch.STEP else "timed",
                )
                branches = ("both", "one_silent") if epoch is Epoch.WINDOW else ("both",)
                found += [Case(sigma, exponentials, code, branch) for branch in branches]
    return found


def measure(windows: int) -> list[dict[str, Any]]:
    """Every case on Lava, as plain numbers in weight LSBs."""
    all_cases = cases()
    runs = [c.run(kind, windows if kind is Arithmetic.FIXED else 1) for c in all_cases for kind in Arithmetic]
    results = iter(run_microcode(runs, time_limit=1200))
    rows = []
    for case in all_cases:
        fixed, floating = case.steps(next(results)), case.steps(next(results))[0]
        wanted = case.stated.wanted[case.index]
        mean = fixed.mean(axis=0)
        rows.append(
            {
                "sigma": case.sigma,
                "exponentials": case.exponentials,
                "epoch": case.code.epoch.value,
                "branch": case.branch,
                "t_epoch": case.code.t_epoch,
                "dw": case.code.dw(),
                "traces": {name: {"impulse": t.impulse, "tau": t.tau} for name, t in case.code.traces.items()},
                "replaced": list(case.code.replaced),
                "carry_over": case.code.carry_over,
                "at": (DELTAS if case.branch == "both" else case.stated.distance).tolist(),
                "wanted": wanted.tolist(),
                "fixed_pt": mean.tolist(),
                "floating_pt": floating.tolist(),
                "standard_error": (fixed.std(axis=0, ddof=1) / np.sqrt(windows)).tolist(),
                "stated_error": {kind.value: case.stated.largest_error(kind) for kind in Arithmetic},
                "measured_error": {
                    "fixed_pt": float(np.max(np.abs(mean - wanted))),
                    "floating_pt": float(np.max(np.abs(floating - wanted))),
                },
            }
        )
    return rows


def correlation(errors: NDArray[np.float64]) -> dict[str, float]:
    """Of rounding errors (updates, synapses): between synapses, and of the mean over all of them."""
    moving = errors[:, errors.std(axis=0) > 0]
    matrix = np.corrcoef(moving.T)
    off_diagonal = matrix[~np.eye(len(matrix), dtype=bool)]
    return {
        "mean_correlation": float(off_diagonal.mean()),
        "synapses": int(moving.shape[1]),
        "rms_of_matrix_mean": float(np.sqrt(np.mean(np.square(moving.mean(axis=1) - moving.mean())))),
    }


def rounding_errors(updates: int, size: int = 8) -> dict[str, dict[str, dict[str, float]]]:
    """Rounding errors of LearningDense and of ssdp_hw for the same steps."""
    window, sigma = 2 * size, float(size)
    rule = sh.SSDP(**{**RULE, "a_plus": 0.005, "a_baseline": 0.0, "sigma": sigma})
    code = sh.compile_microcode(rule, window=window, scale=SCALE)
    found = {}
    for name, distances in (("same distance", [0] * size), ("mixed distances", list(range(size)))):
        pre = np.zeros((updates, window, size), bool)
        post = pre.copy()
        pre[:, 0] = True
        post[:, distances, np.arange(size)] = True
        flat, start = (-1, size), np.full((size, size), -200)
        run = MicrocodeRun(code, Arithmetic.FIXED, pre.reshape(flat), post.reshape(flat), start)
        lava = np.diff(run_microcode([run])[0], axis=0).reshape(updates, -1)
        exact = np.repeat(code.both.obtained[Arithmetic.FIXED][distances], size)
        fixed = sh.FixedSSDP(a_plus=1, a_baseline=0, lut=(1,), lsb_shift=12, rounding="stochastic")
        counter = np.rint(exact * 2.0**12).astype(np.int64)
        ours = np.array(
            [
                update_weights(fixed, np.zeros_like(counter), counter, -200, 200, seed=0, layer=0, index=k)[0]
                for k in range(updates)
            ]
        )
        found[name] = {"LearningDense": correlation(lava - exact), "ssdp_hw": correlation(ours - exact)}
    return found


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Wanted and obtained, two exponentials: pair windows and the silent branch."""
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    columns = (("both", "window"), ("both", "step"), ("one_silent", "window"))
    panels = figure.subplots(len(SIGMAS), len(columns), sharey="col", squeeze=False)
    titles = ("both fired, one update a window", "both fired, update in every step", "post-synaptic neuron silent")
    for line, sigma in zip(panels, SIGMAS, strict=True):
        for axes, (branch, epoch), title in zip(line, columns, titles, strict=True):
            row = next(
                r for r in rows if (r["sigma"], r["branch"], r["epoch"], r["exponentials"]) == (sigma, branch, epoch, 2)
            )
            axes.plot(row["at"], row["wanted"], color=WANTED, lw=1, label="wanted")
            axes.plot(row["at"], row["floating_pt"], "x", color=FLOAT, ms=5, label="floating_pt")
            axes.errorbar(
                row["at"],
                row["fixed_pt"],
                1.96 * np.array(row["standard_error"]),
                fmt="o",
                mfc="none",
                color=FIXED,
                ms=5,
                lw=1,
                label="fixed_pt, mean and 95 %",
            )
            axes.set_title(f"{title}, sigma {sigma:g}", fontsize="small")
            axes.axhline(0, color="0.8", lw=0.5, zorder=0)
            axes.set_xlabel("post minus pre, steps" if branch == "both" else "steps to the end of the window")
        line[0].set_ylabel("weight step, LSB")
    panels[0][-1].legend(fontsize="x-small", loc="lower right")
    figure.savefig(path, dpi=150)


def table(rows: list[dict[str, Any]]) -> str:
    """Largest errors as Markdown, in per cent of the branch's amplitude."""
    lines = [
        "| epoch | sigma | exponentials | branch | products | stated fixed / float | measured fixed / float |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        amplitude = SCALE * RULE["a_plus" if row["branch"] == "both" else "a_baseline"]
        stated, measured = (
            " / ".join(f"{100 * row[kind][name] / amplitude:.1f} %" for name in ("fixed_pt", "floating_pt"))
            for kind in ("stated_error", "measured_error")
        )
        lines.append(
            f"| {row['epoch']} | {row['sigma']:g} | {row['exponentials']} | {row['branch'].replace('_', ' ')} | "
            f"{row['dw'].count('*2^')} | {stated} | {measured} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description="Wanted and obtained windows of SSDP on Loihi's learning engine.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results", help="folder for the files")
    parser.add_argument("--windows", type=int, default=110, help="windows that a fixed_pt curve is the mean of")
    arguments = parser.parse_args()
    if not 2 <= arguments.windows <= 110:
        parser.error("--windows must be 2 to 110: beyond that weights reach the end of their range")
    rows = measure(arguments.windows)
    errors = rounding_errors(400)
    print(table(rows))
    strays = 1.96 * max(max(row["standard_error"]) for row in rows)
    print(f"\nMeasured in fixed_pt: means of {arguments.windows} windows, 95 % intervals of at most +-{strays:.3f} LSB")
    print(f"(a_plus is {SCALE * RULE['a_plus']:g} and a_baseline {SCALE * RULE['a_baseline']:g} LSB).")
    print("\n| rounding errors of 64 synapses | mean correlation | RMS of their mean, LSB |\n| --- | --- | --- |")
    for case, engines in errors.items():
        for engine, values in engines.items():
            print(f"| {engine}, {case} | {values['mean_correlation']:.3f} | {values['rms_of_matrix_mean']:.3f} |")
    arguments.output.mkdir(parents=True, exist_ok=True)
    data = {
        "rule": RULE,
        "scale": SCALE,
        "window": WINDOW,
        "windows": arguments.windows,
        "curves": rows,
        "rounding": errors,
    }
    (arguments.output / "microcode.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    plot(rows, arguments.output / "microcode.png")
    print(f"\nwrote {arguments.output / 'microcode.json'} and microcode.png")


if __name__ == "__main__":
    main()
