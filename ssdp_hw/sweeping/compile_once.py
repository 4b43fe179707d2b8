"""The fastest target's compilation, once on a computer however many workers begin at the same time."""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from ssdp_hw.errors import SsdpHwError
from ssdp_hw.learning.first_use import compile_target

_guard = threading.Lock()
_done = False


def compile_once() -> None:
    """Compile before the first cell of this process.

    One process of this user compiles at a time, and the others find in its cache what it compiled. Where nothing can
    be compiled, or no file be locked, the cells compile what they need themselves.
    """
    global _done
    with _guard:
        if _done:
            return
        _done = True
        path = Path(tempfile.gettempdir()) / f"ssdp-hw-compile-{os.getuid()}.lock"
        with (
            suppress(OSError, SsdpHwError),
            os.fdopen(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)) as f,
        ):
            fcntl.flock(f, fcntl.LOCK_EX)  # it is let go of when the file is closed
            compile_target()
