"""What goes on from one sample to the next where samples are pieces of one run: neurons, and input under way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from ssdp_hw.arrays import Array, Numbers
from ssdp_hw.running.learning_plan import LearningPlan, arriving_name

from .delay_lines import DelayLines


class NeuronStates(Protocol):
    """The states of one population, shape (1, n)."""

    @property
    def states(self) -> Mapping[str, Array]:
        """The states by name."""
        ...

    def set_states(self, states: Mapping[str, Array]) -> None:
        """Replace the states."""
        ...


class Carried:
    """The state of a network between two pieces of a run.

    Attributes:
        steps: number of steps so far.
        neurons: as in a learning plan; empty before the first step.
    """

    def __init__(self, plan: LearningPlan) -> None:
        self.steps = plan.first_step
        self.neurons: dict[str, dict[str, Numbers]] = {n: dict(v) for n, v in plan.neurons.items()}

    def begin(self, populations: Mapping[str, NeuronStates], lines: DelayLines) -> None:
        """Put populations and delay lines into the state of now; in the first step they are in their initial one."""
        for name, kept in self.neurons.items():
            states = {state: np.array(kept[state])[None] for state in populations[name].states}
            populations[name].set_states(states)
            for port, slots in lines.slots_of(name).items():
                slots[:, 0] = kept[arriving_name(port)]

    def end(self, populations: Mapping[str, NeuronStates], lines: DelayLines, steps: int) -> None:
        """Take the state over after so many further steps."""
        self.steps += steps
        for name, population in populations.items():
            self.neurons[name] = {state: values[0].copy() for state, values in population.states.items()}
            waiting = {arriving_name(port): slots[:, 0].copy() for port, slots in lines.slots_of(name).items()}
            self.neurons[name] |= waiting
