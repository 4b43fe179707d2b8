"""Named tuples in memory, which compiled functions are passed by their address.

Numba passes a tuple by the values of all its parts, and an array by seven numbers: those of a program are hundreds of
arguments, which take longer to compile than the loops that they are for. Of a record a function loads the fields it
reads. A compiled function has the named tuple of a field, or of a whole record (:func:`loaded`), as it would have an
argument.
"""

from __future__ import annotations

import array
import hashlib
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar, cast

import numba as nb
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.base import BaseContext
from numba.core.errors import TypingError
from numba.core.types.containers import BaseTuple, NamedTuple as NamedTupleType, Tuple
from numba.core.typing import BaseContext as TypingContext
from numba.core.typing.templates import AttributeTemplate, Signature
from numba.extending import (
    NativeValue,
    infer_getattr,
    intrinsic,
    lower_getattr_generic,
    models,
    register_model,
    typeof_impl,
    unbox,
)

T = TypeVar("T", bound=tuple[Any, ...])

_WORD = 8
_I64 = ir.IntType(64)


class PackedType(types.Type):
    """The type of the address of a record, or of the first of several: named tuples of the type ``content``."""

    def __init__(self, content: NamedTupleType) -> None:
        self.content = content
        super().__init__(name=f"record({content})")

    @property
    def mangling_args(self) -> tuple[str, tuple[types.Type, ...]]:
        """What stands for the type in names of functions, which would be very long."""
        name = getattr(self.content, "instance_class", tuple).__name__
        return f"{name}_{hashlib.sha256(self.name.encode()).hexdigest()[:16]}", ()


@register_model(PackedType)
class _PackedModel(models.OpaqueModel):  # type: ignore[misc]
    """An address."""


def _parts(kind: Any) -> Sequence[types.Type] | None:
    """The types of a tuple's parts; None if the type is none."""
    return tuple(kind.types) if isinstance(kind, BaseTuple) else None


def _words(kind: types.Type) -> int:
    """Number of words that a value takes: its parts, the place and the shape of an array, or a number."""
    parts = _parts(kind)
    if parts is not None:
        return sum(map(_words, parts))
    return 1 + kind.ndim if isinstance(kind, types.Array) else 1


class Packed:
    """Named tuples of one type in memory, one after the other; arrays in them are not copied.

    Args:
        values: the named tuples, of numbers, arrays, tuples of these, and other packed ones.

    Raises:
        TypeError: an array is not contiguous.
    """

    def __init__(self, *values: tuple[Any, ...]) -> None:
        self.values = values  # so that the arrays live as long
        words: list[int] = []
        for value in values:
            key = _put(value, words)
        self.kind = _packed_type(key)
        self.key = _tuple_key(Packed, (key,))
        self._words = array.array("q", words)
        self.address = self._words.buffer_info()[0]


def packed(*values: T) -> T:
    """Named tuples in memory, as an argument of a compiled function in the place of the first; see :class:`Packed`."""
    return cast("T", Packed(*values))


@typeof_impl.register(Packed)
def _typeof_packed(value: Packed, context: object) -> PackedType:
    return value.kind


# What tells types apart, for less time than Numba's own types take: the type of a tuple with those of its parts, that
# of an array's entries with the number of its axes, or that of a number.
_Key = Any


class _TupleKey:
    """The key of a tuple, one object for each, so that longer ones are compared in no time."""

    def __init__(self, kind: type, parts: tuple[_Key, ...]) -> None:
        self.kind, self.parts = kind, parts


_tuple_key = lru_cache(maxsize=1024)(_TupleKey)


def _put(value: Any, words: list[int]) -> _Key:
    """Append the words of a value; returns the key of its type."""
    if isinstance(value, np.ndarray):
        if not value.flags.c_contiguous:
            raise TypeError("an array of a record is not contiguous")
        words.append(value.__array_interface__["data"][0])
        words += value.shape
        return value.dtype, value.ndim
    if isinstance(value, tuple):
        return _tuple_key(value.__class__, tuple([_put(part, words) for part in value]))
    if isinstance(value, Packed):
        words.append(value.address)
        return value.key
    if isinstance(value, float):  # of NumPy, too
        words += struct.unpack("q", struct.pack("d", value))
    elif isinstance(value, np.float32):
        words += struct.unpack("q", struct.pack("fi", value, 0))
    else:
        words.append(int(value))
    return value.__class__


@lru_cache(maxsize=1024)
def _packed_type(key: _Key) -> PackedType:
    return PackedType(_type_of(key))


