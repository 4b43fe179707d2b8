"""What this machine can do at most, measured by kernels that do nothing else.

Information: its speed changes from minute to minute, so shares of a limit are taken against :mod:`limit`, which takes
turns with the engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numba as nb
import numpy as np
from adding import CHUNK, add_rows, listed, packed
from ssdp_hw.targets.engine.run import share

_BLOCKS = 4  # a thread: processors differ in what else they do


def share_blocks(work: Callable[[int, int], None], threads: int, count: int) -> None:
    """Call ``work(begin, end)`` for blocks that together are 0 .. count - 1, on so many threads."""
    size = -(-count // (threads * (_BLOCKS if threads > 1 else 1)))
    starts = iter(range(0, count, size))

    def take_blocks() -> None:
        for start in starts:
            work(start, min(start + size, count))

    share(take_blocks, threads)


_add = add_rows(64, neurons=False)


@nb.njit(nogil=True)
def _add_all(weights: Any, rows: Any, sums: Any, turns: int) -> None:
    blocks, pre, columns = weights.shape
    flat = weights.reshape(-1)
    for _ in range(turns):
        for b in range(blocks):
            _add(sums, b * columns, flat, 0, flat, b * pre * columns, rows, 0, len(rows))


@nb.njit(nogil=True)
def _leak(v: Any, x: Any, turns: int) -> None:
    for _ in range(turns):
        for j in range(len(v)):
            v[j] += x[j] - (v[j] >> 4)
            x[j] = 0


def additions_per_second(rows: int, columns: int, threads: int) -> float:
    """8-bit rows added to 16-bit sums: the rate at which events could be delivered."""
    weights = packed(np.ones((columns, rows), np.int8))
    every_row, _ = listed(np.ones((1, rows), bool), columns)
    turns = 1 + 500_000_000 // weights.size  # some milliseconds, beside which waking the threads is nothing

    def work(begin: int, end: int) -> None:
        _add_all(weights, every_row, np.empty(columns + 64, np.int32), end - begin)

    return turns * rows * columns / _fastest(lambda: share_blocks(work, threads, turns), 15)


def updates_per_second(neurons: int, threads: int) -> float:
    """The least that a step does to a neuron: leak, take its 32-bit input, clear it."""
    turns = 40_000

    def work(begin: int, end: int) -> None:
        _leak(np.ones(neurons, np.int32), np.ones(neurons, np.int32), end - begin)

    return turns * neurons / _fastest(lambda: share_blocks(work, threads, turns), 15)


def copy_bandwidth() -> float:
    """Bytes read and written a second by one thread that copies 64 MB."""
    source = np.ones(64 << 20, np.uint8)
    target = np.empty_like(source)
    return 2 * source.nbytes / _fastest(lambda: np.copyto(target, source), 15)


def _fastest(work: Any, rounds: int) -> float:
    work()
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def roofline(threads: int) -> dict[str, float]:
    """All of it; additions in units of one synapse."""
    return {
        "additions_per_second_in_l1": additions_per_second(CHUNK, 64, threads),
        "additions_per_second_in_l2": additions_per_second(784, 1000, threads),
        "neuron_updates_per_second": updates_per_second(1024, threads),
        "copied_bytes_per_second": copy_bandwidth(),
    }
