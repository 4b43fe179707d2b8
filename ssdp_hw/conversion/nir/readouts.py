"""Linear nodes that lead to an output without a neuron: membrane readouts."""

from __future__ import annotations

import nir
import numpy as np

from ssdp_hw.conversion.nir.nodes import is_linear, is_neuron, is_passing, kind_of
from ssdp_hw.conversion.nir.subgraphs import FlatGraph
from ssdp_hw.network.float_network import Semantics
from ssdp_hw.network.neurons import Discretization


def with_readouts(flat: FlatGraph, semantics: Semantics) -> tuple[FlatGraph, dict[str, list[str]]]:
    """The graph with neurons without spikes before each output that linear nodes alone lead to.

    Such a neuron has no memory: its voltage in a step is the value of the linear nodes in that step.

    Returns:
        The graph, and for each new node, by its name, the linear nodes before it.
    """
    before: dict[str, list[str]] = {name: [] for name in flat.nodes}
    for pre, post in flat.edges:
        before[post].append(pre)
    nodes, found, end_of = dict(flat.nodes), dict[str, list[str]](), dict[str, str]()
    # exp(-1000) is 0 in float64; a step of dt leaves 0 by forward Euler.
    tau = semantics.dt / (1000 if semantics.discretization is Discretization.EXPONENTIAL else 1)
    for output in [name for name, node in flat.nodes.items() if kind_of(node) == "Output"]:
        linear = _linear_behind(flat, before, output)
        if not linear:
            continue
        name = f"{output}.readout"
        while name in nodes:
            name += "'"
        nodes[name] = nir.LI(tau=np.array([tau]), r=np.array([1.0]), v_leak=np.array([0.0]))
        end_of[output], found[name] = name, linear
    edges = [(pre, end_of.get(post, post)) for pre, post in flat.edges]
    edges += [(name, output) for output, name in end_of.items()]
    return FlatGraph(nodes, edges, flat.repairs), found


def _linear_behind(flat: FlatGraph, before: dict[str, list[str]], output: str) -> list[str]:
    """The linear nodes that feed an output; empty if any other node feeds it, too."""
    linear: dict[str, None] = {}
    pending, seen = list(before[output]), {output}
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        node = flat.nodes[name]
        if is_linear(node):
            linear[name] = None
        elif is_passing(node) and not is_neuron(node):
            pending += before[name]
        else:
            return []
    return list(linear)
