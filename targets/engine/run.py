"""Run a program on several threads: each thread runs samples of its own, or all share the neurons of one sample."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from threading import Lock
from typing import NamedTuple

import numpy as np

from ssdp_hw.errors import ParameterError

from .listening import listen
from .program import Layout, Program
from .segments import BITS, Array
from .thread_group_loops import STOPPED
from .types import Int64Array, WordArray

# Length of the int64 array around the barrier's counter: padding against false sharing of its cache line.
_PADDING = 32
# layer_loops.py runs a block of neurons for this many steps before the next block.
_STEPS = 64
# Upper limit of sources times steps, which bounds the length of a list of spikes; it may shorten _STEPS.
_LISTED_SPIKES_MAX = 1 << 22
# With fewer neuron updates than this a run takes less time than waking the threads.
_WORTH_THREADS = 1_000_000
# With fewer neurons than this one step takes less time than a barrier.
_WORTH_SHARING = 8000
# Number of additions of a weight that take as long as the update of one neuron.
_ADDITIONS = 20


@cache
def available_threads() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count(option: object, updates: int) -> int:
    """The option ``threads`` as a number; None stands for all processors, or for one if that is faster.

    Args:
        option: value of the option.
        updates: number of sources times steps times samples; an update takes about half a nanosecond.

    Raises:
        ParameterError: the option is no whole number, or larger than the number of processors.
    """
    limit = available_threads()
    if option is None:
        return limit if updates >= _WORTH_THREADS else 1
    if isinstance(option, bool) or not isinstance(option, int) or not 1 <= option <= limit:
        raise ParameterError(f"engine: threads = {option!r} is outside 1 .. {limit} of this machine")
    return option


def thread_group_size(option: object, program: Program, raster: Array, *, layered: bool) -> int:
    """The number of threads that share the neurons of a sample; 1 if each thread runs samples of its own.

    Args:
        option: value of the option ``threads``.
        program: the program of the network.
        raster: input spikes (time, batch, channels).
        layered: whether the threads wait at a barrier after each population, and not in each step.
    """
    steps, samples, _ = raster.shape
    if samples != 1 or not program.divisible:
        return 1
    neurons, synapses = len(program.neurons.v_init), program.wiring.weights.size
    if option is None:
        most = neurons + synapses / _ADDITIONS  # updates per step if every source fires in it
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
    """The pool of threads beside the caller's. All runs share it: starting a thread takes as long as a small run."""
    return ThreadPoolExecutor(available_threads(), "ssdp-hw-engine")


# At most one thread group exists at a time: two groups that each had a part of the pool's threads would wait for
# the missing members for ever.
_one_thread_group = Lock()


def _after_fork() -> None:
    """Make a new pool and lock in a forked process, which inherits the pool's object but not its threads."""
    global _one_thread_group
    _helpers.cache_clear()
    _one_thread_group = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def share(work: Callable[[], None], threads: int, stop: Int64Array | None = None) -> None:
    """Call ``work()`` on ``threads`` threads at once; each call takes one sample after the other until none is left.

    The work must release the global interpreter lock. Samples do not depend on each other, so the result does not
    depend on the number of threads. With ``stop``, the counter of the work's thread groups, the caller's thread does no
    work but listens; see :mod:`.listening`.
    """
    if stop is not None:
        listen(_helpers(), [work] * threads, stop)
        return
    helpers = [_helpers().submit(work) for _ in range(threads - 1)]
    try:
        work()
    finally:
        for helper in helpers:
            if not helper.cancel():  # a call that has not begun would find no sample left
                helper.result()


class ThreadGroup(NamedTuple):
    """A thread's place in the group of threads that share each step of a sample.

    ``words`` has rows for at least two steps, which are reused in turn. One barrier per step is therefore enough: no
    thread can be two steps ahead of another, and overwrite words that the other still reads.
    """

    words: WordArray  # spikes (row, word), a bit for each source; the words of group g begin at its start // BITS + g
    counter: Int64Array  # the barrier's counter of arrivals, alone on its cache line
    member: int
    members: int


def alone(layout: Layout) -> ThreadGroup:
    """The thread group of a thread that runs samples of its own."""
    rows = layout.slots + min(_STEPS, max(1, _LISTED_SPIKES_MAX // int(layout.source_start[-1])))
    words = np.zeros((rows, int(layout.source_start[-1]) // BITS + len(layout.source_start)), np.uint64)
    return ThreadGroup(words, np.zeros(_PADDING, np.int64)[_PADDING // 2 :], 0, 1)


def together(work: Callable[[ThreadGroup], None], members: int, layout: Layout, *, listening: bool = False) -> None:
    """Call ``work(thread_group)`` for every member of a thread group at the same time.

    If another thread group exists, one thread does all the work. The work must release the global interpreter lock,
    and its result must not depend on the number of members. With ``listening`` the caller's thread does no work but
    listens; see :mod:`.listening`.
    """
    first = alone(layout)
    if members <= 1 or not _one_thread_group.acquire(blocking=False):
        if listening:
            listen(_helpers(), [lambda: work(first)], first.counter)
        else:
            work(first)
        return

    def join(member: int) -> None:
        try:
            work(first._replace(member=member, members=members))
        except BaseException:
            first.counter[0] = STOPPED  # releases the members that wait at a barrier
            raise

    try:
        if listening:
            listen(_helpers(), [partial(join, member) for member in range(members)], first.counter)
            return
        helpers = [_helpers().submit(join, member) for member in range(1, members)]
        try:
            join(0)
        finally:
            for helper in helpers:
                helper.result()
    finally:
        _one_thread_group.release()
