"""The edges of a NIR graph: checked, with the shape of the values on each."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

import nir

from ssdp_hw.conversion.nir.convolution import Convolution
from ssdp_hw.conversion.nir.nodes import is_linear, is_neuron, is_passing, kind_of
from ssdp_hw.conversion.nir.subgraphs import FlatGraph
from ssdp_hw.errors import ParameterError, UnsupportedError


@dataclass
class Wiring:
    """The nodes of a graph, the edges between them, and their input and output shapes; values are in C order.

    Attributes:
        nodes: nodes by name.
        before, after: for each node the names of the nodes that feed it, and of those that it feeds, in edge order.
        shape_in, shape_out: by node.
        convolutions: by node, convolutions and poolings with their input shapes.
        repairs: what was repaired, one sentence each.
    """

    nodes: dict[str, nir.NIRNode]
    before: dict[str, list[str]]
    after: dict[str, list[str]]
    shape_in: dict[str, tuple[int, ...]] = field(default_factory=dict)
    shape_out: dict[str, tuple[int, ...]] = field(default_factory=dict)
    convolutions: dict[str, Convolution] = field(default_factory=dict)
    repairs: list[str] = field(default_factory=list)

    def title(self, name: str) -> str:
        """A node in words: its name and type."""
        return f"node '{name}' ({kind_of(self.nodes[name])})"

    def named(self, *kinds: str) -> list[str]:
        """Names of the nodes of these types."""
        return [name for name, node in self.nodes.items() if kind_of(node) in kinds]

    def takes(self, name: str) -> int:
        """Number of values that a node takes."""
        return math.prod(self.shape_in[name])

    def gives(self, name: str) -> int:
        """Number of values that a node gives."""
        return math.prod(self.shape_out[name])

    def neurons_from_inputs(self) -> list[str]:
        """Neuron nodes in the order in which spikes from the inputs reach them first."""
        order = dict.fromkeys(self.named("Input"))
        queue = list(order)
        for name in queue:
            fresh = [k for k in self.after[name] if k not in order]
            order |= dict.fromkeys(fresh)
            queue += fresh
        everything = [*order, *(name for name in self.nodes if name not in order)]
        return [name for name in everything if is_neuron(self.nodes[name])]

    def stateless_order(self) -> list[str]:
        """Linear and passing nodes, each after those that feed it.

        Raises:
            UnsupportedError: some of them form a loop without a neuron.
        """
        stateless = {n for n, node in self.nodes.items() if is_linear(node) or is_passing(node)}
        feeds = {n: [k for k in self.before[n] if k in stateless] for n in self.nodes if n in stateless}
        try:
            return list(TopologicalSorter(feeds).static_order())
        except CycleError as error:
            loop = " -> ".join(f"'{n}'" for n in error.args[1])
            raise UnsupportedError(
                f"the nodes {loop} form a loop without a neuron, which has no defined order in time"
            ) from None


def wire(graph: FlatGraph) -> Wiring:
    """Check the edges of a graph; the shapes are left to :func:`ssdp_hw.conversion.nir.shapes.find_shapes`.

    Raises:
        ParameterError: an edge that occurs twice, or ends at an Input or starts at an Output.
    """
    nodes = graph.nodes
    wiring = Wiring(nodes, {name: [] for name in nodes}, {name: [] for name in nodes}, repairs=list(graph.repairs))
    seen: set[tuple[str, str]] = set()
    for pre, post in graph.edges:
        if (pre, post) in seen:
            raise ParameterError(f"edge '{pre}' -> '{post}' occurs twice")
        if kind_of(nodes[pre]) == "Output" or kind_of(nodes[post]) == "Input":
            raise ParameterError(f"edge '{pre}' -> '{post}': nothing follows an Output or comes before an Input")
        seen.add((pre, post))
        wiring.after[pre].append(post)
        wiring.before[post].append(pre)
    return wiring
