"""Layers of torch without memory as NIR nodes, in float64."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from ssdp_hw.errors import UnsupportedError

Real = NDArray[np.float64]

IGNORED = ("Identity", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout")
NORMALISATIONS = ("BatchNorm1d", "BatchNorm2d")
WEIGHTED = ("Linear", "Conv1d", "Conv2d")
LAYERS = (*WEIGHTED, *NORMALISATIONS, "AvgPool2d", "LPPool2d", "Flatten", *IGNORED)


def kind_of_layer(module: Any) -> str | None:
    """The torch type of a layer, if it is torch's own and known here."""
    name = type(module).__name__
    return name if type(module).__module__.startswith("torch.nn.modules.") and name in LAYERS else None


def array(tensor: Any, owner: str) -> Real:
    """A tensor as float64.

    Raises:
        UnsupportedError: it is not real.
    """
    values = tensor.detach().cpu()
    if values.is_complex():
        raise UnsupportedError(f"{owner} is complex")
    return np.asarray(values.double().numpy(), np.float64)


def node_of(name: str, module: Any, norm: Any = None) -> Any:
    """The NIR node of a layer; a batch normalisation behind it is folded into it as it acts in evaluation.

    Raises:
        UnsupportedError: a setting that NIR or this toolkit cannot express.
    """
    kind = kind_of_layer(module)
    if kind in WEIGHTED:
        weight, bias = _folded(name, module, norm)
        if kind == "Linear":
            return nir.Linear(weight) if bias is None else nir.Affine(weight, bias)
        if module.padding_mode != "zeros":
            raise UnsupportedError(f"layer '{name}' ({kind}): padding_mode '{module.padding_mode}'; only zeros")
        made = nir.Conv1d if kind == "Conv1d" else nir.Conv2d
        numbers = [
            k[0] if kind == "Conv1d" and isinstance(k, tuple) else k
            for k in (module.stride, module.padding, module.dilation)
        ]
        return made(None, weight, *numbers, module.groups, np.zeros(len(weight)) if bias is None else bias)
    if kind == "Flatten":
        if module.start_dim < 1:
            raise UnsupportedError(f"layer '{name}' (Flatten): start_dim = {module.start_dim} flattens the batch")
        end = module.end_dim - 1 if module.end_dim > 0 else module.end_dim
        return nir.Flatten({"input": None}, module.start_dim - 1, end)
    return _pool(name, kind, module)


def _pool(name: str, kind: str | None, module: Any) -> Any:
    size = _pair(module.kernel_size)
    stride = _pair(module.kernel_size if module.stride is None else module.stride)
    if module.ceil_mode:
        raise UnsupportedError(f"layer '{name}' ({kind}): ceil_mode")
    if kind == "LPPool2d":
        if module.norm_type != 1:
            raise UnsupportedError(f"layer '{name}' (LPPool2d): norm_type {module.norm_type}; only 1, a sum")
        return nir.SumPool2d(size, stride, np.zeros(2, int))
    padding = _pair(module.padding)
    if module.divisor_override not in (None, int(np.prod(size))) or (padding.any() and not module.count_include_pad):
        raise UnsupportedError(f"layer '{name}' (AvgPool2d): divisor_override, or padding that does not count")
    return nir.AvgPool2d(size, stride, padding)


def _pair(value: Any) -> NDArray[np.int64]:
    return np.array(np.broadcast_to(np.asarray(value, np.int64), (2,)))


def _folded(name: str, module: Any, norm: Any) -> tuple[Real, Real | None]:
    weight = array(module.weight, f"layer '{name}': weight")
    bias = None if module.bias is None else array(module.bias, f"layer '{name}': bias")
    if norm is None:
        return weight, bias
    if norm.running_mean is None:
        raise UnsupportedError(f"the batch normalisation behind layer '{name}' keeps no running statistics")
    mean, variance = (array(k, "a batch normalisation") for k in (norm.running_mean, norm.running_var))
    if len(mean) != len(weight):
        raise UnsupportedError(f"the batch normalisation behind layer '{name}' has {len(mean)} channels")
    gain, shift = 1.0 / np.sqrt(variance + norm.eps), np.zeros(len(mean))
    if norm.affine:
        gain, shift = gain * array(norm.weight, "a batch normalisation"), array(norm.bias, "a batch normalisation")
    offset = (0.0 if bias is None else bias) - mean
    return weight * gain.reshape(-1, *[1] * (weight.ndim - 1)), offset * gain + shift
