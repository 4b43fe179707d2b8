"""A limit on the time that a command takes."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

from ssdp_hw.cli import exit_codes
from ssdp_hw.errors import ParameterError

# Seconds after the limit within which compiled code must return to Python; then the process is ended.
_GRACE = 5.0


class TimeIsUp(BaseException):
    """The time limit has passed. Not an Exception, so that no handler of other errors takes it for one of those."""


def limit_time(seconds: float) -> None:
    """Raise an error in the main thread after that time.

    Compiled code cannot be interrupted: if it has not returned some seconds later, the process ends with the same code.

    Raises:
        ParameterError: not a positive number.
    """
    if not 0 < seconds < float("inf"):
        raise ParameterError(f"--time-limit {seconds}: expected seconds above 0")

    def over(_: int, __: FrameType | None) -> None:
        raise TimeIsUp(f"over the time limit of {seconds:g} s; raise --time-limit, or run fewer samples or steps")

    def end() -> None:
        sys.stderr.write(f"error: over the time limit of {seconds:g} s\n")
        sys.stderr.flush()
        os._exit(exit_codes.LIMIT)

    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    watchdog = threading.Timer(seconds + _GRACE, end)
    watchdog.daemon = True
    watchdog.start()
