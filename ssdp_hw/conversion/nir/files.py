"""Reads a file into a graph of NIR nodes, or refuses it in one line that says why."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import nir
import numpy as np

from ssdp_hw.checks import check_name
from ssdp_hw.conversion.nir.nodes import CONVOLUTIONS, SUPPORTED, elementwise_parameters
from ssdp_hw.display import MOST_NAMES, listed
from ssdp_hw.errors import FileFormatError, SsdpHwError, UnsupportedError
from ssdp_hw.files.hdf5_guard import first_line
from ssdp_hw.files.hdf5_reading import read_values

# In the metadata of a node that was read: names of its parameters that had one value for all neurons.
SCALARS = "ssdp_hw_scalars"

# A group of a file: arrays, texts and further groups by name.
Tree: TypeAlias = dict[str, Any]


def read_graph(path: str | os.PathLike[str], max_bytes: int, trusted: bool = False) -> nir.NIRGraph:
    """Read a NIR file whose nodes are all supported.

    Raises:
        FileFormatError: no readable NIR file; see :func:`ssdp_hw.files.hdf5_reading.read_values`.
        UnsupportedError: nodes that :func:`ssdp_hw.from_nir` cannot express; see :func:`refuse_unsupported`.
    """
    content = read_values(path, max_bytes, trusted).tree
    try:
        values = _with_texts(content["node"])
        types = {name: _type(node) for name, node in _nodes(values)}
    except Exception as error:  # any exception: a damaged file can lead to any
        raise FileFormatError(f"{path}: is HDF5 but no NIR graph ({first_line(error)})") from None
    refuse_unsupported(types, f"{path}: ")
    try:
        graph = _graph(values)
    except SsdpHwError:
        raise
    except Exception as error:  # any exception: NIR asserts, and indexes fields that a file may lack
        raise FileFormatError(f"{path}: NIR cannot read it ({first_line(error)})") from None
    if not isinstance(graph, nir.NIRGraph):
        raise FileFormatError(f"{path}: holds a single {type(graph).__name__}, not a graph")
    return graph


def _with_texts(group: Tree) -> Tree:
    """The group with its single byte strings as texts, as NIR's own reader has them; arrays of byte strings stay."""
    return {
        name: _with_texts(item) if isinstance(item, dict) else item.decode() if isinstance(item, bytes) else item
        for name, item in group.items()
    }


def refuse_unsupported(types: Mapping[str, str], where: str = "") -> None:
    """Raise if a node, given as type by name, is of a type that cannot be expressed.

    Raises:
        UnsupportedError: it lists such nodes, the first of many, and all their types.
        ParameterError: a name that is empty or not printable.
    """
    found = [
        f"'{check_name(name, f'{where}node')}' ({kind})"
        for name, kind in types.items()
        if kind not in SUPPORTED and kind != "Port"
    ]
    if found:
        kinds = dict.fromkeys(kind for kind in types.values() if kind not in SUPPORTED and kind != "Port")
        of_types = f", of the types {listed(kinds)}" if len(found) > MOST_NAMES else ""
        raise UnsupportedError(
            f"{where}unsupported nodes: {listed(found)}{of_types}; supported are {', '.join(SUPPORTED)}"
        )


def _graph(values: Tree) -> nir.NIRNode:
    """The graph that NIR makes of a file's values, without its type check.

    NIR's own check refuses files whose scalar parameters stand for a whole population, and adds
    nodes; the shapes are checked by this package instead.
    """
    for _, node in [("", values), *_nodes(values)]:
        if "type_check" in node:
            raise ValueError("a field 'type_check' in the file")
        if node["type"] == "NIRGraph":
            node["type_check"] = False
        elif elementwise_parameters(node["type"]):
            _spread_scalars(node)
        elif node["type"] in CONVOLUTIONS:
            node.setdefault("input_shape", None)  # older files have no such field
    return nir.dict2NIRNode(values)


def _spread_scalars(node: Tree) -> None:
    """Give every parameter of a node the shape of its largest one; the names of single-valued ones go to the metadata.

    Older files have a scalar ``r`` beside arrays, which NIR refuses.
    """
    values = {name: np.asarray(node[name]) for name in elementwise_parameters(node["type"]) if name in node}
    values = {name: value for name, value in values.items() if value.dtype.kind in "fiub"}
    largest = max(values.values(), key=lambda value: value.size, default=np.zeros(()))
    alone = [name for name, value in values.items() if value.size == 1 and value.shape != largest.shape]
    if largest.size <= 1 and largest.ndim == 0:
        return
    for name in alone:
        node[name] = np.full(largest.shape, values[name].reshape(-1)[0])
    if alone and largest.size > 1:
        node["metadata"] = {**(node.get("metadata") or {}), SCALARS: alone}


def _nodes(graph: Tree) -> Iterator[tuple[str, Tree]]:
    """Qualified name and values of every node, those of nested graphs included."""
    pending = [("", graph)]
    while pending:
        prefix, values = pending.pop()
        for name, node in values["nodes"].items():
            if not isinstance(node, dict):
                raise TypeError(f"node {name!r} is a dataset, not a group")
            yield prefix + name, node
            if node.get("type") == "NIRGraph":
                pending.append((f"{prefix}{name}.", node))


def _type(node: Tree) -> str:
    kind = node["type"]
    if not isinstance(kind, str) or not kind.isprintable():
        raise ValueError(f"{str(kind)[:40]!r} is no name of a type")
    return kind
