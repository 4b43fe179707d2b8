"""Running a program on several threads: each has samples of its own, or all share the neurons of one."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import NamedTuple

import numpy as np

from ssdp_hw.errors import ParameterError

from .program import Layout, Program
from .segments import BITS, Array
from .types import Int64Array, WordArray

_LINE = 32  # numbers around one of int64 that keep others off its line of the cache
_STEPS = 64  # of a block of neurons in a row, as long as
_ROOM = 1 << 22  # sources times steps are no more: so many spikes are listed at most
_WORTH_THREADS = 1_000_000  # updates that take longer than to wake threads
_WORTH_SHARING = 8000  # neurons whose step takes longer than to meet
_ADDITIONS = 20  # that take as long as the step of a neuron


@cache
def available_threads() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count(option: object, updates: int) -> int:
    """The option ``threads`` as a number; None stands for all processors, or for one if that is faster.

    Args:
        option: as the user gave it.
        updates: sources times steps times samples; each takes a good part of a nanosecond.

    Raises:
        ParameterError: no whole number, or more than there are processors.
    """
    limit = available_threads()
    if option is None:
        return limit if updates >= _WORTH_THREADS else 1
    if isinstance(option, bool) or not isinstance(option, int) or not 1 <= option <= limit:
        raise ParameterError(f"engine: threads = {option!r} is outside 1 .. {limit} of this machine")
    return option


def thread_group_size(option: object, program: Program, raster: Array, *, layered: bool) -> int:
    """How many threads share the neurons of a sample; 1 if each has samples of its own.

    Args:
        option: ``threads`` as the user gave it.
        program: whose neurons they are.
        raster: input spikes (time, batch, channels).
        layered: whether they meet after a population, and not in each step.
    """
    steps, samples, _ = raster.shape
    if samples != 1 or not program.divisible:
        return 1
    neurons, synapses = len(program.neurons.v_init), program.wiring.weights.size
    if option is None:
        most = neurons + synapses / _ADDITIONS  # if every source fired in every step
        if most < _WORTH_SHARING and most * steps < _WORTH_THREADS:
            return 1
        additions = np.count_nonzero(raster) / max(steps, 1) * synapses / max(program.start(-1), 1)
        updates = neurons + additions / _ADDITIONS
        if updates < _WORTH_SHARING and not (layered and updates * steps >= _WORTH_THREADS):
            return 1
        return available_threads()
    return thread_count(option, neurons * steps)


@cache
def _helpers() -> ThreadPoolExecutor:
    """Threads beside the caller's, kept for the next run: to start one takes as long as a small run."""
    return ThreadPoolExecutor(available_threads(), "ssdp-hw-engine")


# Thread groups wait for all their members, so two that each have some of the helpers would wait for ever.
_one_thread_group = Lock()


def _after_fork() -> None:
    """A child has the pool, but not its threads."""
    global _one_thread_group
    _helpers.cache_clear()
    _one_thread_group = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def share(work: Callable[[], None], threads: int) -> None:
    """Call ``work()`` on so many threads at once, each of which takes sample after sample as long as there are any.

    The work must release the global interpreter lock. What a sample gives does not depend on what
    runs beside it, so neither does the result depend on the number of threads.
    """
    helpers = [_helpers().submit(work) for _ in range(threads - 1)]
    try:
        work()
    finally:
        for helper in helpers:
            if not helper.cancel():  # one that has not begun finds nothing left to do
                helper.result()


class ThreadGroup(NamedTuple):
    """A thread's place among those that share each step of a sample.

    ``words`` has rows for at least two steps in turn, so that one meeting a step is enough: nobody can be two steps
    ahead of anybody.
    """

    words: WordArray  # uint64 (step, n): who fires, a bit each; those of group g begin at its start // BITS + g
    counter: Int64Array  # int64, what they meet by, with a line of the cache for itself
    member: int
    members: int


def alone(layout: Layout) -> ThreadGroup:
    """The team of a thread that has samples of its own."""
    rows = layout.slots + min(_STEPS, max(1, _ROOM // int(layout.source_start[-1])))
    words = np.zeros((rows, int(layout.source_start[-1]) // BITS + len(layout.source_start)), np.uint64)
    return ThreadGroup(words, np.zeros(_LINE, np.int64)[_LINE // 2 :], 0, 1)


def together(work: Callable[[ThreadGroup], None], members: int, layout: Layout) -> None:
    """Call ``work(team)`` for every member of a team, all at the same time; on one thread if there is a team already.

    The work must release the global interpreter lock and, whatever the number of members, do the same.
    """
    first = alone(layout)
    if members <= 1 or not _one_thread_group.acquire(blocking=False):
        work(first)
        return

    def join(member: int) -> None:
        try:
            work(first._replace(member=member, members=members))
        except BaseException:
            first.counter[0] = np.iinfo(np.int64).max // 2  # nobody waits any more
            raise

    try:
        helpers = [_helpers().submit(join, member) for member in range(1, members)]
        try:
            join(0)
        finally:
            for helper in helpers:
                helper.result()
    finally:
        _one_thread_group.release()
