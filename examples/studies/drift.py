"""Study 1: what the world does to a trained network, and what learning on the chip wins back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from drifts import KINDS, Drift, drifted
from numpy.typing import NDArray
from study import Run, Study, against_float, column, complete, finished_cases, mean, seed_count, table
from tasks import TASKS, networks
from teaching import BASELINE_ROWS, SSDP_ROWS, Answers, AnyNetwork, Cut, Hyperparameters, arithmetic, ask, teach

from ssdp_hw.datasets import Dataset

ROWS = (*SSDP_ROWS, *BASELINE_ROWS)
# With a smaller mean loss there is nothing to win back.
LEAST_LOSS = 0.005


@dataclass(frozen=True)
class Part:
    """The settings of one data set.

    Attributes:
        taught: so many samples of the training part are taught, chosen by the seed.
        asked: so many samples of the test part are asked, its first.
        drift, hyperparameters: see there.
    """

    taught: int
    asked: int
    drift: Drift
    hyperparameters: Hyperparameters


@dataclass(frozen=True)
class Settings:
    """Of both data sets."""

    digits: Part
    fashion: Part

    def part(self, task: str) -> Part:
        """That of a task."""
        return self.digits if task == "digits" else self.fashion


SETTINGS = Settings(
    digits=Part(
        taught=600,
        asked=599,
        drift=Drift(dead=0.2, dim=0.4, bright=2.5, jitter=8.0, deleted=0.5, added=0.05),
        hyperparameters=Hyperparameters(
            a_plus=1e-3, a_baseline=1e-4, sigma=30.0, epochs=10, refresh=50, stdp=2e-5, sadp=1e-2
        ),
    ),
    fashion=Part(
        taught=2000,
        asked=2000,
        drift=Drift(dead=0.5, dim=0.4, bright=3.0, jitter=5.0, deleted=0.3, added=0.005),
        hyperparameters=Hyperparameters(
            a_plus=2.5e-4, a_baseline=2.5e-5, sigma=30.0, epochs=10, refresh=200, stdp=3e-6, sadp=5e-4
        ),
    ),
)
CASES = tuple(f"{task}, {kind}" for task in ("digits", "Fashion-MNIST") for kind in KINDS)


def data(case: str) -> Dataset:
    """The data set of a case; raises SsdpHwError if it is not installed."""
    return TASKS[case.split(", ")[0]].load()


@dataclass(frozen=True, eq=False)
class Lesson:
    """What all rules of a case, seed and arithmetic share.

    Attributes:
        readout: before it learns.
        taught, labels: spikes before the readout, and their classes.
        asked, asked_labels: the same of the test part.
        clean, before: answers without and with the drift.
    """

    readout: AnyNetwork
    taught: NDArray[np.bool_]
    labels: NDArray[np.int64]
    asked: NDArray[np.bool_]
    asked_labels: NDArray[np.int64]
    clean: Answers
    before: Answers


# Rows of a case and seed come one after the other, in float and in integers.
@lru_cache(maxsize=2)
def lesson(part: Part, data: Dataset, case: str, seed: int, form: str) -> Lesson:
    """Let the world drift."""
    name, kind = case.split(", ")
    task = TASKS[name]
    chosen = np.random.default_rng((seed, 2)).permutation(len(data.train_labels))[: part.taught]
    values, test_values = data.train_values[chosen], data.test_values[: part.asked]
    # Seeds of the encoder differ between what is taught and what is asked, and from those of training.
    spikes = drifted(kind, part.drift, task, values, seed, 1000 + seed)
    test = drifted(kind, part.drift, task, test_values, seed, 2000 + seed)
    undrifted = drifted("none", part.drift, task, test_values, seed, 2000 + seed)
    cut, test_labels = Cut.of(networks(name, data)[form]), data.test_labels[: part.asked]
    asked = cut.features(test)
    return Lesson(
        readout=cut.readout,
        taught=cut.features(spikes),
        labels=data.train_labels[chosen],
        asked=asked,
        asked_labels=test_labels,
        clean=ask(cut.readout, cut.features(undrifted), test_labels),
        before=ask(cut.readout, asked, test_labels),
    )


def run(case: str, row: str, seed: int, settings: Settings, data: Dataset) -> dict[str, float]:
    """Let the drifted network learn by one rule."""
    part = settings.part(case.split(", ")[0])
    given = lesson(part, data, case, seed, arithmetic(row))
    learned = teach(given.readout, given.taught, given.labels, part.hyperparameters, row, seed)
    after = ask(learned, given.asked, given.asked_labels)
    moved = learned.projections[0].synapse_weights != given.readout.projections[0].synapse_weights
    return {
        "undrifted": given.clean.accuracy,
        "before": given.before.accuracy,
        "after": after.accuracy,
        "rate_before": given.before.rate,
        "rate_after": after.rate,
        "moved": float(np.mean(moved)),
    }


def report(settings: Settings, runs: list[Run]) -> str:
    """One table a case, and one over all of them."""
    parts = []
    for case, here in finished_cases(runs, CASES, ROWS):
        name, kind = case.split(", ")
        part = settings.part(name)
        undrifted = {form: column(here, f"SSDP {form}", "undrifted") for form in ("float", "carry")}
        parts.append(
            f"**{name}: {part.drift.describe(kind)}.** {part.taught} samples taught, {part.asked} asked, "
            f"{seed_count(here)} seeds. Undrifted: float {mean(undrifted['float'])} %, 8-bit "
            f"{mean(undrifted['carry'])} %.\n\n" + _table(here)
        )
    cases = [case for case in CASES if complete([r for r in runs if r["case"] == case], ROWS)]
    parts.append(against_float(runs, ["after"], cases, ["SSDP carry", "SSDP stochastic", "SSDP nearest"]))
    return "\n\n".join(parts)


def _table(runs: list[Run]) -> str:
    lines = []
    for row in ROWS:
        undrifted, before, after = (column(runs, row, key) for key in ("undrifted", "before", "after"))
        rates = [f"{column(runs, row, key).mean():.3f}" for key in ("rate_before", "rate_after")]
        reference = column(runs, f"{row.split()[0]} float", "after")
        lines.append(
            [
                row,
                mean(before),
                mean(after),
                won_back(undrifted, before, after),
                "" if row.endswith("float") else mean(after - reference, sign="+", digits=2),
                f"{100 * column(runs, row, 'moved').mean():.0f}",
                " to ".join(rates),
            ]
        )
    return table(
        [
            "rule",
            "before %",
            "after %",
            "of the loss won back",
            "minus its float form, points",
            "weights moved %",
            "output spikes a neuron and step",
        ],
        lines,
    )


def won_back(undrifted: np.ndarray, before: np.ndarray, after: np.ndarray) -> str:
    """Share of the mean loss that the mean gain makes up for; bold from one half on, negative where it grew."""
    loss = float(undrifted.mean() - before.mean())
    if loss < LEAST_LOSS:
        return f"loss of {100 * loss:.1f} points only"
    share = float(after.mean() - before.mean()) / loss
    return f"**{share:.0%}**" if share >= 0.5 else f"{share:.0%}, {'less than half' if share >= 0 else 'worse'}"


STUDY = Study(
    "drift",
    "Drift repair",
    "The input of a trained network drifts, and its readout learns from new samples that drift likewise. Digits are "
    "rate-coded (32 steps; the network was trained on the samples that are taught), Fashion-MNIST by latency (20 "
    "steps, at most one spike a pixel; taught are samples that it was not trained on). A share in bold is at least "
    "half of the loss.",
    SETTINGS,
    CASES,
    lambda _: ROWS,
    data,
    run,
    report,
)
