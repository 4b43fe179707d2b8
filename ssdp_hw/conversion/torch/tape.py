"""The recording of a module's run: every operation of torch, seen as it happens, with what each tensor is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ssdp_hw.conversion.torch.affine import Algebra
from ssdp_hw.conversion.torch.indices import single_step
from ssdp_hw.conversion.torch.types import Arguments, Function, Keywords, Module, Nested, Tensor
from ssdp_hw.conversion.torch.values import Opaque, Sequence, Value, words
from ssdp_hw.conversion.weight_algebra import Budget
from ssdp_hw.errors import UnsupportedError

# Operations that hand a value of a tensor to Python, where the forward may branch on it.
_READING = words(
    "item tolist numpy __bool__ __int__ __float__ __index__ __complex__ __array__ equal allclose is_nonzero "
    "__contains__ data_ptr untyped_storage"
)
# Operations whose results depend on a tensor's type or shape alone, or are only printed: no value leaves the tape.
_SILENT = words(
    "__repr__ __format__ __str__ __hash__ __len__ size dim numel stride is_floating_point is_complex "
    "storage_offset is_contiguous get_device type element_size ndimension register_hook _set_grad_enabled "
    "set_grad_enabled has_torch_function"
)
_FRAMEWORKS = ("torch", "snntorch", "norse", "sinabs", "spikingjelly")
_FOREIGN = tuple(os.sep + os.path.join("site-packages", name) + os.sep for name in _FRAMEWORKS)


_OWN = os.path.dirname(os.path.abspath(__file__))


class Tape(TorchFunctionMode):  # type: ignore[misc]
    """Says of every tensor of a run what it is; what it does not know is a constant.

    Args:
        module: the module that is run, whose parameters bear its names.
        budget: synapses that products of matrices may make.
        interpret: what an operation makes of its arguments, see :mod:`ssdp_hw.conversion.torch.operations`.

    Attributes:
        names: name of every parameter and buffer, by ``id``.
        layers: name of every module in it, by ``id``.
        used: ids of the tensors that an operation took.
        foreign: tensors that no recorded operation made and that are no parameters.
        inputs: names of the module's inputs.
        notes: what to know of the operations, one sentence each.
        relay: makes a population that fires where a number of spikes is above 0, and says what its spikes are.
    """

    def __init__(self, module: Module, budget: Budget, interpret: Function) -> None:
        super().__init__()
        self.algebra = Algebra(budget)
        # Kept, so that no other tensor gets the id of a state that a layer replaces while it runs.
        self._named = [*module.named_parameters(), *module.named_buffers()]
        self.names = {id(t): name for name, t in self._named}
        self.layers = {id(m): name for name, m in module.named_modules()}
        self.used: set[int] = set()
        self.foreign: dict[int, Nested] = {}
        self.cache: dict[Hashable, Nested] = {}
        self.before: dict[int, Value | None] = {}
        self.inputs: tuple[str, ...] = ()
        self.notes: dict[str, None] = {}
        self.relay: Callable[..., Value] = _no_relay
        self._interpret = interpret
        self._paused = 0
        # By id of a tensor: the tensor (kept, so that no other object gets its id), its version, how often its memory
        # was written to, and its value.
        self._known: dict[int, tuple[Any, int, int, Value | None]] = {}
        self._writes: dict[int, int] = {}

    def __torch_function__(
        self, func: Function, types: object, args: Arguments = (), kwargs: Keywords | None = None
    ) -> Nested:
        """Run an operation, and note what it made."""
        kwargs = kwargs or {}
        if self._paused:
            return func(*args, **kwargs)
        name = name_of(func)
        taken = list(tensors_in((args, kwargs)))
        before = {id(t): self.value(t) for t in taken}
        depends = [value for value in before.values() if value is not None]
        if depends and name in _READING:
            raise UnsupportedError(
                f"{self.where()}: '{name}' hands the value of a tensor that depends on the input to Python, where it "
                "cannot be followed; leave it out of forward (checks and printing too)"
            )
        in_place = name.startswith("__i") or (name.endswith("_") and not name.startswith("__"))
        seen = args
        if depends and in_place and isinstance(args[0], torch.Tensor):
            kept = args[0].clone()  # the value of an argument before an in-place operation overwrites it
            before[id(kept)] = before[id(args[0])]
            seen = (kept, *args[1:])
        out = func(*args, **kwargs)
        made = list(tensors_in(out))
        if name == "__setitem__":
            self._assigned(args, depends, before)
            return out
        if not made or name in _SILENT:
            return out
        self.used |= {id(t) for t in taken}
        if "out" in kwargs or in_place:
            self._written(made[0])
        values = [None] * len(made)
        if depends:
            self.before = before
            values = self._interpret(self, name, func, seen, kwargs, out, self.where())
        for t, value in zip(made, values, strict=True):
            self.note(t, value)
        return out

    def value_before(self, tensor: Tensor) -> Value | None:
        """The value of an argument before the operation that is being interpreted, which may have overwritten it."""
        return self.before[id(tensor)] if id(tensor) in self.before else self.value(tensor)

    def note(self, tensor: Tensor, value: Value | None) -> None:
        """Keep the value that a tensor has, or None for a constant."""
        self._known[id(tensor)] = (tensor, _version(tensor), self._writes.get(_memory(tensor), 0), value)

    def value(self, tensor: Tensor) -> Value | None:
        """The value of a tensor as a function of spikes; None if it is a constant."""
        found = self._known.get(id(tensor))
        writes = self._writes.get(_memory(tensor), 0)
        if found is None:
            if id(tensor) not in self.names:
                self.foreign[id(tensor)] = tensor
        elif found[2] == writes and (found[3] is None or found[1] == _version(tensor)):
            return found[3]
        if not writes and (found is None or found[3] is None):
            return None
        return Opaque(
            "a tensor is changed in place, through another one that shares its memory",
            "write the new value to a tensor of its own",
            self.where(),
        )

    def _written(self, tensor: Tensor) -> None:
        memory = _memory(tensor)
        self._writes[memory] = self._writes.get(memory, 0) + 1

    def _assigned(self, args: Arguments, depends: list[Value], before: dict[int, Value | None]) -> None:
        """``x[step] = value``: a recording that is filled step by step, or an assignment that cannot be followed."""
        target, index, given = args[0], args[1], args[2]
        held, where = before[id(target)], self.where()
        made: Value | None = None
        if depends:
            value = before[id(given)] if isinstance(given, torch.Tensor) else None
            step, axis = single_step(index, target)
            steps = () if held is None else held.steps if isinstance(held, Sequence) and held.axis == axis else None
            fits = step is not None and value is not None and given.shape == target.select(axis, 0).shape
            if fits and steps is not None and step == len(steps):
                made = Sequence((*steps, value), axis, where)
            else:
                made = Opaque("values are assigned to a part of a tensor", "write x = torch.cat(...) or a sum", where)
        self._written(target)
        self.note(target, made)

    def layer_in_call(self) -> tuple[str, bool]:
        """Name of the innermost module that is being called, and whether its class is one of torch or a framework."""
        frame: Any = sys._getframe(1)
        while frame is not None:
            owner = frame.f_locals.get("self") if frame.f_code.co_name == "forward" else None
            if id(owner) in self.layers:
                return self.layers[id(owner)], type(owner).__module__.split(".")[0] in _FRAMEWORKS
            frame = frame.f_back
        return "", False

    def where(self) -> str:
        """File and line of the innermost code of the module that is neither torch's nor a framework's.

        Where the module has none, it is the name of the innermost layer.
        """
        frame, layer = sys._getframe(1), ""
        while frame is not None:
            name, function = frame.f_code.co_filename, frame.f_code.co_name
            if name.startswith(_OWN) and function in ("_called", "in_order"):
                break
            owner = frame.f_locals.get("self") if function == "forward" else None
            if not layer and id(owner) in self.layers:
                layer = f"layer '{self.layers[id(owner)]}' ({type(owner).__name__})"
            if not name.startswith((_OWN, "<frozen")) and not any(part in name for part in _FOREIGN):
                return f"{os.path.basename(name)}:{frame.f_lineno} ({function})"
            frame = frame.f_back  # type: ignore[assignment]
        return layer or "in torch"

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Record nothing, within a layer of neurons."""
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1


