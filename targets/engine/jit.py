"""How the kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba as nb
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function whose array arguments never overlap.

    LLVM vectorises a loop over several arrays only if it knows that: it gives up beyond a few checks
    at run time. Numba sets the same flag on the loops of its prange, but has no option for it.
    """
    dispatcher = nb.njit(nogil=True, error_model="numpy")(function)

    def without_aliases(flags: Any) -> Any:
        flags.noalias = True
        return flags

    dispatcher._compiler._customize_flags = without_aliases
    return dispatcher


def entry_point(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, and keep it on disk until any file of this package changes.

    Numba itself looks at the file of the function only, not at those of the functions that it calls.
    """
    dispatcher = nb.njit(cache=True, nogil=True, error_model="numpy")(function)
    newest = max(source.stat().st_mtime for source in Path(__file__).parent.glob("*.py"))
    # As part of the version: Numba checks that first, and cannot read the rest once a type in it is gone.
    file = dispatcher._cache._cache_file
    file._version = f"{file._version}, sources of {newest}"
    return dispatcher


@intrinsic
def shift_right(typing: Any, x: Any, n: Any) -> Any:
    """``x >> n`` in the type of x, where Numba would compute in int64 and halve the lanes of a vector."""
    return x(x, x), lambda context, builder, signature, args: builder.ashr(*args)


@intrinsic
def shift_left(typing: Any, x: Any, n: Any) -> Any:
    """``x << n`` in the type of x."""
    return x(x, x), lambda context, builder, signature, args: builder.shl(*args)


@intrinsic
def shifted(typing: Any, x: Any, n: Any) -> Any:
    """``x << n`` of an integer; a float as it is, since the weights of float networks have no exponent."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.shl(*args) if isinstance(x, types.Integer) else args[0]

    return x(x, x), codegen


@intrinsic
def as_in(typing: Any, array: Any, x: Any) -> Any:
    """``x`` in the type of the array's entries."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.cast(builder, args[1], x, array.dtype)

    return array.dtype(array, x), codegen


@intrinsic
def store_eight(typing: Any, target: Any, at: Any, table: Any, entry: Any, base: Any) -> Any:
    """``target[at:at + 8] = table[entry:entry + 8] + base`` of int32 arrays as one vector operation.

    Numba unrolls a loop this short before it could become a vector.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = ir.VectorType(ir.IntType(32), 8)

        def pointer(k: int) -> Any:
            data = context.make_array(signature.args[k])(context, builder, args[k]).data
            return builder.bitcast(builder.gep(data, [args[k + 1]]), vector.as_pointer())

        lane = builder.insert_element(ir.Constant(vector, ir.Undefined), args[4], ir.IntType(32)(0))
        splat = builder.shuffle_vector(lane, lane, ir.Constant(vector, None))
        builder.store(builder.add(builder.load(pointer(2), align=4), splat), pointer(0), align=4)
        return context.get_dummy_value()

    return types.none(target, types.intp, table, types.intp, types.int32), codegen
