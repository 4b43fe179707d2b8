"""Tensors that hold all steps: taken apart by step, joined again, and worked on step by step."""

from __future__ import annotations

from typing import Any

import torch

from ssdp_hw.conversion.torch.advice import advice_for, is_never_affine
from ssdp_hw.conversion.torch.affine import Affine
from ssdp_hw.conversion.torch.indices import whole_index
from ssdp_hw.conversion.torch.new_time import TURNS, order_of_axes
from ssdp_hw.conversion.torch.tape import tensors_in
from ssdp_hw.conversion.torch.types import Arguments, Function, Keywords, Nested, Tensor
from ssdp_hw.conversion.torch.values import (
    Opaque,
    Readout,
    Sequence,
    Value,
    Voltage,
    linear_parts,
    populations_of,
    words,
)

# Operations that a module may apply to the spikes and voltages that it returns; their results drive no neuron.
READING_OUT = words(
    "sum mean add sub div mul max amax argmax stack cat softmax log_softmax norm cumsum __getitem__ select unbind "
    "flatten view reshape permute transpose"
)
# Advice where all steps are worked on at once.
OVER_TIME = "work on each step by itself, in the loop over time"
OUTSIDE = "; what is done to the input can be done outside the module"
_ALIKE = words("float double contiguous clone detach to type cpu positive dropout to_dense")
_CUTS = words("chunk split tensor_split split_with_sizes unsafe_chunk unsafe_split")
_SHAPES = words("flatten view reshape unflatten unsqueeze squeeze")
_BY_ELEMENT = words(
    "add sub subtract mul multiply div divide true_divide neg negative rsub maximum fmax max minimum clamp clip "
    "clamp_max hardtanh"
)
_LINEAR = words("linear mul multiply div divide true_divide add sub subtract rsub neg negative")


def in_every_step(
    tape: Any, name: str, func: Function, args: Arguments, kwargs: Keywords, made: list[Tensor], where: str
) -> list[Value | None]:
    """What an operation on tensors that hold all steps makes of them."""
    depends = [t for t in tensors_in((args, kwargs)) if tape.value_before(t) is not None]
    values = [tape.value_before(t) for t in depends]
    whole, value = depends[0], values[0]
    out = made[0]
    if not isinstance(value, Sequence) or not all(_alike(value, v) for v in values):
        return [_out(tape, name, args, kwargs, where)] * len(made)
    if name in ("repeat", "expand", "tile", "expand_as", "broadcast_to") and len(depends) == len(made) == 1:
        again = _repeated(value, whole, out, where)
        if again is not None:
            return [again]
    if len(depends) == 1 and args and args[0] is whole:
        found = (
            _merged(name, value, whole, made, where)
            if value.merged
            else _apart(name, func, args, kwargs, value, made, where)
        )
        if found is not None:
            return found
    linear = all(isinstance(v, Affine) for s in values for v in s.steps)
    if linear and _step_by_step(name, args, kwargs, value, depends, out):
        return _each(tape, name, func, args, kwargs, made, value, where)
    return [_out(tape, name, args, kwargs, where)] * len(made)


def _repeated(value: Sequence, whole: Nested, out: Nested, where: str) -> Sequence | None:
    """One step made to many, as ``x.unsqueeze(0).repeat(steps, 1, 1)``."""
    axis = value.axis
    if value.merged or len(value.steps) != 1 or out.ndim != whole.ndim:
        return None
    if [k for k in range(out.ndim) if out.shape[k] != whole.shape[k]] not in ([], [axis]):
        return None
    return Sequence(value.steps * out.shape[axis], axis, where)


def _alike(a: Sequence, b: Nested) -> bool:
    return isinstance(b, Sequence) and (a.axis, a.merged, len(a.steps)) == (b.axis, b.merged, len(b.steps))


