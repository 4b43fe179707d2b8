"""A limit on the time that a command takes."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ssdp_hw.cli import exit_codes
from ssdp_hw.errors import ParameterError
from ssdp_hw.running.time_limit import limited_time

# Seconds after the limit within which what runs must have looked at the clock; then it is ended from outside.
_GRACE = 2.0
# Seconds after that within which compiled code must return to Python; then the process is ended.
_LAST_GRACE = 5.0


class TimeIsUp(BaseException):
    """The time limit has passed. Not an Exception, so that no handler of other errors takes it for one of those."""


@contextmanager
def limited_command(seconds: float) -> Iterator[None]:
    """End a command after that time: targets and loops over samples end by themselves, and hand out what they have.

    Whatever never looks at the clock is ended from outside, some seconds later, with the same exit code.

    Raises:
        ParameterError: not a positive number.
    """
    if not 0 < seconds < math.inf:
        raise ParameterError(f"--time-limit {seconds:g}: expected seconds above 0")
    with limited_time(seconds) as deadline:
        assert deadline is not None

        def over(_: int, __: FrameType | None) -> None:
            if not deadline.noticed:
                raise TimeIsUp(
                    f"over the time limit of {seconds:g} s; raise --time-limit, or run fewer samples or steps"
                )

        def end() -> None:
            if deadline.noticed:
                return
            sys.stderr.write(f"error: over the time limit of {seconds:g} s\n")
            sys.stderr.flush()
            os._exit(exit_codes.LIMIT)

        before = signal.signal(signal.SIGALRM, over)
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE)
        watchdog = threading.Timer(seconds + _GRACE + _LAST_GRACE, end)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
        finally:
            watchdog.cancel()
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