def _type_of(key: _Key) -> Any:
    if isinstance(key, _TupleKey):
        if key.kind is Packed:
            return _packed_type(key.parts[0])
        parts = [_type_of(part) for part in key.parts]
        return NamedTupleType(parts, key.kind) if hasattr(key.kind, "_fields") else Tuple(parts)
    if isinstance(key, tuple):
        dtype, ndim = key
        # To Numba read-only arrays are of other types, for which it would compile everything again, or which it could
        # not loop over together with writable ones. No compiled function writes to what is read-only.
        return types.Array(nb.from_dtype(dtype), ndim, "C")
    return nb.typeof(key(0))


@unbox(PackedType)
def _unbox_packed(kind: PackedType, obj: ir.Value, c: Any) -> NativeValue:
    number = c.pyapi.object_getattr_string(obj, "address")
    address = c.pyapi.long_as_longlong(number)
    c.pyapi.decref(number)
    return NativeValue(c.builder.inttoptr(address, c.context.get_value_type(kind)))


def _load(
    context: BaseContext, builder: ir.IRBuilder, kind: types.Type, words: ir.Value, at: int
) -> tuple[ir.Value, int]:
    """The value whose words begin at a place, and the place after it."""
    parts = _parts(kind)
    if parts is not None:
        values = []
        for part in parts:
            value, at = _load(context, builder, part, words, at)
            values.append(value)
        return context.make_tuple(builder, kind, values), at

    def word(k: int) -> Any:
        # Nothing writes to a record, so that LLVM may load a word once and keep it.
        found = builder.load(builder.gep(words, [_I64(at + k)]))
        found.set_metadata("invariant.load", builder.module.add_metadata([]))
        return found

    if isinstance(kind, PackedType):
        return builder.inttoptr(word(0), context.get_value_type(kind)), at + 1
    if isinstance(kind, types.Array):
        return _array(context, builder, kind, word(0), [word(1 + k) for k in range(kind.ndim)]), at + 1 + kind.ndim
    value = word(0)
    if isinstance(kind, types.Float):
        value = builder.bitcast(builder.trunc(value, ir.IntType(kind.bitwidth)), context.get_value_type(kind))
    elif isinstance(kind, types.Integer | types.Boolean):
        value = builder.trunc(value, context.get_value_type(kind))
    else:
        raise TypingError(f"a record has no {kind}")
    return value, at + 1


def _array(
    context: BaseContext, builder: ir.IRBuilder, kind: types.Array, address: ir.Value, shape: list[ir.Value]
) -> ir.Value:
    """A contiguous array that owns no memory."""
    model = context.data_model_manager[kind]
    whole = context.get_value_type(kind)
    size = _I64(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides: list[ir.Value] = [size]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    count = shape[0]
    for length in shape[1:]:
        count = builder.mul(count, length)
    made = ir.Constant(whole, None)
    for name, value in {
        "nitems": count,
        "itemsize": size,
        "data": builder.inttoptr(address, whole.elements[model.get_field_position("data")]),
        "shape": cgutils.pack_array(builder, shape, _I64),
        "strides": cgutils.pack_array(builder, strides, _I64),
    }.items():
        made = builder.insert_value(made, value, model.get_field_position(name))
    return made


def _pointer(builder: ir.IRBuilder, record: ir.Value) -> ir.Value:
    return builder.bitcast(record, _I64.as_pointer())


@infer_getattr
class _Fields(AttributeTemplate):  # type: ignore[misc]
    key = PackedType

    def generic_resolve(self, record: PackedType, name: str) -> types.Type | None:
        content = record.content
        if name not in content.fields:
            return None
        kind: types.Type = content.types[content.fields.index(name)]
        return kind


@lower_getattr_generic(PackedType)
def _field(context: BaseContext, builder: ir.IRBuilder, record: PackedType, value: ir.Value, name: str) -> ir.Value:
    content = record.content
    k = content.fields.index(name)
    before = sum(map(_words, content.types[:k]))
    return _load(context, builder, content.types[k], _pointer(builder, value), before)[0]


@intrinsic
def loaded(typing: TypingContext, record: PackedType) -> tuple[Signature, Callable[..., ir.Value]]:
    """The named tuple that is in a record, for loops, of whose arrays LLVM then knows that they do not overlap."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        return _load(context, builder, record.content, _pointer(builder, args[0]), 0)[0]

    return record.content(record), codegen


@intrinsic
def packed_at(typing: TypingContext, first: PackedType, k: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
    """The k-th of several records."""
    size = _words(first.content) * _WORD

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.gep(args[0], [builder.mul(args[1], _I64(size))])

    return first(first, types.int64), codegen
