"""Study 5: how few bits a weight and a counter may have, for each rounding."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import drift
import numpy as np
from drifts import drifted
from matplotlib.figure import Figure
from store import Run
from study import Study, column, complete, mean, seed_count, table
from tasks import TASKS
from teaching import SSDP_ROWS, AnyNetwork, Cut, Hyperparameters, ask, teach

from ssdp_hw.analysis.statistics import mean_interval

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


def check(_: str) -> None:
    """Raise SsdpHwError if the digits are not installed."""
    TASK.load()


@cache
def network(weight_bits: int) -> AnyNetwork:
    """The trained network with so many bits for a weight of the readout, and 8 elsewhere."""
    return TASK.networks(TASK.load(), weight_bits)["fixed"]


def run(settings: drift.Part, case: str, rows: Sequence[str], seed: int) -> list[Run]:
    """Study 1's dead pixels with other widths."""
    data, (weight_bits, counter_bits) = TASK.load(), widths(case)
    chosen = np.random.default_rng((seed, 2)).permutation(len(data.train_labels))[: settings.taught]
    labels, test_labels = data.train_labels[chosen], data.test_labels[: settings.asked]
    cut = Cut.of(network(weight_bits))
    taught = cut.features(drifted(KIND, settings.drift, TASK, data.train_values[chosen], seed, 1000 + seed))
    test_values = data.test_values[: settings.asked]
    asked = cut.features(drifted(KIND, settings.drift, TASK, test_values, seed, 2000 + seed))
    before = ask(cut.readout, asked, test_labels)
    hyperparameters = Hyperparameters(**{**vars(settings.hyperparameters), "counter_bits": counter_bits})
    found: list[Run] = []
    for row in rows:
        learned = teach(cut.readout, taught, labels, hyperparameters, row, seed)
        after = ask(learned, asked, test_labels)
        found.append(
            {
                "case": case,
                "row": row,
                "seed": seed,
                "before": before.accuracy,
                "after": after.accuracy,
                "rate_before": before.rate,
                "rate_after": after.rate,
            }
        )
    return found


def finished(runs: list[Run]) -> dict[tuple[int, int], list[Run]] | None:
    """The runs by weight and counter bits; None before two seeds of every width are there."""
    by_case = {case: complete([r for r in runs if r["case"] == case], ROWS) for case in CASES}
    found = {widths(case): runs for case, runs in by_case.items() if seed_count(runs) >= 2}
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
    check,
    run,
    report,
    plot,
)
