"""The groups of a whole network, fixed or float, and the properties in which the two differ."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.model_neuron import ModelNeuron
from ssdp_hw.running.drive import AnyNetwork, Drive

from .declared_neurons import declared_neurons
from .fixed_neurons import fixed_neurons
from .float_neurons import float_neurons
from .neurons import Neurons, Setup

# Brian2's default order within a step, whatever the user's preference: v is compared, spikes are
# delivered to the next step, v is reset, and recordings see the end of the step.
SCHEDULE = ["start", "groups", "thresholds", "synapses", "resets", "end"]

# Brian2 needs a length of the step; that of a fixed network has no effect.
FIXED_STEP = 1e-3


def step_length(network: AnyNetwork) -> float:
    """Length of a step in seconds."""
    return FIXED_STEP if isinstance(network, FixedNetwork) else network.semantics.dt


def state_type(network: AnyNetwork) -> type[np.int64] | type[np.float64]:
    """The type of u and v."""
    return np.int64 if isinstance(network, FixedNetwork) else np.float64


def bias_of(network: AnyNetwork, drive: Drive, name: str) -> NDArray[np.int64] | NDArray[np.float64]:
    """Constant input of a population, shape (batch, n), or (1, n) if all samples share it."""
    if isinstance(network, FixedNetwork):
        return drive.fixed_bias(network, name)
    return drive.float_bias(network, name)


def add_neurons(network: AnyNetwork, setups: Mapping[str, Setup], *, fast_paths: bool = True) -> dict[str, Neurons]:
    """The groups of every population, in their initial state.

    NIR's float neurons are differential equations of Brian2; without ``fast_paths`` the chip's CUBA LIF runs by its
    declaration as every other model does.
    """
    return {name: _neurons(network, name, setup, fast_paths=fast_paths) for name, setup in setups.items()}


def _neurons(network: AnyNetwork, name: str, setup: Setup, *, fast_paths: bool) -> Neurons:
    if isinstance(network, FixedNetwork):
        fixed = network.population(name)
        return (
            fixed_neurons(network, fixed, setup)
            if fixed.is_cuba_lif and fast_paths
            else declared_neurons(network, name, setup)
        )
    real = network.population(name)
    return (
        declared_neurons(network, name, setup)
        if isinstance(real.neuron, ModelNeuron)
        else float_neurons(network, real, setup)
    )
