"""Study 7: how much of a drift's loss a readout can learn back at all, and where the rest is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import product
from typing import Any

import numpy as np
import soft_error
from backprop import Training, retrained
from drift import SETTINGS as DRIFT, Part, won_back
from drifts import drifted
from numpy.typing import NDArray
from study import Run, Study, column, finished_cases, mean, seed_count, table
from tasks import TASKS, networks
from teaching import Answers, AnyNetwork, Cut, arithmetic, ask

import ssdp_hw as sh
from ssdp_hw.datasets import Dataset

Bool = NDArray[np.bool_]
Int = NDArray[np.int64]
# The two numbers of a row, one of the pairs of its grid.
Choice = tuple[float, float]

TASK = "digits"
CASES = ("events", "dim", "bright", "jitter")
ON_CHIP, DELTA = "soft error, carry", "soft error, float"
READOUT, ALL_LAYERS = "back-propagation, readout, float", "back-propagation, all layers, float"
INPUT = "support vectors on the input, float"
ROWS = (ON_CHIP, DELTA, READOUT, ALL_LAYERS, INPUT)

_SOFT = tuple(product((2.5e-4, 1e-3, 4e-3), (0.5, 2.0)))  # amplitude; temperature in spikes
_TRAINED = tuple(product((3e-4, 1e-3, 3e-3), (2, 6)))  # learning rate; epochs
GRIDS: dict[str, Sequence[Choice]] = {
    ON_CHIP: _SOFT,
    DELTA: _SOFT,
    READOUT: _TRAINED,
    ALL_LAYERS: _TRAINED,
    INPUT: tuple(product((1.0, 10.0), (0.3, 1.0, 3.0))),  # C; gamma by the features' variance
}


@dataclass(frozen=True)
class Settings:
    """The task, and the lessons.

    Attributes:
        part: samples and drifts, those of study 1.
        epochs, refresh: of the soft error, see :func:`ssdp_hw.learn`.
        batch: samples of a step of back-propagation.
        validation: seeds of the worlds in which each row's numbers are chosen.
    """

    part: Part = DRIFT.digits
    epochs: int = 3
    refresh: int = 100
    batch: int = 50
    validation: tuple[int, ...] = (100,)


SETTINGS = Settings()


def data(_: str) -> Dataset:
    """The digits; raises SsdpHwError if they are not installed."""
    return TASKS[TASK].load()


@dataclass(frozen=True, eq=False)
class World:
    """A network and its input, drifted.

    Attributes:
        network: before it learns.
        seed: of the world, and of what learns in it.
        taught, labels: input spikes of what is taught, and their classes.
        asked, asked_labels: of what is asked; ``undrifted`` are its spikes without the drift.
    """

    network: AnyNetwork
    seed: int
    taught: Bool
    labels: Int
    asked: Bool
    undrifted: Bool
    asked_labels: Int


def hidden(network: AnyNetwork, spikes: Bool) -> Bool:
    """Spikes of the layer before the readout."""
    front = Cut.of(network).front
    return np.asarray(sh.run(front, spikes, steps=len(spikes), on_overflow="ignore").spikes[front.outputs[0]])


@lru_cache(maxsize=4)
def world(settings: Settings, data: Dataset, kind: str, seed: int, form: str, *, validation: bool) -> World:
    """Let the world drift; in a validation samples of the training part are asked that are not taught."""
    part, network = settings.part, networks(TASK, data)[form]
    order = np.random.default_rng((seed, 2)).permutation(len(data.train_labels))
    chosen, rest = order[: part.taught], order[part.taught :][: part.asked]
    values, labels = data.train_values[rest], data.train_labels[rest]
    if not validation:
        values, labels = data.test_values[: part.asked], data.test_labels[: part.asked]

    def encoded(kind: str, values: NDArray[np.float64], noise: int) -> Bool:
        """Spikes, and silence until the output has answered the last of them."""
        spikes = drifted(kind, part.drift, TASKS[TASK], values, seed, noise)
        return np.concatenate([spikes, np.zeros((network.latency, *spikes.shape[1:]), bool)])

    taught = encoded(kind, data.train_values[chosen], 1000 + seed)
    asked, undrifted = (encoded(k, values, 2000 + seed) for k in (kind, "none"))
    return World(network, seed, taught, data.train_labels[chosen], asked, undrifted, labels)


def learned(given: World, row: str, choice: Choice, settings: Settings) -> AnyNetwork:
    """The network after it learned what is taught, by a row's rule and numbers."""
    training = Training(choice[0], round(choice[1]), settings.batch)
    if row == ALL_LAYERS:
        return retrained(given.network, given.taught, given.labels, training, given.seed)
    readout, features = Cut.of(given.network).readout, hidden(given.network, given.taught)
    if row == READOUT:
        taught = retrained(readout, features, given.labels, training, given.seed)
    else:
        taught = sh.learn(
            readout,
            features,
            given.labels,
            soft_error.rule(choice[0]),
            teach=sh.Teaching("softmax", temperature=choice[1], refresh=settings.refresh),
            presentation=sh.Presentation(steps=len(features), epochs=settings.epochs, seed=given.seed),
            on_overflow="ignore",
            health=False,
        ).network
    return replace(given.network, projections=[*given.network.projections[:-1], *taught.projections])


