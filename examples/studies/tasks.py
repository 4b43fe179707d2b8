"""Data, trained networks and spikes that the studies share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ssdp_hw as sh
from ssdp_hw.datasets import DIGITS_DT, DIGITS_MODEL, DIGITS_STEPS, Dataset, load_digits, load_fashion_mnist

# Written by ``examples/train_study_networks.py``. Both: 128 hidden LIF, ten LIF to read out, a step of 1 ms.
NINE_DIGITS_MODEL = Path(__file__).parent / "nine-digits.nir"  # never saw a 9; its tenth output is idle
FASHION_MODEL = Path(__file__).parent / "fashion-mnist.nir"

# Fashion-MNIST: ``encode(values, "latency", steps=FASHION_STEPS)``; the first so many training samples
# trained the network, the others are new to it.
FASHION_STEPS = 20
FASHION_TRAINED = 50_000

CALIBRATION_SAMPLES = 256


@dataclass(frozen=True)
class Task:
    """A data set, a network that was trained on it, and how its values become spikes.

    Attributes:
        load: reads the data; its training part is what may be taught on the chip.
        model: the trained network.
        encoder, steps: of :func:`ssdp_hw.encode`.
    """

    load: Callable[[], Dataset]
    model: Path
    encoder: str
    steps: int

    def encode(self, values: NDArray[np.float64], seed: int) -> NDArray[np.bool_]:
        """Spikes (time, batch, channel) of values (batch, channel)."""
        return np.asarray(sh.encode(values, self.encoder, steps=self.steps, seed=seed))

    def networks(self, data: Dataset, weight_bits: int = 8) -> dict[str, sh.Network | sh.FixedNetwork]:
        """The trained network in float, and rounded to the chip with so many bits for a weight of the readout."""
        network = sh.from_nir(self.model, dt=DIGITS_DT)
        calibration = self.encode(data.train_values[:CALIBRATION_SAMPLES], seed=0)
        bits = {network.projections[-1].name: weight_bits}
        return {"float": network, "fixed": sh.quantize(network, calibration=calibration, weight_bits=bits)}


def _new_fashion() -> Dataset:
    """Fashion-MNIST; its training part are the samples that the network was not trained on."""
    data = load_fashion_mnist()
    return replace(
        data, train_values=data.train_values[FASHION_TRAINED:], train_labels=data.train_labels[FASHION_TRAINED:]
    )


TASKS = {
    "digits": Task(cache(load_digits), DIGITS_MODEL, "rate", DIGITS_STEPS),
    "nine digits": Task(cache(load_digits), NINE_DIGITS_MODEL, "rate", DIGITS_STEPS),
    "Fashion-MNIST": Task(cache(_new_fashion), FASHION_MODEL, "latency", FASHION_STEPS),
}


@cache
def networks(task: str, data: Dataset) -> dict[str, sh.Network | sh.FixedNetwork]:
    """The trained network of a task in float and in integers."""
    return TASKS[task].networks(data)
