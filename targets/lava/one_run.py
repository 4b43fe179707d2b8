"""Samples that are pieces of one run: where a run begins, and where it has come to.

A piece begins with the states of the neurons, and with the input that spikes of the pieces before have under way. Such
input comes from a source of its own; what is under way after the last step, the connections record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ssdp_hw.arrays import Numbers
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.learning_plan import LearningPlan, arriving_name

from .blueprint import Blueprint, Node, population_node, projection_node, synaptic_input
from .declared import KIND as DECLARED
from .inference import STATE


def begun(node: Node, network: AnyNetwork, plan: LearningPlan) -> Node:
    """A node of neurons with the states that the plan has of them; any other node as it is."""
    for name, given in plan.neurons.items():
        if node.name == population_node(name):
            states = network.population(name).state_names
            if node.kind == DECLARED:
                started = {"start": np.stack([given[state] for state in states])}
            else:
                started = {state: given[state] for state in states}
            return replace(node, parameters={**node.parameters, **started})
    return node


def add_arriving(blueprint: Blueprint, network: AnyNetwork, plan: LearningPlan) -> None:
    """Sources of the input that is under way before the first step, linked to their populations."""
    for name, given in plan.neurons.items():
        for port in _ports(network, name):
            frames = np.roll(given[arriving_name(port)], -plan.first_step, axis=0)  # that of the first step first
            node = Node(
                f"{arriving_name(port)} {name}",
                "AnalogSource",
                {"shape": frames.shape[1:], "frames": frames, "of_step": np.arange(len(frames))},
            )
            blueprint.nodes.append(node)
            blueprint.links.append((node.name, "a_out", population_node(name), synaptic_input(port)))


def recorded(network: AnyNetwork, part: Blueprint) -> dict[str, list[str]]:
    """What the processes of neurons and connections record of themselves in the last step."""
    kinds = {node.name: node.kind for node in part.nodes}
    found = {
        projection_node(q.name): ["waiting"]
        for q in network.projections
        if kinds.get(projection_node(q.name), "PlasticConnection") != "PlasticConnection"
    }
    for p in network.populations:
        if (node := population_node(p.name)) in kinds:
            found[node] = [f"{STATE}{s}" if kinds[node] == DECLARED else s for s in p.state_names]
    return found


def neurons_after(
    network: AnyNetwork, drive: Drive, plan: LearningPlan, arrays: Mapping[str, Mapping[str, Numbers]]
) -> dict[str, dict[str, Numbers]]:
    """The neurons after the last step, as :class:`ssdp_hw.running.learning_plan.Learned` has them.

    Args:
        network, drive, plan: what ran.
        arrays: what the nodes recorded, by their names.
    """
    slots, steps = network.max_delay + 1, drive.batch * drive.steps
    kind = np.int64 if isinstance(network, FixedNetwork) else np.float64
    last = plan.first_step + steps
    found: dict[str, dict[str, Numbers]] = {}
    for p in network.populations:
        states = {key.removeprefix(STATE): values for key, values in arrays[population_node(p.name)].items()}
        found[p.name] = {name: states[name].reshape(-1).astype(kind) for name in p.state_names}
        for port in _ports(network, p.name):
            arriving = np.zeros((slots, p.size), kind)
            if p.name in plan.neurons and steps < slots:  # some of what was under way at first has not arrived yet
                for step in range(last, plan.first_step + slots):
                    arriving[step % slots] = plan.neurons[p.name][arriving_name(port)][step % slots]
            for q in network.projections:
                if (q.post, q.port) == (p.name, port):
                    waiting = arrays[projection_node(q.name)]["waiting"].reshape(-1, p.size)
                    arriving[np.arange(last, last + len(waiting)) % slots] += waiting
            found[p.name][arriving_name(port)] = arriving
    return found


def _ports(network: AnyNetwork, name: str) -> tuple[str, ...]:
    """The synaptic inputs of a population; the first has no name."""
    return ("", *network.ports(name))
