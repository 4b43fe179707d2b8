"""``to_nir`` and ``write_nir``: a network as a NIR graph and file.

Populations become NIR's neurons, projections Linear nodes, or Affine where one carries the bias of its
target, after a Delay node where they have a delay. What NIR has no field for is in the metadata (see
:mod:`ssdp_hw.conversion.nir.metadata`), so that reading the graph gives the same network. Other tools read the
same graph, but not the metadata: delays that differ from synapse to synapse are lost on them.

A fixed network is written as the float network that its integers mean, with the integers in the metadata
(see :mod:`ssdp_hw.conversion.nir.integers`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import nir
import numpy as np
from numpy.typing import NDArray

from ssdp_hw.conversion.nir.convolution import convolution_metadata, node_with_bias, outer_shapes
from ssdp_hw.conversion.nir.integers import fixed_to_metadata, rule_to_metadata
from ssdp_hw.conversion.nir.metadata import GraphHeader, MetadataValue
from ssdp_hw.conversion.nir.nodes import NEURONS
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.files.atomic import write_atomically
from ssdp_hw.files.hdf5_guard import DEFAULT_MAX_BYTES
from ssdp_hw.files.hdf5_writing import DatasetWriter, new_hdf5
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network, Population, Projection
from ssdp_hw.network.graph_parts import Input
from ssdp_hw.network.model_neuron import ModelNeuron
from ssdp_hw.rules.values import Rule

# The constant input of a population, shape (n,), where it has one.
Bias: TypeAlias = NDArray[np.float64] | None

# Smaller datasets are stored as they are: compression would make them larger.
_COMPRESSED_FROM = 1024


def to_nir(network: Network | FixedNetwork, *, rule: Rule | Mapping[str, Rule] | None = None) -> nir.NIRGraph:
    """A network as a NIR graph; :func:`ssdp_hw.from_nir` of it gives an equal network.

    Weights are float64. Convolutions and poolings are NIR's own nodes, between neurons of the shape that
    they ask for; where NIR has no node for one (padding that differs before and behind, more than two
    axes), and for sparse weights, which NIR has not either, a dense matrix is written with the rest in its
    metadata.

    The nodes of a fixed network are those of :func:`ssdp_hw.dequantize`, for tools that know no integers; where
    they approximate, which the notes in the metadata say, the integers still come back as they were.

    Args:
        network: a float or a fixed network.
        rule: a learning rule, or one by projection, that goes with it; :func:`ssdp_hw.rule_from_nir` reads it.

    Raises:
        ParameterError: no network, or no rule, or one for a projection that there is not.
        UnsupportedError: dense weights above 1 GiB, or a rule of a user's own.
    """
    metadata: dict[str, MetadataValue] = {}
    if rule is not None:
        metadata |= rule_to_metadata(network, rule)
    if isinstance(network, FixedNetwork):
        from ssdp_hw.quantization import dequantize

        metadata |= fixed_to_metadata(network)
        network = dequantize(network)
    if not isinstance(network, Network):
        raise ParameterError(f"to_nir writes a Network or FixedNetwork, not {type(network).__name__}")
    graph = _Graph(network)
    return nir.NIRGraph(graph.nodes, graph.edges, GraphHeader.of(network).to_metadata() | metadata, type_check=False)


def write_nir(
    network: Network | FixedNetwork, path: str | os.PathLike[str], *, rule: Rule | Mapping[str, Rule] | None = None
) -> None:
    """Write a network to a NIR file, complete or not at all; the same network and rule give the same bytes.

    Raises:
        ParameterError, UnsupportedError: see :func:`to_nir`.
        FileFormatError: the file cannot be written.
    """
    values = to_nir(network, rule=rule).to_dict()

    def write(partial: Path) -> None:
        with new_hdf5(partial) as new, new.writing() as file:
            datasets = DatasetWriter()
            datasets.write(file.id, "version", nir.version)
            _write(file.create_group("node").id, values, datasets)

    write_atomically(path, write)


def _write(group: h5py.h5g.GroupID, values: Mapping[str, Any], datasets: DatasetWriter) -> None:
    """NIR's own layout, without time stamps."""
    for name, value in values.items():
        if isinstance(value, dict):
            if value or name != "metadata":
                _write(datasets.group(group, name), value, datasets)
        elif name == "edges":
            datasets.write(group, name, np.array(value, object).reshape(len(value), 2))
        else:
            datasets.write(group, name, value, compressed=np.size(value) >= _COMPRESSED_FROM)


