"""What NIR has no field for: written into the metadata of a graph and its nodes, and read from there.

The graph's metadata has one JSON text under the key ``ssdp_hw``: dt, discretization and update order,
and the order of inputs, populations, projections and outputs. A node's metadata has, where it needs
them, ``name`` (where the node could not have it itself), ``reset``, ``threshold`` and ``v_init`` of a
population, ``delay`` in seconds a synapse, ``indices`` and ``indptr`` of a sparse weight, ``input_shape``
of a pooling, and the convolution that a matrix is where NIR has no node for it: its ``CONVOLUTION``.
The integers of a fixed network and a learning rule have keys of their own: :mod:`ssdp_hw.conversion.nir.integers`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import nir
import numpy as np
from numpy.typing import NDArray

from ssdp_hw.errors import ParameterError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.network.float_network import Network, Semantics

# What NIR writes as metadata: texts, arrays and groups of them.
MetadataValue: TypeAlias = "str | NDArray[np.generic] | np.generic | Mapping[str, MetadataValue]"

KEY = "ssdp_hw"
VERSION = 1
CONVOLUTION = ("kernel", "shape_in", "stride", "padding", "dilation", "groups")
_ORDERS = ("inputs", "populations", "projections", "outputs")


@dataclass(frozen=True)
class GraphHeader:
    """What the metadata of a graph says; see the module.

    Attributes:
        semantics: dt and what else a step means.
        order: names, for each of inputs, populations, projections and outputs.
        notes: ``notes`` of the network that was written.
    """

    semantics: Semantics
    order: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, network: Network) -> GraphHeader:
        """The header of a network."""
        parts = (network.input_names, network.population_names, [p.name for p in network.projections], network.outputs)
        order = {what: tuple(names) for what, names in zip(_ORDERS, parts, strict=True)}
        return cls(network.semantics, order, tuple(network.notes))

    def to_metadata(self) -> dict[str, str]:
        """The header as metadata of a NIR graph."""
        values = {"version": VERSION, **self.semantics.to_dict(), **self.order, "notes": self.notes}
        return {KEY: json.dumps(values, sort_keys=True, separators=(",", ":"))}

    @classmethod
    def from_metadata(cls, metadata: object) -> GraphHeader | None:
        """The header in the metadata of a NIR graph, or None if this toolkit did not write the graph.

        Raises:
            ParameterError: it is damaged, or of a newer version.
        """
        text = metadata.get(KEY) if isinstance(metadata, Mapping) else None
        if text is None:
            return None
        try:
            values = json.loads(text)
            version = values["version"]
            semantics = Semantics(*(values[k] for k in ("dt", "discretization", "update_order")))
            order = {what: _texts(values[what]) for what in _ORDERS}
            notes = _texts(values["notes"])
        except ParameterError as error:
            raise ParameterError(f"the metadata '{KEY}' of the graph: {error}") from None
        except (TypeError, ValueError, KeyError, RecursionError) as error:
            raise ParameterError(
                f"the metadata '{KEY}' of the graph is damaged ({type(error).__name__}); remove it, and give dt"
            ) from None
        if version != VERSION:
            raise ParameterError(f"the metadata '{KEY}' of the graph has version {version!r}; this reads {VERSION}")
        return cls(semantics, order, notes)

    def sorted(self, what: str, names: list[str]) -> list[str]:
        """Names in the order that the header states; names that it does not contain come last."""
        place = {name: k for k, name in enumerate(self.order[what])}
        return sorted(names, key=lambda name: place.get(name, len(place)))


def _texts(values: JSON) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise TypeError
    return tuple(values)


def metadata_of(node: nir.NIRNode) -> Mapping[str, Any]:
    """The metadata of a node, empty if it has none."""
    found = getattr(node, "metadata", None)
    return found if isinstance(found, Mapping) else {}


def text_of(node: nir.NIRNode, key: str) -> str | None:
    """A text in the metadata of a node, or None."""
    value = metadata_of(node).get(key)
    return value if isinstance(value, str) else None
