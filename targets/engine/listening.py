"""Long runs on threads of a pool, while the caller's thread listens: to Ctrl-C, and to the limit of time.

A thread in compiled code hears of neither before it returns. Where a run takes a moment, the caller therefore leaves
all of the work to the pool and waits; what ends its waiting stops the loops.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait

from ssdp_hw.running.time_limit import check_time, remaining_time

from .thread_group_loops import STOPPED
from .types import Int64Array

# With fewer neuron updates than this, some ten milliseconds, a run is over before anybody could stop it.
_WORTH_LISTENING = 20_000_000
# Seconds to wait for the loops to end, which look in every step; a thread that compiles takes longer and is left alone.
_GRACE = 1.0


def is_long(updates: int) -> bool:
    """Whether the caller's thread should listen while a run goes on.

    Args:
        updates: number of sources times steps times samples.
    """
    heard = remaining_time() is not None or threading.current_thread() is threading.main_thread()
    return heard and updates >= _WORTH_LISTENING


def listen(pool: Executor, calls: Sequence[Callable[[], None]], counter: Int64Array) -> None:
    """Make all calls at once in threads of a pool, and wait for them.

    Args:
        pool: has a thread for each call.
        calls: each looks at ``counter`` and ends soon after its first entry has become ``STOPPED``.
        counter: that of the calls' thread groups.

    Raises:
        KeyboardInterrupt, TimeLimitError: the calls were stopped.
        BaseException: a call failed; the others were stopped.
    """
    futures = [pool.submit(contextvars.copy_context().run, call) for call in calls]
    try:
        for future in futures:
            _finish(future)
    except BaseException:
        counter[0] = STOPPED
        wait(futures, timeout=_GRACE)
        raise


def _finish(future: Future[None]) -> None:
    while not future.done():
        wait([future], timeout=remaining_time())
        if not future.done():
            check_time()
    future.result()
