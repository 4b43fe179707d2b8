"""Operations of torch that are a linear step with numbers of their own: layers, poolings, constant factors and offsets.

Each function gives the step, or None if the operation is another or has arguments that it does not know.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ssdp_hw.arrays import Real
from ssdp_hw.conversion.torch.affine import Affine, LinearStep
from ssdp_hw.conversion.torch.tape import Tape, content
from ssdp_hw.conversion.torch.types import Arguments, Function, Keywords, Nested, Tensor
from ssdp_hw.conversion.torch.values import words
from ssdp_hw.conversion.weight_algebra import diagonal
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.network.weight import DenseWeight

_ELEMENTWISE = words("mul div true_divide add sub subtract multiply divide neg negative rsub")


@dataclass(frozen=True, eq=False)
class Operation:
    """An operation of which one argument, ``given``, depends on spikes: as ``value`` says.

    Attributes:
        tape: the recording.
        name, func, args, kwargs: the call.
        shape: of one sample of what it makes.
    """

    tape: Tape
    name: str
    func: Function
    args: Arguments
    kwargs: Keywords
    given: Nested
    value: Affine
    shape: tuple[int, ...]


def argument(args: Arguments, kwargs: Keywords, position: int, name: str, default: Nested = None) -> Nested:
    """An argument of a call, by its position or name."""
    return args[position] if len(args) > position else kwargs.get(name, default)


def array(tensor: Tensor) -> Real:
    """A constant tensor in float64."""
    return np.array(tensor.detach().cpu().double().numpy(), np.float64)


def _cached(tape: Tape, key: tuple[Any, ...], make: Callable[[], LinearStep]) -> LinearStep:
    key = tuple(content(tape, k) if isinstance(k, torch.Tensor) else k for k in key)
    if key not in tape.cache:
        tape.cache[key] = make()
    found: LinearStep = tape.cache[key]
    return found


def label(tape: Tape, weight: Tensor) -> tuple[str, ...]:
    """The name of the layer that a weight belongs to, or of the weight where it is the module's own."""
    name = tape.names.get(id(weight), "")
    return (name.rpartition(".")[0] or name,) if name else ()


def linear(op: Operation) -> LinearStep | None:
    """A matrix, and a bias."""
    tape, name, args, kwargs, given, value = op.tape, op.name, op.args, op.kwargs, op.given, op.value
    weight, bias = argument(args, kwargs, 1, "weight"), argument(args, kwargs, 2, "bias")
    if name != "linear" or args[0] is not given or len(value.shape) != 1:
        return None

    def make() -> LinearStep:
        matrix = DenseWeight(array(weight))
        return LinearStep(matrix, None if bias is None else array(bias), matrix.shape[1] + 1, label(tape, weight))

    return _cached(tape, ("linear", weight, bias), make)


