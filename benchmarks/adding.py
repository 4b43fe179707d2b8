"""Rows of 8-bit weights added up as fast as this processor can: the inner loop of every limit.

A block of columns stays in registers while the rows go by. Weights are stored as ``w + 128``, without a sign, so that
a vector of bytes is at once a vector of 16-bit numbers ``even + 256 * odd``: adding these, and apart from them the odd
bytes shifted down, takes three operations for so many weights as two vectors of 16-bit sums hold; to widen each weight
first takes four.
"""

# ruff: noqa: ARG001 (an intrinsic takes all types, and uses those of arrays)
from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray
from workloads import THRESHOLD

CHUNK = 256  # rows whose sums fit 16 bits: 256 * 255 < 2**16
PASS = 4  # rows without a look at whether they were the last
_LINE = 64  # bytes
_OFFSET = 128  # of a stored weight


def block_of(columns: int) -> int:
    """Columns that are added up together: as many as the vectors of 512 bits hold bytes, where there are that many."""
    return 64 if columns > 16 else 16


def packed(weight: NDArray[Any]) -> NDArray[np.uint8]:
    """Weights (post, pre) of 8 bits as the blocks hold them, shape (blocks, pre + 1, columns), on whole cache lines.

    The last row is zero, to fill up lists; columns k and k + block / 2 are neighbours, so that the sums of even and of
    odd bytes need not be put in order.
    """
    post, pre = weight.shape[0], weight.shape[1] + 1
    block = block_of(post)
    blocks = -(-post // block)
    memory = np.empty(blocks * pre * block + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    stored = memory[start : start + blocks * pre * block].reshape(blocks, pre, block)
    rows = np.zeros((pre, blocks * block), np.int16)
    rows[:-1, :post] = weight.T
    halves = (rows + _OFFSET).reshape(pre, blocks, 2, block // 2)
    stored[:] = halves.transpose(1, 0, 3, 2).reshape(blocks, pre, block)
    return stored


def listed(spikes: NDArray[np.bool_], post: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Where the rows of the sources start that fire in each step (last axis), and where each step's begin.

    Those of a step are filled up with the zero row to a multiple of PASS.
    """
    counts = np.count_nonzero(spikes, axis=-1).reshape(-1)
    begins = np.append(0, np.cumsum(-(-counts // PASS) * PASS))
    sources = np.full(begins[-1], spikes.shape[-1], np.int32)
    filled = np.arange(PASS * -(-counts.max(initial=0) // PASS)) < counts[:, None]
    sources[(begins[:-1, None] + np.arange(filled.shape[1]))[filled]] = np.nonzero(spikes)[-1]
    return sources * np.int32(block_of(post)), begins


def add_rows(block: int, neurons: bool) -> Any:
    """Compiled ``add(state, at, fired, fired_at, weights, block_start, rows, begin, end)`` for blocks of that width.

    It adds up the rows that start at ``weights[block_start + rows[k]]``, ``begin <= k < end``, a multiple of PASS, in
    16 bits and after every CHUNK rows in 32. Without ``neurons`` it writes the sums to ``state[at:at + block]``. With
    them the sums are the input of neurons with the voltages ``state``: ``v += input - (v >> 4)``, which fire above
    THRESHOLD, written to ``fired[fired_at:fired_at + block]``, and start anew from 0.
    """
    word, half, whole = (ir.IntType(bits) for bits in (64, 16, 32))
    pairs, lanes = ir.VectorType(half, block // 2), ir.VectorType(whole, block)
    bytes_ = ir.VectorType(ir.IntType(8), block)
    even_odd = ir.Constant(lanes, list(range(block)))

    def same(vector: Any, value: int) -> Any:
        return ir.Constant(vector, [value] * block if vector is lanes else [value] * (block // 2))

    @intrinsic
    def add(
        typing: Any,
        state: Any,
        at: Any,
        fired: Any,
        fired_at: Any,
        weights: Any,
        block_start: Any,
        rows: Any,
        begin: Any,
        end: Any,
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            state, fired, weights, rows = (
                context.make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 2, 4, 6)
            )
            at, fired_at, block_start, begin, end = (args[k] for k in (1, 3, 5, 7, 8))

            def vector(data: Any, index: Any, kind: Any) -> Any:
                return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())

            both, odd = (cgutils.alloca_once(builder, pairs) for _ in range(2))
            total = cgutils.alloca_once_value(builder, same(lanes, 0))
            with cgutils.for_range_slice(builder, begin, end, word(CHUNK), inc=True) as (first, _):
                stop = builder.add(first, word(CHUNK))
                stop = builder.select(builder.icmp_signed("<", stop, end), stop, end)
                builder.store(same(pairs, 0), both)
                builder.store(same(pairs, 0), odd)
                with cgutils.for_range_slice(builder, first, stop, word(PASS), inc=True) as (k, _):
                    for n in range(PASS):
                        row = builder.sext(builder.load(builder.gep(rows, [builder.add(k, word(n))])), word)
                        x = builder.load(vector(weights, builder.add(block_start, row), pairs), align=block)
                        builder.store(builder.add(builder.load(both), x), both)
                        builder.store(builder.add(builder.load(odd), builder.lshr(x, same(pairs, 8))), odd)
                even = builder.sub(builder.load(both), builder.shl(builder.load(odd), same(pairs, 8)))
                sums = builder.zext(builder.shuffle_vector(even, builder.load(odd), even_odd), lanes)
                builder.store(builder.add(builder.load(total), sums), total)
            offset = builder.trunc(builder.mul(builder.sub(end, begin), word(_OFFSET)), whole)
            lane = builder.insert_element(ir.Constant(lanes, ir.Undefined), offset, whole(0))
            sums = builder.sub(builder.load(total), builder.shuffle_vector(lane, lane, same(lanes, 0)))
            here = vector(state, at, lanes)
            if neurons:
                v = builder.load(here, align=4)
                v = builder.add(builder.sub(v, builder.ashr(v, same(lanes, 4))), sums)
                fires = builder.icmp_signed(">", v, same(lanes, THRESHOLD))
                builder.store(builder.zext(fires, bytes_), vector(fired, fired_at, bytes_), align=1)
                sums = builder.select(fires, same(lanes, 0), v)
            builder.store(sums, here, align=4)
            return context.get_dummy_value()

        arguments = (state, at, fired, fired_at, weights, block_start, rows, begin, end)
        return types.none(*(a if isinstance(a, types.Array) else types.intp for a in arguments)), codegen

    return add
