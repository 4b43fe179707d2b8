"""Study 8: which learning on the chip helps best against each drift, of readout, hidden layer and thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import soft_error
from drift import SETTINGS as DRIFT, Part
from drifts import KINDS
from study import Run, Study
from teaching import AnyNetwork, arithmetic
from worlds import (
    Bool,
    Int,
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

import ssdp_hw as sh
from ssdp_hw.datasets import Dataset
from ssdp_hw.rules import FloatRule

# The numbers of a row, one entry of its grid.
Choice = tuple[float, ...]

SOFT, BASELINE = "soft error, 8-bit", "soft error, float"
SYNCHRONY, REHEARSAL = "SSDP by the soft error, 8-bit", "soft error with rehearsal, 8-bit"
HIDDEN = "TESS of both layers, 8-bit"
RATES, RATES_FLOAT = "hidden thresholds, no labels, 8-bit", "hidden thresholds, no labels, float"
BOTH = "hidden thresholds, then soft error, 8-bit"
ROWS = (BASELINE, SOFT, SYNCHRONY, REHEARSAL, HIDDEN, RATES_FLOAT, RATES, BOTH)

_SOFT = tuple(product((2.5e-4, 1e-3, 4e-3), (0.5, 2.0)))  # amplitude; temperature in spikes
_RATES = tuple(product((1e-3, 3e-3, 1e-2), (1, 3)))  # rise of the threshold at a spike; epochs
GRIDS: dict[str, Sequence[Choice]] = {
    BASELINE: _SOFT,
    SOFT: _SOFT,
    SYNCHRONY: tuple(product((2.5e-4, 1e-3, 4e-3), (0.5, 2.0))),  # of synchronous pairs; temperature
    REHEARSAL: _SOFT,
    HIDDEN: tuple(product((1e-6, 1e-5, 1e-4), (1.0, 4.0))),  # amplitude of both layers; temperature
    RATES_FLOAT: _RATES,
    RATES: _RATES,
    BOTH: tuple((*soft, *rates) for soft, rates in product(_SOFT, ((1e-3, 3), (3e-3, 3)))),
}


@dataclass(frozen=True)
class Settings:
    """The task, and the lessons.

    Attributes:
        part: samples and drifts, those of study 1.
        epochs, refresh: of the soft error, see :func:`ssdp_hw.learn`; TESS has as many epochs.
        windows_per_update: of thresholds and of TESS.
        sigma: width of SSDP's learning window in steps.
        validation: seed of the world in which each row's numbers are chosen.
    """

    part: Part = DRIFT.digits
    epochs: int = 3
    refresh: int = 100
    windows_per_update: int = 10
    sigma: float = 30.0
    validation: int = 100


SETTINGS = Settings()


def taught_readout(
    given: World, spikes: Bool, labels: Int, rule: FloatRule, temperature: float, settings: Settings
) -> AnyNetwork:
    """The world's network after its readout learned by a rule times the soft error, with the lessons of the study."""
    return soft_error_taught(
        given.network,
        spikes,
        labels,
        rule,
        temperature=temperature,
        epochs=settings.epochs,
        refresh=settings.refresh,
        seed=given.seed,
    )


def by_soft_error(given: World, choice: Choice, settings: Settings) -> AnyNetwork:
    """The delta rule on the readout."""
    rule = soft_error.rule(choice[0])
    return taught_readout(given, given.taught, given.labels, rule, choice[1], settings)


def by_synchrony(given: World, choice: Choice, settings: Settings) -> AnyNetwork:
    """SSDP in place of the count of presynaptic spikes."""
    rule = sh.SSDP(
        a_plus=choice[0],
        a_baseline=choice[0] / 10,
        sigma=settings.sigma,
        silent_pairs="skip",
        counter_bits=24,
    )
    return taught_readout(given, given.taught, given.labels, rule, choice[1], settings)


def with_rehearsal(given: World, choice: Choice, settings: Settings) -> AnyNetwork:
    """The delta rule on drifted and remembered samples in turn."""
    spikes = np.concatenate([given.taught, given.remembered], axis=1)
    labels, rule = np.concatenate([given.labels, given.labels]), soft_error.rule(choice[0])
    return taught_readout(given, spikes, labels, rule, choice[1], settings)