class _Graph:
    """Nodes and edges of a network."""

    def __init__(self, network: Network) -> None:
        self.nodes: dict[str, nir.NIRNode] = {}
        self.edges: list[tuple[str, str]] = []
        self._dt = network.semantics.dt
        self._shapes = _shapes(network)
        self._dense_bytes = 0
        self._keys = {i.name: self._add(i.name, _input(i, self._shapes[i.name])) for i in network.inputs}
        self._keys |= {p.name: self._add(p.name, _neuron(p, self._shapes[p.name])) for p in network.populations}
        for p in network.populations:
            self._incoming(p, network.incoming(p.name))
        for name in network.outputs:
            node = nir.Output({"output": np.array(self._shapes[name])})
            key = self._free("output" if len(network.outputs) == 1 else f"{name}_output")
            self.nodes[key] = node
            self.edges.append((self._keys[name], key))

    def _free(self, name: str) -> str:
        """A key for a node: the name, changed if HDF5 does not allow it or another node has it already."""
        key = name.replace("/", "|") if name.strip(".") else f"'{name}'"
        while key in self.nodes:
            key += "'"
        return key

    def _add(self, name: str, node: nir.NIRNode) -> str:
        key = self._free(name)
        if key != name:
            node.metadata["name"] = name
        self.nodes[key] = node
        return key

    def _incoming(self, target: Population, projections: list[Projection]) -> None:
        """Add the nodes that feed a population; the first of them that can have a bias gets its bias."""
        bias = target.bias if np.any(target.bias) else None
        for p in projections:
            before, shape = self._keys[p.pre], self._shapes[p.pre]
            if np.ndim(p.delay) == 0 and p.delay:
                before = self._behind(before, f"{p.name}.delay", nir.Delay(np.full(shape, p.delay * self._dt)))
            node, carries = self._weight(p, bias)
            matrix = isinstance(node, nir.Linear | nir.Affine)
            if matrix and len(shape) > 1:
                before = self._behind(before, f"{p.name}.flatten", _flatten(shape))
            after = self._add(p.name, node)
            self.edges.append((before, after))
            if not matrix and len(self._shapes[target.name]) == 1:
                after = self._behind(after, f"{p.name}.flatten", _flatten(outer_shapes(p.stored)[1]))
            self.edges.append((after, self._keys[target.name]))
            bias = None if carries else bias
        if bias is not None:  # no projection could take the bias, so an Affine node without input brings it
            key = self._free(f"{target.name}.bias")
            self.nodes[key] = nir.Affine(np.zeros((target.size, 1)), np.array(bias))
            self.edges.append((key, self._keys[target.name]))

    def _behind(self, before: str, name: str, node: nir.NIRNode) -> str:
        """Add a node behind another; returns its key."""
        key = self._free(name)
        self.nodes[key] = node
        self.edges.append((before, key))
        return key

    def _weight(self, p: Projection, bias: Bias) -> tuple[nir.NIRNode, bool]:
        """The node of a projection, and whether it has the bias."""
        made = node_with_bias(p.stored, bias)
        if made is not None:
            return made
        self._dense_bytes += 8 * p.shape[0] * p.shape[1]
        if self._dense_bytes > DEFAULT_MAX_BYTES:
            raise UnsupportedError(
                f"projection '{p.name}': with it NIR's dense weights of this network would take {self._dense_bytes} "
                f"bytes, above {DEFAULT_MAX_BYTES}; write the network with ssdp_hw.save"
            )
        return _linear(p, bias, self._dt), bias is not None


def _shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """The shape of every input and population: the one that its convolutions agree on, or else (size,)."""
    found: dict[str, set[tuple[int, ...]]] = {name: set() for name in (*network.input_names, *network.population_names)}
    for p in network.projections:
        for name, shape in zip((p.pre, p.post), outer_shapes(p.stored), strict=False):
            found[name].add(shape)
    return {name: shapes.pop() if len(shapes) == 1 else (network.size_of(name),) for name, shapes in found.items()}


def _flatten(shape: tuple[int, ...]) -> nir.Flatten:
    return nir.Flatten({"input": np.array(shape)}, start_dim=0, end_dim=-1)


def _input(source: Input, shape: tuple[int, ...]) -> nir.NIRNode:
    if source.payload_bits:
        raise UnsupportedError(
            f"input '{source.name}': NIR's inputs do not say that spikes carry a payload of {source.payload_bits} "
            "bits; save the network in a file of ours (network.save)"
        )
    return nir.Input({"input": np.array(shape)})


def _neuron(p: Population, shape: tuple[int, ...]) -> nir.NIRNode:
    if isinstance(p.neuron, ModelNeuron) and p.neuron.kind in NEURONS:  # the declared CUBA LIF
        raise UnsupportedError(
            f"population '{p.name}': its neurons are the neuron model {p.neuron.kind} by sh.neuron, whose input has no "
            f"gain of NIR's; NIR's own is sh.{p.neuron.kind}. Or save the network in a file of ours (network.save)"
        )
    if p.neuron.kind not in NEURONS:
        raise UnsupportedError(
            f"population '{p.name}': NIR has no node for the neuron model {p.neuron.kind}, and a reader would take "
            "another neuron for it; save the network in a file of ours (network.save)"
        )
    names = NEURONS[p.neuron.kind][1]
    metadata: dict[str, MetadataValue] = {"reset": p.reset.value, "threshold": p.threshold.value}
    if np.any(p.neuron.v_init):
        metadata["v_init"] = np.array(p.neuron.v_init)
    values = {theirs: np.reshape(getattr(p.neuron, ours), shape).copy() for theirs, ours in names.items()}
    return getattr(nir, p.neuron.kind)(**values, metadata=metadata)


def _linear(p: Projection, bias: Bias, dt: float) -> nir.NIRNode:
    metadata: dict[str, MetadataValue] = {}
    weight = np.array(p.matrix.toarray() if p.is_sparse else p.matrix, np.float64)
    if p.is_convolution:
        metadata |= convolution_metadata(p.stored)
    elif p.is_sparse:
        metadata |= {"indices": p.weight.indices.astype(np.int64), "indptr": p.weight.indptr.astype(np.int64)}
    if np.ndim(p.delay):
        metadata["delay"] = p.synapse_delays * dt
    if bias is None:
        return nir.Linear(weight, metadata=metadata)
    return nir.Affine(weight, np.array(bias), metadata=metadata)
