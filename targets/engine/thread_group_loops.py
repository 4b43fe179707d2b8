"""Threads that share each step of one sample: they meet after the spikes of a step are known.

To sleep and wake takes longer than a step, so they wait in a loop, and give the processor away only if that
takes long, as where it has other work.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Sequence

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.base import BaseContext
from numba.core.typing import BaseContext as TypingContext
from numba.core.typing.templates import Signature
from numba.extending import intrinsic

from .jit import compiled_driver
from .types import Int64Array

_TURNS = 1000  # of waiting before the processor is given away, some ten microseconds
_YIELD = "SwitchToThread" if sys.platform == "win32" else "sched_yield"


@intrinsic
def _arrive(typing: TypingContext, counter: types.Array) -> tuple[Signature, Callable[..., ir.Value]]:
    """Add 1 to the first entry for all threads to see; returns what it is then."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        one = ir.IntType(64)(1)
        return builder.add(builder.atomic_rmw("add", data, one, "seq_cst"), one)

    return types.int64(counter), codegen


@intrinsic
def _seen(typing: TypingContext, counter: types.Array) -> tuple[Signature, Callable[..., ir.Value]]:
    """The first entry as the other threads left it."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load_atomic(data, "acquire", 8)

    return types.int64(counter), codegen


@intrinsic
def _pause(typing: TypingContext) -> tuple[Signature, Callable[..., ir.Value]]:
    """Leave the units of the processor to a thread that shares them."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        if platform.machine().lower() in ("x86_64", "amd64"):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.none(), codegen


@intrinsic
def _give_way(typing: TypingContext) -> tuple[Signature, Callable[..., ir.Value]]:
    """Let another thread have the processor."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.IntType(32), []), _YIELD)
        builder.call(function, [])
        return context.get_dummy_value()

    return types.none(), codegen


@compiled_driver
def next_sample(taken: Int64Array) -> int:
    """The next sample that no thread has taken; ``taken`` is how many have been."""
    sample: int = _arrive(taken) - 1
    return sample


@compiled_driver
def barrier(counter: Int64Array, members: int) -> None:
    """Wait until all members of a team have come here as often.

    Args:
        counter: int64, of the team, 0 before the first time.
        members: how many; alone nothing is to be waited for.
    """
    if members > 1:
        # The n-th meeting is over when n * members have arrived; who comes counts itself, so n is known.
        arrived = _arrive(counter)
        wanted = (arrived + members - 1) // members * members
        turns = 0
        while _seen(counter) < wanted:
            turns += 1
            _pause()
            if turns > _TURNS:
                _give_way()


@compiled_driver
def part(count: int, member: int, members: int, unit: int) -> tuple[int, int]:
    """Which of ``count`` things, in whole units, belong to a member: the first, and one past the last."""
    units = -(-count // unit)
    first, last = units * member // members * unit, units * (member + 1) // members * unit
    return min(first, count), min(last, count)