def _merged(name: str, value: Sequence, whole: Nested, made: list[Tensor], where: str) -> list[Value | None] | None:
    """What keeps the values of a tensor whose axes of time and batch are one: another shape, or two axes again."""
    count, out = len(value.steps), made[0]
    lead = (count, len(whole) // count) if value.axis == 0 else (len(whole) // count, count)
    if name not in _SHAPES or len(made) > 1 or out.ndim < 2 or tuple(out.shape[:2]) != lead:
        return None
    if not all(isinstance(step, Affine) for step in value.steps):
        return None
    return [Sequence(tuple(step.reshaped(tuple(out.shape[2:])) for step in value.steps), value.axis, where)]


def _apart(
    name: str, func: Function, args: Arguments, kwargs: Keywords, value: Sequence, made: list[Tensor], where: str
) -> list[Value | None] | None:
    """What keeps the values of a tensor with an axis of time: parts of it, another order or another shape."""
    whole, out, axis = args[0], made[0], value.axis
    if name in ("__getitem__", "select", "unbind"):
        found = _taken(name, args, kwargs, value, whole)
        if found is not None:
            return found
    if name in _CUTS and all(t.ndim == whole.ndim for t in made):
        return _cut(value, whole, made, where)
    if name in _ALIKE and out.shape == whole.shape and (name != "dropout" or torch.equal(out, whole)):
        return [value]
    if name in TURNS and out.ndim == whole.ndim:
        order = order_of_axes(func, args, kwargs, whole)
        rest = [k for k in order if k != axis]
        return [Sequence(value.steps, order.index(axis), where)] if rest == sorted(rest) else None
    if name not in _SHAPES or len(made) > 1:
        return None
    if name == "squeeze" and len(value.steps) == 1 and out.shape == whole.select(axis, 0).shape:
        return [value.steps[0]]
    if not all(isinstance(step, Affine) for step in value.steps):
        return None
    if axis == whole.ndim - 1 > 1:
        if out.ndim < 3 or (out.shape[0], out.shape[-1]) != (whole.shape[0], whole.shape[-1]):
            return None
        return [Sequence(_reshaped(value, out.shape[1:-1]), out.ndim - 1, where)]
    if out.ndim > 1 and axis < 2 and out.shape[:2] == whole.shape[:2]:
        return [Sequence(_reshaped(value, out.shape[2:]), axis, where)]
    if out.ndim > 1 and axis < 2 and len(out) == whole.shape[0] * whole.shape[1]:
        return [Sequence(_reshaped(value, out.shape[1:]), axis, where, merged=True)]
    return None


def _reshaped(value: Sequence, shape: tuple[int, ...]) -> tuple[Affine, ...]:
    return tuple(step.reshaped(tuple(shape)) for step in value.steps)


def _cut(value: Sequence, whole: Nested, made: list[Tensor], where: str) -> list[Value | None] | None:
    """Successive steps in tensors of their own, as ``torch.chunk`` and ``torch.split`` give them."""
    lengths = [t.shape[value.axis] for t in made]
    others = [[n for k, n in enumerate(t.shape) if k != value.axis] for t in (whole, *made)]
    if sum(lengths) != len(value.steps) or any(shape != others[0] for shape in others):
        return None
    ends = [sum(lengths[: k + 1]) for k in range(len(made))]
    return [Sequence(value.steps[end - n : end], value.axis, where) for n, end in zip(lengths, ends, strict=True)]


def _step_by_step(
    name: str, args: Arguments, kwargs: Keywords, value: Sequence, depends: list[Tensor], out: Nested
) -> bool:
    """Whether an operation on all steps does the same to each of them."""
    whole = depends[0]
    if value.merged:  # the operation treats the steps as samples of one batch
        return bool(out.ndim and len(out) == len(whole))
    if out.ndim < 2 or whole.shape[value.axis] != len(value.steps):
        return False
    others = [a for a in (*args, *kwargs.values()) if isinstance(a, torch.Tensor) and a is not whole]
    if value.axis > 1:  # constants stand at the end, where time is
        alone = len(depends) == 1 and all(a.ndim == 0 for a in others)
        return out.shape == whole.shape and ((name in _BY_ELEMENT and alone) or name == "batch_norm")
    if out.shape[:2] != whole.shape[:2]:
        return False
    if len(depends) > 1:
        return name in _BY_ELEMENT and all(t.shape == out.shape for t in depends)
    return (name in _LINEAR | _BY_ELEMENT) and all(a.ndim < whole.ndim for a in others)


def joined_over_time(tape: Any, name: str, args: Arguments, kwargs: Keywords, where: str) -> Value | None:
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
    if name == "stack":
        axis %= args[0][0].ndim + 1
    if name == "stack" and axis and linear and _in_turn(values):
        return Sequence(tuple(values), axis, where)
    sources = [populations_of(v) for v in values]
    if None in sources or len(set(sources)) > 1:
        return None
    if any(not isinstance(v, Affine) for v in values) and name != "stack":
        return Readout(sources[0] or (), where)
    if name == "stack" and axis and _in_turn(values):
        return Sequence(tuple(values), axis, where)
    return None


def _in_turn(values: list[Tensor]) -> bool:
    steps = [v.step if not isinstance(v, Affine) else next(iter(v.terms))[1] for v in values if hasattr(v, "where")]
    return len(steps) > 1 and steps == list(range(steps[0], steps[0] + len(steps)))


def _taken(name: str, args: Arguments, kwargs: Keywords, value: Sequence, whole: Nested) -> list[Value | None] | None:
    """The values of one step, or of some."""
    axis = value.axis
    if name == "unbind":
        dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
        return list(value.steps) if dim % whole.ndim == axis else None
    if name == "select":
        dim, index = (*args[1:], *kwargs.values())[:2]
        return [value.steps[int(index)]] if dim % whole.ndim == axis else None
    index = whole_index(args[1], whole.ndim)
    before, at, after = index[:axis], index[axis] if len(index) > axis else slice(None), index[axis + 1 :]
    if any(part != slice(None) for part in (*before, *after) if isinstance(part, slice | int)):
        return None
    if not all(isinstance(part, slice) for part in (*before, *after)):
        return None
    if isinstance(at, slice):
        return [Sequence(value.steps[at], axis, value.where)]
    return [value.steps[int(at)]] if isinstance(at, int) else None


def _each(
    tape: Any,
    name: str,
    func: Function,
    args: Arguments,
    kwargs: Keywords,
    made: list[Tensor],
    value: Sequence,
    where: str,
) -> list[Value | None]:
    """The operation on the tensors of each step."""
    sequences = {id(t): v for t in tensors_in((args, kwargs)) if isinstance(v := tape.value_before(t), Sequence)}
    apart = {id(t): value.taken_apart(t) for t in tensors_in((args, kwargs)) if id(t) in sequences}
    outs = [value.taken_apart(t) for t in made]
    steps: list[list[Value | None]] = []
    for k in range(len(value.steps)):

        def put(given: Nested, k: int = k) -> Nested:
            if isinstance(given, torch.Tensor):
                return apart[id(given)][k] if id(given) in apart else given
            if isinstance(given, tuple | list):
                return type(given)(put(v) for v in given)
            return {key: put(v) for key, v in given.items()} if isinstance(given, dict) else given

        for key, sequence in sequences.items():
            tape.before[id(apart[key][k])] = sequence.steps[k]
        out = tuple(parts[k] for parts in outs)
        steps.append(tape._interpret(tape, name, func, put(args), put(kwargs), out, where))
        for key in sequences:
            del tape.before[id(apart[key][k])]
    return [Sequence(tuple(one), value.axis, where, value.merged) for one in zip(*steps, strict=True)]


def _out(tape: Any, name: str, args: Arguments, kwargs: Keywords, where: str) -> Value:
    """What is computed of all steps at once."""
    tensors = [t for t in tensors_in((args, kwargs)) if tape.value_before(t) is not None]
    values = [tape.value_before(t) for t in tensors]
    for step in (step for v in values if isinstance(v, Sequence) for step in v.steps):
        if isinstance(step, Opaque):
            return step  # what was done before is the cause
    linear = linear_parts(values, tensors)
    if linear is not None and name in READING_OUT:
        return Readout((), where, linear)
    sources = [populations_of(v) for v in values]
    if None not in sources and name in READING_OUT:
        return Readout(tuple(dict.fromkeys(n for names in sources for n in names or ())), where)
    read = [step for v in values if isinstance(v, Sequence) for step in v.steps if isinstance(step, Voltage)]
    if read:
        field = "values" if read[0].field in ("spk", "z") else read[0].field  # of a layer that does not fire
        what = f"'{name}' acts on the {field} of '{read[0].population}'"
        return Opaque(what, "only spikes drive other layers, and only a last layer may be a membrane readout", where)
    advice = advice_for(name) if is_never_affine(name) else OVER_TIME
    if "outside the module" not in advice and all(_of_inputs(v, tape.inputs) for v in values):
        advice += OUTSIDE
    return Opaque(f"'{name}' acts on all steps at once", advice, where)


def _of_inputs(value: Value | None, inputs: tuple[str, ...]) -> bool:
    """Whether a value is made of the module's inputs alone, before any neurons."""
    steps = value.steps if isinstance(value, Sequence) else (value,)
    return all(isinstance(step, Affine) and all(source in inputs for source, _ in step.terms) for step in steps)
