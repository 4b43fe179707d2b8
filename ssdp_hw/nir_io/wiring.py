"""The edges of a NIR graph: checked, with the number of values on each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ssdp_hw.errors import ParameterError, ShapeError, UnsupportedError
from ssdp_hw.nir_io.nodes import is_linear, is_neuron, kind_of, own_sizes

# More values than this on all nodes together are a mistake of a shape, not a network.
MAX_VALUES = 1 << 24


@dataclass
class Wiring:
    """Nodes, who feeds whom, and how many values each node takes and gives.

    Attributes:
        nodes: NIR nodes by name.
        before, after: for each node those that feed it and those that it feeds, in edge order.
        takes, gives: values by node.
    """

    nodes: dict[str, Any]
    before: dict[str, list[str]]
    after: dict[str, list[str]]
    takes: dict[str, int] = field(default_factory=dict)
    gives: dict[str, int] = field(default_factory=dict)

    def title(self, name: str) -> str:
        """A node in words: its name and type."""
        return f"node '{name}' ({kind_of(self.nodes[name])})"

    def named(self, *kinds: str) -> list[str]:
        """Names of the nodes of these types."""
        return [name for name, node in self.nodes.items() if kind_of(node) in kinds]

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
        """Linear and Flatten nodes, each after those that feed it.

        Raises:
            UnsupportedError: some of them form a loop without a neuron.
        """
        stateless = {n for n, node in self.nodes.items() if is_linear(node) or kind_of(node) == "Flatten"}
        feeds = {n: [k for k in self.before[n] if k in stateless] for n in self.nodes if n in stateless}
        try:
            return list(TopologicalSorter(feeds).static_order())
        except CycleError as error:
            loop = " -> ".join(f"'{n}'" for n in error.args[1])
            raise UnsupportedError(
                f"the nodes {loop} form a loop without a neuron, which has no defined order in time"
            ) from None


def wire(nodes: dict[str, Any], edges: Iterable[tuple[str, str]]) -> Wiring:
    """Check the edges of a graph and find every node's sizes.

    Raises:
        ParameterError: an edge that names no node, occurs twice, or ends at an Input or starts at
            an Output; too many values.
        ShapeError: an edge whose ends differ in size.
    """
    wiring = Wiring(nodes, {name: [] for name in nodes}, {name: [] for name in nodes})
    seen: set[tuple[str, str]] = set()
    for edge in edges:
        if len(edge) != 2 or not all(isinstance(name, str) for name in edge):
            raise ParameterError(f"{edge!r} is no edge: a pair of node names is expected")
        pre, post = edge
        for name in edge:
            if name not in nodes:
                raise ParameterError(f"edge {pre!r} -> {post!r}: the graph has no node {name!r}")
        if (pre, post) in seen:
            raise ParameterError(f"edge '{pre}' -> '{post}' occurs twice")
        if kind_of(nodes[pre]) == "Output" or kind_of(nodes[post]) == "Input":
            raise ParameterError(f"edge '{pre}' -> '{post}': nothing follows an Output or comes before an Input")
        seen.add((pre, post))
        wiring.after[pre].append(post)
        wiring.before[post].append(pre)
    _find_sizes(wiring)
    for pre, post in sorted(seen):
        if wiring.gives[pre] != wiring.takes[post]:
            raise ShapeError(
                f"edge '{pre}' -> '{post}': {wiring.title(pre)} gives {wiring.gives[pre]} values, but "
                f"{wiring.title(post)} takes {wiring.takes[post]}{_transposed(wiring, pre, post)}"
            )
    return wiring


def _transposed(wiring: Wiring, pre: str, post: str) -> str:
    node = wiring.nodes[post]
    if not is_linear(node) or node.weight.shape[0] != wiring.gives[pre]:
        return ""
    return f"; its weight of shape {node.weight.shape} looks transposed, since NIR's is (outputs, inputs)"


def _find_sizes(wiring: Wiring) -> None:
    """Sizes of all nodes: their own, or that of a neighbour for one that fits any (1 if none says)."""
    takes, gives = wiring.takes, wiring.gives
    pending = []
    for name, node in wiring.nodes.items():
        size_in, size_out = own_sizes(name, node)
        if size_in is not None and size_out is not None:
            takes[name], gives[name] = size_in, size_out
            pending.append(name)
    while pending:
        name = pending.pop()
        for others, size in ((wiring.after[name], gives[name]), (wiring.before[name], takes[name])):
            for other in others:
                if other not in takes:
                    takes[other] = gives[other] = size
                    pending.append(other)
    for name in wiring.nodes:
        takes.setdefault(name, 1)
        gives.setdefault(name, 1)
    if sum(gives.values()) > MAX_VALUES:
        largest = max(gives, key=gives.__getitem__)
        raise ParameterError(
            f"the nodes have {sum(gives.values())} values together, above the limit of {MAX_VALUES}; the largest is "
            f"{wiring.title(largest)} with {gives[largest]}"
        )
