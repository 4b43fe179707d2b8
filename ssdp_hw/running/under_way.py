"""Input under way where samples are pieces of one run: which of it arrives in which step.

It is an array of shape (longest delay + 1, n), as :class:`ssdp_hw.running.learning_plan.LearningPlan` has it: what
arrives in a step is at the number of that step modulo the length.
"""

from __future__ import annotations

import numpy as np

from ssdp_hw.arrays import Numbers
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.drive import AnyNetwork
from ssdp_hw.running.learning_plan import LearningPlan, arriving_name


def in_order(plan: LearningPlan, name: str, port: str) -> Numbers:
    """What the plan has under way to a synaptic input of a population, in the order in which it arrives."""
    return np.roll(plan.neurons[name][arriving_name(port)], -plan.first_step, axis=0)


def still_waiting(network: AnyNetwork, plan: LearningPlan, name: str, port: str, last_step: int) -> Numbers:
    """What of that arrives in ``last_step`` or later, at the plan's places; zeros elsewhere, and without a past."""
    slots = network.max_delay + 1
    left = np.zeros((slots, network.size_of(name)), np.int64 if isinstance(network, FixedNetwork) else np.float64)
    if name in plan.neurons:
        steps = np.arange(last_step, plan.first_step + slots) % slots
        left[steps] = plan.neurons[name][arriving_name(port)][steps]
    return left
