"""Running a program: the samples of a batch on several threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from ssdp_hw.errors import ParameterError

_BLOCKS = 4  # of samples a thread
_WORTH_THREADS = 200_000  # updates that take longer than to wake threads


@cache
def available_threads() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count(option: object, updates: int) -> int:
    """The option ``threads`` as a number; None stands for all processors, or for one if that is faster.

    Args:
        option: as the user gave it.
        updates: sources times steps times samples; each takes about a nanosecond.

    Raises:
        ParameterError: no whole number, or more than there are processors.
    """
    limit = available_threads()
    if option is None:
        return limit if updates >= _WORTH_THREADS else 1
    if isinstance(option, bool) or not isinstance(option, int) or not 1 <= option <= limit:
        raise ParameterError(f"engine: threads = {option!r} is outside 1 .. {limit} of this machine")
    return option


@cache
def _helpers() -> ThreadPoolExecutor:
    """Threads beside the caller's, kept for the next run: to start one takes as long as a small run."""
    return ThreadPoolExecutor(available_threads(), "ssdp-hw-engine")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.cache_clear)  # a child has the pool, but not its threads


def share(work: Callable[[int, int], None], threads: int, begin: int, end: int) -> None:
    """Call ``work(first sample, end)`` for blocks that together are the samples begin .. end - 1.

    The work must release the global interpreter lock. What a sample gives does not depend on what
    runs beside it, so neither does the result depend on the number of threads.
    """
    threads = min(threads, end - begin)
    if threads <= 1:
        work(begin, end)
        return
    # Several blocks a thread, since samples differ in spikes and processors in what else they do.
    size = -(-(end - begin) // (threads * _BLOCKS))
    starts = iter(range(begin, end, size))

    def take_blocks() -> None:
        for start in starts:
            work(start, min(start + size, end))

    helpers = [_helpers().submit(take_blocks) for _ in range(threads - 1)]
    try:
        take_blocks()
    finally:
        for helper in helpers:
            if not helper.cancel():  # one that has not begun finds nothing left to do
                helper.result()
