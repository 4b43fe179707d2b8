"""What this machine can do at most, measured by kernels that do nothing else."""

from __future__ import annotations

import time
from typing import Any

import numba as nb
import numpy as np


@nb.njit(parallel=True, cache=True)
def _add_rows(matrix: Any, totals: Any, threads: int, turns: int) -> None:
    for thread in nb.prange(threads):
        total = totals[thread]
        for _ in range(turns):
            for i in range(0, matrix.shape[0], 4):
                a, b, c, d = matrix[i], matrix[i + 1], matrix[i + 2], matrix[i + 3]
                for j in range(len(total)):
                    total[j] += a[j] + b[j] + c[j] + d[j]


def additions_per_second(rows: int, columns: int, threads: int) -> float:
    """8-bit rows added to 16-bit sums, four at a time: the rate at which events could be delivered."""
    matrix = np.ones((rows, columns), np.int8)
    totals = np.zeros((threads, columns), np.int16)
    turns = 1 + 20_000_000 // matrix.size  # some milliseconds, beside which waking the threads is nothing
    return threads * turns * matrix.size / _fastest(lambda: _add_rows(matrix, totals, threads, turns), 30)


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
        "additions_per_second_in_l1": additions_per_second(16, 1024, threads),
        "additions_per_second_in_l2": additions_per_second(784, 1000, threads),
        "copied_bytes_per_second": copy_bandwidth(),
    }
