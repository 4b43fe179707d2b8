"""What every study has, and the tables that they print."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ssdp_hw.analysis.statistics import mean_interval

# One finished run: its case, row of the table and seed, and what was measured.
Run = dict[str, Any]

# A difference that counts as none, in points of accuracy.
TOLERANCE = 0.5


@dataclass(frozen=True)
class Study:
    """A study: so many cases, each run for every row of its table and every seed: the cells of a sweep.

    Attributes:
        name: of its results file and on the command line.
        title: heading of its tables.
        text: what is done, above them.
        settings: a dataclass with everything that the runs depend on beside case, row and seed.
        cases: names of the cases.
        rows: names of a case's rows.
        data: the data set of a case; raises SsdpHwError if it is not installed.
        run: what was measured, by name: ``run(case, row, seed, settings, data)``; :func:`ssdp_hw.sweep` calls it.
        report: Markdown with the tables of finished runs, empty without any: ``report(settings, runs)``.
        plot: a figure of finished runs, None before they are enough: ``plot(runs)``.
    """

    name: str
    title: str
    text: str
    settings: Any
    cases: Sequence[str]
    rows: Callable[[str], Sequence[str]]
    data: Callable[[str], Any]
    run: Callable[..., Mapping[str, object]]
    report: Callable[[Any, list[Run]], str]
    plot: Callable[[list[Run]], Figure | None] = lambda _: None


def column(runs: Sequence[Run], row: str, key: str) -> np.ndarray:
    """One measured value of a row, by seed in rising order."""
    return np.array([run[key] for run in sorted(runs, key=lambda run: run["seed"]) if run["row"] == row])


def complete(runs: Sequence[Run], rows: Sequence[str]) -> list[Run]:
    """The runs of those seeds for which every row is there."""
    seeds = [{run["seed"] for run in runs if run["row"] == row} for row in rows]
    both = set.intersection(*seeds) if seeds else set()
    return [run for run in runs if run["seed"] in both and run["row"] in rows]


def seed_count(runs: Sequence[Run]) -> int:
    """Number of different seeds."""
    return len({run["seed"] for run in runs})


def finished_cases(runs: Sequence[Run], cases: Sequence[str], rows: Sequence[str]) -> Iterator[tuple[str, list[Run]]]:
    """Each case of which every row has two seeds at least, with its complete runs."""
    for case in cases:
        here = complete([run for run in runs if run["case"] == case], rows)
        if seed_count(here) >= 2:
            yield case, here


def mean(values: np.ndarray, factor: float = 100.0, digits: int = 1, sign: str = "") -> str:
    """Mean and half of its 95 % t-interval, as text."""
    interval = mean_interval((factor * values).tolist())
    return f"{interval.value:{sign}.{digits}f} ± {interval.high - interval.value:.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def against_float(runs: Sequence[Run], keys: Sequence[str], cases: Sequence[str], rows: Sequence[str]) -> str:
    """How far each integer rule is from its float form, over all cases: the mean by seed, in points.

    Args:
        runs: of all cases.
        keys: the accuracies that are compared.
        cases: those that are compared.
        rows: integer rows; the row of the same rule with ``float`` is what they are compared with.
    """
    lines = []
    for row in rows:
        reference = f"{row.split()[0]} float"
        cells = [row]
        for key in keys:
            by_case = []
            for case in cases:
                found = complete([r for r in runs if r["case"] == case], [row, reference])
                if found:
                    by_case.append(column(found, row, key) - column(found, reference, key))
            n = min(map(len, by_case))
            by_seed = np.mean([values[:n] for values in by_case], axis=0)
            worst = max((float(values.mean()) for values in by_case), key=abs)
            within = sum(abs(100 * float(values.mean())) <= TOLERANCE for values in by_case)
            cells += [
                mean(by_seed, sign="+", digits=2),
                "yes" if abs(100 * by_seed.mean()) <= TOLERANCE else "no",
                f"{within} of {len(by_case)}",
                f"{100 * worst:+.2f}",
            ]
        lines.append(cells)
    head = ["minus float, all cases"]
    for key in keys:
        head += [f"{key}, points", f"within {TOLERANCE:g}", "cases within", "farthest case"]
    return table(head, lines)
