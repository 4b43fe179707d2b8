"""From a file to a graph of NIR nodes, or one line that says why not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import h5py
import nir

from ssdp_hw.checks import check_name
from ssdp_hw.errors import FileFormatError, UnsupportedError
from ssdp_hw.hdf5_guard import first_line, open_checked
from ssdp_hw.nir_io.nodes import SUPPORTED


def read_graph(path: str | os.PathLike[str], max_bytes: int) -> nir.NIRGraph:
    """Read a NIR file whose nodes are all supported.

    Raises:
        FileFormatError: no readable NIR file; see :func:`ssdp_hw.hdf5_guard.open_checked`.
        UnsupportedError: nodes that :func:`ssdp_hw.from_nir` cannot express, all of them listed.
    """
    with open_checked(path, max_bytes) as file:
        try:
            types = _node_types(file)
        except (KeyError, ValueError, TypeError, OSError, RuntimeError, AttributeError) as error:
            raise FileFormatError(f"{path}: is HDF5 but no NIR graph ({first_line(error)})") from None
    refuse_unsupported(types, f"{path}: ")
    try:
        # NIR's own type check refuses files whose scalar parameters stand for a whole population,
        # and adds nodes; the sizes are checked by this package instead.
        graph = nir.read(path, type_check=False)
    except Exception as error:  # any type: nir.read asserts, and indexes what a file may lack
        raise FileFormatError(f"{path}: NIR cannot read it ({first_line(error)})") from None
    if not isinstance(graph, nir.NIRGraph):
        raise FileFormatError(f"{path}: holds a single {type(graph).__name__}, not a graph")
    return graph


def refuse_unsupported(types: Mapping[str, str], where: str = "") -> None:
    """Raise if a node, given as type by name, is of a type that cannot be expressed.

    Raises:
        UnsupportedError: it lists every such node.
        ParameterError: a name that is empty or not printable.
    """
    found = [f"'{check_name(name, f'{where}node')}' ({kind})" for name, kind in types.items() if kind not in SUPPORTED]
    if found:
        raise UnsupportedError(f"{where}unsupported nodes: {', '.join(found)}; supported are {', '.join(SUPPORTED)}")


def _node_types(file: Any) -> dict[str, str]:
    """Type by name of the graph's nodes, read without NIR, which stops at the first unknown one."""
    root = file["node"]
    if not isinstance(root["nodes"], h5py.Group):
        raise TypeError("'/node/nodes' is not a group")
    return {str(name): _text(node["type"]) for name, node in root["nodes"].items()}


def _text(dataset: Any) -> str:
    value = dataset[()]
    text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
    if not text.isprintable():
        raise ValueError(f"{dataset.name!r} is no name of a type")
    return text
