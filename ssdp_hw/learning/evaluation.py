"""``evaluate=`` of a learning run: how well the network does on other samples while it learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.analysis.statistics import Interval, wilson
from ssdp_hw.checks import class_labels
from ssdp_hw.display import shown
from ssdp_hw.learning.inputs import teachable_output
from ssdp_hw.learning.presentation import check_range
from ssdp_hw.running.drive import AnyNetwork, Inputs
from ssdp_hw.running.many import run_many


@shown
@dataclass(frozen=True, eq=False)
class Evaluation:
    """Samples on which the accuracy is measured before, during and after a learning run; nothing is learned from them.

    Attributes:
        x: their input, as for :func:`ssdp_hw.run`.
        y: their classes, shape (batch,).
        every: samples that are learned from between two evaluations; default once an epoch.

    Raises:
        ParameterError: ``every`` is no positive integer.
    """

    x: Inputs
    y: ArrayLike
    every: int | None = None

    def __post_init__(self) -> None:
        if self.every is not None:
            check_range("evaluation: every", self.every, 1, 2**31)

    def accuracy(self, network: AnyNetwork, decode: str | None, target: str, options: Mapping[str, object]) -> Interval:
        """Share of the samples whose class the network predicts, without a teacher.

        Args:
            network: with the weights learned so far.
            decode: rule by which its output becomes a class.
            target, options: where it runs.

        Raises:
            ParameterError, ShapeError: samples or labels that do not fit the network.
        """
        output = teachable_output(network)
        result = run_many(network, self.x, target, decode=decode, on_overflow="ignore", options=options)
        classes = class_labels(self.y, result.batch, network.size_of(output), result.steps)
        return wilson(int(np.count_nonzero(result.predictions[output] == classes)), result.batch)
