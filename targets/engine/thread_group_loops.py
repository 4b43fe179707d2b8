"""The barrier of a thread group, whose threads share each step of one sample.

Sleeping and waking take longer than a step. The threads therefore spin at the barrier, and yield the processor only
after many turns, which matters where other processes need it.
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

from .jit import compiled_driver, lesser
from .types import Int64Array

# Entry of a barrier's counter that stops the run: the members leave their loops, and nobody waits at the barrier.
STOPPED = 2**62
_TURNS = 1000  # turns of the waiting loop before a thread yields the processor, about ten microseconds
_YIELD = "SwitchToThread" if sys.platform == "win32" else "sched_yield"


@intrinsic
def _arrive(typing: TypingContext, counter: types.Array) -> tuple[Signature, Callable[..., ir.Value]]:
    """Add 1 to the first entry atomically; returns the sum."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        one = ir.IntType(64)(1)
        return builder.add(builder.atomic_rmw("add", data, one, "seq_cst"), one)

    return types.int64(counter), codegen


@intrinsic
def _seen(typing: TypingContext, counter: types.Array) -> tuple[Signature, Callable[..., ir.Value]]:
    """Load the first entry atomically."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load_atomic(data, "acquire", 8)

    return types.int64(counter), codegen


@intrinsic
def _pause(typing: TypingContext) -> tuple[Signature, Callable[..., ir.Value]]:
    """Execute the pause instruction, which leaves the core to its other hardware thread."""

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
    """Yield the processor to another thread of the operating system."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.IntType(32), []), _YIELD)
        builder.call(function, [])
        return context.get_dummy_value()

    return types.none(), codegen


@compiled_driver
def next_sample(taken: Int64Array) -> int:
    """The next sample that no thread has taken; ``taken[0]`` counts the samples that are taken."""
    sample: int = _arrive(taken) - 1
    return sample


@compiled_driver
def barrier(counter: Int64Array, members: int) -> None:
    """Wait until all members of the thread group have called this function equally often.

    Args:
        counter: number of arrivals of all members, which they share, 0 before the first.
        members: number of threads of the group; a single thread does not wait.
    """
    if members > 1:
        # The n-th barrier opens after n * members arrivals, and the number of this arrival gives n.
        arrived = _arrive(counter)
        wanted = (arrived + members - 1) // members * members
        turns = 0
        while _seen(counter) < lesser(wanted, STOPPED):
            turns += 1
            _pause()
            if turns > _TURNS:
                _give_way()


@compiled_driver
def stopped(counter: Int64Array) -> bool:
    """Whether the run of a thread group was stopped: its results are not wanted any more."""
    return bool(_seen(counter) >= STOPPED)


@compiled_driver
def part(count: int, member: int, members: int, unit: int) -> tuple[int, int]:
    """A member's share of ``count`` items, in whole units: the first item, and one past the last."""
    units = -(-count // unit)
    first, last = units * member // members * unit, units * (member + 1) // members * unit
    return lesser(first, count), lesser(last, count)
