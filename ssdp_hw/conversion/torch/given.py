"""What ``from_torch`` is given: modules that can be recorded, samples that are plain finite numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn.parameter import UninitializedTensorMixin

from ssdp_hw.conversion.torch.tape import source_line
from ssdp_hw.conversion.torch.types import Module, Nested, Tensor, Tensors
from ssdp_hw.errors import ParameterError, UnsupportedError

_EXACT = (torch.float32, torch.float64)


class CannotRunError(UnsupportedError):
    """A module's own forward fails on an input, as one of a fixed number of steps does on others."""


def check_module(module: Module) -> None:
    """Raise if a module's operations cannot be recorded, or its numbers are not those of a network.

    Raises:
        UnsupportedError: it, or a part of it, is compiled; it computes in a type of less than 32 bits.
        ParameterError: a parameter or buffer has a value that is not finite.
    """
    for name, part in module.named_modules():
        said = f"layer '{name}'" if name else "the module"
        if isinstance(part, torch.jit.ScriptModule):
            raise UnsupportedError(
                f"{said} is compiled by torch.jit, so that its operations cannot be recorded; give the module as it "
                "was before torch.jit.script or torch.jit.trace"
            )
        if type(part).__module__.startswith("torch._dynamo"):
            raise UnsupportedError(
                f"{said} is compiled by torch.compile, so that its operations cannot be recorded; give the module as "
                "it was before, which is its attribute _orig_mod"
            )
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if isinstance(tensor, UninitializedTensorMixin):
            raise ParameterError(
                f"parameter '{name}' has no values, since its lazy layer never ran: call the module once on a sample"
            )
        if tensor.is_floating_point() and tensor.dtype not in _EXACT:
            raise UnsupportedError(
                f"parameter '{name}' is {tensor.dtype}: the module rounds every value to fewer bits than float32, "
                "which no network does; give module.float()"
            )
        if tensor.is_complex():
            raise UnsupportedError(f"parameter '{name}' is {tensor.dtype}; the weights of a network are real numbers")
        if tensor.is_meta:
            raise ParameterError(f"parameter '{name}' is on the device 'meta', which holds no numbers; load its values")
        whole = name.endswith(("weight", "bias"))  # a threshold may be infinite: then nothing fires
        if tensor.is_floating_point() and bool((~torch.isfinite(tensor) if whole else torch.isnan(tensor)).any()):
            raise ParameterError(f"parameter '{name}' has a value that is not finite; the training may have diverged")


def sample_tensor(sample: Nested, dtype: Any) -> Tensor | None:
    """A tensor, or an array of numbers, in the type of a module; None if it is neither.

    Raises:
        ParameterError: it is empty or complex, holds no numbers, or has a value that is not finite.
    """
    if isinstance(sample, np.ndarray):
        if sample.dtype.kind not in "biuf":
            raise ParameterError(f"sample: an array of {sample.dtype}; give real numbers")
        sample = torch.from_numpy(np.array(sample, np.float64))
    if not isinstance(sample, torch.Tensor):
        return None
    if sample.is_complex():
        raise ParameterError(f"sample: a tensor of {sample.dtype}; give real numbers")
    if sample.is_meta:
        raise ParameterError("sample: a tensor on the device 'meta', which holds no numbers")
    if sample.is_nested:
        raise ParameterError("sample: a nested tensor; give one whose samples have the same shape")
    sample = sample.detach().cpu()
    sample = sample.dequantize() if sample.is_quantized else sample
    sample = (sample if sample.layout is torch.strided else sample.to_dense()).to(dtype)
    if not sample.numel():
        raise ParameterError(f"sample: a tensor of shape {tuple(sample.shape)} is empty; give at least one sample")
    if not bool(torch.isfinite(sample).all()):
        raise ParameterError("sample: it has a NaN or infinite value; every value must be finite")
    return sample


def why_it_failed(module: Module, given: Tensors, error: Exception, *, recorded: bool) -> str:
    """Why a module could not be run, and what to do; ``recorded`` if it ran when nothing was recorded."""
    first = str(error).splitlines()[0][:160] if str(error) else ""
    line = source_line(error)
    name, raised = type(module).__name__, f"({type(error).__name__}: {first})"
    if recorded:
        said = f"the operations of {name} cannot be recorded {raised}; write it with dense tensors, without torch.vmap"
    else:
        shapes = ", ".join(str(tuple(x.shape)) for x in given)
        said = f"{name} cannot be run on a sample of shape {shapes} {raised}; "
        said += (
            "what chooses rows of an embedding is no input of a network: give one-hot vectors, and in its place a "
            "torch.nn.Linear without bias whose weight is embedding.weight.t()"
            if "argument #1 'indices'" in first
            else f"a sample of {len(given)} tensors has one for each argument of forward: give steps of one input as "
            "one tensor, torch.stack(sample); what takes a list or a tuple is called from a module that takes tensors"
            if len(given) > 1 and "positional argument" in first and "were given" in first
            else "for several inputs give a tuple of samples; a state is an optional argument, state=None"
            if "required positional argument" in first
            else "give a sample on which its own forward runs, as real numbers"
        )
    return f"{line}: {said}" if line else said
