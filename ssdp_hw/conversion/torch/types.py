"""Names for what belongs to torch, which need not be installed where these files are type-checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import torch

Tensor: TypeAlias = "torch.Tensor"
Module: TypeAlias = "torch.nn.Module"
Tensors: TypeAlias = "tuple[torch.Tensor, ...]"
Nested: TypeAlias = Any  # a tensor, or tuples, lists and dicts of tensors and other values, as modules take and return

# A call as torch hands it over: the function, such as torch.add, and what it got.
Function: TypeAlias = Callable[..., Any]
Arguments: TypeAlias = tuple[Any, ...]
Keywords: TypeAlias = dict[str, Any]
