"""NIR's node types: which are supported, their shapes, and their neurons in the terms of this toolkit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import nir
import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.checks import as_array, real_vector
from ssdp_hw.conversion.nir.metadata import metadata_of
from ssdp_hw.errors import ParameterError, ShapeError, UnsupportedError
from ssdp_hw.network.convolution import Shape, whole_numbers
from ssdp_hw.network.float_network import Semantics
from ssdp_hw.network.neurons import IF, LI, LIF, CubaLI, CubaLIF, I, Neuron, without_memory

# By NIR type: our model, and our parameter for each of NIR's.
_LI = {"tau": "tau_mem", "r": "r", "v_leak": "v_leak"}
_CUBA_LI = {"tau_mem": "tau_mem", "tau_syn": "tau_syn", "r": "r", "v_leak": "v_leak", "w_in": "w_in"}
_SPIKE = {"v_threshold": "v_threshold", "v_reset": "v_reset"}
NEURONS: dict[str, tuple[type[Neuron], dict[str, str]]] = {
    "LIF": (LIF, _LI | _SPIKE),
    "CubaLIF": (CubaLIF, _CUBA_LI | _SPIKE),
    "I": (I, {"r": "r"}),
    "IF": (IF, {"r": "r"} | _SPIKE),
    "LI": (LI, _LI),
    "CubaLI": (CubaLI, _CUBA_LI),
}
MATRICES = ("Affine", "Linear")
CONVOLUTIONS = {"Conv1d": 1, "Conv2d": 2}  # with their number of spatial axes
POOLINGS = ("SumPool2d", "AvgPool2d")
LINEAR = (*MATRICES, "Scale", *CONVOLUTIONS, *POOLINGS)
SUPPORTED = ("Input", "Output", *LINEAR, "Flatten", "Delay", *NEURONS, "Threshold", "NIRGraph")

# Nodes that act on each value by itself, and their parameters.
_ELEMENTWISE = {
    **{kind: tuple(names) for kind, (_, names) in NEURONS.items()},
    "Threshold": ("threshold",),
    "Scale": ("scale",),
    "Delay": ("delay",),
}


@dataclass(frozen=True)
class Port:
    """The Input or Output of a nested graph: it passes values on unchanged, also if it declares another shape."""

    declared: ArrayLike | None


def kind_of(node: nir.NIRNode) -> str:
    """NIR's name of a node's type."""
    return type(node).__name__


def is_neuron(node: nir.NIRNode) -> bool:
    """Whether a node becomes a population."""
    return kind_of(node) in NEURONS or kind_of(node) == "Threshold"


def is_linear(node: nir.NIRNode) -> bool:
    """Whether a node multiplies by a matrix."""
    return kind_of(node) in LINEAR


def is_passing(node: nir.NIRNode) -> bool:
    """Whether a node hands on its values unchanged, with or without a delay."""
    return kind_of(node) in ("Flatten", "Port", "Delay")


def spatial_axes(node: nir.NIRNode) -> int:
    """Number of axes that a convolution or pooling slides over; 0 for any other node."""
    return CONVOLUTIONS.get(kind_of(node), 2 if kind_of(node) in POOLINGS else 0)


def own_shape(name: str, node: nir.NIRNode) -> Shape | None:
    """Shape of the values that a node takes, if its own parameters determine it; None if it takes any shape.

    Raises:
        ShapeError: a shape that makes no sense.
        UnsupportedError: a weight that is no matrix.
    """
    kind = kind_of(node)
    owner = f"node '{name}' ({kind})"
    if kind in MATRICES:
        shape = np.shape(node.weight)
        if len(shape) != 2:
            raise UnsupportedError(f"{owner}: a weight of shape {shape}; only matrices are supported")
        if 0 in shape:
            raise ShapeError(f"{owner} has no values")
        return (int(shape[1]),)
    if kind in _ELEMENTWISE:
        return _common_shape(owner, {p: _shape_of(getattr(node, p), f"{owner}: {p}") for p in _ELEMENTWISE[kind]})
    if kind in CONVOLUTIONS:
        space = node.input_shape
        if space is None or np.size(space) == 0:
            return None
        weight = np.shape(node.weight)
        if len(weight) != 2 + CONVOLUTIONS[kind]:
            raise ShapeError(f"{owner}: a weight of shape {weight}; expected {2 + CONVOLUTIONS[kind]} axes")
        channels = weight[1] * whole_numbers(node.groups, 1, 1, f"{owner}: groups")[0]
        return channels, *whole_numbers(space, CONVOLUTIONS[kind], 1, f"{owner}: input_shape")
    if kind in POOLINGS and "input_shape" in metadata_of(node):
        return whole_numbers(metadata_of(node)["input_shape"], 3, 1, f"{owner}: input_shape in its metadata")
    if kind in ("Input", "Output", "Flatten"):
        declared = (node.input_type or {}).get("input")
        if declared is None or np.size(declared) == 0 or (kind == "Flatten" and not np.any(declared)):
            return None  # older files have a Flatten of shape 0, 0, 0, 0
        return _positive(owner, declared)
    return None


def single_parameters(node: nir.NIRNode) -> list[str]:
    """Parameters of an elementwise node that have one value, where others have more."""
    sizes = {name: math.prod(np.shape(getattr(node, name))) for name in _ELEMENTWISE.get(kind_of(node), ())}
    return [name for name, size in sizes.items() if size == 1 and max(sizes.values()) > 1]


def elementwise_parameters(kind: str) -> tuple[str, ...]:
    """Parameters of a node type that has one value of each for every value that passes; empty for other types."""
    return _ELEMENTWISE.get(kind, ())


def declared_shape(name: str, port: Port) -> Shape | None:
    """The shape that a Port declares, which counts only if no other node determines the shape."""
    if port.declared is None or np.size(port.declared) == 0:
        return None
    return _positive(f"node '{name}'", port.declared)


def flattened(owner: str, node: nir.NIRNode, shape: Shape) -> Shape:
    """Shape of the values after a Flatten; one axis if its start_dim and end_dim do not fit the shape.

    Raises:
        ParameterError: one of them is no whole number.
    """
    start, end = (_whole_number(getattr(node, name), f"{owner}: {name}") for name in ("start_dim", "end_dim"))
    last = end + len(shape) if end < 0 else end
    if not 0 <= start <= last < len(shape):
        return (math.prod(shape),)
    return *shape[:start], math.prod(shape[start : last + 1]), *shape[last + 1 :]


def _whole_number(value: ArrayLike, owner: str) -> int:
    numbers = as_array(value, owner).reshape(-1)
    if numbers.size != 1 or numbers.dtype.kind not in "iuf" or numbers[0] != np.trunc(numbers[0]):
        raise ParameterError(f"{owner} = {str(value)[:40]!r} is no whole number")
    if abs(numbers[0]) >= 1 << 31:
        raise ParameterError(f"{owner} = {numbers[0]} is no number of an axis")
    return int(numbers[0])


def _shape_of(value: ArrayLike, owner: str) -> Shape:
    shape: Shape | None = np.shape(value)
    if shape is None:  # an HDF5 dataset may have no value
        raise ParameterError(f"{owner} has no values")
    return shape


def _common_shape(owner: str, shapes: dict[str, Shape]) -> Shape | None:
    """Shape of the parameters of an elementwise node; None if all are scalar."""
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    largest = max(sizes, key=sizes.__getitem__)
    if 0 in sizes.values():
        raise ShapeError(f"{owner} has no values")
    if not {*sizes.values()} <= {1, sizes[largest]}:
        raise ShapeError(f"{owner}: its parameters differ in size, {sizes}")
    return None if sizes[largest] == 1 else tuple(int(k) for k in shapes[largest])


def _positive(owner: str, declared: ArrayLike) -> Shape:
    shape = as_array(declared, owner)
    if shape.dtype.kind not in "iu" or shape.ndim > 1 or np.any(shape < 1):
        raise ShapeError(f"{owner}: {str(declared)[:60]!r} is no shape")
    return tuple(int(k) for k in shape.reshape(-1))


def neuron_of(name: str, node: nir.NIRNode, size: int, semantics: Semantics) -> Neuron:
    """The neurons of a node; a scalar parameter holds for all of them.

    Raises:
        ParameterError, ShapeError: a parameter out of range, named with its node.
    """
    owner = f"node '{name}' ({kind_of(node)})"
    if kind_of(node) == "Threshold":
        threshold = real_vector(node.threshold, size, f"{owner}: threshold")
        return without_memory(threshold, semantics.dt, semantics.discretization)
    model, names = NEURONS[kind_of(node)]
    values = {ours: real_vector(getattr(node, theirs), size, f"{owner}: {theirs}") for theirs, ours in names.items()}
    try:
        return model(size=size, **values)
    except ParameterError as error:
        raise ParameterError(f"node '{name}': {error}") from None
