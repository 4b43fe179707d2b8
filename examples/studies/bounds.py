"""Study 7: how much of a drift's loss a readout can learn back at all, and where the rest is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import soft_error
from backprop import Training, retrained
from drift import SETTINGS as DRIFT, Part
from numpy.typing import NDArray
from study import Run, Study
from teaching import AnyNetwork, Cut, arithmetic
from worlds import (
    Bool,
    World,
    after_learning,
    answers,
    before_learning,
    data,
    hidden,
    soft_error_taught,
    tables,
    world,
)

from ssdp_hw.datasets import Dataset

# The two numbers of a row, one of the pairs of its grid.
Choice = tuple[float, float]

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


def learned(given: World, row: str, choice: Choice, settings: Settings) -> AnyNetwork:
    """The network after it learned what is taught, by a row's rule and numbers."""
    if row not in (ALL_LAYERS, READOUT):
        return soft_error_taught(
            given.network,
            given.taught,
            given.labels,
            soft_error.rule(choice[0]),
            temperature=choice[1],
            epochs=settings.epochs,
            refresh=settings.refresh,
            seed=given.seed,
        )
    training = Training(choice[0], round(choice[1]), settings.batch)
    if row == ALL_LAYERS:
        return retrained(given.network, given.taught, given.labels, training, given.seed)
    features = hidden(given.network, given.taught)
    taught = retrained(Cut.of(given.network).readout, features, given.labels, training, given.seed)
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


def accuracy(given: World, row: str, choice: Choice, settings: Settings) -> float:
    """Accuracy of a row with these numbers, on what is asked."""
    if row == INPUT:
        return support_vectors(given, choice)
    return answers(given, learned(given, row, choice, settings), given.asked).accuracy


@cache
def chosen(settings: Settings, data: Dataset, case: str, row: str) -> Choice:
    """The numbers of a row that are best on the validation, of equals the first."""
    worlds = [world(settings.part, data, case, seed, arithmetic(row), validation=True) for seed in settings.validation]
    found = {c: np.mean([accuracy(given, row, c, settings) for given in worlds]) for c in GRIDS[row]}
    return max(found, key=lambda choice: found[choice])


def run(case: str, row: str, seed: int, settings: Settings, data: Dataset) -> dict[str, Any]:
    """Let a row learn the drift with the numbers that its validation chose."""
    choice = chosen(settings, data, case, row)
    given = world(settings.part, data, case, seed, arithmetic(row), validation=False)
    found = {"choice": list(choice), **before_learning(given)}
    if row == INPUT:
        return {**found, "after": support_vectors(given, choice)}
    return {**found, **after_learning(given, learned(given, row, choice, settings))}


def report(settings: Settings, runs: list[Run]) -> str:
    """One table a drift."""
    return tables(settings.part, runs, CASES, ROWS, {"float": DELTA, "8-bit": ON_CHIP})


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
