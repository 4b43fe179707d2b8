"""JapaneseVowels: nine speakers say two vowels; 12 cepstral coefficients of 7 to 29 frames.

The data (M. Kudo, J. Toyama, M. Shimbo, 1999) come in the wheel of the package aeon. They are read
without importing it, since it asks for other versions of NumPy and Numba than the toolkit's.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.errors import FileFormatError, UnsupportedError

CHANNELS, SPEAKERS, FRAMES_MAX = 12, 9, 29

Series = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Vowels:
    """Series of shape (frames, 12) and their speakers, from 0: 270 to train, 370 to test."""

    train: list[Series]
    train_labels: NDArray[np.int64]
    test: list[Series]
    test_labels: NDArray[np.int64]


def load_japanese_vowels() -> Vowels:
    """Both parts.

    Raises:
        UnsupportedError: aeon is not installed.
        FileFormatError: a file is missing or not as expected.
    """
    spec = find_spec("aeon")
    if spec is None or not spec.submodule_search_locations:
        raise UnsupportedError(
            "JapaneseVowels comes with aeon, which is not installed: pip install --no-deps aeon==1.6.0"
        )
    folder = Path(next(iter(spec.submodule_search_locations)), "datasets", "data", "JapaneseVowels")
    train, test = (read_ts(folder / f"JapaneseVowels_{part}.ts") for part in ("TRAIN", "TEST"))
    return Vowels(*train, *test)


def read_ts(path: Path) -> tuple[list[Series], NDArray[np.int64]]:
    """Series and labels of a .ts file: after ``@data`` a line a sample, its channels and class set off by colons."""
    series, labels = [], []
    try:
        _, data = path.read_text(encoding="utf-8").split("@data\n")
        for line in data.splitlines():
            *channels, label = line.split(":")
            one = np.array([channel.split(",") for channel in channels], np.float64).T
            if one.shape[1:] != (CHANNELS,) or len(one) > FRAMES_MAX or not 1 <= int(label) <= SPEAKERS:
                raise ValueError(f"a sample of shape {one.shape} and class {label}")
            series.append(one)
            labels.append(int(label) - 1)
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path}: this is not JapaneseVowels as aeon 1.6 has it ({error})") from None
    return series, np.array(labels, np.int64)


@dataclass(frozen=True, eq=False)
class LevelCoder:
    """Spikes from series: which level each channel is at, and whether it crossed one.

    A step is a frame. Channel c has ``levels + 2`` lines: one for each level, of which that fires in
    which the value lies, one that fires when the level rose since the last frame, one when it fell.

    Attributes:
        edges: between the levels, shape (levels - 1, 12): quantiles of the training frames.
    """

    edges: NDArray[np.float64]

    @classmethod
    def fit(cls, series: list[Series], levels: int) -> LevelCoder:
        """Levels that the frames of these series fill equally."""
        return cls(np.quantile(np.concatenate(series), np.arange(1, levels) / levels, axis=0))

    @property
    def lines(self) -> int:
        """Spike trains of one sample."""
        return CHANNELS * (len(self.edges) + 3)

    def __call__(self, series: list[Series]) -> NDArray[np.bool_]:
        """Spikes of shape (29, batch, lines); after its last frame a sample is silent."""
        levels = len(self.edges) + 1
        spikes = np.zeros((FRAMES_MAX, len(series), CHANNELS, levels + 2), bool)
        for sample, values in enumerate(series):
            level = (values[:, None, :] > self.edges).sum(axis=1)
            frames = np.arange(len(values))[:, None]
            spikes[frames, sample, np.arange(CHANNELS), level] = True
            change = np.diff(level, axis=0)
            spikes[1 : len(values), sample, :, levels] = change > 0
            spikes[1 : len(values), sample, :, levels + 1] = change < 0
        return spikes.reshape(FRAMES_MAX, len(series), self.lines)
