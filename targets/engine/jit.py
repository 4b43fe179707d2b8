"""How the kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import numba as nb
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.base import BaseContext
from numba.core.compiler import Flags
from numba.core.typing import BaseContext as TypingContext
from numba.core.typing.templates import Signature
from numba.extending import intrinsic
from numpy.typing import NDArray

from .segments import LINE

F = TypeVar("F", bound=Callable[..., object])
Scalar = TypeVar("Scalar", bound=np.generic)


def compiled_loop(function: F) -> F:
    """Compile a function whose array arguments never overlap, and that makes no array.

    LLVM vectorises a loop over several arrays only if it knows that they are apart: it gives up beyond a few
    checks at run time. Numba sets the same flag on the loops of its prange, but has no option for it.
    """
    dispatcher: Any = compiled_driver(function)  # a Dispatcher, of which Numba declares no private attribute

    def without_aliases(flags: Flags) -> Flags:
        flags.noalias = True
        return flags

    dispatcher._compiler._customize_flags = without_aliases
    return cast("F", dispatcher)


def compiled_driver(function: F) -> F:
    """Compile a function that makes no array, whose arguments may overlap or be changed by other threads.

    Without counts of references, which Numba would keep of every array that it passes on.
    """
    return cast("F", nb.njit(nogil=True, error_model="numpy", _nrt=False)(function))


def entry_point(function: F) -> F:
    """Compile a function that Python calls, and keep it on disk."""
    return cast("F", _invalidated_by_sources(nb.njit(cache=True, nogil=True, error_model="numpy")(function)))


def cached_driver(function: F) -> F:
    """A :func:`compiled_driver` that is kept on disk, since it takes long to compile and several functions have it."""
    return cast(
        "F", _invalidated_by_sources(nb.njit(cache=True, nogil=True, error_model="numpy", _nrt=False)(function))
    )


def _invalidated_by_sources(dispatcher: Any) -> Any:
    """Keep what is compiled until any file of this package changes.

    Numba itself looks at the file of the function only, not at those of the functions that it calls.
    """
    newest = max(source.stat().st_mtime for source in Path(__file__).parent.glob("*.py"))
    # As part of the version: Numba checks that first, and cannot read the rest once a type in it is gone.
    file = dispatcher._cache._cache_file
    file._version = f"{file._version}, sources of {newest}"
    return dispatcher


@nb.njit(nogil=True)
def aligned_zeros(count: int, zero: Scalar) -> NDArray[Scalar]:
    """So many zeros of that type, from the begin of a line of the processor's memory on: vectors stay within one."""
    array = np.full(count + LINE, zero)
    first = -array.ctypes.data % LINE // array.itemsize
    return array[first : first + count]


@intrinsic
def shift_right(typing: TypingContext, x: types.Type, n: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
    """``x >> n`` in the type of x, where Numba would compute in int64 and halve the lanes of a vector."""
    return x(x, x), lambda context, builder, signature, args: builder.ashr(*args)


@intrinsic
def shift_left(typing: TypingContext, x: types.Type, n: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
    """``x << n`` in the type of x."""
    return x(x, x), lambda context, builder, signature, args: builder.shl(*args)


@intrinsic
def shifted(typing: TypingContext, x: types.Type, n: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
    """``x << n`` of an integer; a float as it is, since the weights of float networks have no exponent."""

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