def by_tess(given: World, choice: Choice, settings: Settings) -> AnyNetwork:
    """TESS on the hidden layer's weights and the readout's, step by step."""
    classes = given.network.size_of(given.network.outputs[0])
    rules = {}
    for projection in given.network.projections:
        size, last = given.network.size_of(projection.post), projection.post in given.network.outputs
        rules[projection.name] = sh.tess(
            size,
            classes,
            choice[0],
            temperature=choice[1],
            signs=np.eye(classes) if last else None,
            windows_per_update=settings.windows_per_update,
            counter_bits=24,
            clip=10.0,
        )
    return sh.learn(
        given.network,
        given.taught,
        None,
        rules,
        factors={"label": given.labels[None]},
        presentation=sh.Presentation(steps=len(given.taught), epochs=settings.epochs, seed=given.seed),
        on_overflow="ignore",
        health=False,
    ).network


def by_thresholds(given: World, choice: Choice, settings: Settings) -> AnyNetwork:
    """Each hidden neuron moves its threshold until it fires as often as it did before the drift."""
    first = given.network.projections[0]
    rates = hidden(given.network, given.remembered).mean(axis=(0, 1))
    rule = sh.rule("RateHomeostasis", rise=choice[0], rates=rates, windows_per_update=settings.windows_per_update)
    return sh.learn(
        given.network,
        given.taught,
        None,
        rule,
        plastic=first.name,
        presentation=sh.Presentation(steps=len(given.taught), epochs=round(choice[1]), seed=given.seed),
        on_overflow="ignore",
        health=False,
    ).network


def by_both(given: World, choice: Choice, settings: Settings) -> AnyNetwork:
    """Thresholds without labels, then the delta rule on the readout."""
    settled = by_thresholds(given, choice[2:], settings)
    return by_soft_error(replace(given, network=settled), choice[:2], settings)


LEARN: dict[str, Callable[[World, Choice, Settings], AnyNetwork]] = {
    BASELINE: by_soft_error,
    SOFT: by_soft_error,
    SYNCHRONY: by_synchrony,
    REHEARSAL: with_rehearsal,
    HIDDEN: by_tess,
    RATES_FLOAT: by_thresholds,
    RATES: by_thresholds,
    BOTH: by_both,
}


@cache
def chosen(settings: Settings, data: Dataset, case: str, row: str) -> Choice:
    """The numbers of a row that are best on the validation, of equals the first."""
    given = world(settings.part, data, case, settings.validation, arithmetic(row), validation=True)
    found = {c: answers(given, LEARN[row](given, c, settings), given.asked).accuracy for c in GRIDS[row]}
    return max(found, key=lambda choice: found[choice])


def run(case: str, row: str, seed: int, settings: Settings, data: Dataset) -> dict[str, Any]:
    """Let a row learn the drift with the numbers that its validation chose."""
    choice = chosen(settings, data, case, row)
    given = world(settings.part, data, case, seed, arithmetic(row), validation=False)
    network = LEARN[row](given, choice, settings)
    return {"choice": list(choice), **before_learning(given), **after_learning(given, network)}


def report(settings: Settings, runs: list[Run]) -> str:
    """One table a drift."""
    return tables(settings.part, runs, KINDS, ROWS, {"float": BASELINE, "8-bit": SOFT})


STUDY = Study(
    "remedies",
    "Which learning helps against which drift",
    "Each row learned from the same drifted samples of the digits, and was chosen in one world that is none of the "
    "seeds, on samples of the training part that are not taught; all but two rows are the chip's integers (8-bit "
    "weights, `carry`). The baseline is the delta rule with a soft error on the readout in float. On the chip: the "
    "same in integers; with SSDP's synchrony in place of the count of presynaptic spikes; with remembered samples from "
    "before the drift among what is taught; TESS on the weights of both layers, step by step; and "
    "`RateHomeostasis` without any label: each hidden neuron moves its threshold until it fires as often as it did "
    "on remembered samples, alone and before the soft error. Numbers are amplitude and temperature; of thresholds the "
    "rise at a spike and the epochs.",
    SETTINGS,
    KINDS,
    lambda _: ROWS,
    data,
    run,
    report,
)
