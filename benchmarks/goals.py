"""What the project set out to reach, beside what a run of the benchmarks found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Row = dict[str, Any]

ENGINE = "engine, fixed"
TORCH = ("torch, plain loop", "torch, compiled step", "snnTorch", "Norse", "Sinabs", "SpikingJelly")

# Of one batch: rival, group of the engine's row, group of the rival's, the rival's rows, times faster at least.
_SMALL, _WIDE, _DIGITS = "784-256-10 at 2%", "784-1000-10 at 5%", "64-128-10 (digits)"
_GOALS: list[tuple[str, str, str, Callable[[str], bool], float]] = [
    ("Lava's fixed_pt, as its users run it", _SMALL, _SMALL, lambda name: name.startswith("Lava, stock"), 2000),
    ("Brian2's best", _SMALL, _SMALL, lambda name: name.startswith("Brian2"), 30),
    ("fastest torch-based peer (its float network)", _SMALL, f"{_SMALL}, float", lambda name: name in TORCH, 10),
    ("NumPy float32 matmul loop", _SMALL, _SMALL, lambda name: name.startswith("NumPy"), 7),
    ("plain Numba event loop", _WIDE, _WIDE, lambda name: name.startswith("plain"), 2),
    ("plain Numba event loop", _DIGITS, _DIGITS, lambda name: name.startswith("plain"), 2),
]


def goals(report: dict[str, Any], batch: int = 64) -> list[str]:
    """A table in Markdown; a goal whose rival was not measured is left open."""
    rows = {g["name"]: {r["name"]: r for r in g["rows"]} for g in report["groups"] if g["batch"] == batch}
    lines = ["| rival | network | goal | reached | |", "| --- | --- | ---: | ---: | --- |"]
    for rival, own, other, chosen, goal in _GOALS:
        measured = [r for name, r in rows.get(other, {}).items() if chosen(name)]
        if own not in rows or not measured:
            lines.append(f"| {rival} | {own} | {goal:,} times | not measured | |")
            continue
        best = max(measured, key=lambda r: r["samples_per_second"])
        ratio = rows[own][ENGINE]["samples_per_second"] / best["samples_per_second"]
        lines.append(
            f"| {rival} ({best['name']}) | {own} | {goal:,} times | {ratio:,.3g} times | "
            f"{'reached' if ratio >= goal else 'missed'} |"
        )
    return lines