def _no_relay(name: str, _: Nested, __: Nested, where: str) -> Value:
    return Opaque(f"'{name}' is taken of spikes", "take it in the forward of the module", where)


def source_line(error: Exception) -> str:
    """File and line of the innermost code that raised, and is neither torch's, a framework's nor of this toolkit."""
    found, trace = "", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith((_OWN, "<")) and not any(part in name for part in _FOREIGN):
            found = f"{os.path.basename(name)}:{trace.tb_lineno} ({trace.tb_frame.f_code.co_name})"
        trace = trace.tb_next
    return found


def _version(tensor: Tensor) -> int:
    """How often a tensor was changed in place; tensors made under ``torch.inference_mode`` do not count."""
    return 0 if tensor.is_inference() else int(tensor._version)


def content(tape: Tape, tensor: Tensor) -> tuple[Any, ...]:
    """A key by which constants of the same values are the same."""
    if id(tensor) in tape.names:
        return "parameter", tape.names[id(tensor)], _version(tensor)
    values = (tensor if tensor.layout is torch.strided else tensor.to_dense()).detach().cpu().contiguous()
    if values.is_complex():
        values = torch.view_as_real(values.resolve_conj())
    values = values.float() if values.dtype is torch.bfloat16 else values  # NumPy has none
    return tuple(values.shape), str(values.dtype), hash(values.numpy().tobytes()), float(values.double().sum())


def _memory(tensor: Tensor) -> int:
    if tensor.layout is not torch.strided:
        return id(tensor)  # a sparse tensor has several storages; it stays alive, as the tape keeps it
    return int(tensor.untyped_storage()._cdata)


def name_of(func: Nested) -> str:
    """The name of an operation; ``get T`` for an attribute."""
    name = getattr(func, "__name__", str(func))
    if name == "__get__":
        return f"get {getattr(func.__self__, '__name__', '?')}"
    return str(name)


def tensors_in(value: Nested) -> Iterator[Tensor]:
    """The tensors of nested tuples, lists, dicts and dataclasses, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from tensors_in([getattr(value, one.name) for one in fields(value)])