def support_vectors(given: World, choice: Choice) -> float:
    """Accuracy of a support vector machine on the input's spikes that learned from what is taught.

    Its features are the number of spikes of each channel, and how early they come; it is no network, and here to tell
    how much of the classes the drift left in the input.
    """
    from sklearn.svm import SVC

    def features(spikes: Bool) -> NDArray[np.float64]:
        early = np.linspace(1.0, 0.0, len(spikes))
        both = [spikes.mean(axis=0), np.tensordot(early, spikes, axes=1) / len(spikes)]
        return np.concatenate(both, axis=1)

    taught = features(given.taught)
    machine = SVC(C=choice[0], gamma=choice[1] / (taught.shape[1] * taught.var())).fit(taught, given.labels)
    return float(np.mean(machine.predict(features(given.asked)) == given.asked_labels))


def answers(given: World, network: AnyNetwork, spikes: Bool) -> Answers:
    """What a network answers to samples that are asked."""
    return ask(Cut.of(network).readout, hidden(network, spikes), given.asked_labels)


def accuracy(given: World, row: str, choice: Choice, settings: Settings) -> float:
    """Accuracy of a row with these numbers, on what is asked."""
    if row == INPUT:
        return support_vectors(given, choice)
    return answers(given, learned(given, row, choice, settings), given.asked).accuracy


@cache
def chosen(settings: Settings, data: Dataset, case: str, row: str) -> Choice:
    """The numbers of a row that are best on the validation, of equals the first."""
    worlds = [world(settings, data, case, seed, arithmetic(row), validation=True) for seed in settings.validation]
    found = {c: np.mean([accuracy(given, row, c, settings) for given in worlds]) for c in GRIDS[row]}
    return max(found, key=lambda choice: found[choice])


def run(case: str, row: str, seed: int, settings: Settings, data: Dataset) -> dict[str, Any]:
    """Let a row learn the drift with the numbers that its validation chose."""
    choice = chosen(settings, data, case, row)
    given = world(settings, data, case, seed, arithmetic(row), validation=False)
    undrifted, before = (answers(given, given.network, spikes) for spikes in (given.undrifted, given.asked))
    rates = [float(hidden(given.network, spikes).mean()) for spikes in (given.undrifted, given.asked)]
    found = {
        "choice": list(choice),
        "undrifted": undrifted.accuracy,
        "before": before.accuracy,
        "rate_before": before.rate,
        "hidden_undrifted": rates[0],
        "hidden_before": rates[1],
    }
    if row == INPUT:
        return {**found, "after": support_vectors(given, choice)}
    network = learned(given, row, choice, settings)
    after = answers(given, network, given.asked)
    kept = answers(given, network, given.undrifted)
    return {**found, "after": after.accuracy, "undrifted_after": kept.accuracy, "rate_after": after.rate}


def report(settings: Settings, runs: list[Run]) -> str:
    """One table a drift."""
    parts = []
    for case, here in finished_cases(runs, CASES, ROWS):
        part, clean = settings.part, column(here, DELTA, "undrifted")
        fired = [f"{column(here, DELTA, key).mean():.3f}" for key in ("hidden_undrifted", "hidden_before")]
        parts.append(
            f"**{part.drift.describe(case)}.** {part.taught} samples taught, {part.asked} asked, {seed_count(here)} "
            f"seeds. Undrifted: float {mean(clean)} %, 8-bit {mean(column(here, ON_CHIP, 'undrifted'))} %; a hidden "
            f"neuron fires in {fired[0]} of the steps, drifted in {fired[1]}.\n\n{_table(here)}"
        )
    return "\n\n".join(parts)


def _table(runs: list[Run]) -> str:
    lines = []
    for row in ROWS:
        undrifted, before, after = (column(runs, row, key) for key in ("undrifted", "before", "after"))
        against = "" if row == DELTA else mean(after - column(runs, DELTA, "after"), sign="+", digits=2)
        numbers = next(", ".join(f"{x:g}" for x in run["choice"]) for run in runs if run["row"] == row)
        kept, rates = "", ""
        if row != INPUT:
            kept = mean(column(runs, row, "undrifted_after"))
            rates = " to ".join(f"{column(runs, row, key).mean():.3f}" for key in ("rate_before", "rate_after"))
        gain = mean(after - before, sign="+")
        share = won_back(undrifted, before, after)
        lines.append([row, numbers, mean(before), mean(after), gain, share, against, kept, rates])
    head = [
        "what learns",
        "numbers",
        "before %",
        "after %",
        "after minus before, points",
        "of the loss won back",
        "minus the soft error in float, points",
        "undrifted, after %",
        "output spikes a neuron and step",
    ]
    return table(head, lines)


STUDY = Study(
    "bounds",
    "What a drift leaves to learn",
    "Lost spikes, brightness and jitter get little back in the first study. Is that the rule, the readout, the "
    'layer before it, or the input? The delta rule with a soft error on spike counts (`teach="softmax"`) teaches '
    "the readout, in integers (8-bit weights, `carry`) and in float. Beside it, in float: back-propagation "
    "through time of the readout alone, which is what a readout of this kind can learn of the hidden layer's "
    "spikes; of all layers, which may mend the hidden layer too (`examples/studies/backprop.py`); and a support "
    "vector machine on numbers and times of the input's spikes, which is no network and shows what the drift left "
    "in the input. Each learned from the same drifted samples. Two numbers of each (amplitude and temperature; "
    "learning rate and epochs; C and gamma) are the best of six pairs on samples of the training part that are "
    "not taught, in one world that is none of the seeds.",
    SETTINGS,
    CASES,
    lambda _: ROWS,
    data,
    run,
    report,
)
