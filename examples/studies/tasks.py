"""Data and trained networks that the studies share."""

from __future__ import annotations

from pathlib import Path

# Written by ``examples/train_study_networks.py``. Both: 128 hidden LIF, ten LIF to read out, a step of 1 ms.
NINE_DIGITS_MODEL = Path(__file__).parent / "nine-digits.nir"  # never saw a 9; its tenth output is idle
FASHION_MODEL = Path(__file__).parent / "fashion-mnist.nir"

# Fashion-MNIST: ``encode(values, "latency", steps=FASHION_STEPS)``; the first so many training samples
# trained the network, the others are new to it.
FASHION_STEPS = 20
FASHION_TRAINED = 50_000
