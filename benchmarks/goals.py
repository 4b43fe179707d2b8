"""What the project set out to reach, beside what a run of the benchmarks found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Row = dict[str, Any]

ENGINE = "engine, fixed"
LIMITS = ("limit: additions alone", "limit: additions and neurons")
STEPS = ("engine, step written by hand", "engine, step made from the declaration")
TORCH = ("torch, plain loop", "torch, compiled step", "snnTorch", "Norse", "Sinabs", "SpikingJelly")
# The rule's own loops, and its declaration as any user's rule runs, both on one thread.
RULES = ("engine, 1 thread", "engine, declared rule, 1 thread")
LEARNING_ENGINE = ("engine", "engine, 1 thread", "engine, 2 threads")

# Of one batch: rival, group of the engine's row, group of the rival's, the rival's rows, times faster at least.
_SMALL, _WIDE, _DIGITS = "784-256-10 at 2%", "784-1000-10 at 5%", "64-128-10 (digits)"
_INFERENCE: list[tuple[str, str, str, Callable[[str], bool], float]] = [
    ("Lava's fixed_pt, as its users run it", _SMALL, _SMALL, lambda name: name.startswith("Lava, stock"), 2000),
    ("Brian2's best", _SMALL, _SMALL, lambda name: name.startswith("Brian2, "), 30),
    ("fastest torch-based peer (its float network)", _SMALL, f"{_SMALL}, float", lambda name: name in TORCH, 10),
    ("NumPy float32 matmul loop", _SMALL, _SMALL, lambda name: name.startswith("NumPy"), 7),
    ("plain Numba event loop", _WIDE, _WIDE, lambda name: name.startswith("plain"), 2),
    ("plain Numba event loop", _DIGITS, _DIGITS, lambda name: name.startswith("plain"), 2),
]
_LEARNING_TASKS = [
    f"{rule}, 784-{size}" for size in (100, 1000) for rule in ("SSDP", "SSDP, silent pairs skipped", "STDP")
]
_LEARNING: list[tuple[str, Callable[[str], bool], float]] = [
    ("Lava's LearningDense", lambda name: name.startswith("Lava, LearningDense"), 2000),
    ("Brian2's best", lambda name: name.startswith("Brian2, "), 50),
]
_SHARE = 0.5
# How many times as long the second of STEPS takes at most.
_STEP_GROUP, _STEP_RATIO = "64-4096, a step of CUBA LIF", 1.3
# How many times as long the second of RULES takes at most, and how many times faster than Brian2's C++ it is at least.
_RULE_RATIO, _RULE_AHEAD, _STANDALONE = 4.0, 5, "Brian2, C++ standalone"
_SHARES = [(LIMITS[0], "784-1000-10 at 20%"), (LIMITS[1], _WIDE)]


def goals(report: dict[str, Any], batch: int = 64) -> list[str]:
    """A table in Markdown; a goal whose rival was not measured is left open."""
    found = {g["name"]: g for g in report["groups"] if g["batch"] in (0, batch)}
    rows = {name: {r["name"]: r for r in g["rows"]} for name, g in found.items()}
    lines = ["| rival or limit | network | goal | reached | |", "| --- | --- | ---: | ---: | --- |"]
    for rival, own, other, chosen, goal in _INFERENCE:
        lines.append(_ratio(rival, own, rows.get(own, {}), rows.get(other, {}), (ENGINE,), chosen, goal))
    for rival, chosen, goal in _LEARNING:
        for name in _LEARNING_TASKS:
            task = rows.get(name, {})
            lines.append(_ratio(rival, name, task, task, LEARNING_ENGINE, chosen, goal))
    lines.append(_longer(STEPS, _STEP_GROUP, rows.get(_STEP_GROUP, {}), _STEP_RATIO))
    for name in _LEARNING_TASKS:
        task = rows.get(name, {})
        lines.append(_longer(RULES, name, task, _RULE_RATIO))
        lines.append(
            _ratio(f"{_STANDALONE}, by {RULES[1]}", name, task, task, RULES[1:], _STANDALONE.__eq__, _RULE_AHEAD)
        )
    for limit, name in _SHARES:
        line = f"| this machine's {limit} | {name} | {_SHARE:.0%} | "
        if name in rows:
            share = share_of(rows[name], limit)
            lines.append(line + f"{share:.0%} | {_verdict(share >= _SHARE)} |")
        else:
            lines.append(line + "not measured | |")
    return lines


def share_of(rows: dict[str, Row], limit: str, key: str = "samples_per_second") -> float:
    """What the engine reaches of a limit that took turns with it."""
    return float(rows[ENGINE][key] / rows[limit][key])


def _ratio(
    rival: str,
    network: str,
    own: dict[str, Row],
    other: dict[str, Row],
    engines: tuple[str, ...],
    chosen: Callable[[str], bool],
    goal: float,
) -> str:
    """Our fastest row beside the rival's fastest."""
    ours = [r["samples_per_second"] for name, r in own.items() if name in engines]
    measured = [r for name, r in other.items() if chosen(name)]
    if not ours or not measured:
        return f"| {rival} | {network} | {goal:,} times | not measured | |"
    best = max(measured, key=lambda r: r["samples_per_second"])
    ratio = max(ours) / best["samples_per_second"]
    return f"| {rival} ({best['name']}) | {network} | {goal:,} times | {ratio:,.3g} times | {_verdict(ratio >= goal)} |"


def _longer(ways: tuple[str, str], network: str, rows: dict[str, Row], most: float) -> str:
    """What is made from a declaration, the second of both ways, beside what is written by hand."""
    line = f"| {ways[0]}: {ways[1].removeprefix('engine, ')} | {network} | at most {most:g} times as long | "
    if not set(ways) <= rows.keys():
        return f"{line}not measured | |"
    ratio = rows[ways[0]]["samples_per_second"] / rows[ways[1]]["samples_per_second"]
    return f"{line}{ratio:.3g} times | {_verdict(ratio <= most)} |"


def _verdict(reached: bool) -> str:
    return "reached" if reached else "missed"
