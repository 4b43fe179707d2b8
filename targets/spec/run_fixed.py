"""A fixed network, step by step: every neuron model on the integers of :mod:`ssdp_hw.arithmetic`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ssdp_hw import arithmetic
from ssdp_hw.arrays import Int
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.operations.base import Values
from ssdp_hw.running.drive import Drive
from ssdp_hw.running.result import OverflowCount, Record, Recording

from .carried import Carried
from .delay_lines import DelayLines
from .steps import run_steps


class FixedState:
    """The states of one population for a batch, and its overflow counts."""

    def __init__(self, network: FixedNetwork, population: FixedPopulation, drive: Drive) -> None:
        self.model, self.shift = population.declared, network.limits.activation_shift
        form = network.step_form(population.name)
        self.op = form.exact()
        self.op.counts = dict.fromkeys(form.count_names, 0)
        self.op.shape = shape = (drive.batch, population.size)
        self.states: dict[str, Int] = {name: np.zeros(shape, np.int64) for name in population.state_names}
        if "v" in self.states:
            self.states["v"] = np.tile(population.v_init, (drive.batch, 1))
        bias = drive.fixed_bias(network, population.name)
        self.parameters = network.acting_parameters(population.name, bias)

    def step(self, activation: Int, ports: Mapping[str, Int]) -> NDArray[np.bool_]:
        """Advance one step and return the spikes, shape (batch, n); ``ports``: activation of further inputs."""
        arriving = arithmetic.shift(activation, self.shift)
        for port, activation_there in ports.items():
            self.parameters[port] = arithmetic.shift(activation_there, self.shift)
        states, fired = self.model.advance(self.op, Values(self.states), Values(self.parameters), arriving)
        # A step may set a state to what is the same for all samples or neurons.
        self.states = {name: np.broadcast_to(value, activation.shape) for name, value in states.items()}
        return np.broadcast_to(fired, activation.shape)

    def set_states(self, states: Mapping[str, Int]) -> None:
        """Replace the states."""
        self.states = dict(states)

    @property
    def overflow(self) -> OverflowCount:
        """How often the registers overflowed so far."""
        return OverflowCount.of(self.op.counts)


def scale_activation(projection: BaseProjection, total: Int) -> Int:
    """The sum of weights times 2**weight_exp (floor for a negative exponent)."""
    return arithmetic.shift(total, cast(FixedProjection, projection).weight_exp)


def run_fixed(network: FixedNetwork, drive: Drive, record: Record, carried: Carried | None = None) -> Recording:
    """Run every sample of the drive from the initial state, or its only one from a state that is carried."""
    states = {p.name: FixedState(network, p, drive) for p in network.populations}
    delay_lines = DelayLines(network, drive.batch, np.int64, scale_activation)
    traces = run_steps(network, drive, record, states, delay_lines, carried)
    return traces.recording({name: state.overflow for name, state in states.items()})
