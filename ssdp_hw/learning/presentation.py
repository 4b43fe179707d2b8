"""How the samples of a learning run are presented: how often, in which order, in which windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import as_int
from ssdp_hw.errors import ParameterError


@dataclass(frozen=True)
class Presentation:
    """Epochs, order and length of the samples.

    Attributes:
        epochs: number of epochs.
        shuffle: whether each epoch has an order of its own; otherwise samples come as they are given.
        seed: seed of the orders, and of the random rounding.
        steps: number of steps of a sample; None for the default of :meth:`length`.
        windows: number of equal windows into which each sample is cut.

    Raises:
        ParameterError: a value out of range.
    """

    epochs: int
    shuffle: bool
    seed: int
    steps: int | None
    windows: int

    def __post_init__(self) -> None:
        check_range("epochs", self.epochs, 1, 2**31)
        check_range("seed", self.seed, 0, 2**64 - 1)
        check_range("windows", self.windows, 1, 2**20)

    def length(self, default: int) -> int:
        """Steps of a sample: ``steps`` or the default, and no less than a multiple of ``windows``.

        Raises:
            ParameterError: ``steps`` is no integer.
        """
        length = default if self.steps is None else as_int(self.steps, "steps")
        return -(-length // self.windows) * self.windows

    def groups(self, first_epoch: int, batch: int, size: int) -> Iterator[NDArray[np.int64]]:
        """The samples of all epochs in the order of their presentation, at most ``size`` at a time.

        Args:
            first_epoch: number of epochs of earlier runs, which have had their own orders.
            batch: number of samples.
            size: largest number of samples of a group; a group never spans two epochs.
        """
        for epoch in range(self.epochs):
            generator = np.random.default_rng((self.seed, first_epoch + epoch))
            order = generator.permutation(batch) if self.shuffle else np.arange(batch)
            for start in range(0, batch, size):
                yield order[start : start + size]


def check_range(what: str, value: object, low: int, high: int) -> None:
    """Raise unless a value is an integer within ``low`` .. ``high``.

    Raises:
        ParameterError: it is not.
    """
    if not low <= as_int(value, what) <= high:
        raise ParameterError(f"{what} = {value} is outside {low} .. {high}")
