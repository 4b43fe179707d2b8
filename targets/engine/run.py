"""Running a program: the samples of a batch on several threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ssdp_hw.errors import ParameterError


def available_threads() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count(option: object) -> int:
    """The option ``threads`` as a number; None stands for all processors.

    Raises:
        ParameterError: no whole number, or more than there are processors.
    """
    limit = available_threads()
    if option is None:
        return limit
    if isinstance(option, bool) or not isinstance(option, int) or not 1 <= option <= limit:
        raise ParameterError(f"engine: threads = {option!r} is outside 1 .. {limit} of this machine")
    return option


def share(work: Callable[[int, int], None], threads: int, batch: int) -> None:
    """Call ``work(first sample, stride)`` on each thread; every sample belongs to one of them.

    The work must release the global interpreter lock. What a sample gives does not depend on who
    works on it, so neither does the result depend on the number of threads.
    """
    threads = min(threads, batch)
    if threads <= 1:
        work(0, 1)
        return
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(work, k, threads) for k in range(1, threads)]
        work(0, threads)
        for future in others:
            future.result()
