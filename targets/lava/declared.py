"""Nodes of populations of a declared neuron model, fixed or float."""

from __future__ import annotations

import numpy as np

from ssdp_hw.arrays import Numbers
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.model_neuron import ModelNeuron
from ssdp_hw.running.drive import AnyNetwork

from .blueprint import Node, PrintedFunction, population_node, port_shape
from .printer import parameter_names, step_module

KIND = "DeclaredNeurons"


def runs_declaration(network: AnyNetwork, name: str, *, fast_paths: bool) -> bool:
    """Whether a population runs by the declaration of its model; else it is a CUBA LIF, or a neuron of NIR's."""
    if isinstance(network, FixedNetwork):
        return not (fast_paths and network.population(name).is_cuba_lif)
    return isinstance(network.population(name).neuron, ModelNeuron)


def population(network: AnyNetwork, name: str, *, batch: int, restart: int = 0) -> Node:
    """The node of a population, for samples side by side; every ``restart`` steps (never if 0) it begins anew."""
    form, fixed = network.step_form(name), isinstance(network, FixedNetwork)
    acting, states = network.acting_parameters(name), [s.name for s in form.model.states]
    size, kind = network.size_of(name), np.int64 if fixed else np.float64
    start = np.zeros((len(states), size), kind)
    if "v" in states:
        start[states.index("v")] = _initial_voltage(network, name)
    return Node(
        population_node(name),
        KIND,
        {
            "shape": port_shape(batch, size),
            "step": PrintedFunction(step_module(form, ideal=not fixed), "step"),
            "states": states,
            "start": start,
            "parameters": np.stack([np.broadcast_to(acting[q], (size,)) for q in parameter_names(form.model)]),
            "counts": len(form.count_names) if fixed else 0,
            "restart": restart,
            "payload": network.population(name).payload,
            "ports": list(form.ports),
        },
    )


def _initial_voltage(network: FixedNetwork | Network, name: str) -> Numbers:
    p = network.population(name)
    return np.asarray(p.v_init if isinstance(p, FixedPopulation) else p.neuron.v_init)
