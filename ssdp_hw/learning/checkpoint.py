"""``checkpoint=`` of a learning run: the file from which it goes on if it is interrupted."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ssdp_hw.display import shown
from ssdp_hw.learning.presentation import check_range


@shown
@dataclass(frozen=True)
class Checkpoint:
    """Where a learning run saves itself, and how often.

    The file is one of :func:`ssdp_hw.save_learning`: :func:`ssdp_hw.load_learning` reads the network and the state,
    from which :func:`ssdp_hw.learn` goes on to the same bits as a run that was never interrupted. Each checkpoint
    replaces the one before as a whole, so that an interruption leaves a complete file.

    Attributes:
        path: the file.
        every: samples that are learned from between two checkpoints; default once an epoch.

    Raises:
        ParameterError: ``every`` is no positive integer.
    """

    path: str | os.PathLike[str]
    every: int | None = None

    def __post_init__(self) -> None:
        if self.every is not None:
            check_range("checkpoint: every", self.every, 1, 2**31)
