"""Vector operations written in LLVM's intermediate language, where LLVM does not vectorise Numba's loops well.

LLVM splits these vectors into registers of the processor. Indices are flat, so that arrays must be contiguous, which
:func:`entry_address` checks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.base import BaseContext
from numba.core.errors import TypingError
from numba.core.typing import BaseContext as TypingContext
from numba.core.typing.templates import Signature
from numba.extending import intrinsic

from .segments import BITS

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)


def entry_address(
    context: BaseContext, builder: ir.IRBuilder, kind: types.Array, array: ir.Value, at: ir.Value
) -> ir.Value:
    """The address of an entry of an array, by its flat index."""
    if kind.layout != "C":
        raise TypingError(f"{kind} is not contiguous")
    return builder.gep(context.make_array(kind)(context, builder, array).data, [at])


def load_vector(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type) -> ir.Value:
    """Load a vector of type ``kind`` from an address that points to its first entry."""
    return builder.load(builder.bitcast(address, kind.as_pointer()), align=1)


def store_vector(builder: ir.IRBuilder, value: ir.Value, address: ir.Value) -> None:
    """Store a vector at an address that points to its first entry."""
    builder.store(value, builder.bitcast(address, value.type.as_pointer()), align=1)


def splat(builder: ir.IRBuilder, value: ir.Value, lanes: int) -> ir.Value:
    """A vector of ``lanes`` equal numbers."""
    kind = ir.VectorType(value.type, lanes)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, _I32(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(_I32, lanes), None))


@intrinsic
def spike_word(typing: TypingContext, flags: types.Array, at: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
    """A word whose bit k is 1 where byte ``at + k`` of the flags is not 0."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        bytes_ = ir.VectorType(_I8, BITS)
        found = load_vector(builder, entry_address(context, builder, signature.args[0], *args), bytes_)
        return builder.bitcast(builder.icmp_unsigned("!=", found, ir.Constant(bytes_, None)), _I64)

    return types.uint64(flags, types.intp), codegen


@intrinsic
def compress(
    typing: TypingContext, active: types.Array, n: types.Type, word: types.Type, base: types.Type
) -> tuple[Signature, Callable[..., ir.Value]]:
    """Write the positions of the bits of a word plus ``base`` to ``active[n:]``; returns where they end.

    Up to BITS entries are written. This is fast on processors that have an instruction for it (AVX-512 VBMI2).
    """

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        array, start, bits, first = args
        bytes_, mask, lanes = ir.VectorType(_I8, BITS), ir.VectorType(ir.IntType(1), BITS), 16
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(bytes_, [bytes_, mask, bytes_]),
            f"llvm.experimental.vector.compress.v{BITS}i8",
        )
        every = ir.Constant(bytes_, [_I8(k) for k in range(BITS)])
        positions = builder.call(function, [every, builder.bitcast(bits, mask), ir.Constant(bytes_, ir.Undefined)])
        offset, count = splat(builder, first, lanes), builder.ctpop(bits)

        def store(begin: int) -> None:
            chosen = ir.Constant(ir.VectorType(_I32, lanes), [_I32(begin + k) for k in range(lanes)])
            part = builder.zext(builder.shuffle_vector(positions, positions, chosen), ir.VectorType(_I32, lanes))
            at = builder.add(start, _I64(begin))
            store_vector(
                builder, builder.add(part, offset), entry_address(context, builder, signature.args[0], array, at)
            )

        store(0)
        with builder.if_then(builder.icmp_unsigned(">", count, _I64(lanes)), likely=False):
            for begin in range(lanes, BITS, lanes):
                store(begin)
        return builder.add(start, count)

    return types.intp(active, types.intp, types.uint64, types.int32), codegen


