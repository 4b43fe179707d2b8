"""A graph without nested graphs: their nodes get qualified names, ``graph.node``.

An edge that names a nested graph is replaced by one to its Input, or from its Output, of which it must have one
each. Some older files already list the nodes of nested graphs under qualified names, but their edges still name the
nested graph. Such an edge is replaced likewise if the file has exactly one Input and one Output under that name.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import nir

from ssdp_hw.checks import check_name, without_gradient
from ssdp_hw.conversion.nir.nodes import Port, kind_of
from ssdp_hw.errors import ParameterError, UnsupportedError

MAX_NODES = 1_000_000
MAX_DEPTH = 64
_SHOWN = 20  # number of names of nodes in a message


@dataclass
class FlatGraph:
    """Nodes by name, edges between these names, and what was repaired, one sentence each."""

    nodes: dict[str, nir.NIRNode] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)


def flat_graph(graph: nir.NIRGraph) -> FlatGraph:
    """The graph without nested graphs; torch tensors in its nodes become arrays.

    Raises:
        ParameterError: an edge that names no node, or names that are no text or occur twice.
        UnsupportedError: an edge to a nested graph of several inputs or outputs; nesting without end.
    """
    flat = FlatGraph()
    _collect(graph, "", (), flat)
    return flat


def _collect(graph: nir.NIRGraph, prefix: str, outer: tuple[int, ...], flat: FlatGraph) -> None:
    if id(graph) in outer or len(outer) >= MAX_DEPTH:
        raise UnsupportedError(f"graph '{prefix[:-1][:80]}' contains itself or is nested deeper than {MAX_DEPTH}")
    edges = [_edge(edge) for edge in graph.edges]
    renamed = _renamed(graph, edges)
    ports = {name for ends in renamed.values() for name in ends}
    for name, node in graph.nodes.items():
        full = prefix + check_name(name, "node")
        node = _with_arrays(node)
        if full in flat.nodes:
            raise ParameterError(f"two nodes are named '{full}'; a name must be unique, nested graphs included")
        if len(flat.nodes) >= MAX_NODES:
            raise UnsupportedError(f"more than {MAX_NODES} nodes, nested graphs included")
        if isinstance(node, nir.NIRGraph):
            _collect(node, f"{full}.", (*outer, id(graph)), flat)
        elif name in ports or (prefix and kind_of(node) in ("Input", "Output")):
            flat.nodes[full] = Port((node.input_type or {}).get("input"))
        else:
            flat.nodes[full] = node
    for pre, post in edges:
        ends = [_resolved(graph, (pre, post), end, renamed) for end in (0, 1)]
        flat.edges.append((prefix + ends[0], prefix + ends[1]))
    for name, (start, stop) in renamed.items():
        flat.repairs.append(
            f"edges name a node '{prefix}{name}' that is not there; they are led to '{prefix}{start}' and from "
            f"'{prefix}{stop}', the Input and Output of a nested graph whose nodes were renamed"
        )


def _with_arrays(node: nir.NIRNode) -> nir.NIRNode:
    """A node whose values are arrays, a copy if some were torch tensors (as Norse's and Sinabs' exports have them)."""
    if not hasattr(node, "__dict__") or isinstance(node, nir.NIRGraph):
        return node
    values = {key: without_gradient(value) for key, value in vars(node).items()}
    if all(value is vars(node)[key] for key, value in values.items()):
        return node
    found = copy.copy(node)
    vars(found).update(values)  # without the checks of NIR's constructor
    return found


def _edge(edge: Sequence[str]) -> tuple[str, str]:
    if len(edge) != 2 or not all(isinstance(name, str) for name in edge):
        raise ParameterError(f"{edge!r} is no edge: a pair of node names is expected")
    return edge[0], edge[1]


def _renamed(graph: nir.NIRGraph, edges: list[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """For each name in the edges that is no node: the only Input and Output of the nested graph of that name."""
    found = {}
    for name in dict.fromkeys(end for edge in edges for end in edge if end not in graph.nodes):
        starts, stops = (
            [n for n in _members(graph, name) if kind_of(graph.nodes[n]) == kind] for kind in ("Input", "Output")
        )
        if len(starts) == 1 and len(stops) == 1:
            found[name] = starts[0], stops[0]
    return found


def _listed(nodes: Iterable[object]) -> str:
    """Names of nodes for a message, shortened where they are many."""
    names = [repr(name)[:60] for name in nodes]
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _members(graph: nir.NIRGraph, name: str) -> Iterator[str]:
    return (n for n in graph.nodes if isinstance(n, str) and n.startswith(f"{name}."))


def _resolved(graph: nir.NIRGraph, edge: tuple[str, str], end: int, renamed: dict[str, tuple[str, str]]) -> str:
    """The node of this graph, or of one nested in it, at one end of an edge (0: where it starts)."""
    name = edge[end]
    if name in renamed:
        return renamed[name][1 - end]
    shown = f"edge {edge[0]!r} -> {edge[1]!r}"
    node = graph.nodes.get(name)
    if isinstance(node, nir.NIRGraph):
        kind = ("Output", "Input")[end]
        ports = [n for n, inner in node.nodes.items() if kind_of(inner) == kind]
        if len(ports) != 1:
            raise UnsupportedError(
                f"{shown}: the nested graph '{name}' has {len(ports)} nodes of type {kind}, {ports}; name the one "
                f"that is meant, as '{name}.node'"
            )
        return f"{name}.{ports[0]}"
    if node is not None:
        return name
    for outer, inner in graph.nodes.items():
        if isinstance(inner, nir.NIRGraph) and name.startswith(f"{outer}.") and name[len(outer) + 1 :] in inner.nodes:
            return name
    raise ParameterError(f"{shown}: the graph has no node {name!r}; there are: {_listed(graph.nodes)}")
