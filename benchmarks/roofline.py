"""What this machine can do at most, measured by kernels that do nothing else."""

from __future__ import annotations

import time
from typing import Any

import numba as nb
import numpy as np
from ssdp_hw.targets.engine.jit import kernel


# With the engine's flag for arrays that do not overlap, without which so many rows do not become vectors.
@kernel
def _add_eight(total: Any, rows: Any, first: int) -> None:
    for i in range(len(total)):
        j = np.uint64(first + i)
        n = np.uint64(len(total))
        total[np.uint64(i)] += (
            rows[j] + rows[j + n] + rows[j + np.uint64(2) * n] + rows[j + np.uint64(3) * n] + rows[j + np.uint64(4) * n]
            + rows[j + np.uint64(5) * n] + rows[j + np.uint64(6) * n] + rows[j + np.uint64(7) * n]
        )


@nb.njit(parallel=True)
def _add_rows(matrix: Any, totals: Any, threads: int, turns: int) -> None:
    for thread in nb.prange(threads):
        for _ in range(turns):
            for i in range(0, matrix.shape[0], 8):
                _add_eight(totals[thread], matrix.reshape(-1), i * matrix.shape[1])


@nb.njit(parallel=True, cache=True)
def _leak(voltages: Any, inputs: Any, threads: int, turns: int) -> None:
    for thread in nb.prange(threads):
        v, x = voltages[thread], inputs[thread]
        for _ in range(turns):
            for j in range(len(v)):
                v[j] += x[j] - (v[j] >> 4)
                x[j] = 0


def additions_per_second(rows: int, columns: int, threads: int) -> float:
    """8-bit rows added to 16-bit sums, eight at a time: the rate at which events could be delivered."""
    matrix = np.ones((rows, columns), np.int8)
    totals = np.zeros((threads, columns), np.int16)
    turns = 1 + 20_000_000 // matrix.size  # some milliseconds, beside which waking the threads is nothing
    return threads * turns * matrix.size / _fastest(lambda: _add_rows(matrix, totals, threads, turns), 30)


def updates_per_second(neurons: int, threads: int) -> float:
    """The least that a step does to a neuron: leak, take its 32-bit input, clear it."""
    voltages, inputs = np.ones((threads, neurons), np.int32), np.ones((threads, neurons), np.int32)
    turns = 20_000
    return threads * turns * neurons / _fastest(lambda: _leak(voltages, inputs, threads, turns), 15)


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
        "neuron_updates_per_second": updates_per_second(1024, threads),
        "copied_bytes_per_second": copy_bandwidth(),
    }
