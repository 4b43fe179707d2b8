"""NIR's convolutions and poolings over one or two axes, read as weights and written as nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import nir
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.checks import real_array, real_vector
from ssdp_hw.conversion.nir.metadata import CONVOLUTION
from ssdp_hw.errors import ParameterError, ShapeError, UnsupportedError
from ssdp_hw.network.convolution import MAX_REACH, ConvWeight, Shape, whole_numbers
from ssdp_hw.network.weight import Weight

Padding = tuple[tuple[int, int], ...]
ConvolutionNode: TypeAlias = nir.Conv1d | nir.Conv2d
PoolingNode: TypeAlias = nir.SumPool2d | nir.AvgPool2d


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution or pooling at one shape of its input.

    Attributes:
        weight: its kernel and geometry.
        shape_out: (C_out, *space).
        bias: shape (C_out,); None if it has none.
    """

    weight: ConvWeight
    shape_out: Shape
    bias: NDArray[np.float64] | None = None

    def bias_of_outputs(self) -> NDArray[np.float64] | None:
        """The bias of every output, shape (outputs,)."""
        return None if self.bias is None else np.repeat(self.bias, math.prod(self.shape_out[1:]))


def convolution(owner: str, node: nir.NIRNode, shape_in: Shape, axes: int) -> Convolution:
    """The convolution of a NIR Conv1d or Conv2d, its values checked.

    Raises:
        ParameterError, ShapeError: a value that makes no sense, named with ``owner``.
        UnsupportedError: padding 'same' with a stride.
    """
    weight = real_array(node.weight, f"{owner}: weight")
    groups = whole_numbers(node.groups, 1, 1, f"{owner}: groups")[0]
    if weight.ndim != 2 + axes or 0 in weight.shape or weight.shape[0] % groups:
        raise ShapeError(
            f"{owner}: a weight of shape {weight.shape} in {groups} groups; expected (outputs, inputs / groups, "
            f"then {axes} axes of the kernel), with outputs a multiple of the groups"
        )
    stride = whole_numbers(node.stride, axes, 1, f"{owner}: stride")
    dilation = whole_numbers(node.dilation, axes, 1, f"{owner}: dilation")
    padding = _padding(owner, node.padding, weight.shape[2:], stride, dilation)
    bias = real_vector(node.bias, weight.shape[0], f"{owner}: bias")
    if len(shape_in) != 1 + axes or shape_in[0] != weight.shape[1] * groups:
        raise ShapeError(
            f"{owner}: its input has shape {shape_in}, but a weight of shape {weight.shape} in {groups} groups "
            f"takes {weight.shape[1] * groups} channels and {axes} axes"
        )
    try:
        made = ConvWeight(weight, shape_in, stride, padding, dilation, groups)
    except ParameterError as error:
        raise type(error)(f"{owner}: {error}") from None
    return Convolution(made, made.shape_out, bias)


def pooling(owner: str, node: nir.NIRNode, shape_in: Shape, *, average: bool) -> Convolution:
    """The convolution that a NIR SumPool2d or AvgPool2d is: every channel by itself, all weights equal.

    Raises:
        ParameterError, ShapeError: a value that makes no sense, named with ``owner``.
    """
    kernel = whole_numbers(node.kernel_size, 2, 1, f"{owner}: kernel_size")
    stride = whole_numbers(node.stride, 2, 1, f"{owner}: stride")
    padding = _padding(owner, node.padding, kernel, stride, (1, 1))
    if len(shape_in) != 3:
        raise ShapeError(f"{owner}: its input has shape {shape_in}; expected (channels, height, width)")
    if math.prod(kernel) > MAX_REACH:  # before an array of that size is made
        raise ParameterError(f"{owner}: a kernel of {kernel} is too large")
    try:
        made = ConvWeight.pooling(1.0 / math.prod(kernel) if average else 1.0, kernel, shape_in, stride, padding)
    except ParameterError as error:
        raise type(error)(f"{owner}: {error}") from None
    return Convolution(made, made.shape_out[1:])


def _padding(owner: str, value: str | ArrayLike, kernel: Shape, stride: Shape, dilation: Shape) -> Padding:
    if isinstance(value, str):
        if value == "valid":
            return ((0, 0),) * len(kernel)
        if value != "same":
            raise ParameterError(f"{owner}: padding = {value[:40]!r}; expected 'same', 'valid' or whole numbers")
        if any(step != 1 for step in stride):
            raise UnsupportedError(
                f"{owner}: padding 'same' with stride {stride} has no agreed meaning (PyTorch refuses it too); "
                "give the padding in numbers"
            )
        return _same(kernel, dilation)
    return tuple((p, p) for p in whole_numbers(value, len(kernel), 0, f"{owner}: padding"))


