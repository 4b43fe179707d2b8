"""Input under way where samples are pieces of one run: which of it arrives in which step.

It is an array of shape (longest delay + 1, n), as :class:`ssdp_hw.running.learning_plan.LearningPlan` has it: what
arrives in a step is at the number of that step modulo the length.
"""

from __future__ import annotations

import numpy as np

from ssdp_hw.arrays import Numbers


def in_order(waiting: Numbers, first_step: int) -> Numbers:
    """Input under way by the step in which it arrives, that of ``first_step`` first."""
    return np.roll(waiting, -first_step, axis=0)


def still_waiting(waiting: Numbers, first_step: int, last_step: int) -> Numbers:
    """What of the input under way before ``first_step`` arrives in ``last_step`` or later, zeros elsewhere."""
    left = np.zeros_like(waiting)
    steps = np.arange(last_step, first_step + len(waiting)) % len(waiting)
    left[steps] = waiting[steps]
    return left
