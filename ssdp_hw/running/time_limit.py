"""A limit on wall time for everything that runs inside a block.

Targets look at the clock in every step, loops over samples between two samples. The error is raised at these places
alone, so that no array or file is left half written.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from ssdp_hw.errors import Interrupted, ParameterError, TimeLimitError


@dataclass
class Deadline:
    """The moment at which a limit passes.

    Attributes:
        seconds: the limit, as the user gave it.
        end: the moment, by ``time.monotonic``.
        noticed: whether an error was raised for it.
    """

    seconds: float
    end: float
    noticed: bool = False


# The limit that this thread's work is under, or None.
_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)

# Exceptions that end a long computation from outside; its finished part is then handed to the caller.
STOPS = (KeyboardInterrupt, TimeLimitError)


@contextmanager
def limited_time(seconds: float | None) -> Iterator[Deadline | None]:
    """End the work within the block after that many seconds; of nested limits the earliest counts.

    Args:
        seconds: the limit; None sets none beside those around the block.

    Yields:
        The limit that counts.

    Raises:
        ParameterError: ``seconds`` is no number above 0.
        TimeLimitError: the time is over. What is finished by then is its ``result``, as after Ctrl-C: whole batches of
            a comparison or ladder, whole pieces of a lesson.
    """
    given, outer = checked_limit(seconds), _current.get()
    inner = None if given is None else Deadline(given, time.monotonic() + given)
    chosen = inner if outer is None or (inner is not None and inner.end < outer.end) else outer
    token = _current.set(chosen)
    try:
        yield chosen
    finally:
        _current.reset(token)


@contextmanager
def unlimited_time() -> Iterator[None]:
    """Suspend all limits within the block, as while the result of what was finished in time is put together."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


def checked_limit(seconds: object) -> float | None:
    """A time limit.

    Raises:
        ParameterError: it is no finite number above 0.
    """
    if seconds is None:
        return None
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 < seconds < math.inf:
        return float(seconds)
    raise ParameterError(f"time_limit = {seconds!r}: expected seconds above 0, or None for no limit")


def remaining_time() -> float | None:
    """Seconds until the limit, at least 0; None without one."""
    deadline = _current.get()
    return None if deadline is None else max(deadline.end - time.monotonic(), 0.0)


def check_time() -> None:
    """Raise if the time is over.

    Raises:
        TimeLimitError: it is.
    """
    deadline = _current.get()
    if deadline is not None and time.monotonic() >= deadline.end:
        deadline.noticed = True
        raise TimeLimitError(f"{_over(deadline)}; raise the limit, or run fewer samples or steps")


def with_result(stop: BaseException, after: str, result: object) -> Interrupted | TimeLimitError:
    """The exception for the caller after Ctrl-C or a time limit, with the finished part as its ``result``.

    Args:
        stop: one of ``STOPS``.
        after: where the work ended and what ``result`` is, as in ``after 3 of 9 samples; the table of those is ...``.
        result: the finished part.
    """
    if isinstance(stop, TimeLimitError):
        return TimeLimitError(f"{str(stop).partition(';')[0]} {after}", result)
    return Interrupted(f"interrupted {after}", result)


def _over(deadline: Deadline) -> str:
    return f"over the time limit of {deadline.seconds:g} s"
