"""Tensors that hold all steps: taken apart by step, joined again, and worked on step by step."""

from __future__ import annotations

from typing import Any

import torch

from ssdp_hw.conversion.torch.affine import Affine
from ssdp_hw.conversion.torch.tape import tensors_in
from ssdp_hw.conversion.torch.values import Opaque, Readout, Sequence, Value, linear_parts, populations_of, words

# What a module may do with spikes and voltages on the way out, and which drives no neuron.
READING_OUT = words(
    "sum mean add sub div mul max amax argmax stack cat softmax log_softmax norm cumsum __getitem__ select unbind "
    "flatten view reshape permute transpose"
)
_ALIKE = words("float double contiguous clone detach to type cpu positive dropout")
_LINEAR = words("linear mul multiply div divide true_divide add sub subtract rsub neg negative")


def in_every_step(
    tape: Any, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: list[Any], where: str
) -> list[Value | None]:
    """What an operation on a tensor that holds all steps makes of it."""
    whole: Any = args[0] if args else None
    value = tape.value_before(whole) if isinstance(whole, torch.Tensor) else None
    if not isinstance(value, Sequence):
        return [_out(tape, name, args, kwargs, where)] * len(made)
    length, axis = len(value.steps), value.axis
    if name in ("__getitem__", "select", "unbind"):
        found = _taken(name, args, kwargs, value, whole)
        if found is not None:
            return found
    if name in _ALIKE and made[0].shape == whole.shape and (name != "dropout" or torch.equal(made[0], whole)):
        return [value]
    if name in ("transpose", "swapaxes", "swapdims", "permute", "movedim") and _swaps(name, args, kwargs, whole.ndim):
        return [Sequence(value.steps, 1 - axis, where)]
    if len(made) == 1 and made[0].ndim > 1 and made[0].shape[:2] == whole.shape[:2]:
        if name in ("flatten", "view", "reshape", "unflatten", "unsqueeze", "squeeze"):
            shape = tuple(made[0].shape[2:])
            if all(isinstance(step, Affine) for step in value.steps):
                return [Sequence(tuple(step.reshaped(shape) for step in value.steps), axis, where)]
        others = [a for a in (*args[1:], *kwargs.values()) if isinstance(a, torch.Tensor)]
        flat = all(tape.value_before(a) is None and a.ndim < whole.ndim for a in others)
        if name in _LINEAR and flat and whole.shape[axis] == length:
            return [_each(tape, name, func, args, kwargs, made[0], value, where)]
    return [_out(tape, name, args, kwargs, where)] * len(made)


def joined_over_time(tape: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], where: str) -> Value | None:
    """``torch.stack`` of one value a step; None if the operation is none of that kind."""
    if name not in ("stack", "vstack", "cat", "concat", "concatenate") or not isinstance(args[0], tuple | list):
        return None
    values = [tape.value_before(t) for t in args[0]]
    axis = args[1] if len(args) > 1 else kwargs.get("dim", 0)
    if name == "stack" and axis == 0:
        if None not in values:
            return Sequence(tuple(values), 0, where)
        return Opaque("values of some steps are joined with constants", "join what the neurons give alone", where)
    linear = all(isinstance(v, Affine) and v.terms and not v.spikes for v in values)
    if name == "stack" and axis == 1 and linear and _in_turn(values):
        return Sequence(tuple(values), 1, where)
    sources = [populations_of(v) for v in values]
    if None in sources or len(set(sources)) > 1:
        return None
    if any(not isinstance(v, Affine) for v in values) and name != "stack":
        return Readout(sources[0] or (), where)
    if name == "stack" and axis == 1 and _in_turn(values):
        return Sequence(tuple(values), 1, where)
    return None


def _in_turn(values: list[Any]) -> bool:
    steps = [v.step if not isinstance(v, Affine) else next(iter(v.terms))[1] for v in values if hasattr(v, "where")]
    return len(steps) > 1 and steps == list(range(steps[0], steps[0] + len(steps)))


def _taken(name: str, args: Any, kwargs: Any, value: Sequence, whole: Any) -> list[Value | None] | None:
    """The values of one step, or of some."""
    axis = value.axis
    if name == "unbind":
        dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
        return list(value.steps) if dim % whole.ndim == axis else None
    if name == "select":
        dim, index = (*args[1:], *kwargs.values())[:2]
        return [value.steps[int(index)]] if dim % whole.ndim == axis else None
    index = args[1] if isinstance(args[1], tuple) else (args[1],)
    if Ellipsis in [i for i in index if i is Ellipsis or isinstance(i, int | slice)]:
        return None
    before, at, after = index[:axis], index[axis] if len(index) > axis else slice(None), index[axis + 1 :]
    if any(part != slice(None) for part in (*before, *after) if isinstance(part, slice | int)):
        return None
    if not all(isinstance(part, slice) for part in (*before, *after)):
        return None
    if isinstance(at, slice):
        return [Sequence(value.steps[at], axis, value.where)]
    return [value.steps[int(at)]] if isinstance(at, int) else None


def _swaps(name: str, args: Any, kwargs: Any, ndim: int) -> bool:
    numbers = [*args[1:], *kwargs.values()]
    if len(numbers) == 1 and isinstance(numbers[0], tuple | list):
        numbers = list(numbers[0])
    numbers = [n % ndim for n in numbers if isinstance(n, int)]
    if name == "permute":
        return numbers == [1, 0, *range(2, ndim)]
    return sorted(numbers) == [0, 1]


def _each(
    tape: Any, name: str, func: Any, args: Any, kwargs: Any, made: Any, value: Sequence, where: str
) -> Value | None:
    """The operation on the tensor of each step."""
    steps = []
    for k, step in enumerate(value.steps):
        one, out = args[0].select(value.axis, k), made.select(value.axis, k)
        tape.before[id(one)] = step
        steps += tape._interpret(tape, name, func, (one, *args[1:]), kwargs, out, where)
        del tape.before[id(one)]
    return Sequence(tuple(steps), value.axis, where)


def _out(tape: Any, name: str, args: Any, kwargs: Any, where: str) -> Value:
    """What is computed of all steps at once."""
    tensors = [t for t in tensors_in((args, kwargs)) if tape.value_before(t) is not None]
    values = [tape.value_before(t) for t in tensors]
    linear = linear_parts(values, tensors)
    if linear is not None and name in READING_OUT:
        return Readout((), where, linear)
    sources = [populations_of(v) for v in values]
    if None not in sources and name in READING_OUT:
        return Readout(tuple(dict.fromkeys(n for names in sources for n in names or ())), where)
    return Opaque(f"'{name}' acts on all steps at once", "work on each step by itself, in the loop over time", where)
