"""Decorators and small intrinsics of all compiled functions.

A compiled loop runs over arrays that never overlap. A compiled driver calls loops, and may be called by several
threads. An entry point is called from Python.

Two flags of Numba that are used here have no public name, nor have the parts of its cache that :mod:`.code_cache`
replaces. A Numba that lacks any of these compiles the same functions to the same results: without a flag they are
slower, without these parts of the cache they are compiled in each process.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numba as nb
from llvmlite import ir
from numba.core import types
from numba.core.base import BaseContext
from numba.core.compiler import Flags
from numba.core.cpu import CPUTargetOptions
from numba.core.typing import BaseContext as TypingContext
from numba.core.typing.templates import Signature
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from .code_cache import callable_by_symbol, can_be_invalidated, invalidated_by_sources
from .linking import pipeline

F = TypeVar("F", bound=Callable[..., object])

_OPTIONS = {"nogil": True, "error_model": "numpy"}
# Omits the reference counts that Numba would update for every array it passes on.
_WITHOUT_COUNTS = {"_nrt": False}
# Without the functions by which Python and C would call a compiled one: to compile them takes a third of the time.
_COMPILED_CALLERS_ONLY = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled_loop(function: F) -> F:
    """Compile a function whose array arguments never overlap, and that makes no array.

    LLVM vectorises a loop over several arrays only if it knows that they do not overlap, and it checks few pairs
    at run time. Numba sets the flag ``noalias`` for its own prange loops, but has no option that sets it.
    """
    dispatcher: Any = compiled_driver(function)  # a Dispatcher, of which Numba declares no private attribute

    def without_aliases(flags: Flags) -> Flags:
        flags.noalias = True
        return flags

    compiler: Any = getattr(dispatcher, "_compiler", None)
    if hasattr(compiler, "_customize_flags"):
        compiler._customize_flags = without_aliases
    return cast("F", dispatcher)


def compiled_driver(function: F) -> F:
    """Compile a function that makes no array, whose arguments may overlap or be changed by other threads."""
    return cast("F", _njit(function, linked=True, **_COMPILED_CALLERS_ONLY))


def _njit(function: Callable[..., object], *, linked: bool = False, **options: bool) -> Any:
    """Numba's dispatcher of a function that makes no array, with the options that all have in common."""
    function.__qualname__ += _variant(function)
    known = all(hasattr(CPUTargetOptions, name) for name in _WITHOUT_COUNTS)
    made = nb.njit(**_OPTIONS, **(_WITHOUT_COUNTS if known else {}), **pipeline(linked=linked), **options)
    return made(function)


def _variant(function: Callable[..., object]) -> str:
    """What tells apart the functions that another one makes, for their names: the values that they are made with.

    Numba names machine code by a function's name, the types of its arguments, and how many functions the process had
    compiled before. Code from disk has the number of the process that compiled it. Two variants of one name could so
    have one symbol, and a call of one of them end in the other.
    """
    made_with = inspect.getclosurevars(function).nonlocals
    values = (f"{name}_{getattr(value, '__name__', value)}" for name, value in sorted(made_with.items()))
    return "".join(f"_{re.sub('[^A-Za-z0-9]', '_', value)}" for value in values)


def _cached(function: Callable[..., object], **options: bool) -> Any:
    """The same with code that is kept on disk, where this Numba's cache can be told when that code is out of date."""
    dispatcher = _njit(function, cache=True, **options)
    if can_be_invalidated(dispatcher):
        return invalidated_by_sources(dispatcher)
    return _njit(function, **options)


def entry_point(function: F) -> F:
    """Compile a function that Python calls, and cache it on disk; see :mod:`.packed` for its arguments.

    It makes no array, and calls functions that are :func:`compiled_alone` for whatever takes long to compile.
    """
    return cast("F", _cached(function, no_cfunc_wrapper=True))


def compiled_alone(function: F) -> F:
    """Compile a driver by itself, once for each signature, and cache it on disk; compiled functions call it.

    Numba optimises what a function calls together with that function, and does so again for each of its callers and
    for each of their signatures. A call of this one is a call to an address, at which the code of the callee is;
    see :mod:`.code_cache`.
    """
    return cast("F", callable_by_symbol(_cached(function, **_COMPILED_CALLERS_ONLY)))


def typed_overload(function: Callable[..., object]) -> Callable[[F], F]:
    """Numba's ``overload``, whose functions may have other annotations than their implementations.

    The functions that choose an implementation take Numba types, the implementations take values. Numba would
    compare their annotations together with the names of their arguments, and refuse any difference.
    """
    options = {**_COMPILED_CALLERS_ONLY, **pipeline(linked=True)}
    return cast("Callable[[F], F]", overload(function, options, strict=False))


def _chosen(
    typing: TypingContext, x: types.Type, y: types.Type, sign: str
) -> tuple[Signature, Callable[..., ir.Value]]:
    kind: Any = typing.unify_types(x, y)

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        first, second = args
        if isinstance(kind, types.Float):
            better = builder.fcmp_ordered(sign, second, first)
        else:
            signed = getattr(kind, "signed", False)  # a truth value has no sign
            better = (builder.icmp_signed if signed else builder.icmp_unsigned)(sign, second, first)
        return builder.select(better, second, first)

    return kind(kind, kind), codegen


