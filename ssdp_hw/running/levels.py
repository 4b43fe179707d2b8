"""Threshold, rest and scale of the voltage of every population, which plots and frames of a run show."""

from __future__ import annotations

import numpy as np

from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.model_neuron import ModelNeuron
from ssdp_hw.running.drive import AnyNetwork
from ssdp_hw.running.result import Levels


def levels_of(network: AnyNetwork) -> dict[str, Levels]:
    """The levels of every population, by name; see :class:`~ssdp_hw.running.result.Levels`."""
    if isinstance(network, FixedNetwork):
        return {name: _fixed_levels(network, name) for name in network.population_names}
    return {name: _float_levels(network, name) for name in network.population_names}


def _fixed_levels(network: FixedNetwork, name: str) -> Levels:
    p = network.population(name)
    threshold = None
    if p.spiking and p.is_cuba_lif:
        threshold = np.asarray(p.vth << network.limits.activation_shift, np.float64)
    return Levels(threshold, np.zeros(p.size), None if p.scale is None else np.asarray(p.scale, np.float64))


def _float_levels(network: AnyNetwork, name: str) -> Levels:
    p = network.population(name)
    assert not isinstance(network, FixedNetwork)
    neuron = network.population(name).neuron
    rest = neuron.parameter("v_reset")
    known = p.spiking and not isinstance(neuron, ModelNeuron)
    return Levels(rest + neuron.threshold_distance if known else None, rest, np.ones(p.size))
