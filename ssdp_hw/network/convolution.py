"""Convolutions as weights: a kernel that is stored once, however many synapses share its values."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.checks import as_array
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError, ShapeError, UnsupportedError
from ssdp_hw.files.record import Record
from ssdp_hw.network.sparse_check import check_compressed
from ssdp_hw.network.weight import SparseWeight, Weight

Shape = tuple[int, ...]
# One number for all axes or one for each is given; what is kept has one for each.
GivenShape: TypeAlias = Any
Index = NDArray[np.int64]

# More (output position, tap) pairs on one axis are a mistake of a number.
MAX_REACH = 1 << 24
# More synapses than this are not listed one by one: each takes 12 bytes and more.
MAX_UNROLLED = 1 << 26


@shown
@dataclass(frozen=True, eq=False)
class ConvWeight(Weight):
    """The weight of a convolution or pooling of any number of axes, shape (post, pre).

    As in PyTorch a convolution is a cross-correlation, values lie channels first in C order, and
    ``y[o, p] = sum over c, k of kernel[o, c, k] * x[group(o) + c, p * stride - before + k * dilation]``
    where x is 0 outside its shape. A tap outside makes no synapse; a weight of zero does.

    Attributes:
        kernel: the stored weights, shape (C_out, C_in / groups, *taps), one axis or more.
        shape_in: (C_in, *space).
        stride, dilation: one value an axis; a single one holds for all.
        padding: (before, after) of every axis; one number holds for both sides, or for all.
        groups: output channel o sees the input channels of group ``o // (C_out / groups)``.

    Raises:
        ShapeError, ParameterError: a kernel, shape or number that makes no sense.
    """

    kind = "convolution"
    sparse = True
    shared = True

    kernel: Numbers
    shape_in: GivenShape
    stride: GivenShape = 1
    padding: GivenShape = 0
    dilation: GivenShape = 1
    groups: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernel", np.array(as_array(self.kernel, "convolution: kernel")))
        shape, axes = self.kernel.shape, self.kernel.ndim - 2
        groups = whole_numbers(self.groups, 1, 1, "convolution: groups")[0]
        if axes < 1 or 0 in shape or shape[0] % groups:
            raise ShapeError(
                f"a kernel of shape {shape} in {groups} groups; expected (outputs, inputs / groups, then one axis or "
                "more), with outputs a multiple of the groups"
            )
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "shape_in", whole_numbers(self.shape_in, 1 + axes, 1, "convolution: shape_in"))
        object.__setattr__(self, "stride", whole_numbers(self.stride, axes, 1, "convolution: stride"))
        object.__setattr__(self, "dilation", whole_numbers(self.dilation, axes, 1, "convolution: dilation"))
        object.__setattr__(self, "padding", _padding(self.padding, axes))
        if self.shape_in[0] != shape[1] * groups:
            raise ShapeError(
                f"an input of shape {self.shape_in} for a kernel of shape {shape} in {groups} groups, which takes "
                f"{shape[1] * groups} channels"
            )
        if 0 in self.shape_out:
            raise ShapeError(f"an input of shape {self.shape_in}, padded, is smaller than a kernel of {shape[2:]}")
        if any(outputs * taps > MAX_REACH for outputs, taps in zip(self.shape_out[1:], shape[2:], strict=True)):
            raise ParameterError(
                f"an output of shape {self.shape_out} with a kernel of {shape[2:]} is too large; check the padding"
            )

    @classmethod
    def pooling(cls, value: float, size: Shape, shape_in: Shape, stride: Shape, padding: GivenShape = 0) -> ConvWeight:
        """Sums of ``size`` values, times ``value``, of every channel by itself.

        One kernel serves all channels: they are one more axis of a convolution of one channel.
        """
        sides = _padding(padding, len(size))
        return cls(np.full((1, 1, 1, *size), value), (1, *shape_in), (1, *stride), ((0, 0), *sides))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ConvWeight):
            return NotImplemented
        return self.geometry() == other.geometry() and np.array_equal(self.kernel, other.kernel)

    def geometry(self) -> dict[str, GivenShape]:
        """All but the kernel, as plain values: the other arguments of the constructor."""
        return {
            "shape_in": self.shape_in,
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }

    @property
    def shape_out(self) -> Shape:
        """(C_out, *space)."""
        return self.kernel.shape[0], *(len(starts) for starts in self._starts())

    @property
    def shape(self) -> tuple[int, int]:
        """(post, pre)."""
        return math.prod(self.shape_out), math.prod(self.shape_in)

    @property
    def given(self) -> ConvWeight:
        """Itself, as users give it."""
        return self

    def to_record(self) -> Record:
        """The kernel, and its geometry as plain values."""
        return Record({"convolution": self.geometry()}, {"kernel": self.kernel})

    @property
    def values(self) -> Numbers:
        """The stored weights in row-major order of the kernel."""
        return self.kernel.reshape(-1)

    @property
    def synapses(self) -> int:
        """Number of (input, output) pairs that a weight joins."""
        inside = (int(np.count_nonzero(self._reach(axis)[1])) for axis in range(self.kernel.ndim - 2))
        return self.kernel.shape[0] * self.kernel.shape[1] * math.prod(inside)

    def with_values(self, values: Numbers) -> ConvWeight:
        """The same convolution with other stored weights."""
        return replace(self, kernel=np.asarray(values).reshape(self.kernel.shape))

    def unrolled(self) -> sp.csr_array:
        """The sparse matrix (post, pre) that it is; a weight of zero is a stored zero.

        Raises:
            UnsupportedError: it has more than ``MAX_UNROLLED`` synapses.
        """
        if self.synapses > MAX_UNROLLED:
            raise UnsupportedError(
                f"a convolution of {self.synapses} synapses cannot be unrolled: the limit is {MAX_UNROLLED}; run it on "
                "a target that keeps the kernel"
            )
        c_out, c_in = self.kernel.shape[:2]
        in_position, tap, out_position = self.pairs()
        in_channel = self.first_channel[:, None] + np.arange(c_in)
        shape = (c_out, c_in, len(tap))
        rows = np.arange(c_out)[:, None, None] * math.prod(self.shape_out[1:]) + out_position
        cols = in_channel[:, :, None] * math.prod(self.shape_in[1:]) + in_position
        values = self.kernel.reshape(c_out, c_in, -1)[:, :, tap]
        matrix = sp.coo_array(
            (values.reshape(-1), (np.broadcast_to(rows, shape).reshape(-1), cols.reshape(-1))), shape=self.shape
        )
        return sp.csr_array(matrix)

    def by_synapse(self) -> SparseWeight:
        """The sparse matrix that it is, of which nothing can be written.

        Raises:
            UnsupportedError: it has more than ``MAX_UNROLLED`` synapses.
        """
        matrix = self.unrolled()
        matrix.data.setflags(write=False)
        return SparseWeight(matrix)

    @property
    def row_start(self) -> Index:
        """Number of the first synapse of each postsynaptic neuron, and that of all: shape (post + 1,)."""
        return self.by_synapse().row_start

    def synapse_indices(self) -> tuple[Index, Index]:
        """Row (post) and column (pre) of every synapse, in row-major order of the matrix."""
        return self.by_synapse().synapse_indices()

    @property
    def pattern(self) -> object:
        """All that says which synapses share which weight."""
        return self.geometry(), self.kernel.shape

    def most_inputs(self, ends: Index) -> int:
        """Most presynaptic neurons that any of the groups of rows has synapses from."""
        return self.by_synapse().most_inputs(ends)

    def per_synapse(self, values: Numbers, owner: str) -> Numbers:
        """Nothing: synapses that share a weight have one value.

        Raises:
            ShapeError: always.
        """
        raise ShapeError(f"{owner} of shape {values.shape}; a convolution has one delay, an integer")

    def sum_shared(self, values: Numbers, index: Index) -> Numbers:
        """Values of all synapses, those that share a stored weight added up; ``index`` is ``stored_index()``."""
        total = np.zeros(self.kernel.size, values.dtype)
        np.add.at(total, index, values)
        return total

    def stored_rows(self, ends: Index) -> Index:
        """Number of stored weights that each group of rows needs: the kernels of the channels in it."""
        channels, neurons = len(self.kernel), self.shape[0]
        first, last = ends[:-1] * channels // neurons, (ends[1:] - 1) * channels // neurons
        return np.asarray((last + 1 - first) * (self.kernel.size // channels))

    def row_maxima(self) -> NDArray[np.float64]:
        """Largest magnitude of every output's channel, shape (post,)."""
        by_channel = np.abs(self.kernel).reshape(self.kernel.shape[0], -1).max(axis=1)
        return np.repeat(by_channel, self.shape[0] // len(by_channel)).astype(np.float64)

    def stored_index(self) -> Index:
        """For every synapse, in row-major order of the matrix, its position in ``values``."""
        return np.asarray(self.with_values(np.arange(self.kernel.size)).unrolled().data, np.int64)

    def sum(self, axis: int) -> Numbers:
        """Sums of the rows (axis 1) or columns (axis 0) of the matrix, without unrolling it."""
        c_out, c_in = self.kernel.shape[:2]
        grouped = self.kernel.reshape(self.groups, c_out // self.groups, c_in, *self.kernel.shape[2:])
        # The channels that stay, then the taps, each axis of which becomes one of positions.
        total = grouped.sum(axis=2 if axis else 1).reshape(-1, *self.kernel.shape[2:])
        for k in range(1, total.ndim):
            positions, tap, outputs = self.pairs(k - 1, k)
            size = self.shape_out[k] if axis else self.shape_in[k]
            hits = sp.csr_array(
                (np.ones(len(tap), total.dtype), (outputs if axis else positions, tap)), shape=(size, total.shape[k])
            )
            moved = np.moveaxis(total, k, 0)
            spread = (hits @ moved.reshape(moved.shape[0], -1)).reshape(size, *moved.shape[1:])
            total = np.moveaxis(spread, 0, k)
        return np.asarray(total.reshape(-1))

    def times_outputs(self, factors: NDArray[np.float64]) -> ConvWeight | None:
        """Every output times its factor, shape (post,); None if a channel's outputs differ in it."""
        by_channel = factors.reshape(self.kernel.shape[0], -1)
        if np.any(by_channel != by_channel[:, :1]):
            return None
        return replace(self, kernel=self.kernel * by_channel[:, 0].reshape(-1, *[1] * (self.kernel.ndim - 1)))

    def times_inputs(self, factors: NDArray[np.float64]) -> ConvWeight | None:
        """Every input times its factor, shape (pre,); None if a channel's inputs differ in it."""
        by_channel = factors.reshape(self.shape_in[0], -1)
        if np.any(by_channel != by_channel[:, :1]):
            return None
        seen = by_channel[self.first_channel[:, None] + np.arange(self.kernel.shape[1]), 0]
        return replace(self, kernel=self.kernel * seen.reshape(*seen.shape, *[1] * (self.kernel.ndim - 2)))

    def after_pooling(self, pool: Weight) -> ConvWeight | None:
        """What a :meth:`pooling` and then this convolution do, if that is one convolution; else None.

        It is where the pooling's windows tile its input: every tap becomes a window of taps.
        """
        if not isinstance(pool, ConvWeight):
            return None
        space, size = pool.shape_in[2:], pool.kernel.shape[3:]
        tiled = tuple(taps * k for taps, k in zip(self.shape_in[1:], size, strict=False))
        if (
            pool.kernel.shape[:3] != (1, 1, 1)
            or pool.shape_out[1:] != self.shape_in
            or space != tiled
            or pool.stride[1:] != size
            or set(self.dilation) != {1}
        ):
            return None
        return ConvWeight(
            np.kron(self.kernel, pool.kernel[0]),
            pool.shape_in[1:],
            [s * k for s, k in zip(self.stride, size, strict=True)],
            [(before * k, after * k) for (before, after), k in zip(self.padding, size, strict=True)],
            1,
            self.groups,
        )

    @property
    def first_channel(self) -> Index:
        """First input channel that each output channel sees, shape (C_out,)."""
        c_out, c_in = self.kernel.shape[:2]
        return np.arange(c_out) // (c_out // self.groups) * c_in

    def pairs(self, begin: int = 0, end: int | None = None) -> tuple[Index, Index, Index]:
        """(input position, tap, output position) of all that meet on the axes ``begin .. end - 1`` of the space.

        Positions and taps count through these axes in C order.
        """
        found = [np.zeros(1, np.int64)] * 3
        for axis in range(self.kernel.ndim - 2)[begin:end]:
            position, inside = self._reach(axis)
            out, tap = np.nonzero(inside)
            sizes = self.shape_in[1 + axis], self.kernel.shape[2 + axis], self.shape_out[1 + axis]
            found = [
                np.add.outer(before * size, index).reshape(-1)
                for before, size, index in zip(found, sizes, (position[out, tap], tap, out), strict=True)
            ]
        return found[0], found[1], found[2]

    def _starts(self) -> list[range]:
        """For every axis the input positions of the first tap, one an output position."""
        lengths = zip(self.shape_in[1:], self.kernel.shape[2:], self.stride, self.padding, self.dilation, strict=True)
        return [
            range(-before, size + after - dilation * (taps - 1), stride)
            for size, taps, stride, (before, after), dilation in lengths
        ]

    def _reach(self, axis: int) -> tuple[Index, NDArray[np.bool_]]:
        """On an axis the input position of (output position, tap), and whether it lies inside."""
        taps = np.arange(self.kernel.shape[2 + axis]) * self.dilation[axis]
        position = np.array(self._starts()[axis], np.int64)[:, None] + taps
        return position, (position >= 0) & (position < self.shape_in[1 + axis])


def weight_from_record(record: Record) -> Numbers | sp.csr_array | ConvWeight:
    """The weight that its ``to_record`` described, as users give it and as unchecked.

    Raises:
        Exception: of any kind, where a file is damaged.
    """
    values, arrays = record.values, record.arrays
    if "convolution" in values:
        return ConvWeight(arrays["kernel"], **values["convolution"])
    if "shape" in values:
        post, pre = values["shape"]
        rows = arrays["data"], arrays["indices"], arrays["indptr"]
        check_compressed(*rows, (post, pre), f"projection '{values['name']}'")
        return sp.csr_array(rows, shape=(post, pre))
    matrix: Numbers = arrays["weight"]
    return matrix


def whole_numbers(value: object, axes: int, low: int, owner: str) -> Shape:
    """Whole numbers of at least ``low``, one an axis; a single one holds for all.

    Raises:
        ParameterError: anything else.
    """
    try:
        array = np.asarray(value).reshape(-1)
    except ValueError:
        array = np.zeros(0)
    if array.dtype.kind not in "iu" or array.size not in (1, axes) or np.any(array < low) or np.any(array >= 1 << 31):
        raise ParameterError(
            f"{owner} = {str(value)[:40]!r}; expected one whole number of at least {low}, or {axes} of them"
        )
    numbers = tuple(int(k) for k in array)
    return numbers * axes if len(numbers) == 1 else numbers


def _padding(value: GivenShape, axes: int) -> tuple[tuple[int, int], ...]:
    value = as_array(value, "convolution: padding").tolist()
    if np.shape(value) == (axes, 2):
        sides = whole_numbers(value, 2 * axes, 0, "convolution: padding")
        return tuple(zip(sides[::2], sides[1::2], strict=True))
    return tuple((p, p) for p in whole_numbers(value, axes, 0, "convolution: padding"))
