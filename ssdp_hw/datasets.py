"""The data and the trained network that the demo, the examples and the benchmarks share."""

from __future__ import annotations

import gzip
import importlib.util
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.errors import FileFormatError, MissingPackageError, UnsupportedError

# The network that ``examples/train_digits.py`` trained on the training part of the digits, and what
# it was trained for: ``encode(values, "rate", steps=DIGITS_STEPS, seed=...)``, a step of DIGITS_DT
# seconds, and the readout ``spike_count``. How it was made stands in ``data/README.md``.
DIGITS_MODEL = Path(__file__).parent / "data" / "digits.nir"
DIGITS_STEPS = 32
DIGITS_DT = 1e-3

# A third of the 1,797 digits, and the order of all of them, training samples first: that of scikit-learn's
# ``train_test_split(..., test_size=599, random_state=0, stratify=labels)``.
_DIGITS_TEST_SAMPLES = 599
_DIGITS_SPLIT = Path(__file__).parent / "data" / "digits_split.npy"

# Where Debian's package dataset-fashion-mnist puts its files.
FASHION_MNIST_FOLDER = Path("/usr/share/datasets/fashion-mnist")


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
        MissingPackageError: scikit-learn is not installed.
    """
    table = _digits_table()
    values, labels = table[:, :-1] / 16.0, table[:, -1].astype(np.int64)
    split = np.load(_DIGITS_SPLIT)
    train, test = split[:-_DIGITS_TEST_SAMPLES], split[-_DIGITS_TEST_SAMPLES:]
    return Dataset("scikit-learn digits", values[train], labels[train], values[test], labels[test])


def _digits_table() -> NDArray[np.float64]:
    """Pixels and class of each digit, shape (1797, 65).

    scikit-learn's file is read without importing scikit-learn, which takes two seconds of the processor.
    """
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise MissingPackageError(
            "the digits come with scikit-learn, which is not installed: pip install 'ssdp-hw[demo]'"
        )
    file = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if file.is_file():
        return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits as read

    return np.column_stack(read(return_X_y=True))


def load_fashion_mnist(folder: str | os.PathLike[str] = FASHION_MNIST_FOLDER) -> Dataset:
    """Fashion-MNIST: 60,000 images of 28x28 pixels to train, 10,000 to test, in ten classes of clothing.

    Pixels of 0 .. 255 are scaled to 0 .. 1.

    Args:
        folder: holds the four files of the data set, IDX compressed by gzip.

    Raises:
        UnsupportedError: there is no such folder.
        FileFormatError: a file is missing, damaged, or of another shape.
    """
    path = Path(folder)
    if not path.is_dir():
        raise UnsupportedError(
            f"Fashion-MNIST is not in {path}: install Debian's package dataset-fashion-mnist, or name a folder "
            "with its four .gz files"
        )
    return Dataset(
        "Fashion-MNIST",
        _images(path / "train-images-idx3-ubyte.gz", 60_000),
        _classes(path / "train-labels-idx1-ubyte.gz", 60_000),
        _images(path / "t10k-images-idx3-ubyte.gz", 10_000),
        _classes(path / "t10k-labels-idx1-ubyte.gz", 10_000),
    )


def _images(path: Path, samples: int) -> NDArray[np.float64]:
    return np.asarray(_read_idx(path, (samples, 28, 28)).reshape(samples, 784) / 255.0)


def _classes(path: Path, samples: int) -> NDArray[np.int64]:
    labels = _read_idx(path, (samples,)).astype(np.int64)
    if labels.max() > 9:
        raise FileFormatError(f"{path}: it has the class {labels.max()}; the classes are 0 to 9")
    return labels


def _read_idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """An IDX file of bytes: two zeros, type 8, number of axes, each axis in 4 bytes, the values."""
    header = bytes([0, 0, 8, len(shape)]) + b"".join(length.to_bytes(4, "big") for length in shape)
    size = int(np.prod(shape))
    try:
        with gzip.open(path) as file:
            content = file.read(len(header) + size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FileFormatError(f"{path}: cannot be read ({error})") from None
    if content[: len(header)] != header or len(content) != len(header) + size:
        raise FileFormatError(f"{path}: this is no IDX file of {shape} bytes; get the file anew")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)
