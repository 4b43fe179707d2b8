"""The operations of torch on affine functions of spikes: each is read, or refused with advice what to write."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ssdp_hw.conversion.torch.advice import advice_for
from ssdp_hw.conversion.torch.affine import Affine, LinearStep
from ssdp_hw.conversion.torch.linear_steps import (
    Operation,
    argument,
    by_element,
    convolution,
    linear,
    normalisation,
    pooling,
)
from ssdp_hw.conversion.torch.maxima import may_be_or, or_of_spikes
from ssdp_hw.conversion.torch.new_time import in_new_time
from ssdp_hw.conversion.torch.probing import linear_by_probing
from ssdp_hw.conversion.torch.sequences import OUTSIDE, OVER_TIME, READING_OUT, in_every_step, joined_over_time
from ssdp_hw.conversion.torch.tape import Tape, tensors_in
from ssdp_hw.conversion.torch.types import Arguments, Function, Keywords, Nested, Tensor
from ssdp_hw.conversion.torch.values import (
    Opaque,
    Readout,
    Sequence,
    Value,
    Voltage,
    populations_of,
    summed,
    words,
)
from ssdp_hw.conversion.weight_algebra import diagonal
from ssdp_hw.errors import UnsupportedError

# The values stay, in C order; the shape may change.
PASSING = words(
    "view reshape flatten squeeze unsqueeze contiguous clone detach float double to type type_as unflatten view_as "
    "reshape_as requires_grad_ detach_ positive cpu half bfloat16 int long short to_dense"
)
DROPOUT = words("dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout")
# Affine in all tensors that depend on spikes, whatever the numbers beside them are.
_AFFINE = words(
    "add sub subtract rsub cat concat concatenate stack hstack vstack __getitem__ select narrow index_select permute "
    "transpose movedim swapaxes swapdims mean sum pad avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d "
    "adaptive_avg_pool2d adaptive_avg_pool3d lp_pool1d lp_pool2d flip roll chunk split unbind tensor_split upsample "
    "interpolate pixel_shuffle pixel_unshuffle repeat_interleave tile diff cumsum where masked_fill tril triu repeat "
    "expand broadcast_to channel_shuffle native_channel_shuffle unfold fold lerp index_add rot90 fliplr flipud "
    "dstack hsplit vsplit dsplit moveaxis column_stack addcmul addcdiv scatter_add"
)
# Affine in the one tensor that depends on spikes, where the others are constants.
_AFFINE_IN_ONE = words(
    "mul multiply div divide true_divide linear matmul mm bmm conv1d conv2d conv3d conv_transpose1d conv_transpose2d "
    "conv_transpose3d batch_norm addmm einsum tensordot mv inner baddbmm addmv gather take_along_dim instance_norm "
    "_sparse_mm"
)
_SPELLINGS = {
    "__rsub__": "rsub", "__rmul__": "mul", "__radd__": "add", "__rdiv__": "reciprocal", "__rtruediv__": "reciprocal",
    "__truediv__": "div", "__matmul__": "matmul", "__rmatmul__": "matmul", "get data": "detach",
}  # fmt: skip
# What leaves 0 and 1 as they are.
_KEEPS_SPIKES = words("relu relu6 prelu leaky_relu abs absolute sign sgn ceil floor round trunc square")
_FEW_BITS = (torch.float16, torch.bfloat16)
# Operations that use only the shape and type of their argument.
_AS_ANOTHER = words("to type_as view_as reshape_as expand_as")  # of their second argument
_OF_SHAPES = words(
    "zeros_like ones_like full_like empty_like rand_like randn_like new_zeros new_ones new_full new_empty"
)


def interpret(
    tape: Tape, name: str, func: Function, args: Arguments, kwargs: Keywords, out: Nested, where: str
) -> list[Value | None]:
    """What each tensor that an operation made is, given that at least one of its arguments depends on the input."""
    name = spelled(name)
    made = list(tensors_in(out))
    if name in _OF_SHAPES or (name in _AS_ANOTHER and tape.value_before(args[0]) is None):
        return [None] * len(made)
    if name in _AS_ANOTHER:
        args = (args[0], *(torch.empty_like(a) if isinstance(a, torch.Tensor) else a for a in args[1:]))
        kwargs = {k: torch.empty_like(a) if isinstance(a, torch.Tensor) else a for k, a in kwargs.items()}
    values = [v for t in tensors_in((args, kwargs)) if (v := tape.value_before(t)) is not None]
    for value in values:
        if isinstance(value, Opaque):
            return [value] * len(made)
    read_out = name in READING_OUT and all(populations_of(v) is not None for v in values)
    if any(t.dtype in _FEW_BITS for t in made) and name not in PASSING and not read_out:
        few = next(t.dtype for t in made if t.dtype in _FEW_BITS)
        what = f"'{name}' computes in {few}, which rounds every value"
        return [Opaque(what, "keep float32: leave out torch.autocast and .half()", where)] * len(made)
    if any(isinstance(v, Sequence) for v in values):
        return in_every_step(tape, name, func, args, kwargs, made, where)
    over_time = joined_over_time(tape, name, args, kwargs, where)
    if over_time is not None:
        return [over_time]
    if any(isinstance(v, Voltage | Readout) for v in values):
        return [_of_states(name, values, where)] * len(made)
    try:
        return _affine(tape, name, func, args, kwargs, made, where)
    except UnsupportedError as error:
        return [Opaque(str(error).removeprefix(f"{where}: "), _advice_beside(name), where)] * len(made)


def _of_states(name: str, values: list[Value], where: str) -> Value:
    """The result of an operation on states of neurons, which may be returned but must not drive another neuron."""
    if len(values) == 1 and name in PASSING:
        return values[0]
    sources = [populations_of(value) for value in values]
    if all(isinstance(v, Readout) and v.of for v in values) and name in READING_OUT:
        return Readout((), where, tuple(part for v in values if isinstance(v, Readout) for part in v.of))
    if None not in sources and name in READING_OUT:
        return Readout(tuple(dict.fromkeys(p for names in sources for p in names or ())), where)
    state = next(v for v in values if isinstance(v, Voltage | Readout))
    if isinstance(state, Voltage) and state.field in ("spk", "z"):
        what = f"'{name}' acts on the spikes of '{state.population}', which never resets or has an infinite threshold"
        return Opaque(what, "only a last layer may be such a membrane readout", where)
    if isinstance(state, Readout) and state.of:
        what = f"'{name}' acts on what is made of several steps at once"
        return Opaque(what, f"{OVER_TIME}{OUTSIDE}", where)
    of = "what is read out of states" if isinstance(state, Readout) else f"the {state.field} of '{state.population}'"
    advice = "hand states on to the next step as the layer returned them, and read voltages outside the module"
    return Opaque(f"'{name}' acts on {of}", advice, where, of_readout=isinstance(state, Readout))


def spelled(name: str) -> str:
    """The name of an operation, however it was written: ``x += y`` is ``add``."""
    if name in _SPELLINGS:
        return _SPELLINGS[name]
    if name.startswith("__i") and name != "__index__":
        return name[3:-2]
    if name == "__getitem__" or name in PASSING:
        return name
    return name[2:-2] if name.startswith("__") else name.rstrip("_")


def _advice_beside(name: str) -> str:
    """What to write instead of an operation that is known, but not with these arguments."""
    if name == "batch_norm":
        return "train with track_running_stats=True, whose numbers stay, and call it with training=self.training"
    return "multiply by constants only, and treat every sample of a batch alike, by itself"


def _unknown(name: str, where: str, dependent: int = 1) -> Opaque:
    if dependent > 1 and name in _AFFINE_IN_ONE:
        what = f"'{name}' multiplies two values that both depend on the input"
        return Opaque(what, "multiply by constants only: synapses have no product of two signals", where)
    return Opaque(f"'{name}' cannot be expressed by synapses", advice_for(name), where)


def _affine(
    tape: Tape, name: str, func: Function, args: Arguments, kwargs: Keywords, made: list[Tensor], where: str
) -> list[Value | None]:
    given = [(t, v) for t in tensors_in((args, kwargs)) if isinstance(v := tape.value_before(t), Affine)]
    batch = given[0][0].shape[0]
    (first, value), shape = given[0], tuple(made[0].shape[1:])
    one = len(made) == 1 and len(given) == 1
    along_time = in_new_time(tape, name, func, args, kwargs, first, value, made[0], where) if one else None
    if along_time is not None:
        return [along_time]
    if one and name in _KEEPS_SPIKES and value.spikes and torch.equal(first, made[0]):
        return [value]
    if one and name in PASSING | DROPOUT:
        return [_passed(name, first, value, made[0], where)]
    by_sample = all(t.ndim and t.shape[0] == batch for t in made)
    if may_be_or(name) and by_sample:
        found = or_of_spikes(tape, name, func, args, kwargs, made, where)
        if found is not None:
            return found
    if name in _AFFINE | _AFFINE_IN_ONE and not by_sample:
        what = f"'{name}' mixes the samples of a batch, or picks some of them"
        return [Opaque(what, "keep the first axis, that of the batch, and treat each sample by itself", where)] * len(
            made
        )
    # What is made of a sum over all steps, as its softmax or maximum, may be returned.
    unknown: Value = _unknown(name, where, len(given))
    if len(given) == 1 and name in READING_OUT and value.summed_steps:
        counted = summed(value)  # spikes as they are
        unknown = Readout((), where, ((value, first),)) if counted is None else Readout(counted, where)
    if not by_sample or any(not t.is_floating_point() for t in made):
        return [unknown] * len(made)
    if len(given) == 2 and name in ("add", "sub") and len(made) == 1 and not kwargs and len(args) == 2:
        both = _sum_of_two(tape, name, given, shape, where)
        if both is not None:
            return [both]
    for builder in (linear, convolution, pooling, normalisation, by_element) if one else ():
        step = builder(Operation(tape, name, func, args, kwargs, first, value, shape))
        if step is not None:
            return [_noted_division(builder, step, value, tape.algebra.through(step, value, shape, where))]
    if name in _AFFINE or (name in _AFFINE_IN_ONE and len(given) == 1):
        if name.startswith("lp_pool") and float(argument(args, kwargs, 1, "norm_type", 2)) != 1:
            return [_unknown(name, where)] * len(made)
        if name == "instance_norm" and argument(args, kwargs, 5, "use_input_stats", True):
            return [_unknown(name, where)] * len(made)
        if name == "expand" and isinstance(first, torch.Tensor) and args[0] is first:
            func, args, kwargs = _expanded, (first, tuple(made[0].shape[1:])), {}
        return linear_by_probing(tape, func, args, kwargs, made, where)
    return [unknown] * len(made)


def _noted_division(builder: Function, step: LinearStep, value: Affine, made: Affine) -> Affine:
    """What an operation made; where that is a sum over all steps divided by their number, it bears that number."""
    steps = value.summed_steps if builder is by_element and value.divided == 1 and step.bias is None else 0
    factors = step.weight.diagonal if steps and step.weight is not None else None
    alike = factors is not None and np.allclose(factors * steps, 1.0, rtol=1e-6, atol=0.0)
    return replace(made, divided=steps) if alike else made


def _expanded(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """``x.expand`` without the number of samples, which the caller may have named."""
    return x.expand(-1, *shape)


def _passed(name: str, given: Nested, value: Affine, made: Nested, where: str) -> Value:
    """What keeps its values under another shape or type."""
    if name in DROPOUT and not torch.equal(given, made):
        return Opaque(f"'{name}' is left on", "call it with training=self.training", where)
    if made.ndim == 0 or made.shape[0] != given.shape[0] or made.numel() != given.numel():
        return Opaque(f"'{name}' mixes the samples of a batch", "keep the first axis, that of the batch", where)
    exact = made.dtype in (torch.float32, torch.float64) or (value.spikes and made.dtype != torch.bool)
    if not exact and made.dtype != given.dtype:
        return Opaque(f"'{name}' rounds values to {made.dtype}", "keep float32, or float64", where)
    return value.reshaped(tuple(made.shape[1:]))


def _sum_of_two(tape: Tape, name: str, given: Nested, shape: tuple[int, ...], where: str) -> Affine | None:
    (_, a), (_, b) = given
    if a.shape != b.shape or a.shape != shape:
        return None
    if name == "sub":
        key = ("minus", b.size)
        if key not in tape.cache:
            tape.cache[key] = LinearStep(diagonal(-np.ones(b.size)), roundings=0)
        b = tape.algebra.through(tape.cache[key], b, shape, where)
    return tape.algebra.total((a, b), shape, where)
