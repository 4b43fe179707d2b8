"""NIR's node types: which are supported, and their neurons in the terms of this toolkit."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssdp_hw.checks import real_vector
from ssdp_hw.errors import ParameterError, ShapeError, UnsupportedError
from ssdp_hw.neurons import IF, LI, LIF, CubaLI, CubaLIF, Neuron

# By NIR type: our model, and our parameter for each of NIR's.
_LI = {"tau": "tau_mem", "r": "r", "v_leak": "v_leak"}
_CUBA_LI = {"tau_mem": "tau_mem", "tau_syn": "tau_syn", "r": "r", "v_leak": "v_leak", "w_in": "w_in"}
_SPIKE = {"v_threshold": "v_threshold", "v_reset": "v_reset"}
_NEURONS: dict[str, tuple[type[Neuron], dict[str, str]]] = {
    "LIF": (LIF, _LI | _SPIKE),
    "CubaLIF": (CubaLIF, _CUBA_LI | _SPIKE),
    "IF": (IF, {"r": "r"} | _SPIKE),
    "LI": (LI, _LI),
    "CubaLI": (CubaLI, _CUBA_LI),
}
LINEAR = ("Affine", "Linear")
SUPPORTED = ("Input", "Output", *LINEAR, *_NEURONS, "Flatten")


def kind_of(node: Any) -> str:
    """NIR's name of a node's type."""
    return type(node).__name__


def is_neuron(node: Any) -> bool:
    """Whether a node has a state."""
    return kind_of(node) in _NEURONS


def is_linear(node: Any) -> bool:
    """Whether a node multiplies by a weight matrix."""
    return kind_of(node) in LINEAR


def own_sizes(name: str, node: Any) -> tuple[int | None, int | None]:
    """Values that a node takes and gives; None where it fits any number.

    Raises:
        ShapeError: a shape that makes no sense.
        UnsupportedError: a weight that is no matrix.
    """
    owner = f"node '{name}' ({kind_of(node)})"
    takes: int | None
    gives: int | None
    if is_linear(node):
        shape = np.shape(node.weight)
        if len(shape) != 2:
            raise UnsupportedError(f"{owner}: a weight of shape {shape}; only matrices are supported")
        takes, gives = int(shape[1]), int(shape[0])
    elif is_neuron(node):
        sizes = {p: np.size(getattr(node, p)) for p in _NEURONS[kind_of(node)][1]}
        largest = max(sizes.values())
        if not {*sizes.values()} <= {1, largest}:
            raise ShapeError(f"{owner}: its parameters differ in size, {sizes}")
        takes = gives = None if largest == 1 else largest
    else:
        takes = gives = _elements(owner, node)
    if 0 in (takes, gives):
        raise ShapeError(f"{owner} has no values")
    return takes, gives


def _elements(owner: str, node: Any) -> int | None:
    """Number of elements of the shape that an Input, Output or Flatten declares."""
    declared = (node.input_type or {}).get("input")
    if declared is None or np.size(declared) == 0:
        return None
    shape = np.asarray(declared)
    if shape.dtype.kind not in "iu" or shape.ndim > 1 or np.any(shape < 1):
        raise ShapeError(f"{owner}: {str(declared)[:60]!r} is no shape")
    total = 1
    for length in shape.reshape(-1).tolist():  # Python integers do not turn around
        total *= length
    return total


def neuron_of(name: str, node: Any, size: int) -> Neuron:
    """The neurons of a node; a scalar parameter holds for all of them.

    Raises:
        ParameterError, ShapeError: a parameter out of range, named with its node.
    """
    model, names = _NEURONS[kind_of(node)]
    owner = f"node '{name}' ({kind_of(node)})"
    values = {ours: real_vector(getattr(node, theirs), size, f"{owner}: {theirs}") for theirs, ours in names.items()}
    try:
        return model(size=size, **values)
    except ParameterError as error:
        raise ParameterError(f"node '{name}': {error}") from None
