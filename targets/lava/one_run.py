"""Samples that are pieces of one run: where a run begins, and where it has come to.

A piece begins with the states of the neurons, and with the input that spikes of the pieces before have under way. Such
input comes from a source of its own; what is under way after the last step, the connections record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from ssdp_hw.arrays import Numbers
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.learning_plan import LearningPlan, arriving_name
from ssdp_hw.running.under_way import in_order, still_waiting

from .blueprint import Blueprint, Node, population_node, projection_node, synaptic_input
from .declared import KIND as DECLARED
from .inference import STATE

# The kinds of nodes of projections that do not learn.
CONNECTIONS = ("Connection", "GradedConnection")


def begun(nodes: Iterable[Node], network: AnyNetwork, plan: LearningPlan) -> Iterator[Node]:
    """Nodes, those of neurons with the states that the plan has of them."""
    names = {population_node(name): name for name in plan.neurons}
    for node in nodes:
        if node.name not in names:
            yield node
            continue
        name = names[node.name]
        states = {state: plan.neurons[name][state] for state in network.population(name).state_names}
        started = {"start": np.stack([*states.values()])} if node.kind == DECLARED else states
        yield replace(node, parameters={**node.parameters, **started})


def add_arriving(blueprint: Blueprint, network: AnyNetwork, plan: LearningPlan) -> None:
    """Sources of the input that is under way before the first step, linked to their populations."""
    for name in plan.neurons:
        for port in network.synaptic_inputs(name):
            frames = in_order(plan, name, port)
            node = Node(
                f"{arriving_name(port)} {name}",
                "AnalogSource",
                {"shape": frames.shape[1:], "frames": frames, "of_step": np.arange(len(frames))},
            )
            blueprint.nodes.append(node)
            blueprint.links.append((node.name, "a_out", population_node(name), synaptic_input(port)))


def recorded(network: AnyNetwork, part: Blueprint) -> dict[str, list[str]]:
    """What the processes of neurons and connections record of themselves in the last step."""
    states = {population_node(p.name): p.state_names for p in network.populations}
    found = {}
    for node in part.nodes:
        if node.name in states:
            found[node.name] = [f"{STATE}{s}" if node.kind == DECLARED else s for s in states[node.name]]
        elif node.kind in CONNECTIONS:  # a plastic one writes what is under way with its weights
            found[node.name] = ["waiting"]
    return found


def neurons_after(
    network: AnyNetwork, drive: Drive, plan: LearningPlan, arrays: Mapping[str, Mapping[str, Numbers]]
) -> dict[str, dict[str, Numbers]]:
    """The neurons after the last step, as :class:`ssdp_hw.running.learning_plan.Learned` has them.

    Args:
        network, drive, plan: what ran.
        arrays: what the nodes recorded, by their names.
    """
    slots, last = network.max_delay + 1, plan.first_step + drive.batch * drive.steps
    kind = np.int64 if isinstance(network, FixedNetwork) else np.float64
    found: dict[str, dict[str, Numbers]] = {}
    for p in network.populations:
        states = {key.removeprefix(STATE): values for key, values in arrays[population_node(p.name)].items()}
        found[p.name] = {name: states[name].reshape(-1).astype(kind) for name in p.state_names}
        for port in network.synaptic_inputs(p.name):
            arriving = still_waiting(network, plan, p.name, port, last)
            for q in network.incoming(p.name):
                if q.port == port:
                    waiting = arrays[projection_node(q.name)]["waiting"].reshape(-1, p.size)
                    arriving[np.arange(last, last + len(waiting)) % slots] += waiting
            found[p.name][arriving_name(port)] = arriving
    return found