@intrinsic
def far_word(
    typing: TypingContext, values: types.Array, at: types.Type, low: types.Type, high: types.Type
) -> tuple[Signature, Callable[..., ir.Value]]:
    """A word whose bit k is 1 where entry ``at + k`` is at most ``low`` or at least ``high``."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        array, first, least, most = args
        found = load_vector(
            builder, entry_address(context, builder, signature.args[0], array, first), ir.VectorType(least.type, BITS)
        )
        below = builder.icmp_signed("<=", found, splat(builder, least, BITS))
        return builder.bitcast(builder.or_(below, builder.icmp_signed(">=", found, splat(builder, most, BITS))), _I64)

    return types.uint64(values, types.intp, values.dtype, values.dtype), codegen


@intrinsic
def entry(typing: TypingContext, array: types.Array, at: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
    """The entry of an array at a flat index."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        kind = signature.args[0]
        found = builder.load(entry_address(context, builder, kind, *args))
        return context.data_model_manager[kind.dtype].from_data(builder, found)

    return array.dtype(array, types.intp), codegen


@intrinsic
def lowest_bit(typing: TypingContext, word: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
    """The position of the lowest set bit of a word; the word must not be 0."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.int64(types.uint64), codegen


@intrinsic
def prefetch(typing: TypingContext, array: types.Array, at: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
    """Prefetch the cache line of an entry that is read soon."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        address = builder.bitcast(entry_address(context, builder, signature.args[0], *args), _I8.as_pointer())
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), _I32, _I32, _I32]), "llvm.prefetch.p0"
        )
        builder.call(function, [address, _I32(0), _I32(3), _I32(1)])
        return context.get_dummy_value()

    return types.none(array, types.intp), codegen


def column_adder(lanes: int, *, fresh: bool = False) -> Callable[..., Any]:
    """An intrinsic that adds rows of weights in ``lanes`` columns, with the sums in registers.

    If ``fresh`` the sums replace the entries of ``total`` instead of being added to them.
    """

    def add_columns(
        typing: TypingContext,
        total: types.Array,
        at: types.Type,
        weights: types.Array,
        start: types.Type,
        width: types.Type,
        active: types.Array,
        begin: types.Type,
        end: types.Type,
        left: types.Type,
        right: types.Type,
        chunk: types.Type,
    ) -> tuple[Signature, Callable[..., ir.Value]]:
        """Add the sum of the rows ``active[begin:end]`` in the columns from ``start`` on to ``total[at:at + lanes]``.

        Args:
            total: integers or floats, changed.
            weights: rows of ``width`` entries, integers no wider than those of ``total`` or floats of its type.
            left, right: left and right shift of an integer sum before it is added.
            chunk: number of rows whose sum fits 16 bits (32 for weights of 32 bits); the whole sum must fit 32.
        """

        def codegen(
            context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
        ) -> ir.Value:
            total, at, weights, start, width, active, begin, end, left, right, chunk = args
            kind = ir.VectorType(context.get_value_type(signature.args[2].dtype), lanes)

            def add_row(k: ir.Value, sum_: ir.Value) -> ir.Value:
                row = builder.sext(builder.load(entry_address(context, builder, signature.args[5], active, k)), _I64)
                first = builder.add(start, builder.mul(row, width))
                values = load_vector(builder, entry_address(context, builder, signature.args[2], weights, first), kind)
                return _plus(builder, sum_, values)

            address = entry_address(context, builder, signature.args[0], total, at)
            entry = context.get_value_type(signature.args[0].dtype)
            _add_up(builder, address, entry, kind, add_row, (begin, end, chunk), (left, right), fresh=fresh)
            return context.get_dummy_value()

        flat = types.intp
        return types.none(total, flat, weights, flat, flat, active, flat, flat, flat, flat, flat), codegen

    # What is made with this intrinsic is named after it; see jit.py.
    add_columns.__name__ = f"{'set' if fresh else 'add'}_{lanes}_columns"
    function: Callable[..., Any] = intrinsic(add_columns)
    return function


