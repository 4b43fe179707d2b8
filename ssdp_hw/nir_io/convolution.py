"""Convolutions and poolings over one or two axes, and the sparse matrix that each of them is.

As in PyTorch, a convolution is a cross-correlation, values lie channels first in C order, and
``y[o, p] = bias[o] + sum over c, k of weight[o, c, k] * x[group(o) + c, p * stride - before + k * dilation]``
where x is 0 outside its shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ssdp_hw.checks import as_array, real_array, real_vector
from ssdp_hw.errors import ParameterError, ShapeError, UnsupportedError

Shape = tuple[int, ...]

# More (output position, tap) pairs on one axis, or weights of a pooling, are a mistake of a number.
MAX_REACH = 1 << 24


@dataclass(frozen=True, eq=False)
class Convolution:
    """One convolution at one shape of its input.

    Attributes:
        weight: shape (C_out, C_in / groups, *kernel), finite float64.
        bias: shape (C_out,).
        shape_in: (C_in, *space).
        stride, dilation: one value an axis.
        padding: (before, after) of every axis, filled with zeros.
        groups: output channel o sees the input channels of group ``o // (C_out / groups)``.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    shape_in: Shape
    stride: Shape
    padding: tuple[tuple[int, int], ...]
    dilation: Shape
    groups: int = 1

    @property
    def shape_out(self) -> Shape:
        """(C_out, *space)."""
        return self.weight.shape[0], *(len(starts) for starts in self._starts())

    @property
    def synapses(self) -> int:
        """Number of (input, output) pairs that a weight joins."""
        channels = self.weight.shape[0] * self.weight.shape[1]
        return channels * math.prod(int(np.count_nonzero(inside)) for _, inside in self._reach())

    def bias_of_outputs(self) -> NDArray[np.float64]:
        """The bias of every output, shape (outputs,)."""
        return np.repeat(self.bias, math.prod(self.shape_out[1:]))

    def unrolled(self) -> Any:
        """The ``csr_array`` (outputs, inputs) that it is; a weight of zero is a stored zero."""
        out_space, in_space, kernel = np.zeros((3, 1), np.int64)
        for axis, (position, inside) in enumerate(self._reach()):
            out, tap = np.nonzero(inside)
            out_space = np.add.outer(out_space * self.shape_out[1 + axis], out).ravel()
            in_space = np.add.outer(in_space * self.shape_in[1 + axis], position[out, tap]).ravel()
            kernel = np.add.outer(kernel * self.weight.shape[2 + axis], tap).ravel()
        c_out, c_in = self.weight.shape[:2]
        first = np.arange(c_out) // (c_out // self.groups) * c_in  # of the group's input channels
        in_channel = first[:, None] + np.arange(c_in)
        out_size, in_size = math.prod(self.shape_out[1:]), math.prod(self.shape_in[1:])
        shape = (c_out, c_in, len(kernel))
        rows = np.arange(c_out)[:, None, None] * out_size + out_space
        cols = in_channel[:, :, None] * in_size + in_space
        values = self.weight.reshape(c_out, c_in, -1)[:, :, kernel]
        matrix = sp.coo_array(
            (values.ravel(), (np.broadcast_to(rows, shape).ravel(), cols.ravel())),
            shape=(c_out * out_size, math.prod(self.shape_in)),
        )
        return sp.csr_array(matrix)

    def _starts(self) -> list[range]:
        """For every axis the input positions of the first tap, one an output position."""
        lengths = zip(
            self.shape_in[1:], self.weight.shape[2:], self.stride, self.padding, self.dilation, strict=True
        )
        return [
            range(-before, size + after - dilation * (taps - 1), stride)
            for size, taps, stride, (before, after), dilation in lengths
        ]

    def _reach(self) -> list[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
        """For every axis the input position of (output position, tap), and whether it lies inside."""
        reach = []
        for axis, starts in enumerate(self._starts()):
            taps = np.arange(self.weight.shape[2 + axis]) * self.dilation[axis]
            position = np.array(starts, np.int64)[:, None] + taps
            reach.append((position, (position >= 0) & (position < self.shape_in[1 + axis])))
        return reach


def convolution(owner: str, node: Any, shape_in: Shape, axes: int) -> Convolution:
    """The convolution of a NIR Conv1d or Conv2d, its values checked.

    Raises:
        ParameterError, ShapeError: a value that makes no sense, named with ``owner``.
        UnsupportedError: padding 'same' with a stride.
    """
    weight = real_array(node.weight, f"{owner}: weight")
    groups = integers(node.groups, 1, 1, f"{owner}: groups")[0]
    if weight.ndim != 2 + axes or 0 in weight.shape or weight.shape[0] % groups:
        raise ShapeError(
            f"{owner}: a weight of shape {weight.shape} in {groups} groups; expected (outputs, inputs / groups, "
            f"then {axes} axes of the kernel), with outputs a multiple of the groups"
        )
    stride = integers(node.stride, axes, 1, f"{owner}: stride")
    dilation = integers(node.dilation, axes, 1, f"{owner}: dilation")
    padding = _padding(owner, node.padding, weight.shape[2:], stride, dilation)
    bias = real_vector(node.bias, weight.shape[0], f"{owner}: bias")
    if len(shape_in) != 1 + axes or shape_in[0] != weight.shape[1] * groups:
        raise ShapeError(
            f"{owner}: its input has shape {shape_in}, but a weight of shape {weight.shape} in {groups} groups "
            f"takes {weight.shape[1] * groups} channels and {axes} axes"
        )
    return _checked(owner, Convolution(weight, bias, shape_in, stride, padding, dilation, groups))


def pooling(owner: str, node: Any, shape_in: Shape, *, average: bool) -> Convolution:
    """The convolution that a NIR SumPool2d or AvgPool2d is: every channel by itself, all weights equal.

    Raises:
        ParameterError, ShapeError: a value that makes no sense, named with ``owner``.
    """
    kernel = integers(node.kernel_size, 2, 1, f"{owner}: kernel_size")
    stride = integers(node.stride, 2, 1, f"{owner}: stride")
    padding = _padding(owner, node.padding, kernel, stride, (1, 1))
    if len(shape_in) != 3:
        raise ShapeError(f"{owner}: its input has shape {shape_in}; expected (channels, height, width)")
    channels = shape_in[0]
    if channels * math.prod(kernel) > MAX_REACH:  # before the kernel is made
        raise ParameterError(f"{owner}: a kernel of {kernel} over {channels} channels is too large")
    weight = np.full((channels, 1, *kernel), 1.0 / math.prod(kernel) if average else 1.0)
    return _checked(
        owner, Convolution(weight, np.zeros(channels), shape_in, stride, padding, (1, 1), channels)
    )


def integers(value: Any, axes: int, low: int, owner: str) -> Shape:
    """Whole numbers of at least ``low``, one an axis; a single one holds for all.

    Raises:
        ParameterError: anything else.
    """
    array = as_array(value, owner).reshape(-1)
    if array.dtype.kind not in "iu" or array.size not in (1, axes) or np.any(array < low) or np.any(array >= 1 << 31):
        raise ParameterError(
            f"{owner} = {str(value)[:40]!r}; expected one whole number of at least {low}, or {axes} of them"
        )
    numbers = tuple(int(k) for k in array)
    return numbers * axes if len(numbers) == 1 else numbers


def _padding(owner: str, value: Any, kernel: Shape, stride: Shape, dilation: Shape) -> tuple[tuple[int, int], ...]:
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
        total = [d * (taps - 1) for taps, d in zip(kernel, dilation, strict=True)]
        return tuple((t // 2, t - t // 2) for t in total)  # the odd one goes behind, as in PyTorch
    return tuple((p, p) for p in integers(value, len(kernel), 0, f"{owner}: padding"))


def _checked(owner: str, made: Convolution) -> Convolution:
    kernel = made.weight.shape[2:]
    if 0 in made.shape_out:
        raise ShapeError(f"{owner}: its input of shape {made.shape_in}, padded, is smaller than its kernel {kernel}")
    if any(outputs * taps > MAX_REACH for outputs, taps in zip(made.shape_out[1:], kernel, strict=True)):
        raise ParameterError(
            f"{owner}: its output of shape {made.shape_out} with a kernel of {kernel} is too large; check its padding"
        )
    return made
