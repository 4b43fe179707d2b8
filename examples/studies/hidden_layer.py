"""What TESS wins by training a hidden layer: digits, 64-24-10 spiking neurons, in real numbers and in integers.

    python examples/studies/hidden_layer.py [--seeds 10]

The readout learns by the same rule in all rows, with the unit matrix for its signs; the hidden layer is frozen at its
random weights, or learns by TESS. Each seed has weights and spike trains of its own. Amplitude, temperature and width
are those that were best in real numbers in the mean of three more seeds, asked about training samples that were not
taught, for the frozen and the learning network each; test samples decide nothing.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from study import mean, table
from teaching import AnyNetwork
from untrained import VALIDATION_SEEDS, quantized, samples

import ssdp_hw as sh

INPUTS, HIDDEN, CLASSES, STEPS, EPOCHS = 64, 24, 10, 16, 10
# Initial weights are even between these and their negatives; the neurons' thresholds are 1.
FIRST, SECOND = 0.3, 0.4
# Weights of the chip have room for this many times the initial ones.
ROOM = 6.0
AMPLITUDES, TEMPERATURES, WIDTHS = (3e-4, 1e-3, 3e-3), (1.0, 4.0), (2.0, 4.0)
WINDOWS_PER_UPDATE = 16
LAYERS = {"in->hidden": (HIDDEN, None), "hidden->out": (CLASSES, np.eye(CLASSES))}
Choice = tuple[float, float, float]  # amplitude, temperature, width


def network(seed: int) -> sh.Network:
    """A network with random weights, whose neurons keep half of their voltage in a step and subtract at a spike."""
    rng = np.random.default_rng(seed)
    sizes = {"hidden": HIDDEN, "out": CLASSES}
    neurons = {name: sh.LIF(size=n, tau_mem=2e-3, r=2.0, v_threshold=1.0) for name, n in sizes.items()}
    first, second = rng.uniform(-FIRST, FIRST, (HIDDEN, INPUTS)), rng.uniform(-SECOND, SECOND, (CLASSES, HIDDEN))
    return sh.Network(
        [sh.Input("in", INPUTS)],
        [sh.Population(name=name, neuron=neuron, reset="subtract") for name, neuron in neurons.items()],
        [sh.Projection(pre="in", post="hidden", weight=first), sh.Projection(pre="hidden", post="out", weight=second)],
        ["out"],
        sh.Semantics(1e-3),
    )


def rules(choice: Choice, *, frozen: bool) -> Mapping[str, sh.FloatDeclaredRule]:
    """The rule of each projection that learns."""
    amplitude, temperature, width = choice
    learning = {name: layer for name, layer in LAYERS.items() if not frozen or name == "hidden->out"}
    return {
        name: sh.tess(
            size,
            CLASSES,
            amplitude,
            temperature=temperature,
            width=width,
            signs=signs,
            windows_per_update=WINDOWS_PER_UPDATE,
            counter_bits=24,
            clip=10.0,
        )
        for name, (size, signs) in learning.items()
    }


def learned(given: AnyNetwork, spikes: Any, labels: Any, choice: Choice, seed: int, *, frozen: bool) -> AnyNetwork:
    """The network after all epochs."""
    return sh.learn(
        given,
        spikes,
        None,
        rules(choice, frozen=frozen),
        factors={"label": labels[None]},
        presentation=sh.Presentation(epochs=EPOCHS, seed=seed),
        on_overflow="ignore",
        health=False,
    ).network


def accuracy(given: AnyNetwork, spikes: Any, labels: Any) -> float:
    """The share of samples whose output neuron fires most."""
    return float((sh.run(given, spikes, on_overflow="ignore").predict("spike_count") == labels).mean())


def encoded(values: Any, seed: int) -> Any:
    """Spikes by rate."""
    return sh.encode(values, "rate", steps=STEPS, seed=seed)


def chosen(*, frozen: bool) -> Choice:
    """The choice that is best in the mean of the validation seeds, on training samples that are not taught."""
    found = dict.fromkeys(itertools.product(AMPLITUDES, TEMPERATURES, WIDTHS), 0.0)
    for seed in VALIDATION_SEEDS:
        shown = samples(seed, encoded, validation=True)
        for choice in found:
            after = learned(network(seed), shown.lesson, shown.labels, choice, seed, frozen=frozen)
            found[choice] += accuracy(after, shown.question, shown.answers)
    return max(found, key=lambda choice: found[choice])


def measured(seed: int, choices: Mapping[str, Choice]) -> dict[str, float]:
    """The accuracy of each row for a seed."""
    shown, real = samples(seed, encoded), network(seed)
    forms: dict[str, AnyNetwork] = {"float": real, "8-bit": quantized(real, shown.lesson[:, :200], ROOM)}
    return {
        f"{row}, {form}": accuracy(
            learned(given, shown.lesson, shown.labels, choice, seed, frozen=row == "frozen"),
            shown.question,
            shown.answers,
        )
        for row, choice in choices.items()
        for form, given in forms.items()
    }


def main() -> None:
    """Print the table, and the differences by seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    choices = {"frozen": chosen(frozen=True), "TESS": chosen(frozen=False)}
    runs = [measured(seed, choices) for seed in range(given.seeds)]
    found = {row: np.array([run[row] for run in runs]) for row in runs[0]}
    rows = [
        [row, mean(values), f"{100 * values.min():.1f}", "{:g}, {:g}, {:g}".format(*choices[row.partition(",")[0]])]
        for row, values in found.items()
    ]
    print(table(["hidden layer", "accuracy %", "least", "amplitude, temperature, width"], rows))
    for what, one, other in (
        ("TESS over frozen, float", "TESS, float", "frozen, float"),
        ("TESS over frozen, 8-bit", "TESS, 8-bit", "frozen, 8-bit"),
        ("TESS, 8-bit over float", "TESS, 8-bit", "TESS, float"),
    ):
        print(f"{what}: {mean(found[one] - found[other], sign='+')} points, paired by seed")


if __name__ == "__main__":
    main()
