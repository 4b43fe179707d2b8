"""Lets a process of its own read an HDF5 file first: what ends or stops that process does no harm to this one."""

from __future__ import annotations

import atexit
import json
import os
import selectors
import subprocess
import sys
import threading
from contextlib import suppress

from ssdp_hw.errors import FileFormatError

# Seconds that reading a file may take, and how many bytes of it a further second is given for. Files of this toolkit
# and of NIR take milliseconds.
TIME_LIMIT, BYTES_A_SECOND = 5.0, 10_000_000


class _Reader:
    """The reading process, started when it is first needed and again after a file ended it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def check(self, path: str, max_bytes: int) -> None:
        """Let the process read everything in a file.

        Raises:
            FileFormatError: it refused the file, ended, or took too long.
        """
        with self._lock:
            answer = self._asked(path, max_bytes)
        if answer:
            raise FileFormatError(answer)

    def _asked(self, path: str, max_bytes: int) -> str:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        request = json.dumps({"path": os.path.abspath(path), "max_bytes": max_bytes}) + "\n"
        limit = TIME_LIMIT + os.path.getsize(path) / BYTES_A_SECOND
        try:
            process.stdin.write(request.encode())
            process.stdin.flush()
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                if not selector.select(limit):
                    self._end()
                    return f"{path}: is damaged: reading it had not ended after {limit:.3g} s"
            line = process.stdout.readline()
        except OSError:
            line = b""
        if not line:
            self._end()
            return f"{path}: is damaged: the HDF5 library crashed on it (in a process of its own)"
        refused = str(json.loads(line)["refused"])
        return refused.replace(os.path.abspath(path), str(path), 1)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(  # this interpreter, with a module of ours
                # -P: no module of the folder that the user works in may take the place of one of Python's.
                [sys.executable, "-P", "-m", "ssdp_hw.files.probe_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        return self._process

    def _end(self) -> None:
        """Kill the process, if there is one, and close its pipes."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


_reader = _Reader()


def _after_fork() -> None:
    """Leave the reading process to the parent: two that ask one process would take each other's answers."""
    global _reader
    _reader = _Reader()


atexit.register(lambda: _reader._end())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def check_by_reading(path: str, max_bytes: int) -> None:
    """Let a process of its own read everything in an HDF5 file.

    Raises:
        FileFormatError: it refused the file, the library crashed on it, or it did not come to an end.
    """
    _reader.check(path, max_bytes)