def _same(kernel: Shape, dilation: Shape) -> Padding:
    """The padding under which a convolution of stride 1 keeps the shape; an odd one is larger behind, as in PyTorch."""
    total = [d * (taps - 1) for taps, d in zip(kernel, dilation, strict=True)]
    return tuple((t // 2, t - t // 2) for t in total)


def outer_shapes(weight: Weight) -> tuple[Shape, ...]:
    """Shapes before and behind the node of a convolution; empty for a matrix, which has none."""
    if not isinstance(weight, ConvWeight):
        return ()
    first = 1 if weight.kernel.ndim > 4 else 0  # a pooling has the channels as an axis more
    return weight.shape_in[first:], weight.shape_out[first:]


def convolution_metadata(weight: Weight) -> dict[str, NDArray[np.generic]]:
    """Kernel and geometry of a convolution for the metadata of a matrix node; empty for a matrix."""
    if not isinstance(weight, ConvWeight):
        return {}
    values = {"kernel": np.array(weight.kernel, np.float64), **weight.geometry()}
    return {name: np.array(values[name]) for name in CONVOLUTION}


def node_with_bias(
    weight: Weight, bias: NDArray[np.float64] | None
) -> tuple[ConvolutionNode | PoolingNode, bool] | None:
    """The node of a convolution, and whether it brings the bias of its outputs, shape (outputs,).

    None where NIR has no such node, as for a matrix.
    """
    if not isinstance(weight, ConvWeight):
        return None
    by_channel = np.reshape(np.zeros(weight.shape[0]) if bias is None else bias, (len(weight.kernel), -1))
    carries = bias is not None and bool(np.all(by_channel == by_channel[:, :1]))
    for carried in (by_channel[:, 0], None) if carries else (None,):  # NIR's poolings have no bias
        node = node_of(weight, carried)
        if node is not None:
            return node, carried is not None
    return None


def node_of(weight: ConvWeight, bias: NDArray[np.float64] | None) -> ConvolutionNode | PoolingNode | None:
    """The NIR node of a convolution and its bias of shape (C_out,) or None; None where NIR has no node for it."""
    if bias is None and (pool := _pooling_node(weight)) is not None:
        return pool
    axes, padding = weight.kernel.ndim - 2, _stated_padding(weight)
    if axes > 2 or padding is None:
        return None
    kernel = np.array(weight.kernel, np.float64)
    rest = (weight.groups, np.zeros(len(kernel)) if bias is None else np.array(bias))
    # NIR's constructors cannot compute the shape behind all of these, so input_shape is set afterwards.
    if axes == 1:
        before = padding if isinstance(padding, str) else padding[0]
        node: ConvolutionNode = nir.Conv1d(None, kernel, weight.stride[0], before, weight.dilation[0], *rest)
        node.input_shape = weight.shape_in[1]
    else:
        node = nir.Conv2d(None, kernel, weight.stride, padding, weight.dilation, *rest)
        node.input_shape = weight.shape_in[1:]
    return node


def _pooling_node(weight: ConvWeight) -> PoolingNode | None:
    """The SumPool2d or AvgPool2d that a weight is, or None; its metadata have its shape, for which NIR has no field."""
    ones, size, stride = weight.kernel.shape[:3], weight.kernel.shape[3:], weight.stride[1:]
    padding = _stated_padding(weight)
    if ones != (1, 1, 1) or len(size) != 2 or padding is None or isinstance(padding, str):
        return None
    for kind, value in ((nir.SumPool2d, 1.0), (nir.AvgPool2d, 1.0 / math.prod(size))):
        pooled = ConvWeight.pooling(value, size, weight.shape_in[1:], stride, weight.padding[1:])
        if pooled == weight:
            shape = np.array(weight.shape_in[1:])
            return kind(np.array(size), np.array(stride), np.array(padding[1:]), metadata={"input_shape": shape})
    return None


def _stated_padding(weight: ConvWeight) -> Shape | str | None:
    """The padding as NIR states it, or None where it cannot."""
    if all(before == after for before, after in weight.padding):
        return tuple(before for before, _ in weight.padding)
    same = weight.padding == _same(weight.kernel.shape[2:], weight.dilation) and set(weight.stride) == {1}
    return "same" if same else None
