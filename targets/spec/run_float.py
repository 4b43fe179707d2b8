"""A float network, step by step, in float64."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Real
from ssdp_hw.network.float_network import Network, Population
from ssdp_hw.network.graph import Comparison, Reset
from ssdp_hw.network.model_neuron import ModelNeuron
from ssdp_hw.operations.base import Values
from ssdp_hw.running.drive import Drive
from ssdp_hw.running.result import Record, Recording

from .carried import Carried
from .delay_lines import DelayLines
from .steps import run_steps


class ModelState:
    """The states of one population of a declared model for a batch: its step in real numbers."""

    def __init__(self, network: Network, population: Population, drive: Drive) -> None:
        form = network.step_form(population.name)
        self.model, self.op = form.model, form.ideal()
        shape = (drive.batch, population.size)
        self.states: dict[str, Real] = {name: np.zeros(shape) for name in population.state_names}
        if "v" in self.states:
            self.states["v"] = np.tile(population.neuron.v_init, (drive.batch, 1))
        bias = drive.float_bias(network, population.name)
        self.parameters = network.acting_parameters(population.name, bias)

    def step(self, activation: Real, ports: Mapping[str, Real]) -> NDArray[np.bool_]:
        """Advance one step and return the spikes, shape (batch, n); ``ports``: activation of further inputs."""
        parameters = Values({**self.parameters, **ports})
        states, fired = self.model.advance(self.op, Values(self.states), parameters, activation)
        self.states = {name: np.broadcast_to(value, activation.shape) for name, value in states.items()}
        return np.broadcast_to(fired, activation.shape)

    def set_states(self, states: Mapping[str, Real]) -> None:
        """Replace the states."""
        self.states = dict(states)


class FloatState:
    """State u and v of one population of NIR's neurons for a batch."""

    def __init__(self, network: Network, population: Population, drive: Drive) -> None:
        neuron = population.neuron
        self.p, self.c = population, network.coefficients(population.name)
        self.old_current = network.uses_old_current(population.name)
        self.u: Real = np.zeros((drive.batch, population.size))
        self.v: Real = np.tile(neuron.v_init, (drive.batch, 1))
        self.bias = drive.float_bias(network, population.name)
        self.threshold, self.v_reset = neuron.parameter("v_threshold"), neuron.parameter("v_reset")

    def step(self, activation: Real, ports: Mapping[str, Real]) -> NDArray[np.bool_]:
        """``u <- decay_u u + gain_u S``, ``v <- decay_v v + gain_v u + drift``, threshold, reset."""
        c, before = self.c, self.u
        self.u = c.decay_u * self.u + c.gain_u * (activation + self.bias)
        self.v = c.decay_v * self.v + c.gain_v * (before if self.old_current else self.u) + c.drift
        if not self.p.spiking:
            return np.zeros(self.v.shape, bool)
        at_least = self.p.threshold is Comparison.AT_LEAST
        fired = self.v >= self.threshold if at_least else self.v > self.threshold
        down = self.v - (self.threshold - self.v_reset) if self.p.reset is Reset.SUBTRACT else self.v_reset
        self.v = np.where(fired, down, self.v)
        return fired

    @property
    def states(self) -> dict[str, Real]:
        """The states by name."""
        return {"u": self.u, "v": self.v}

    def set_states(self, states: Mapping[str, Real]) -> None:
        """Replace the states."""
        self.u, self.v = states["u"], states["v"]


def run_float(network: Network, drive: Drive, record: Record, carried: Carried | None = None) -> Recording:
    """Run every sample of the drive from the initial state, or its only one from a state that is carried."""
    states: dict[str, ModelState | FloatState] = {
        p.name: (ModelState if isinstance(p.neuron, ModelNeuron) else FloatState)(network, p, drive)
        for p in network.populations
    }
    return run_steps(network, drive, record, states, DelayLines(network, drive.batch, np.float64), carried).recording()
