"""From a job's description to connected Lava processes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lava.magma.core.process.process import AbstractProcess
from lava.proc.dense.process import DelayDense, Dense, LearningDense
from lava.proc.lif.process import LIF
from lava.utils.weightutils import SignMode
from scipy.sparse import csr_matrix

from .learning_rule import learning_rule
from .processes.analog_source import AnalogSource
from .processes.connection import Connection, GradedConnection
from .processes.declared_neurons import DeclaredNeurons
from .processes.neurons import Neurons
from .processes.plastic_connection import PlasticConnection
from .processes.spike_source import SpikeSource
from .synapses import Values

PROCESSES = {
    c.__name__: c
    for c in (
        LIF,
        Dense,
        DelayDense,
        LearningDense,
        SpikeSource,
        AnalogSource,
        Neurons,
        DeclaredNeurons,
        Connection,
        GradedConnection,
        PlasticConnection,
    )
}


def parameter(value: Any, arrays: Mapping[str, Values]) -> Any:
    """The object that a described value stands for, such as ``{"array": key}``; other values are returned unchanged."""
    if not isinstance(value, dict):
        return tuple(value) if isinstance(value, list) else value
    if "array" in value:
        return arrays[value["array"]]
    if "csr" in value:
        data, indices, indptr = (arrays[key] for key in value["csr"])
        return csr_matrix((data, indices, indptr), shape=tuple(value["shape"]))
    if "function" in value:
        return function_of(*value["function"])
    if "learning_rule" in value:
        return learning_rule(**value["learning_rule"])
    return SignMode[value["sign_mode"]]


def function_of(file: str, name: str) -> Callable[..., Values]:
    """Load a function of a module that imports no other module of the project, by the module's file.

    An interpreter that lacks the toolkit thus uses the toolkit's own random numbers.
    """
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[..., Values] = getattr(module, name)
    return function


def build(
    nodes: list[dict[str, Any]],
    links: list[list[str]],
    arrays: Mapping[str, Values],
    further: Mapping[str, dict[str, Any]] | None = None,
) -> dict[str, AbstractProcess]:
    """Processes by node name, connected.

    Args:
        nodes: each with ``name``, ``kind`` (a class of ``PROCESSES``) and ``parameters``.
        links: (source node, its port, target node, its port) each.
        arrays: the arrays to which parameters refer by key.
        further: more proc_params by node name.
    """
    further = further or {}
    made = {}
    for node in nodes:
        parameters = {key: parameter(value, arrays) for key, value in node["parameters"].items()}
        made[node["name"]] = PROCESSES[node["kind"]](name=node["name"], **parameters, **further.get(node["name"], {}))
    for source, out_port, target, in_port in links:
        getattr(made[source], out_port).connect(getattr(made[target], in_port))
    return made
