"""Thresholds of the neurons of a network, float or fixed: what they are, may become, and a network with others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from ssdp_hw.arrays import Numbers
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation
from ssdp_hw.network.float_network import Network, Population
from ssdp_hw.network.model_neuron import ModelNeuron

N = TypeVar("N", bound=FixedNetwork | Network)

# The least distance of a float threshold from the voltage after a reset.
_ABOVE_RESET = 1e-9


def without_threshold(population: FixedPopulation | Population) -> str | None:
    """Why neurons have no threshold that could move; None where they have."""
    if not population.spiking:
        return f"population '{population.name}' is a readout without a threshold"
    if isinstance(population, FixedPopulation):
        has, said = "vth" in population.registers, population.declared.name
    else:
        neuron = population.neuron
        known = neuron.parameters if isinstance(neuron, ModelNeuron) else neuron.parameter_names()
        has, said = "v_threshold" in known, neuron.kind
    return None if has else f"population '{population.name}': neurons of the model {said} have no threshold"


def thresholds(network: FixedNetwork | Network, name: str) -> Numbers:
    """The thresholds of a population, shape (n,): ``vth`` of a fixed network, ``v_threshold`` of a float one."""
    if isinstance(network, FixedNetwork):
        return np.asarray(network.population(name).vth, np.int64)
    return network.population(name).neuron.parameter("v_threshold")


def threshold_limits(network: FixedNetwork | Network, name: str) -> tuple[float, float]:
    """The least and the largest threshold of a population; in real numbers just above the voltage after a reset."""
    if isinstance(network, FixedNetwork):
        return 1, network.limits.threshold_max
    return float(network.population(name).neuron.parameter("v_reset").max()) + _ABOVE_RESET, np.inf


def with_thresholds(network: N, values: Mapping[str, Numbers]) -> N:
    """A copy with other thresholds for the named populations."""
    if isinstance(network, FixedNetwork):
        fixed = [replace(p, vth=values[p.name]) if p.name in values else p for p in network.populations]
        return replace(network, populations=fixed)
    return replace(
        network, populations=[_with(p, values[p.name]) if p.name in values else p for p in network.populations]
    )


def _with(population: Population, values: Numbers) -> Population:
    neuron = population.neuron
    if isinstance(neuron, ModelNeuron):
        return replace(population, neuron=replace(neuron, parameters={**neuron.parameters, "v_threshold": values}))
    return replace(population, neuron=replace(neuron, v_threshold=values))  # type: ignore[call-arg]
