"""What CSDP teaches two hidden layers: digits, 64 inputs and ten lines for a label, 200 and 100 spiking neurons.

    python examples/studies/contrastive.py [--seeds 10]

Each image is shown twice: with its label, which is a true sample, and with another one, which is not. There is no
readout: an image is asked about with each label in turn, and the label with which the layers fire most is the answer.
In one row every projection learns, in the other those of the label alone, over layers that keep their random weights.
Each seed has weights, spike trains, orders and wrong labels of its own. Amplitude and goodness are those that were best
in real numbers in the mean of three more seeds, asked about training samples that were not taught, for each row; test
samples decide nothing.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hidden_layer import encoded
from study import mean, table
from teaching import AnyNetwork
from untrained import VALIDATION_SEEDS, quantized, samples

import ssdp_hw as sh

INPUTS, CLASSES, LAYERS, EPOCHS = 64, 10, {"first": 200, "second": 100}, 20
# Initial weights are even between this and its negative, and no weight passes the other; the neurons' thresholds are 1.
INITIAL, LARGEST = 0.2, 0.5
AMPLITUDES, GOODNESS = (5e-5, 1e-4, 2e-4), (0.15, 0.25)
ROWS = {
    "all projections": ("in->first", "label->first", "first->second", "label->second"),
    "the label's alone": ("label->first", "label->second"),
}
Choice = tuple[float, float]  # amplitude; goodness a neuron at which a sample is as likely true as not


@dataclass(frozen=True)
class Answers:
    """What the network said of some images.

    Attributes:
        accuracy: the share of right answers.
        rates: for each layer the spikes of a neuron and step.
    """

    accuracy: float
    rates: tuple[float, ...]


def network(seed: int) -> sh.Network:
    """A network with random weights, whose neurons keep three quarters of their voltage and subtract at a spike."""
    rng = np.random.default_rng(seed)
    neurons = {name: sh.LIF(size=n, tau_mem=4e-3, r=4.0, v_threshold=1.0) for name, n in LAYERS.items()}
    sizes = {"in": INPUTS, "label": CLASSES, **LAYERS}
    ends = [name.split("->") for name in ROWS["all projections"]]
    return sh.Network(
        [sh.Input(name, sizes[name]) for name in ("in", "label")],
        [sh.Population(name=name, neuron=neuron, reset="subtract") for name, neuron in neurons.items()],
        [
            sh.Projection(pre=pre, post=post, weight=rng.uniform(-INITIAL, INITIAL, (sizes[post], sizes[pre])))
            for pre, post in ends
        ],
        [*LAYERS],
        sh.Semantics(1e-3),
    )


def said(labels: Any, steps: int) -> Any:
    """The line of each label spikes in every step: spikes (time, batch, class)."""
    return np.broadcast_to(np.eye(CLASSES, dtype=bool)[labels], (steps, len(labels), CLASSES))


def lesson(spikes: Any, labels: Any, seed: int) -> tuple[dict[str, Any], Any]:
    """Input of all epochs, in which true samples and others take turns, and which are true, shape (1, samples)."""
    rng = np.random.default_rng((seed, 1))
    orders = np.concatenate([rng.permutation(len(labels)) for _ in range(EPOCHS)])
    right = labels[orders]
    wrong = (right + rng.integers(1, CLASSES, right.size)) % CLASSES
    both = np.stack([right, wrong], axis=1).reshape(-1)
    images = np.repeat(spikes[:, orders], 2, axis=1)
    return {"in": images, "label": said(both, len(spikes))}, np.tile([1, 0], right.size)[None]


def learned(given: AnyNetwork, spikes: Any, labels: Any, choice: Choice, row: str, seed: int) -> AnyNetwork:
    """The network after all epochs."""
    amplitude, goodness = choice
    inputs, true = lesson(spikes, labels, seed)
    rules = {
        name: sh.csdp(
            amplitude,
            theta=goodness * LAYERS[given.projection(name).post],
            clip=LARGEST,
            counter_bits=24,
            windows_per_update=2,
        )
        for name in ROWS[row]
    }
    return sh.learn(
        given,
        inputs,
        None,
        rules,
        factors={"true": true},
        presentation=sh.Presentation(shuffle=False, seed=seed),
        on_overflow="ignore",
        health=False,
    ).network


def asked(given: AnyNetwork, spikes: Any, labels: Any) -> Answers:
    """Ask about images with every label in turn."""
    counts = []
    for label in range(CLASSES):
        inputs = {"in": spikes, "label": said(np.full(len(labels), label), len(spikes))}
        fired = sh.run(given, inputs, on_overflow="ignore").spikes
        counts.append([fired[name].sum(axis=(0, 2)) for name in LAYERS])
    total = np.array(counts)  # label, layer, image
    rates = total.mean(axis=(0, 2)) / len(fired["first"]) / [*LAYERS.values()]
    return Answers(float((total.sum(axis=1).argmax(axis=0) == labels).mean()), tuple(rates.tolist()))


def chosen(row: str) -> Choice:
    """The choice that is best in the mean of the validation seeds, on training samples that are not taught."""
    found = dict.fromkeys(itertools.product(AMPLITUDES, GOODNESS), 0.0)
    for seed in VALIDATION_SEEDS:
        shown = samples(seed, encoded, validation=True)
        for choice in found:
            after = learned(network(seed), shown.lesson, shown.labels, choice, row, seed)
            found[choice] += asked(after, shown.question, shown.answers).accuracy
    return max(found, key=lambda choice: found[choice])


def measured(seed: int, choices: Mapping[str, Choice]) -> dict[str, Answers]:
    """The answers of each row for a seed."""
    shown, real = samples(seed, encoded), network(seed)
    calibration = {"in": shown.lesson[:, :200], "label": said(shown.labels[:200], len(shown.lesson))}
    forms: dict[str, AnyNetwork] = {"float": real, "8-bit": quantized(real, calibration, LARGEST / INITIAL)}
    found = {f"untaught, {form}": asked(given, shown.question, shown.answers) for form, given in forms.items()}
    for row, choice in choices.items():
        for form, given in forms.items():
            after = learned(given, shown.lesson, shown.labels, choice, row, seed)
            found[f"{row}, {form}"] = asked(after, shown.question, shown.answers)
    return found


def main() -> None:
    """Print the table, and the differences by seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    choices = {row: chosen(row) for row in ROWS}
    runs = [measured(seed, choices) for seed in range(given.seeds)]
    right = {row: np.array([run[row].accuracy for run in runs]) for row in runs[0]}
    rows = []
    for row, values in right.items():
        rates = " and ".join(f"{rate:.3f}" for rate in np.mean([run[row].rates for run in runs], axis=0))
        choice = choices.get(row.rpartition(",")[0])
        rows.append(
            [row, mean(values), f"{100 * values.min():.1f}", rates, "{:g}, {:g}".format(*choice) if choice else ""]
        )
    head = ["what learns", "accuracy %", "least", "spikes of a neuron and step, by layer", "amplitude, goodness"]
    print(table(head, rows))
    for what, one, other in (
        ("All projections over the label's alone, float", "all projections, float", "the label's alone, float"),
        ("All projections over the label's alone, 8-bit", "all projections, 8-bit", "the label's alone, 8-bit"),
        ("All projections, 8-bit over float", "all projections, 8-bit", "all projections, float"),
    ):
        print(f"{what}: {mean(right[one] - right[other], sign='+')} points, paired by seed")


if __name__ == "__main__":
    main()
