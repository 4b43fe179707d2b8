"""How the samples of a learning run are presented: how often, in which order, in which windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import as_int
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError


@shown
@dataclass(frozen=True)
class Presentation:
    """How often, in which order and for how long the samples of a learning run are presented.

    Attributes:
        epochs: how often every sample is presented. An epoch that an earlier run began and did not finish is one of
            them: its remaining samples come first.
        shuffle: whether each epoch has an order of its own; otherwise samples come as they are given.
        seed: seed of the orders, and of the random rounding.
        steps: number of steps of a sample; default ``len(inputs) + network.latency``, so that the last spike reaches
            the output. It is raised to the next multiple of ``windows``.
        windows: number of equal windows into which each sample is cut; a rule learns window by window.
        restart: whether each sample starts from the initial state of the neurons. Without it the samples are pieces of
            one run, in the given order: each goes on from the one before, spikes under way included, and weights move
            between them. The next call of ``learn`` goes on from there by ``state``. That is learning on-line.

    Raises:
        ParameterError: a value out of range.
    """

    epochs: int = 1
    shuffle: bool = True
    seed: int = 0
    steps: int | None = None
    windows: int = 1
    restart: bool = True

    def __post_init__(self) -> None:
        if not self.restart and self.shuffle:
            raise ParameterError("without restart the samples are pieces of one run: give shuffle=False")
        check_range("epochs", self.epochs, 1, 2**31)
        check_range("seed", self.seed, 0, 2**64 - 1)
        check_range("windows", self.windows, 1, 2**20)

    def length(self, default: int) -> int:
        """Steps of a sample: ``steps`` or the default, and no less than a multiple of ``windows``.

        Raises:
            ParameterError: ``steps`` is no integer; or without ``restart`` a length that would put silence between two
                samples.
        """
        if not self.restart and (default % self.windows or self.steps not in (None, default)):
            raise ParameterError(
                f"without restart a sample is as long as its input, {default} steps, a multiple of windows = "
                f"{self.windows}: give no steps, or silence in the input"
            )
        length = default if self.steps is None else as_int(self.steps, "steps")
        return -(-length // self.windows) * self.windows

    def groups(self, begun: tuple[int, int], batch: int, size: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """The samples of all epochs in the order of their presentation, at most ``size`` at a time, with their epoch.

        Args:
            begun: number of epochs that earlier runs finished, which have had their own orders, and of the samples that
                they presented of the next one.
            batch: number of samples.
            size: largest number of samples of a group; a group never spans two epochs.
        """
        first, presented = begun
        for epoch in range(first, first + self.epochs):
            generator = np.random.default_rng((self.seed, epoch))
            order = generator.permutation(batch) if self.shuffle else np.arange(batch)
            for start in range(presented if epoch == first else 0, batch, size):
                yield epoch, order[start : start + size]


def check_range(what: str, value: object, low: int, high: int) -> None:
    """Raise unless a value is an integer within ``low`` .. ``high``.

    Raises:
        ParameterError: it is not.
    """
    if not low <= as_int(value, what) <= high:
        raise ParameterError(f"{what} = {value} is outside {low} .. {high}")
