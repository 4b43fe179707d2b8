"""The delta rule by the softmax of spike counts against the drifts of the drift study, in integers and in float.

    python examples/studies/soft_error.py [--seeds 10] [--tasks digits Fashion-MNIST]

Nothing of it is tuned on what is asked: amplitude and temperature of each task and drift are those that were best for
seed 100 on samples of the training part that were not taught. It prints a table for each task.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
from drift import SETTINGS, won_back
from drifts import KINDS, drifted
from study import mean, table
from tasks import TASKS, networks
from teaching import AnyNetwork, Cut, ask

import ssdp_hw as sh

AMPLITUDES = (2.5e-4, 1e-3, 4e-3)
TEMPERATURES = (0.5, 1.0, 2.0)
EPOCHS, REFRESH = 3, 50
VALIDATION_SEED = 100


def rule(amplitude: float) -> Any:
    """What a window leaves: the count of the source's spikes, by the gate of the target."""
    return sh.Rule(
        "a*x1*u0", a=amplitude, tau_x1=1e3, trace_bits=12, trace_rounding="nearest", counter_bits=24, clip=10.0
    )


def taught(network: AnyNetwork, spikes: Any, labels: Any, choice: tuple[float, float], seed: int) -> AnyNetwork:
    """The network after it learned by one amplitude and temperature."""
    return sh.learn(
        network,
        spikes,
        labels,
        rule(choice[0]),
        teach=sh.Teaching("softmax", temperature=choice[1], refresh=REFRESH),
        presentation=sh.Presentation(epochs=EPOCHS, seed=seed),
        on_overflow="ignore",
        health=False,
    ).network


def parts(task: str, kind: str, seed: int, *, asked: str) -> dict[str, Any]:
    """Drifted samples that are taught and asked; ``asked`` is ``test`` or ``validation``."""
    part, data = SETTINGS.part(task), TASKS[task].load()
    order = np.random.default_rng((seed, 2)).permutation(len(data.train_labels))
    chosen = order[: part.taught]
    if asked == "test":
        values, labels = data.test_values[: part.asked], data.test_labels[: part.asked]
    else:
        rest = order[part.taught :][: part.asked]
        values, labels = data.train_values[rest], data.train_labels[rest]
    spikes = (
        drifted(kind, part.drift, TASKS[task], data.train_values[chosen], seed, 1000 + seed),
        drifted(kind, part.drift, TASKS[task], values, seed, 2000 + seed),
        drifted("none", part.drift, TASKS[task], values, seed, 2000 + seed),
    )
    return {"taught": spikes[0], "labels": data.train_labels[chosen], "asked": spikes[1:], "asked_labels": labels}


def chosen(task: str, kind: str) -> tuple[float, float]:
    """Amplitude and temperature that are best on samples of the training part that are not taught, in integers."""
    given = parts(task, kind, VALIDATION_SEED, asked="validation")
    cut = Cut.of(networks(task, TASKS[task].load())["fixed"])
    lesson, asked = cut.features(given["taught"]), cut.features(given["asked"][0])
    found = {}
    for choice in ((a, t) for a in AMPLITUDES for t in TEMPERATURES):
        learned = taught(cut.readout, lesson, given["labels"], choice, VALIDATION_SEED)
        found[choice] = ask(learned, asked, given["asked_labels"]).accuracy
    return max(found, key=lambda choice: found[choice])


def rows(task: str, seeds: int) -> Iterator[list[str]]:
    """The lines of the table of a task."""
    for kind in KINDS:
        choice = chosen(task, kind)
        for form in ("float", "fixed"):
            results = []
            for seed in range(seeds):
                given = parts(task, kind, seed, asked="test")
                cut = Cut.of(networks(task, TASKS[task].load())[form])
                drifted_test, clean_test = (cut.features(s) for s in given["asked"])
                clean = ask(cut.readout, clean_test, given["asked_labels"])
                before = ask(cut.readout, drifted_test, given["asked_labels"])
                learned = taught(cut.readout, cut.features(given["taught"]), given["labels"], choice, seed)
                after = ask(learned, drifted_test, given["asked_labels"])
                results.append((clean.accuracy, before.accuracy, after.accuracy, before.rate, after.rate))
            clean_, before_, after_, rate_before, rate_after = np.array(results).T
            yield [
                f"{SETTINGS.part(task).drift.describe(kind)}, {'8-bit carry' if form == 'fixed' else 'float'}",
                mean(before_),
                mean(after_),
                won_back(clean_, before_, after_),
                f"{choice[0]:g}, {choice[1]:g}",
                f"{rate_before.mean():.3f} to {rate_after.mean():.3f}",
            ]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tasks", nargs="+", choices=sorted(TASKS), default=["digits", "Fashion-MNIST"])
    given = parser.parse_args()
    head = ["drift", "before %", "after %", "of the loss won back", "a, T", "output spikes a neuron and step"]
    for task in given.tasks:
        part = SETTINGS.part(task)
        print(f"\n**{task}**: {part.taught} samples taught, {part.asked} asked, {given.seeds} seeds\n")
        print(table(head, list(rows(task, given.seeds))), flush=True)


if __name__ == "__main__":
    main()
