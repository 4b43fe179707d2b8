"""Study 3: a temporal task. The readout of a random network learns speakers from nothing, on the chip."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np
from japanese_vowels import SPEAKERS, LevelCoder, Vowels, load_japanese_vowels
from numpy.typing import NDArray
from study import Run, Study, against_float, column, finished_cases, mean, seed_count, table
from teaching import BASELINE_ROWS, SSDP_ROWS, AnyNetwork, Cut, Hyperparameters, arithmetic, ask, teach

import ssdp_hw as sh

ROWS = (*SSDP_ROWS, *BASELINE_ROWS)
CASES = ("each sample once", "with noisy copies")


@dataclass(frozen=True)
class Settings:
    """The random network, the copies and the hyperparameters of the learning.

    Attributes:
        levels: of the level coder.
        hidden: neurons of the random layer.
        fan_in: share of the lines that a hidden neuron listens to.
        tau_hidden, tau_readout: time constants in steps; a step is a frame.
        largest_weight: of the readout; the chip's weights reach as far in float units.
        copies: noisy copies of each training sample beside itself, with the share ``deleted`` of their
            spikes missing; ``epochs_alone`` is how often the samples come where there are none.
        hyperparameters: its epochs are those with copies.
    """

    levels: int
    hidden: int
    fan_in: float
    tau_hidden: float
    tau_readout: float
    largest_weight: float
    copies: int
    deleted: float
    epochs_alone: int
    hyperparameters: Hyperparameters


SETTINGS = Settings(
    levels=8,
    hidden=800,
    fan_in=0.05,
    tau_hidden=5.0,
    tau_readout=16.0,
    largest_weight=0.1,
    copies=5,
    deleted=0.2,
    epochs_alone=30,
    hyperparameters=Hyperparameters(
        a_plus=3e-4, a_baseline=3e-5, sigma=30.0, epochs=8, refresh=30, stdp=2e-6, sadp=1e-2
    ),
)


_load = cache(load_japanese_vowels)


def data(_: str) -> Vowels:
    """JapaneseVowels; raises SsdpHwError if they are not installed."""
    return _load()


def random_network(settings: Settings, lines: int, seed: int) -> sh.Network:
    """Lines -> random LIF -> LIF with weights up to the largest, which give quantisation its scale."""
    generator = np.random.default_rng((seed, 4))
    shape = settings.hidden, lines
    weight = generator.normal(size=shape) * (generator.random(shape) < settings.fan_in)
    # Of the lines, about one in `levels + 2` a channel fires in a frame.
    weight *= np.sqrt((settings.levels + 2) / (lines * settings.fan_in))
    largest = settings.largest_weight

    def lif(size: int, tau: float) -> sh.LIF:  # a spike of weight w moves the voltage by w
        return sh.LIF(size=size, tau_mem=tau, r=tau)

    return sh.Network(
        inputs=[sh.Input("lines", lines)],
        populations=[
            sh.Population(name="hidden", neuron=lif(settings.hidden, settings.tau_hidden)),
            sh.Population(name="readout", neuron=lif(SPEAKERS, settings.tau_readout)),
        ],
        projections=[
            sh.Projection(pre="lines", post="hidden", weight=weight),
            sh.Projection(
                pre="hidden",
                post="readout",
                weight=generator.uniform(-largest, largest, (SPEAKERS, settings.hidden)),
            ),
        ],
        outputs=["readout"],
        semantics=sh.Semantics(dt=1.0),
    )


def blank(readout: AnyNetwork) -> AnyNetwork:
    """The readout with all weights zero."""
    (p,) = readout.projections
    zeros = {p.name: np.zeros(p.shape, np.int64)}
    return readout.with_mantissas(zeros) if isinstance(readout, sh.FixedNetwork) else readout.with_weights(zeros)


def with_copies(settings: Settings, spikes: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """The samples and, behind them, their noisy copies."""
    generator = np.random.default_rng((seed, 5))
    noisy = [spikes & (generator.random(spikes.shape) >= settings.deleted) for _ in range(settings.copies)]
    return np.concatenate([spikes, *noisy], axis=1)


@lru_cache(maxsize=2)
def features(
    settings: Settings, data: Vowels, case: str, seed: int, form: str
) -> tuple[AnyNetwork, NDArray[np.bool_], NDArray[np.int64], NDArray[np.bool_]]:
    """A random network's blank readout, spikes before it and speakers of what is taught, spikes of what is asked."""
    coder = LevelCoder.fit(data.train, settings.levels)
    spikes, labels = coder(data.train), data.train_labels
    network: AnyNetwork = random_network(settings, coder.lines, seed)
    if form == "fixed":
        network = sh.quantize(network, calibration=spikes)
    if case == "with noisy copies":
        spikes, labels = with_copies(settings, spikes, seed), np.tile(labels, 1 + settings.copies)
    cut = Cut.of(network)
    return blank(cut.readout), cut.features(spikes), labels, cut.features(coder(data.test))


def run(case: str, row: str, seed: int, settings: Settings, data: Vowels) -> dict[str, float]:
    """Teach a random network's readout by one rule."""
    start, taught, labels, asked = features(settings, data, case, seed, arithmetic(row))
    hyperparameters = settings.hyperparameters
    if case != "with noisy copies":
        hyperparameters = replace(hyperparameters, epochs=settings.epochs_alone)
    learned = teach(start, taught, labels, hyperparameters, row, seed)
    after = ask(learned, asked, data.test_labels)
    return {
        "before": ask(start, asked, data.test_labels).accuracy,
        "train": ask(learned, taught, labels).accuracy,
        "after": after.accuracy,
        "rate_after": after.rate,
    }


def report(settings: Settings, runs: list[Run]) -> str:
    """One table a case, and one over both."""
    parts, cases = [], []
    for case, here in finished_cases(runs, CASES, ROWS):
        cases.append(case)
        copies = f", and {settings.copies} noisy copies of each" if case == "with noisy copies" else ""
        lines = []
        for row in ROWS:
            reference = column(here, f"{row.split()[0]} float", "after")
            after = column(here, row, "after")
            lines.append(
                [
                    row,
                    mean(column(here, row, "before")),
                    mean(column(here, row, "train")),
                    mean(after),
                    "" if row.endswith("float") else mean(after - reference, sign="+", digits=2),
                    f"{column(here, row, 'rate_after').mean():.3f}",
                ]
            )
        parts.append(
            f"**270 samples taught{copies}**, 370 asked, {seed_count(here)} seeds (each another random network).\n\n"
            + table(
                [
                    "rule",
                    "before %",
                    "training %",
                    "test %",
                    "minus its float form, points",
                    "output spikes a neuron and step",
                ],
                lines,
            )
        )
    if cases:
        parts.append(against_float(runs, ["after"], cases, ["SSDP carry", "SSDP stochastic", "SSDP nearest"]))
    return "\n\n".join(parts)


STUDY = Study(
    "vowels",
    "A temporal task: JapaneseVowels",
    "Nine speakers, 12 cepstral coefficients in 7 to 29 frames; a frame is a step. A coefficient has eight lines, "
    "one for each level that it can be at, and two for a rise and a fall. They drive 800 random LIF neurons; the "
    "readout's weights start at zero and are learned on the chip. A noisy copy lacks 20 % of the spikes. Chosen with "
    "180 training samples taught and 90 asked.",
    SETTINGS,
    CASES,
    lambda _: ROWS,
    data,
    run,
    report,
)
