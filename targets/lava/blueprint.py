"""A Lava network as data: its processes, their parameters and their connections.

The toolkit makes this description in its own process. The worker, in which the toolkit need not be installed,
builds the processes from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.network.projection import BaseProjection

T = TypeVar("T", bound=np.generic)

# Process classes that Lava itself has; all other kinds of node are in worker/processes.
LAVA_KINDS = ("LIF", "Dense", "DelayDense", "LearningDense")


@dataclass(frozen=True)
class Choice:
    """A member of Lava's enumeration ``SignMode``, by name, since only the worker can import Lava."""

    sign_mode: str


@dataclass(frozen=True)
class Function:
    """A function of a module that imports NumPy alone, by the module's file and the function's name."""

    file: str
    name: str


@dataclass(frozen=True)
class PrintedFunction:
    """A function of a module that is yet to be written: its text, and the function's name."""

    text: str
    name: str


@dataclass(frozen=True)
class LearningRule:
    """Arguments of Lava's ``Loihi2FLearningRule``."""

    arguments: Mapping[str, str | int | float]


@dataclass(frozen=True)
class Node:
    """One Lava Process: its class and the arguments of its constructor."""

    name: str
    kind: str
    parameters: Mapping[str, Any]


@dataclass
class Blueprint:
    """The nodes of one Lava runtime, and its links (source node, source port, target node, target port).

    Attributes:
        tag: tag by which Lava selects ProcessModels, ``fixed_pt`` or ``floating_pt``.
    """

    tag: str
    nodes: list[Node] = field(default_factory=list)
    links: list[tuple[str, str, str, str]] = field(default_factory=list)

    def components(self) -> list[Blueprint]:
        """The connected components, since a Lava runtime holds one connected component alone."""
        group = {node.name: {node.name} for node in self.nodes}
        for source, _, target, _ in self.links:
            if group[source] is not group[target]:
                joined = group[source] | group[target]
                for name in joined:
                    group[name] = joined
        parts = {id(names): names for names in group.values()}.values()
        return [
            Blueprint(self.tag, [n for n in self.nodes if n.name in names], [k for k in self.links if k[0] in names])
            for names in parts
        ]

    def on_lava(self) -> list[str]:
        """Names of the nodes that are Lava's own processes."""
        return [n.name for n in self.nodes if n.kind in LAVA_KINDS]

    def with_files(self, folder: Path, prefix: str) -> Blueprint:
        """The blueprint with its printed functions written to files of a folder, whose names begin with ``prefix``."""
        nodes = []
        for number, node in enumerate(self.nodes):
            parameters = dict(node.parameters)
            for key, value in parameters.items():
                if isinstance(value, PrintedFunction):
                    file = folder / f"{prefix}-{number}-{key}.py"
                    file.write_text(value.text, encoding="utf-8")
                    parameters[key] = Function(str(file), value.name)
            nodes.append(replace(node, parameters=parameters))
        return replace(self, nodes=nodes)

    def described(self) -> tuple[dict[str, Any], dict[str, Numbers]]:
        """The blueprint as values for JSON, and the arrays to which these values refer by key."""
        arrays: dict[str, Numbers] = {}

        def plain(key: str, value: Any) -> Any:
            if isinstance(value, np.ndarray):
                arrays[key] = value
                return {"array": key}
            if sp.issparse(value):
                keys = [f"{key}.{part}" for part in ("data", "indices", "indptr")]
                arrays.update(zip(keys, (value.data, value.indices, value.indptr), strict=True))
                return {"csr": keys, "shape": list(value.shape)}
            if isinstance(value, np.generic):
                return value.item()
            if isinstance(value, Choice):
                return {"sign_mode": value.sign_mode}
            if isinstance(value, LearningRule):
                return {"learning_rule": dict(value.arguments)}
            return {"function": [value.file, value.name]} if isinstance(value, Function) else value

        nodes = [
            {
                "name": n.name,
                "kind": n.kind,
                "parameters": {k: plain(f"{number}.{k}", v) for k, v in n.parameters.items()},
            }
            for number, n in enumerate(self.nodes)
        ]
        return {"tag": self.tag, "nodes": nodes, "links": [list(k) for k in self.links]}, arrays


def input_node(name: str) -> str:
    """Name of the node of an input."""
    return f"input {name}"


def analog_node(name: str) -> str:
    """Name of the node that sends analog input to a population."""
    return f"analog {name}"


def population_node(name: str) -> str:
    """Name of the node of a population."""
    return f"population {name}"


def projection_node(name: str) -> str:
    """Name of the node of a projection."""
    return f"projection {name}"


def synaptic_input(port: str = "") -> str:
    """The Lava port of a population at which a synaptic input arrives; the first has no name of its own."""
    return f"a_in_{port}" if port else "a_in"


def port_shape(batch: int, size: int) -> tuple[int, ...]:
    """Shape of ports: (n,) for one sample, as Lava's Dense wants it, else (batch, n)."""
    return (size,) if batch == 1 else (batch, size)


def shared_value(values: Iterable[float]) -> float | None:
    """The value that all entries have, as a Python number; None if they differ."""
    found = np.unique(np.asarray(values))
    return found[0].item() if found.size == 1 else None


def per_sample(values: NDArray[T], batch: int) -> NDArray[T]:
    """Values (batch, n) or (1, n) in a shape that broadcasts to :func:`port_shape`."""
    return values[0] if batch == 1 else values


def synapse_delays(projection: BaseProjection) -> int | NDArray[np.integer[Any]]:
    """Delays for a Connection node: one integer, or for each synapse its delay in the layout of the weights."""
    delay: int | NDArray[np.integer[Any]] = projection.delay
    return delay if isinstance(delay, int) or projection.is_sparse else delay.reshape(projection.shape)