@intrinsic
def add_where(
    typing: TypingContext,
    total: types.Array,
    at: types.Type,
    words: types.Array,
    first: types.Type,
    stride: types.Type,
    active: types.Array,
    begin: types.Type,
    end: types.Type,
    amounts: types.Array,
    chunk: types.Type,
) -> tuple[Signature, Callable[..., ir.Value]]:
    """Add the amount of each row ``active[begin:end]`` to the entries of ``total[at:at + BITS]`` whose bits are set.

    Args:
        total: integers or floats, changed.
        words: the bits of row r are the word ``words[first + r * stride]``.
        amounts: the amount of each row, integers no wider than those of ``total`` or floats of its type.
        chunk: number of amounts whose sum fits 16 bits, if amounts have at most 16; the whole sum must fit 32.
    """

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        total, at, words, first, stride, active, begin, end, amounts, chunk = args
        kind = ir.VectorType(context.get_value_type(signature.args[8].dtype), BITS)

        def add_row(k: ir.Value, sum_: ir.Value) -> ir.Value:
            row = builder.sext(builder.load(entry_address(context, builder, signature.args[5], active, k)), _I64)
            place = builder.add(first, builder.mul(row, stride))
            word = builder.load(entry_address(context, builder, signature.args[2], words, place))
            amount = builder.load(entry_address(context, builder, signature.args[8], amounts, row))
            more = _plus(builder, sum_, splat(builder, amount, BITS))
            return builder.select(builder.bitcast(word, ir.VectorType(ir.IntType(1), BITS)), more, sum_)

        address = entry_address(context, builder, signature.args[0], total, at)
        entry = context.get_value_type(signature.args[0].dtype)
        _add_up(builder, address, entry, kind, add_row, (begin, end, chunk), (_I64(0), _I64(0)))
        return context.get_dummy_value()

    flat = types.intp
    return types.none(total, flat, words, flat, flat, active, flat, flat, amounts, flat), codegen


def _plus(builder: ir.IRBuilder, sum_: ir.Value, values: ir.Value) -> ir.Value:
    """A vector of sums plus a vector of values, whose integers may be narrower."""
    if not isinstance(sum_.type.element, ir.IntType):
        return builder.fadd(sum_, values)
    return builder.add(sum_, values if values.type == sum_.type else builder.sext(values, sum_.type))


def _add_up(
    builder: ir.IRBuilder,
    address: ir.Value,
    entry: ir.Type,
    kind: ir.Type,
    add_row: Callable[[ir.Value, ir.Value], ir.Value],
    rows: tuple[ir.Value, ir.Value, ir.Value],
    shifts: tuple[ir.Value, ir.Value],
    *,
    fresh: bool = False,
) -> None:
    """Add rows to the entries at an address: floats row by row, integers as one sum that is then shifted.

    Args:
        address: address of the first entry.
        entry: type of an entry.
        kind: vector type of a row.
        add_row: function from the number of a row and a sum to the next sum.
        rows: first row, one past the last row, and number of rows whose sum fits 16 bits.
        shifts: left and right shift of integers.
        fresh: whether the sum replaces the entries.
    """
    begin, end, chunk = rows
    if not isinstance(entry, ir.IntType):
        sum_ = cgutils.alloca_once(builder, kind)
        builder.store(ir.Constant(kind, [0.0] * kind.count) if fresh else load_vector(builder, address, kind), sum_)
        with cgutils.for_range_slice(builder, begin, end, _I64(1)) as (k, _):
            builder.store(add_row(k, builder.load(sum_)), sum_)
        store_vector(builder, builder.load(sum_), address)
        return
    bits, lanes = kind.element.width, kind.count
    partial, whole = (ir.VectorType(ir.IntType(max(bits, least)), lanes) for least in (16, 32))
    sum_, some = cgutils.alloca_once(builder, whole), cgutils.alloca_once(builder, partial)
    builder.store(ir.Constant(whole, None), sum_)
    with cgutils.for_range_slice(builder, begin, end, chunk) as (first, _):
        builder.store(ir.Constant(partial, None), some)
        last = builder.add(first, chunk)
        last = builder.select(builder.icmp_signed("<", last, end), last, end)
        with cgutils.for_range_slice(builder, first, last, _I64(1)) as (k, _):
            builder.store(add_row(k, builder.load(some)), some)
        builder.store(_plus(builder, builder.load(sum_), builder.load(some)), sum_)
    found, total = builder.load(sum_), ir.VectorType(entry, lanes)
    found = found if whole == total else builder.sext(found, total)
    left, right = (splat(builder, x if entry == _I64 else builder.trunc(x, entry), lanes) for x in shifts)
    found = builder.ashr(builder.shl(found, left), right)
    store_vector(builder, found if fresh else builder.add(load_vector(builder, address, total), found), address)
