"""Where the engine's time goes: ``python benchmarks/profile_engine.py``, and a part of ``make bench``.

By ablation: the engine runs the same network with one kind of work after the other put back, and each part is the
difference of two runs. All take turns; processor time of one thread, medians over rounds of the parts of each round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from inference import sources
from limit import Limit
from numpy.typing import NDArray
from workloads import WINDOW, LearningTask, Workload, digits, learning_tasks, wide

import ssdp_hw as sh
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.running.target_registry import get_target

ROUNDS = 15
SHORTEST = 0.005  # seconds: shorter work is repeated
# Else FEW: later STDP makes neurons fire more often, which would count as weight updates.
WINDOWS = {"SSDP, 784-100": 200}
FEW = 20
WORTH_COMPARING = 0.05  # of the time: less is noise
Work = Callable[[], Any]

CALL, READING, UPDATING, LISTING, ADDING, REST = (
    "call",
    "reading input",
    "neurons without a spike",
    "listing input spikes",
    "adding input rows",
    "hidden spikes",
)
PRESENTING, TRACING, CHANGES, UPDATES = "presenting", "traces", "weight changes", "weight updates"
MEANINGS = {
    CALL: "Python around the kernels: what a call of one step (window) takes beyond that step's share of a long call",
    READING: "silent input, a single neuron: the input is copied and searched for spikes",
    UPDATING: "silent input, the whole network: its neurons are updated and searched for spikes",
    LISTING: "the input's spikes beside silent input, both without projections: they are listed, and reach nothing",
    ADDING: "the input's spikes with all weights zero: beyond that, rows are added, and no neuron fires",
    REST: "the network itself: hidden neurons fire, are reset and listed, and their rows are added",
    PRESENTING: "SSDP under gates of zero from outside: the network runs, its spikes are noted and sorted",
    TRACING: "STDP under gates of zero: what it does once a window for all neurons",
    CHANGES: "the rule without gates, its weight LSB so large that no counter reaches it: counters take steps",
    UPDATES: "the whole learning task: counters are searched for whole LSBs, and weights move",
}


def _run(network: sh.FixedNetwork, spikes: NDArray[np.bool_]) -> Work:
    def work() -> Any:
        return sh.run(network, spikes, populations=tuple(network.outputs), on_overflow="ignore", options={"threads": 1})

    return work


def inference(w: Workload) -> dict[str, Any]:
    """Parts of a step of one sample."""
    spikes = w.spikes
    none, steps, batch = np.zeros_like(spikes), len(spikes), spikes.shape[1]
    single = sh.FixedNetwork(w.fixed.inputs, [sh.FixedPopulation(name="single", size=1, vth=1)], [], ["single"])
    alone = replace(w.fixed, projections=[])
    zeros = [replace(p, weight=np.zeros(p.shape, np.int16)) for p in w.fixed.projections]
    limit = Limit(w.fixed.projections[:1], sources(w), neurons=False)
    t = _rounds(
        {
            "single, one step": _run(single, none[:1]),
            "single": _run(single, none),
            "one step": _run(w.fixed, none[:1]),
            "silent": _run(w.fixed, none),
            "alone": _run(alone, none),
            "alone, listed": _run(alone, spikes),
            "added": _run(replace(w.fixed, projections=zeros), spikes),
            "full": _run(w.fixed, spikes),
            "limit": lambda: limit(1),
        }
    )
    stepping = (t["silent"] - t["one step"]) * steps / (steps - 1)
    reading = (t["single"] - t["single, one step"]) * steps / (steps - 1)
    listing = t["alone, listed"] - t["alone"]
    parts = {
        CALL: t["silent"] - stepping,
        READING: reading,
        UPDATING: stepping - reading,
        LISTING: listing,
        ADDING: t["added"] - t["silent"] - listing,
        REST: t["full"] - t["added"],
    }
    return _row(f"{w.name}, batch {batch}", t["full"], parts, steps * batch, t["limit"])


def learning(task: LearningTask) -> dict[str, Any]:
    """Parts of a window."""
    windows = WINDOWS.get(task.name, FEW)
    target, name = get_target("engine"), task.projection
    ssdp = next(other.rule for other in learning_tasks(100) if other.name.startswith("SSDP"))

    def work(rule: Any, count: int, gated: bool) -> Work:
        gates = {name: np.zeros((count, task.network.projection(name).shape[0]), np.int64)} if gated else {}
        plan, drive = LearningPlan({name: rule}, gates=gates), make_drive(task.network, task.spikes[:, :count])
        return lambda: target.learn(task.network, drive, plan, target.resolve({"threads": 1}))

    t = _rounds(
        {
            "one window": work(ssdp, 1, True),
            "presented": work(ssdp, windows, True),
            "traced": work(task.rule, windows, True),
            "gathered": work(replace(task.rule, lsb_shift=24, counter_bits=26), windows, False),
            "full": work(task.rule, windows, False),
        }
    )
    presenting = (t["presented"] - t["one window"]) * windows / (windows - 1)
    parts = {CALL: t["presented"] - presenting, PRESENTING: presenting}
    if task.rule.keeps_raster:
        parts[TRACING] = t["traced"] - t["presented"]
    parts |= {CHANGES: t["gathered"] - t["traced"], UPDATES: t["full"] - t["gathered"]}
    return _row(f"{task.name}, {windows} windows", t["full"], parts, windows)


def _rounds(works: Mapping[str, Work]) -> dict[str, NDArray[np.float64]]:
    """Seconds of the processor of each in every round; all take turns."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    turns = {}
    for name, work in works.items():
        work()
        turns[name] = 1 + int(SHORTEST / max(_seconds(work, 1), 1e-9))
    for _ in range(ROUNDS):
        for name, work in works.items():
            spent[name].append(_seconds(work, turns[name]))
    return {name: np.array(seconds) for name, seconds in spent.items()}


