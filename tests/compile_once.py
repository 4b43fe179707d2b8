"""Test processes that run at the same time compile each cached function once for each signature.

Numba keeps what it compiled on disk, but two processes that need the same function at the same time both compile it.
Here the second one waits for the first, and loads what that has written.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from numba.core.caching import NullCache
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher


def compile_once(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let processes with this folder for their lock files compile one after the other what they share."""
    original: Callable[..., Any] = Dispatcher.compile

    def compile_or_wait(self: Any, sig: Any) -> Any:
        if isinstance(getattr(self, "_cache", NullCache()), NullCache):
            return original(self, sig)
        name = f"{self.py_func.__module__}.{self.py_func.__qualname__} {sig}"
        lock = folder / f"{hashlib.sha256(name.encode()).hexdigest()}.lock"
        # Numba's own lock is taken first, always: else one thread could wait for a lock file, and have Numba's lock,
        # while another has the file and waits for Numba. Calls have no circles, so that processes cannot either.
        with global_compiler_lock, lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            return original(self, sig)

    monkeypatch.setattr(Dispatcher, "compile", compile_or_wait)
