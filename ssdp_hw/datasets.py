"""The data and the trained network that the demo, the examples and the benchmarks share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.errors import UnsupportedError

# The network that ``examples/train_digits.py`` trained on the training part of the digits, and what
# it was trained for: ``encode(values, "rate", steps=DIGITS_STEPS, seed=...)``, a step of DIGITS_DT
# seconds, and the readout ``spike_count``. How it was made stands in ``data/README.md``.
DIGITS_MODEL = Path(__file__).parent / "data" / "digits.nir"
DIGITS_STEPS = 32
DIGITS_DT = 1e-3

# A third of the 1,797 digits.
_DIGITS_TEST_SAMPLES = 599


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples and their classes, split into training and test.

    Attributes:
        name: what it is.
        train_values, test_values: float64 in 0 .. 1, shape (samples, channels).
        train_labels, test_labels: int64 classes from 0, shape (samples,).
    """

    name: str
    train_values: NDArray[np.float64]
    train_labels: NDArray[np.int64]
    test_values: NDArray[np.float64]
    test_labels: NDArray[np.int64]


def load_digits() -> Dataset:
    """scikit-learn's 1,797 handwritten digits of 8x8 pixels: 1,198 to train, 599 to test.

    Pixels of 0 .. 16 are scaled to 0 .. 1. The split is stratified by class with a fixed seed, so
    that a network trained on the training part never saw the test part.

    Raises:
        UnsupportedError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits as read
        from sklearn.model_selection import train_test_split
    except ImportError:
        raise UnsupportedError(
            "the digits come with scikit-learn, which is not installed: pip install 'ssdp-hw[demo]'"
        ) from None
    pixels, labels = read(return_X_y=True)
    values = np.asarray(pixels, np.float64) / 16.0
    train, test, train_labels, test_labels = train_test_split(
        values, np.asarray(labels, np.int64), test_size=_DIGITS_TEST_SAMPLES, random_state=0, stratify=labels
    )
    return Dataset("scikit-learn digits", train, train_labels, test, test_labels)