@intrinsic
def lesser(typing: TypingContext, x: types.Type, y: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
    """``min(x, y)``, for which Numba would compile functions for each pair of types."""
    return _chosen(typing, x, y, "<")


@intrinsic
def greater(typing: TypingContext, x: types.Type, y: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
    """``max(x, y)``."""
    return _chosen(typing, x, y, ">")


@intrinsic
def shift_right(typing: TypingContext, x: types.Type, n: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
    """``x >> n`` in the type of x, where Numba would compute in int64 and halve the lanes of a vector."""
    return x(x, x), lambda context, builder, signature, args: builder.ashr(*args)


@intrinsic
def shift_left(typing: TypingContext, x: types.Type, n: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
    """``x << n`` in the type of x."""
    return x(x, x), lambda context, builder, signature, args: builder.shl(*args)


@compiled_driver
def between_entries(values: NDArray[Any], start: int, size: int, place: Any) -> Any:
    """The value at a place from 0 to ``size - 1`` of a table that begins at ``start``, by linear interpolation."""
    below = int(place)
    low = values[start + below]
    return low + (values[start + lesser(below + 1, size - 1)] - low) * (place - below)


@intrinsic
def shifted(typing: TypingContext, x: types.Type, n: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
    """``x << n`` of an integer; a float is returned unchanged, since weights of float networks have no exponent."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.shl(*args) if isinstance(x, types.Integer) else args[0]

    return x(x, x), codegen


@intrinsic
def as_in(typing: TypingContext, array: types.Array, x: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
    """``x`` in the type of the array's entries."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        return context.cast(builder, args[1], x, array.dtype)

    return array.dtype(array, x), codegen


# The length that generated code gives arrays of which it knows the address alone: one that no index reaches, since
# Numba's check of bounds (NUMBA_BOUNDSCHECK=1) would refuse what is beyond it.
ANY_LENGTH = 1 << 40

# Types of the arguments of a generated step, in order, as seen from C: an integer of 64 bits, or the address of the
# first entry of an array. ``state`` stands for the type of the state.
STEP_ARGUMENTS = {
    "start": "integer",
    "stop": "integer",
    "u": "state",
    "v": "state",
    "extra": "state",
    "n": "integer",
    "ring": "state",
    "slot": "integer",
    "bias": "state",
    "biased": "integer",
    "fired": "byte",
    "offset": "integer",
    "lanes": "count",
    "counted": "integer",
    "steps": "integer",
    "stride": "integer",
    "parameters": "state",
}


def _call(context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]) -> ir.Value:
    """Call the function at the address ``args[0]``; arrays are passed by the address of their first entry."""
    passed = []
    for kind, value in zip(signature.args[1:], args[1:], strict=True):
        if isinstance(kind, types.Array):
            passed.append(context.make_array(kind)(context, builder, value).data)
        else:
            passed.append(value)
    function = ir.FunctionType(ir.VoidType(), [value.type for value in passed])
    builder.call(builder.inttoptr(args[0], function.as_pointer()), passed)
    return context.get_dummy_value()


def _call_signature(*given: types.Type) -> Signature:
    return types.none(types.int64, *(x if isinstance(x, types.Array) else types.int64 for x in given))


@intrinsic
def call_step(
    typing: TypingContext,
    address: types.Type,
    start: types.Type,
    stop: types.Type,
    u: types.Type,
    v: types.Type,
    extra: types.Type,
    n: types.Type,
    ring: types.Type,
    slot: types.Type,
    bias: types.Type,
    biased: types.Type,
    fired: types.Type,
    offset: types.Type,
    lanes: types.Type,
    counted: types.Type,
    steps: types.Type,
    stride: types.Type,
    parameters: types.Type,
) -> tuple[Signature, Callable[..., ir.Value]]:
    """Call the step of a declared model by the address of its compiled function; see :mod:`.generated`.

    The loops are thus compiled once for all models. Arrays are passed by the address of their first entry.
    """
    given = (start, stop, u, v, extra, n, ring, slot, bias, biased, fired, offset, lanes, counted, steps, stride)
    return _call_signature(*given, parameters), _call


# Types of the arguments of a generated rule, in order; ``number`` stands for int64 in a fixed network, else float64.
RULE_ARGUMENTS = {
    "row": "integer",
    "steps": "integer",
    "n_pre": "integer",
    "n_post": "integer",
    "pre": "byte",
    "post": "byte",
    "listed": "neuron",
    "first": "index",
    "parameters": "number",
    "pre_table": "number",
    "post_table": "number",
    "group_table": "number",
    "synapses": "number",
    "weight": "number",
    "dw": "number",
    "words": "word",
    "drawn": "words",
    "columns": "integer",
    "layer": "integer",
    "first_step": "integer",
    "key_low": "integer",
    "key_high": "integer",
}


@intrinsic
def call_rule(
    typing: TypingContext,
    address: types.Type,
    row: types.Type,
    steps: types.Type,
    n_pre: types.Type,
    n_post: types.Type,
    pre: types.Type,
    post: types.Type,
    listed: types.Type,
    first: types.Type,
    parameters: types.Type,
    pre_table: types.Type,
    post_table: types.Type,
    group_table: types.Type,
    synapses: types.Type,
    weight: types.Type,
    dw: types.Type,
    words: types.Type,
    drawn: types.Type,
    columns: types.Type,
    layer: types.Type,
    first_step: types.Type,
    key_low: types.Type,
    key_high: types.Type,
) -> tuple[Signature, Callable[..., ir.Value]]:
    """Call the functions of a declared rule by the address of their compiled form; see :mod:`.generated_rules`."""
    given = (row, steps, n_pre, n_post, pre, post, listed, first, parameters, pre_table, post_table, group_table)
    more = (synapses, weight, dw, words, drawn, columns, layer, first_step, key_low, key_high)
    return _call_signature(*given, *more), _call
