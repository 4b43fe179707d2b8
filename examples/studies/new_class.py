"""Study 2: a class that the network never saw is learned on the chip, from few samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from study import Run, Study, against_float, column, finished_cases, mean, seed_count, table
from tasks import TASKS
from teaching import BASELINE_ROWS, SSDP_ROWS, Answers, AnyNetwork, Cut, Hyperparameters, arithmetic, ask, teach

from ssdp_hw.datasets import Dataset

ROWS = (*SSDP_ROWS, *BASELINE_ROWS)
TASK = TASKS["nine digits"]
NEW_CLASS = 9
COUNTS = (5, 25, 100)
CASES = tuple(f"{n} {how}" for how in ("with rehearsal", "alone") for n in COUNTS)


@dataclass(frozen=True)
class Settings:
    """How the class is taught."""

    hyperparameters: Hyperparameters


SETTINGS = Settings(
    Hyperparameters(a_plus=1e-3, a_baseline=1e-4, sigma=30.0, epochs=20, refresh=20, stdp=2e-5, sadp=1e-2),
)


def data(_: str) -> Dataset:
    """The digits; raises SsdpHwError if they are not installed."""
    return TASK.load()


@cache
def networks(data: Dataset) -> dict[str, AnyNetwork]:
    """The network of the nine old digits, calibrated on these alone."""
    old = data.train_labels != NEW_CLASS
    return TASK.networks(replace(data, train_values=data.train_values[old], train_labels=data.train_labels[old]))


def chosen(labels: NDArray[np.int64], case: str, seed: int) -> NDArray[np.int64]:
    """Samples that are taught: so many of the new class and, with rehearsal, of each old one."""
    count, rehearsal = int(case.split()[0]), case.endswith("with rehearsal")
    order = np.random.default_rng((seed, 3)).permutation(len(labels))
    classes = range(NEW_CLASS + 1) if rehearsal else (NEW_CLASS,)
    return np.concatenate([order[labels[order] == k][:count] for k in classes])


@lru_cache(maxsize=2)
def features(
    data: Dataset, case: str, seed: int, form: str
) -> tuple[AnyNetwork, NDArray[np.bool_], NDArray[np.int64], NDArray[np.bool_], Answers]:
    """The readout, spikes before it and classes of what is taught, spikes of what is asked, and answers before."""
    samples = chosen(data.train_labels, case, seed)
    cut = Cut.of(networks(data)[form])
    taught = cut.features(TASK.encode(data.train_values[samples], seed=1000 + seed))
    asked = cut.features(TASK.encode(data.test_values, seed=2000 + seed))
    return cut.readout, taught, data.train_labels[samples], asked, ask(cut.readout, asked, data.test_labels)


def run(case: str, row: str, seed: int, settings: Settings, data: Dataset) -> dict[str, float]:
    """Teach the new class by one rule, and ask for the old ones too."""
    readout, taught, labels, asked, before = features(data, case, seed, arithmetic(row))
    learned = teach(readout, taught, labels, settings.hyperparameters, row, seed)
    after, new = ask(learned, asked, data.test_labels), data.test_labels == NEW_CLASS
    return {
        "old_before": float(before.correct[~new].mean()),
        "old": float(after.correct[~new].mean()),
        "new_before": float(before.correct[new].mean()),
        "new": float(after.correct[new].mean()),
        "all": after.accuracy,
        "rate_before": before.rate,
        "rate_after": after.rate,
    }


def report(settings: Settings, runs: list[Run]) -> str:
    """One table a number of samples, and one over all of them."""
    parts, cases = [], []
    for case, here in finished_cases(runs, CASES, ROWS):
        cases.append(case)
        count, how = case.split(" ", 1)
        taught = "alone" if how == "alone" else f"and {count} of each old class"
        lines = []
        for row in ROWS:
            cells = [mean(column(here, row, key)) for key in ("new", "old", "all")]
            lost = column(here, row, "old") - column(here, row, "old_before")
            rates = [f"{column(here, row, key).mean():.3f}" for key in ("rate_before", "rate_after")]
            lines.append([row, *cells[:2], mean(lost, sign="+"), cells[2], " to ".join(rates)])
        parts.append(
            f"**{count} samples of the new class {taught}**, {settings.hyperparameters.epochs} epochs, "
            f"{seed_count(here)} seeds.\n\n"
            + table(
                [
                    "rule",
                    "new class %",
                    "old classes %",
                    "old: change, points",
                    "all %",
                    "output spikes a neuron and step",
                ],
                lines,
            )
        )
    if cases:
        parts.append(against_float(runs, ["all"], cases, ["SSDP carry", "SSDP stochastic", "SSDP nearest"]))
    return "\n\n".join(parts)


STUDY = Study(
    "new-class",
    "A new class from few samples",
    "A network trained on the digits 0 to 8, whose tenth output has no weights, learns the 9; with as many samples of "
    "each old class (rehearsal), and alone. Before: no test sample of the new class right. Asked: all 599 test "
    "samples.",
    SETTINGS,
    CASES,
    lambda _: ROWS,
    data,
    run,
    report,
)
