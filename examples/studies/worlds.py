"""A drifted world: a network, what it is taught and what it is asked there, and the table of what learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from drift import Part, won_back
from drifts import drifted
from numpy.typing import NDArray
from study import Run, column, finished_cases, mean, seed_count, table
from tasks import TASKS, networks
from teaching import Answers, AnyNetwork, Cut, ask

import ssdp_hw as sh
from ssdp_hw.datasets import Dataset
from ssdp_hw.rules import FloatRule

Bool = NDArray[np.bool_]
Int = NDArray[np.int64]

TASK = "digits"


@dataclass(frozen=True, eq=False)
class World:
    """A network and its input, drifted.

    Attributes:
        network: before it learns.
        seed: of the world, and of what learns in it.
        taught, labels: input spikes of what is taught, and their classes; ``remembered`` are spikes of the same
            samples without the drift.
        asked, asked_labels: of what is asked; ``undrifted`` are its spikes without the drift.
    """

    network: AnyNetwork
    seed: int
    taught: Bool
    remembered: Bool
    labels: Int
    asked: Bool
    undrifted: Bool
    asked_labels: Int


def hidden(network: AnyNetwork, spikes: Bool) -> Bool:
    """Spikes of the layer before the readout."""
    front = Cut.of(network).front
    return np.asarray(sh.run(front, spikes, steps=len(spikes), on_overflow="ignore").spikes[front.outputs[0]])


@lru_cache(maxsize=4)
def world(part: Part, data: Dataset, kind: str, seed: int, form: str, *, validation: bool) -> World:
    """Let the world drift; in a validation samples of the training part are asked that are not taught."""
    network = networks(TASK, data)[form]
    order = np.random.default_rng((seed, 2)).permutation(len(data.train_labels))
    chosen, rest = order[: part.taught], order[part.taught :][: part.asked]
    values, labels = data.train_values[rest], data.train_labels[rest]
    if not validation:
        values, labels = data.test_values[: part.asked], data.test_labels[: part.asked]

    def encoded(kind: str, values: NDArray[np.float64], noise: int) -> Bool:
        """Spikes, and silence until the output has answered the last of them."""
        spikes = drifted(kind, part.drift, TASKS[TASK], values, seed, noise)
        return np.concatenate([spikes, np.zeros((network.latency, *spikes.shape[1:]), bool)])

    taught, remembered = (encoded(k, data.train_values[chosen], 1000 + seed) for k in (kind, "none"))
    asked, undrifted = (encoded(k, values, 2000 + seed) for k in (kind, "none"))
    return World(network, seed, taught, remembered, data.train_labels[chosen], asked, undrifted, labels)


def answers(given: World, network: AnyNetwork, spikes: Bool) -> Answers:
    """What a network answers to samples that are asked."""
    return ask(Cut.of(network).readout, hidden(network, spikes), given.asked_labels)


def soft_error_taught(
    network: AnyNetwork,
    spikes: Bool,
    labels: Int,
    rule: FloatRule,
    *,
    temperature: float,
    epochs: int,
    refresh: int,
    seed: int,
) -> AnyNetwork:
    """The network after its readout learned by a rule times the softmax error of its spike counts."""
    taught = sh.learn(
        Cut.of(network).readout,
        hidden(network, spikes),
        labels,
        rule,
        teach=sh.Teaching("softmax", temperature=temperature, refresh=refresh),
        presentation=sh.Presentation(steps=len(spikes), epochs=epochs, seed=seed),
        on_overflow="ignore",
        health=False,
    ).network
    return replace(network, projections=[*network.projections[:-1], *taught.projections])


def before_learning(given: World) -> dict[str, Any]:
    """What is measured of a world before anything learns."""
    undrifted, before = (answers(given, given.network, spikes) for spikes in (given.undrifted, given.asked))
    rates = [float(hidden(given.network, spikes).mean()) for spikes in (given.undrifted, given.asked)]
    return {
        "undrifted": undrifted.accuracy,
        "before": before.accuracy,
        "rate_before": before.rate,
        "hidden_undrifted": rates[0],
        "hidden_before": rates[1],
    }


def after_learning(given: World, network: AnyNetwork) -> dict[str, Any]:
    """What is measured of a network that learned in a world."""
    after, kept = answers(given, network, given.asked), answers(given, network, given.undrifted)
    return {"after": after.accuracy, "undrifted_after": kept.accuracy, "rate_after": after.rate}


def data(_: str) -> Dataset:
    """The digits, of every drift; raises SsdpHwError if they are not installed."""
    return TASKS[TASK].load()


def tables(part: Part, runs: list[Run], kinds: Sequence[str], rows: Sequence[str], soft: Mapping[str, str]) -> str:
    """One table a drift; ``soft`` are the rows of the soft error, by the name of their arithmetic."""
    return "\n\n".join(
        f"{_described(part, kind, here, soft)}\n\n{_table(here, rows, soft['float'])}"
        for kind, here in finished_cases(runs, kinds, rows)
    )


def _described(part: Part, kind: str, runs: Sequence[Run], rows: Mapping[str, str]) -> str:
    """The heading of a drift's table."""
    clean = ", ".join(f"{name} {mean(column(runs, row, 'undrifted'))} %" for name, row in rows.items())
    fired = [f"{column(runs, rows['float'], key).mean():.3f}" for key in ("hidden_undrifted", "hidden_before")]
    return (
        f"**{part.drift.describe(kind)}.** {part.taught} samples taught, {part.asked} asked, {seed_count(runs)} seeds. "
        f"Undrifted: {clean}; a hidden neuron fires in {fired[0]} of the steps, drifted in {fired[1]}."
    )


def _table(runs: list[Run], rows: Sequence[str], baseline: str) -> str:
    """What each row won back of a drift's loss, beside ``baseline``, the soft error of the readout in float."""
    lines = []
    for row in rows:
        undrifted, before, after = (column(runs, row, key) for key in ("undrifted", "before", "after"))
        against = "" if row == baseline else mean(after - column(runs, baseline, "after"), sign="+", digits=2)
        numbers = next(", ".join(f"{x:g}" for x in run["choice"]) for run in runs if run["row"] == row)
        kept, rates = "", ""
        if any("undrifted_after" in run for run in runs if run["row"] == row):
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