def convolution(op: Operation) -> LinearStep | None:
    """A kernel, and a bias of each channel."""
    tape, name, args, kwargs, given, value, shape = op.tape, op.name, op.args, op.kwargs, op.given, op.value, op.shape
    if name not in ("conv1d", "conv2d") or args[0] is not given or len(value.shape) != int(name[4]) + 1:
        return None
    weight, bias = argument(args, kwargs, 1, "weight"), argument(args, kwargs, 2, "bias")
    axes = len(value.shape) - 1
    stride, padding, dilation, groups = (
        argument(args, kwargs, 3 + k, key, default)
        for k, (key, default) in enumerate((("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1)))
    )

    def make() -> LinearStep:
        kernel = array(weight)
        spread = _all_axes(dilation, axes)
        if padding == "same":
            whole = [d * (k - 1) for d, k in zip(spread, kernel.shape[2:], strict=True)]
            sides: Any = [(w // 2, w - w // 2) for w in whole]
        else:
            sides = [(p, p) for p in _all_axes(0 if padding == "valid" else padding, axes)]
        made = ConvWeight(kernel, value.shape, _all_axes(stride, axes), sides, spread, int(groups))
        if made.shape_out != shape:
            raise UnsupportedError(f"'{name}' gives {shape}, where its numbers say {made.shape_out}")
        each = None if bias is None else np.repeat(array(bias), math.prod(shape[1:]))
        return LinearStep(made, each, math.prod(kernel.shape[1:]) + 1, label(tape, weight))

    key = ("conv", weight, bias, value.shape, str(stride), str(padding), str(dilation), groups)
    return _cached(tape, key, make)


def _all_axes(number: Nested, axes: int) -> list[int]:
    values = [int(k) for k in number] if isinstance(number, tuple | list) else [int(number)]
    return values * axes if len(values) == 1 else values


def pooling(op: Operation) -> LinearStep | None:
    """Averages, or sums, of patches of each channel."""
    tape, name, args, kwargs, given, value, shape = op.tape, op.name, op.args, op.kwargs, op.given, op.value, op.shape
    if name not in ("avg_pool1d", "avg_pool2d", "lp_pool1d", "lp_pool2d") or args[0] is not given:
        return None
    total, axes = name.startswith("lp"), int(name[-2])
    if len(value.shape) != axes + 1 or (total and float(argument(args, kwargs, 1, "norm_type", 2)) != 1):
        return None
    at = 2 if total else 1
    size = argument(args, kwargs, at, "kernel_size")
    stride = argument(args, kwargs, at + 1, "stride") or size
    padding = 0 if total else argument(args, kwargs, 3, "padding", 0)
    sizes, sides = _all_axes(size, axes), _all_axes(padding, axes)
    divisor = None if total or axes == 1 else argument(args, kwargs, 6, "divisor_override")
    counted = total or argument(args, kwargs, 5, "count_include_pad", True) or not any(sides)
    if divisor is not None or not counted:
        return None

    def make() -> LinearStep:
        each = 1.0 if total else 1.0 / math.prod(sizes)
        strides = tuple(_all_axes(stride, axes))
        made = ConvWeight.pooling(each, tuple(sizes), value.shape, strides, [(p, p) for p in sides])
        return LinearStep(made, None, math.prod(sizes) + 1)

    step = _cached(tape, (name, value.shape, str(size), str(stride), str(padding)), make)
    assert step.weight is not None
    return step if step.weight.shape[0] == math.prod(shape) else None  # ceil_mode adds outputs at the border


def normalisation(op: Operation) -> LinearStep | None:
    """A batch normalisation by running statistics: a factor and an offset of each channel."""
    tape, name, args, kwargs, given, value, shape = op.tape, op.name, op.args, op.kwargs, op.given, op.value, op.shape
    if name != "batch_norm" or args[0] is not given:
        return None
    mean, variance, weight, bias = (
        argument(args, kwargs, 1 + k, key) for k, key in enumerate(("running_mean", "running_var", "weight", "bias"))
    )
    if mean is None or argument(args, kwargs, 5, "training", False):
        raise UnsupportedError("a batch normalisation without running statistics, which mixes the samples of a batch")
    eps = float(argument(args, kwargs, 7, "eps", 1e-5))

    def make() -> LinearStep:
        gain = 1.0 / np.sqrt(array(variance) + eps)
        gain = gain if weight is None else gain * array(weight)
        offset = -array(mean) * gain + (0.0 if bias is None else array(bias))
        spread = math.prod(shape[1:])
        return LinearStep(diagonal(np.repeat(gain, spread)), np.repeat(offset, spread), 8)

    return _cached(tape, ("norm", mean, variance, weight, bias, eps, value.shape), make)


def by_element(op: Operation) -> LinearStep | None:
    """A constant factor or offset: what the operation makes of zeros and ones says which."""
    tape, name, func, args, kwargs, given, value, shape = (
        op.tape,
        op.name,
        op.func,
        op.args,
        op.kwargs,
        op.given,
        op.value,
        op.shape,
    )
    if name not in _ELEMENTWISE or shape != value.shape or kwargs:
        return None
    if name in ("div", "divide", "true_divide") and args[0] is not given:
        return None
    rest = (a for a in args if a is not given)
    others = tuple(content(tape, a) if isinstance(a, torch.Tensor) else str(a) for a in rest)
    turned = args[0] is given
    key = ("element", name, others, turned, shape)
    if key not in tape.cache:

        def of(filled: float) -> Real:
            probe = torch.full((len(given), *shape), filled, dtype=torch.float64)
            swapped = [probe if a is given else a.clone() if isinstance(a, torch.Tensor) else a for a in args]
            rows = array(func(*swapped)).reshape(len(given), -1)
            if np.any(rows != rows[:1]):
                raise UnsupportedError(f"'{name}' with a constant that differs between the samples of a batch")
            return np.asarray(rows[0], np.float64)

        zero = of(0.0)
        if name in ("mul", "multiply", "div", "divide", "true_divide", "neg", "negative"):
            # 1 / c is rounded, too: one more rounding in the bound.
            step = LinearStep(diagonal(of(1.0)), None, 2)
        else:
            minus = bool(of(1.0)[0] < zero[0])
            step = LinearStep(diagonal(-np.ones(value.size)) if minus else None, zero, 1)
        tape.cache[key] = step
    found: LinearStep = tape.cache[key]
    return found
