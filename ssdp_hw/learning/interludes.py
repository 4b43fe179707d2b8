"""What a learning run does between samples: it evaluates the network and saves itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.learning.checkpoint import Checkpoint
from ssdp_hw.learning.evaluation import Evaluation
from ssdp_hw.learning.progress import Progress
from ssdp_hw.learning.result import CurvePoint
from ssdp_hw.learning.state_file import save_learning


@dataclass(frozen=True, eq=False)
class Interludes:
    """When a learning run stops presenting samples, and what it does then.

    Attributes:
        evaluate, checkpoint: as the caller asked for.
        batch: number of samples of an epoch.
        decode: rule by which an evaluation predicts classes.
        target, options: where an evaluation runs.
    """

    evaluate: Evaluation | None
    checkpoint: Checkpoint | None
    batch: int
    decode: str | None
    target: str
    options: Mapping[str, object]

    def begin(self, progress: Progress) -> None:
        """Save and evaluate before the first sample, so that a file that cannot be written is found now."""
        self.save(progress)
        self._evaluate(progress)

    def cut(self, group: NDArray[np.int64], done: int) -> Iterator[NDArray[np.int64]]:
        """A group of samples in pieces, each of which ends where something is to be done.

        Args:
            group: indices of the samples in the order of their presentation.
            done: samples of this run before them.
        """
        ends = {group.size}
        for task in (self.evaluate, self.checkpoint):
            if task is not None:
                every = task.every or self.batch
                ends.update(range(every - done % every, group.size, every))
        start = 0
        for end in sorted(ends):
            yield group[start:end]
            start = end

    def follow(self, progress: Progress, samples: int) -> None:
        """Count samples that the run has come to the end of, and do what is due after them."""
        before = progress.done
        progress.done += samples
        if self.checkpoint is not None and self._due(self.checkpoint.every, before, progress.done):
            self.save(progress)
        if self.evaluate is not None and self._due(self.evaluate.every, before, progress.done):
            self._evaluate(progress)

    def end(self, progress: Progress) -> None:
        """Save and evaluate after the last sample, unless that was just done."""
        if self.checkpoint is not None and progress.done % (self.checkpoint.every or self.batch):
            self.save(progress)
        if progress.evaluations and progress.evaluations[-1].presented < progress.done:
            self._evaluate(progress)

    def _due(self, every: int | None, before: int, after: int) -> bool:
        size = every or self.batch
        return before // size < after // size

    def _evaluate(self, progress: Progress) -> None:
        if self.evaluate is not None:
            accuracy = self.evaluate.accuracy(progress.network, self.decode, self.target, self.options)
            progress.evaluations.append(CurvePoint(progress.state.epochs, progress.done, accuracy))

    def save(self, progress: Progress) -> None:
        """Save the run to its checkpoint, if it has one."""
        if self.checkpoint is not None:
            save_learning(progress.network, progress.state, self.checkpoint.path)
