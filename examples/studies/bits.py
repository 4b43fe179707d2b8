"""Study 5: how few bits a weight and a counter may have, for each rounding."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache

import drift
import numpy as np
from drifts import drifted
from matplotlib.figure import Figure
from numpy.typing import NDArray
from study import Run, Study, column, finished_cases, mean, seed_count, table
from tasks import TASKS
from teaching import SSDP_ROWS, Answers, AnyNetwork, Cut, ask, teach

from ssdp_hw.analysis.statistics import mean_interval
from ssdp_hw.datasets import Dataset

WEIGHT_BITS = (2, 3, 4, 5, 6, 7, 8)
COUNTER_BITS = (4, 5, 6, 8, 10, 12, 14, 16, 20, 24)
# Either is varied while the other stays at that of the other studies.
USUAL = (8, 16)
PAIRS = sorted({*((w, USUAL[1]) for w in WEIGHT_BITS), *((USUAL[0], c) for c in COUNTER_BITS)})
CASES = tuple(f"{w}-bit weights, {c}-bit counters" for w, c in PAIRS)
ROWS = SSDP_ROWS[1:]
# The first part of study 1, with its settings.
TASK, KIND = TASKS["digits"], "dead pixels"
SETTINGS = drift.SETTINGS.digits


def widths(case: str) -> tuple[int, int]:
    """Bits of weights and counters."""
    w, c = (int(word.split("-")[0]) for word in case.split(", "))
    return w, c


def data(_: str) -> Dataset:
    """The digits; raises SsdpHwError if they are not installed."""
    return TASK.load()


@cache
def network(data: Dataset, weight_bits: int) -> AnyNetwork:
    """The trained network with so many bits for a weight of the readout, and 8 elsewhere."""
    return TASK.networks(data, weight_bits)["fixed"]


@lru_cache(maxsize=2)
def features(
    part: drift.Part, data: Dataset, weight_bits: int, seed: int
) -> tuple[AnyNetwork, NDArray[np.bool_], NDArray[np.int64], NDArray[np.bool_], Answers]:
    """The readout, spikes before it and classes of what is taught, spikes of what is asked, and answers before."""
    chosen = np.random.default_rng((seed, 2)).permutation(len(data.train_labels))[: part.taught]
    cut = Cut.of(network(data, weight_bits))
    taught = cut.features(drifted(KIND, part.drift, TASK, data.train_values[chosen], seed, 1000 + seed))
    test_values, test_labels = data.test_values[: part.asked], data.test_labels[: part.asked]
    asked = cut.features(drifted(KIND, part.drift, TASK, test_values, seed, 2000 + seed))
    return cut.readout, taught, data.train_labels[chosen], asked, ask(cut.readout, asked, test_labels)


def run(case: str, row: str, seed: int, settings: drift.Part, data: Dataset) -> dict[str, float]:
    """Study 1's dead pixels with other widths."""
    weight_bits, counter_bits = widths(case)
    readout, taught, labels, asked, before = features(settings, data, weight_bits, seed)
    hyperparameters = replace(settings.hyperparameters, counter_bits=counter_bits)
    learned = teach(readout, taught, labels, hyperparameters, row, seed)
    after = ask(learned, asked, data.test_labels[: settings.asked])
    return {
        "before": before.accuracy,
        "after": after.accuracy,
        "rate_before": before.rate,
        "rate_after": after.rate,
    }


def finished(runs: list[Run]) -> dict[tuple[int, int], list[Run]] | None:
    """The runs by weight and counter bits; None before two seeds of every width are there."""
    found = {widths(case): here for case, here in finished_cases(runs, CASES, ROWS)}
    return found if len(found) == len(PAIRS) else None


def report(settings: drift.Part, runs: list[Run]) -> str:
    """A table of weight bits and one of counter bits."""
    done = finished(runs)
    if done is None:
        return ""
    parts = [
        f"Digits, {settings.drift.describe(KIND)}; {settings.taught} samples taught, {settings.asked} asked, "
        f"{seed_count(done[USUAL])} seeds. Accuracy after learning in %.",
    ]
    for title, pairs, axis in (
        (f"weight bits ({USUAL[1]}-bit counters)", [(w, USUAL[1]) for w in WEIGHT_BITS], 0),
        (f"counter bits ({USUAL[0]}-bit weights)", [(USUAL[0], c) for c in COUNTER_BITS], 1),
    ):
        lines = []
        for pair in pairs:
            found = done[pair]
            rates = " / ".join(f"{column(found, row, 'rate_after').mean():.3f}" for row in ROWS)
            lines.append(
                [
                    str(pair[axis]),
                    mean(column(found, ROWS[0], "before")),
                    *(mean(column(found, row, "after")) for row in ROWS),
                    rates,
                ]
            )
        names = [row.split()[1] for row in ROWS]
        parts.append(table([title, "before", *names, f"output spikes a neuron and step, {' / '.join(names)}"], lines))
    return "\n\n".join(parts)


def plot(runs: list[Run]) -> Figure | None:
    """Accuracy against the widths, with 95 % intervals."""
    done = finished(runs)
    if done is None:
        return None
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    for axes, title, pairs, axis in zip(
        figure.subplots(1, 2, sharey=True),
        (f"weight bits, {USUAL[1]}-bit counters", f"counter bits, {USUAL[0]}-bit weights"),
        ([(w, USUAL[1]) for w in WEIGHT_BITS], [(USUAL[0], c) for c in COUNTER_BITS]),
        (0, 1),
        strict=True,
    ):
        x = [pair[axis] for pair in pairs]
        for label, row, key in [("before", ROWS[0], "before"), *((row.split()[1], row, "after") for row in ROWS)]:
            found = [mean_interval((100 * column(done[pair], row, key)).tolist()) for pair in pairs]
            spread = [i.high - i.value for i in found]
            axes.errorbar(x, [i.value for i in found], spread, marker="o", capsize=2, label=label)
        axes.set_xlabel(title)
    figure.axes[0].set_ylabel("accuracy after learning, %")
    figure.axes[0].legend()
    return figure


STUDY = Study(
    "bits",
    "How many bits learning needs",
    "The dead pixels of the first table, with other widths of the readout's weights and of the counters. A counter "
    "holds at least one weight LSB, so that with few bits a step is rounded to a coarse part of it, or to nothing.",
    SETTINGS,
    CASES,
    lambda _: ROWS,
    data,
    run,
    report,
    plot,
)
