"""An axis of time that a forward makes itself: one input for all steps, or the parts of a sample as steps."""

from __future__ import annotations

from typing import Any

from ssdp_hw.conversion.torch.affine import Affine
from ssdp_hw.conversion.torch.probing import linear_by_probing
from ssdp_hw.conversion.torch.types import Arguments, Function, Keywords, Tensor
from ssdp_hw.conversion.torch.values import Sequence, words

TURNS = words("transpose swapaxes swapdims permute movedim moveaxis")
_REPEATS = words("repeat expand tile broadcast_to")
_BY_ELEMENT = words("add sub subtract rsub mul multiply div divide true_divide where")


def in_new_time(
    tape: Any,
    name: str,
    func: Function,
    args: Arguments,
    kwargs: Keywords,
    given: Tensor,
    value: Affine,
    made: Tensor,
    where: str,
) -> Sequence | None:
    """What an operation makes that puts an axis before the batch; None if it does not.

    ``x.unsqueeze(0)`` and ``x.expand(steps, *x.shape)`` give every step the same, ``x.transpose(0, 1)`` of
    (batch, steps, ...) gives each step its part, and so does what broadcasts over steps, as a factor a step.
    """
    if not given.ndim or made.ndim < 2:
        return None
    if name in _REPEATS or name in ("unsqueeze", "__getitem__"):
        before = made.ndim == given.ndim + 1 and tuple(made.shape[1:]) == tuple(given.shape)
        if not before or (name == "unsqueeze" and _first(args, kwargs) % made.ndim != 0):
            return None
        if name == "__getitem__" and not _begins_with_none(args[1]):
            return None
        return Sequence((value,) * made.shape[0], 0, where)
    turned = name in TURNS and given.ndim == made.ndim > 1 and order_of_axes(func, args, kwargs, given)[:2] == [1, 0]
    broadcast = name in _BY_ELEMENT and made.ndim == given.ndim + 1 and made.shape[1] == given.shape[0]
    if turned or broadcast:
        steps = []
        for k in range(made.shape[0]):

            def part(*a: Any, k: int = k, **b: Any) -> Tensor:
                return func(*a, **b)[k]

            steps += linear_by_probing(tape, part, args, kwargs, [made[k]], f"{where} [{k}]")
        return Sequence(tuple(steps), 0, where)
    return None


def _first(args: Arguments, kwargs: Keywords) -> int:
    return int(args[1] if len(args) > 1 else kwargs["dim"])


def _begins_with_none(index: Any) -> bool:
    first = index[0] if isinstance(index, tuple) else index
    rest = index[1:] if isinstance(index, tuple) else ()
    return first is None and all(i is Ellipsis or i == slice(None) for i in rest)


def order_of_axes(func: Function, args: Arguments, kwargs: Keywords, given: Tensor) -> list[int]:
    """Which axis of the argument each axis of the result is, read off the strides of a tensor of known strides."""
    shape = [k + 2 for k in range(given.ndim)]
    probe = given.new_empty(shape)
    turned = func(*(probe if a is given else a for a in args), **kwargs)
    return [shape.index(n) for n in turned.shape]