def _seconds(work: Work, turns: int) -> float:
    start = time.process_time()
    for _ in range(turns):
        work()
    return (time.process_time() - start) / turns


def _row(
    name: str,
    full: NDArray[np.float64],
    parts: dict[str, NDArray[np.float64]],
    units: int,
    limit: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """One row as plain values, in microseconds a unit."""

    def microseconds(seconds: NDArray[np.float64]) -> float:
        return float(1e6 * np.median(seconds) / units)

    found = {"name": name, "microseconds": microseconds(full), "parts": {k: microseconds(s) for k, s in parts.items()}}
    return found if limit is None else found | {"limit_of_adding": microseconds(limit)}


def profile() -> dict[str, list[dict[str, Any]]]:
    """All rows, of inference and of learning."""
    return {
        "inference": [inference(w) for w in _workloads()],
        "learning": [learning(task) for task in _learning_tasks()],
    }


def _workloads() -> Iterator[Workload]:
    yield digits(1)
    yield digits(64)
    yield wide(256, 0.02, 64)
    yield wide(1000, 0.05, 64)
    yield wide(1000, 0.2, 64)


def _learning_tasks() -> Iterator[LearningTask]:
    for size in (100, 1000):
        yield from (task for task in learning_tasks(size) if "skipped" not in task.name)


def lines(found: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """For people, in Markdown."""
    inference = _table(found["inference"], "a step of a sample")
    learning = _table(found["learning"], f"a window of {WINDOW} steps")
    return [
        "One thread, processor time, microseconds in brackets. Each part is how much longer a run takes than one that",
        "has less to do, so that they add up:",
        "",
        *[f"* {part}: {meaning}" for part, meaning in MEANINGS.items()],
        "",
        *inference,
        "",
        *learning,
        "",
        *[f"* {_largest(row)}" for rows in found.values() for row in rows],
    ]


def _table(rows: list[dict[str, Any]], unit: str) -> list[str]:
    columns = [part for part in MEANINGS if any(part in row["parts"] for row in rows)]

    def number(x: float) -> str:
        return f"{x:,.0f}" if x >= 100 else f"{x:.2g}"

    table = [f"| {unit} | us | {' | '.join(columns)} |", f"| --- | {' | '.join(['---:'] * (1 + len(columns)))} |"]
    for row in rows:
        cells = [
            f"{row['parts'][part] / row['microseconds']:.0%} ({number(row['parts'][part])})"
            if part in row["parts"]
            else ""
            for part in columns
        ]
        table.append(f"| {row['name']} | {number(row['microseconds'])} | {' | '.join(cells)} |")
    return table


def _largest(row: dict[str, Any]) -> str:
    """The row in a sentence."""
    part, taken = max(row["parts"].items(), key=lambda item: item[1])
    sentence = f"{row['name']}: {taken / row['microseconds']:.0%} of the time is {part}"
    if row["parts"].get(ADDING, 0) < WORTH_COMPARING * row["microseconds"]:
        return f"{sentence}."
    ratio = row["parts"][ADDING] / row["limit_of_adding"]
    return f"{sentence}; to add the input's rows takes {ratio:.1f} times the limit of {row['limit_of_adding']:.2g} us."


def main() -> None:
    """Measure and print."""
    print("\n".join(lines(profile())))


if __name__ == "__main__":
    main()
