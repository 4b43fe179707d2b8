"""A fixed network, and a learning rule, in the metadata of a NIR graph.

The graph's nodes are the float network that the integers mean (:func:`ssdp_hw.quantization.dequantize`), for other
tools. The integers themselves lie beside it, as :mod:`ssdp_hw.network.network_file` describes them: under
``ssdp_hw_fixed`` the JSON text ``header`` (chip, dt, formats, scales, the report of quantisation) and all arrays. A
graph whose nodes contradict its integers is refused. A rule is the JSON text ``ssdp_hw_rule``: one rule, or one for
each projection.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.conversion.nir.metadata import MetadataValue
from ssdp_hw.errors import ParameterError, SsdpHwError
from ssdp_hw.files.hdf5_guard import first_line
from ssdp_hw.files.json_values import JSON
from ssdp_hw.files.record import Record
from ssdp_hw.network.fixed_network import FixedNetwork, FixedProjection
from ssdp_hw.network.float_network import Network
from ssdp_hw.rules.values import Rule, rule_from_dict, rule_to_dict
from ssdp_hw.running.drive import AnyNetwork

FIXED_KEY = "ssdp_hw_fixed"
RULE_KEY = "ssdp_hw_rule"

_T = TypeVar("_T")

# Relative tolerance of values of nodes: far below one unit of any register, far above float rounding.
_TOLERANCE = 1e-9


def fixed_to_metadata(network: FixedNetwork) -> dict[str, MetadataValue]:
    """Metadata that hold every integer of the network.

    Raises:
        FileFormatError: its chip breaks a rule of :mod:`ssdp_hw.chips.table`.
    """
    record = network.to_record()
    return {FIXED_KEY: {"header": _text(record.values), **record.arrays}}


def fixed_from_metadata(metadata: object) -> FixedNetwork | None:
    """The network of :func:`fixed_to_metadata`, or None if the metadata hold none.

    Raises:
        ParameterError: they are damaged.
    """
    return _read(
        metadata, FIXED_KEY, lambda tree: FixedNetwork.from_record(Record(json.loads(tree["header"]), dict(tree)))
    )


def rule_to_metadata(network: AnyNetwork, rule: Rule | Mapping[str, Rule]) -> dict[str, str]:
    """Metadata that hold a rule, or a rule for each projection.

    Raises:
        UnsupportedError: a rule of a user's own.
        ParameterError: no rule, or one for a projection that the network does not have.
    """
    if not isinstance(rule, Mapping):
        return {RULE_KEY: _text({"rule": rule_to_dict(rule)})}
    for name in rule:
        network.projection(name)
    return {RULE_KEY: _text({"rules": {name: rule_to_dict(r) for name, r in rule.items()}})}


def rule_from_metadata(metadata: object) -> Rule | dict[str, Rule] | None:
    """The rule of :func:`rule_to_metadata`, or None if the metadata hold none.

    Raises:
        ParameterError: they are damaged.
    """

    def rules(text: str) -> Rule | dict[str, Rule]:
        values = json.loads(text)
        if "rule" in values:
            return rule_from_dict(values["rule"])
        return {str(name): rule_from_dict(rule) for name, rule in values["rules"].items()}

    return _read(metadata, RULE_KEY, rules)


def _read(metadata: object, key: str, made_of: Callable[[Any], _T]) -> _T | None:
    """What is made of the entry of that key, None if there is none; an error names the key.

    Raises:
        ParameterError: the entry is damaged.
    """
    entry = metadata.get(key) if isinstance(metadata, Mapping) else None
    if entry is None:
        return None
    try:
        return made_of(entry)
    except SsdpHwError as error:
        raise ParameterError(f"the metadata '{key}' of the graph: {error}") from None
    except Exception as error:  # any exception: damaged metadata can lead to any
        raise ParameterError(f"the metadata '{key}' of the graph are damaged ({first_line(error)})") from None


def check_nodes(nodes: Network, fixed: FixedNetwork) -> None:
    """Raise unless the nodes are the float network that the integers mean.

    Raises:
        ParameterError: they are not; it names the first part that differs.
    """
    from ssdp_hw.quantization import dequantize
    from ssdp_hw.quantization.to_float import unit_weights

    # Sizes are compared first: they limit how many synapses the integers can be unrolled to.
    if _structure(nodes) != _structure(fixed):
        _refuse("the graph", "inputs, populations, projections, outputs, or their sizes")
    meant = dequantize(fixed)
    if nodes.semantics != meant.semantics:
        _refuse("the graph", "dt, discretization or update order")
    for p, q in zip(nodes.populations, meant.populations, strict=True):
        owner = f"population '{p.name}'"
        if (p.neuron.kind, p.reset, p.threshold) != (q.neuron.kind, q.reset, q.threshold):
            _refuse(owner, "model, reset or threshold condition")
        for name in (f.name for f in fields(p.neuron)):
            _compare(getattr(p.neuron, name), getattr(q.neuron, name), owner, name)
        _compare(p.bias, q.bias, owner, "bias")
    for a, b in zip(nodes.projections, meant.projections, strict=True):
        owner = f"projection '{a.name}'"
        if a.stored.pattern != b.stored.pattern or not np.array_equal(a.delay, b.delay):
            _refuse(owner, "delays, or which synapses it has")
        own = fixed.projection(a.name)
        if not (own.weight_exp < 0 and _floors_to(a.stored_weights / unit_weights(fixed, own), own)):
            _compare(a.stored_weights, b.stored_weights, owner, "weights")


def _floors_to(integers: NDArray[np.float64], q: FixedProjection) -> bool:
    """Whether an earlier version, which did not floor weights at a negative exponent, wrote these integers."""
    whole = np.rint(integers)
    if not np.allclose(integers, whole, rtol=_TOLERANCE, atol=_TOLERANCE):
        return False
    return np.array_equal(np.maximum(q.format.floored(whole), q.format.min).reshape(-1), q.stored_weights)


def _structure(network: AnyNetwork) -> list[tuple[object, ...]]:
    return [
        *((i.name, i.size) for i in network.inputs),
        *((p.name, p.size) for p in network.populations),
        *((q.name, q.pre, q.post, q.shape, q.synapse_count) for q in network.projections),
        tuple(network.outputs),
    ]


def _compare(found: ArrayLike, meant: ArrayLike, owner: str, name: str) -> None:
    if not np.allclose(found, meant, rtol=_TOLERANCE, atol=0.0):
        _refuse(owner, name)


def _refuse(owner: str, what: str) -> None:
    raise ParameterError(
        f"{owner}: the nodes and the integers in the metadata '{FIXED_KEY}' contradict each other in {what}; remove "
        "the metadata to read the nodes, or write the graph anew"
    )


def _text(values: JSON) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"))
