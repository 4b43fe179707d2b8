"""Indices of tensors: which axes they leave whole, and which single step they take."""

from __future__ import annotations

from ssdp_hw.conversion.torch.types import Nested, Tensor


def whole_index(index: Nested, ndim: int) -> tuple[Nested, ...]:
    """An index of so many axes, with a slice for each that it does not name or that its ellipsis stands for."""
    parts = index if isinstance(index, tuple) else (index,)
    at = next((k for k, part in enumerate(parts) if part is Ellipsis), len(parts))
    rest = parts[at + 1 :]
    return (*parts[:at], *(slice(None) for _ in range(ndim - at - len(rest))), *rest)


def single_step(index: Nested, tensor: Tensor) -> tuple[int | None, int]:
    """The step that ``tensor[index]`` is and the axis of time; no step where it is anything but all of one step."""
    parts = whole_index(index, tensor.ndim)
    numbers = [k for k, part in enumerate(parts) if isinstance(part, int)]
    others = [part for part in parts if not isinstance(part, int)]
    whole = len(parts) == tensor.ndim and all(isinstance(p, slice) and p == slice(None) for p in others)
    return (parts[numbers[0]], numbers[0]) if whole and len(numbers) == 1 else (None, 0)
