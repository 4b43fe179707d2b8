"""The integers of a layer of a ``.net`` file in the shapes that a network takes."""

from __future__ import annotations

import math

import numpy as np

from ssdp_hw.arrays import Int
from ssdp_hw.conversion.lava_dl.net_file import Fields, Layer
from ssdp_hw.errors import ParameterError, ShapeError


def one_per_neuron(layer: Fields, name: str, shape: tuple[int, ...]) -> Int:
    """One value a neuron, from one in all, one a channel or one a neuron."""
    values, size = layer.integers(name).reshape(-1), math.prod(shape)
    if values.size not in (1, shape[0], size):
        raise ShapeError(f"{layer.title}: '{name}' has {values.size} values for {size} neurons of shape {shape}")
    return np.repeat(values, size // values.size)


def matrix(layer: Layer, name: str, post: int, pre: int) -> Int:
    """A field as a matrix of shape (post, pre)."""
    stored = layer.integers(name)
    if stored.size != post * pre or (stored.ndim == 2 and stored.shape != (post, pre)):
        raise ShapeError(f"{layer.title}: '{name}' of shape {stored.shape}; expected ({post}, {pre})")
    return stored.reshape(post, pre)


def rows_and_columns(layer: Fields, name: str) -> tuple[int, int]:
    """A field of one value for rows and one for columns, or of one for both."""
    values = layer.integers(name).reshape(-1)
    if values.size not in (1, 2):
        raise ShapeError(f"{layer.title}: '{name}' has {values.size} values; expected one for rows, one for columns")
    return int(values[0]), int(values[-1])


def bias_of(layer: Layer, shape: tuple[int, ...]) -> int | Int:
    """The bias of each neuron in units of weights; 0 if the layer has none."""
    return one_per_neuron(layer, "bias", shape) if "bias" in layer else 0


def axonal_delay(layer: Layer, shape: tuple[int, ...]) -> int | Int:
    """The steps by which spikes of the layer are late: one number if all neurons have the same, else one a neuron."""
    if "delay" not in layer:
        return 0
    delay = one_per_neuron(layer, "delay", shape)
    if np.any(delay < 0):
        raise ParameterError(f"{layer.title}: a delay of {int(delay.min())} steps")
    return int(delay[0]) if np.all(delay == delay[0]) else delay
