"""Lets a process of its own read HDF5 files: what ends or stops that process does no harm to this one.

The process is started when it is first needed and reads file after file. It is an interpreter of its own that imports
this package's reader and nothing of the user's, so that it works the same from scripts, notebooks, threads and workers
of a pool. A process that a file ended is started anew.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import ssdp_hw
from ssdp_hw.errors import FileFormatError
from ssdp_hw.files.hdf5_values import Hdf5Values
from ssdp_hw.files.value_stream import Receiver

# What reading a file may take, in seconds of the processor, so that a busy machine refuses nothing; a file has one
# second more for each so many bytes, up to a limit. Files of this toolkit and of NIR take milliseconds.
CPU_LIMIT, BYTES_A_CPU_SECOND, MAX_CPU_LIMIT = 1.0, 1_000_000, 60.0

# The same by the clock, for what waits and computes nothing.
TIME_LIMIT, BYTES_A_SECOND = 30.0, 1_000_000

# -P: no module of the folder that the user works in may take the place of one of Python's.
_COMMAND = (sys.executable, "-P", "-c", "from ssdp_hw.files.reading_worker import main; main()")

_MAX_LINE = 1 << 26
_PIECE = 1 << 16


class _EndedError(Exception):
    """The process ended, or sent what no reader sends."""


class _FailedError(Exception):
    """Reading failed in a way for which a file before this one may be to blame."""


class _Process:
    """One reading process."""

    def __init__(self) -> None:
        self.files = 0
        # A session of its own: Ctrl-C is for the user's process, which ends this one.
        paths = [*sys.path, str(Path(ssdp_hw.__file__).parents[1])]
        self._popen = subprocess.Popen(  # noqa: S603 - this interpreter, with a module of ours
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
            # Threads of the linear algebra library, of which none is used here, take address space.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OPENBLAS_NUM_THREADS": "1"},
        )
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._to, self._from = self._popen.stdin, self._popen.stdout
        self._rest = bytearray()
        self._deadline = 0.0

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    @property
    def number(self) -> int:
        return self._popen.pid

    @property
    def computed_too_long(self) -> bool:
        """Whether the limit of computing ended the process; it has closed its pipe, and so ends now if it has not."""
        try:
            return self._popen.wait(1.0) == -signal.SIGPROF
        except subprocess.TimeoutExpired:
            return False

    def ask(self, request: dict[str, Any]) -> None:
        """Send a request, whose answer is to come within its ``seconds``.

        Raises:
            _EndedError: the process ended.
        """
        self.files += 1
        self._deadline = time.monotonic() + request["seconds"]
        self._rest.clear()
        try:
            self._to.write(json.dumps(request).encode() + b"\n")
        except OSError:
            raise _EndedError from None

    def line(self) -> dict[str, Any]:
        """The next line of the answer.

        Raises:
            _EndedError: there is none.
            TimeoutError: it did not come in time.
        """
        searched = 0
        while (end := self._rest.find(b"\n", searched)) < 0:
            searched = len(self._rest)
            if searched > _MAX_LINE:
                raise _EndedError
            piece = bytearray(_PIECE)
            self._rest += piece[: self._receive(memoryview(piece))]
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        found = json.loads(line)
        if not isinstance(found, dict):
            raise _EndedError
        return found

    def fill(self, buffer: memoryview) -> None:
        """Fill a buffer with the next bytes of the answer; the time that is left grows with their number.

        Raises:
            _EndedError, TimeoutError: see :meth:`line`.
        """
        self._deadline += len(buffer) / BYTES_A_SECOND
        place = min(len(buffer), len(self._rest))
        buffer[:place] = self._rest[:place]
        del self._rest[:place]
        while place < len(buffer):
            place += self._receive(buffer[place:])

    def _receive(self, buffer: memoryview) -> int:
        with selectors.DefaultSelector() as selector:
            selector.register(self._from, selectors.EVENT_READ)
            if not selector.select(max(0.0, self._deadline - time.monotonic())):
                raise TimeoutError
        received = os.readv(self._from.fileno(), [buffer])
        if not received:
            raise _EndedError
        return received

    def end(self) -> None:
        """Kill the process and close its pipes."""
        self._popen.kill()
        self._popen.wait()
        self.close()

    def close(self) -> None:
        """Close this side of the pipes."""
        for pipe in (self._to, self._from):
            with suppress(OSError):
                pipe.close()

    def leave(self) -> None:
        """Forget, in a process that was forked from this one, the process of its parent."""
        self._popen.returncode = 0  # not a child of this one, so that nothing is to be waited for
        self.close()


class _Reader:
    """The reading process, started when it is first needed and again after a file ended it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: _Process | None = None

    def read(self, path: str, max_bytes: int, whole: bool) -> Hdf5Values:
        """Let the process read a file.

        Raises:
            FileFormatError: it refused the file, ended, or took too long.
        """
        with self._lock:
            process = self._running()
            fresh = not process.files
            try:
                return self._ask(process, path, max_bytes, whole)
            except _FailedError as failure:
                if fresh:
                    raise FileFormatError(f"{path}: {failure}") from None
            try:  # a file before this one may have left the library damaged, or large
                return self._ask(self._running(), path, max_bytes, whole)
            except _FailedError as failure:
                raise FileFormatError(f"{path}: {failure}") from None

    def _ask(self, process: _Process, path: str, max_bytes: int, whole: bool) -> Hdf5Values:
        place = os.path.abspath(path)
        size = os.path.getsize(path)
        cpu_seconds = min(MAX_CPU_LIMIT, CPU_LIMIT + size / BYTES_A_CPU_SECOND)
        seconds = TIME_LIMIT + size / BYTES_A_SECOND
        limits = {"max_bytes": max_bytes, "seconds": seconds, "cpu_seconds": cpu_seconds}
        kept = False
        try:
            process.ask({"path": place, "whole": whole, **limits})
            values, end = _answer(process, max_bytes)
            kept = not end.get("memory")
        except TimeoutError:
            raise FileFormatError(f"{path}: is damaged: reading it had not ended after {seconds:.3g} s") from None
        except MemoryError:
            raise FileFormatError(f"{path}: there is no memory for its values") from None
        except (_EndedError, OSError, ValueError, KeyError, TypeError, RecursionError):
            if process.computed_too_long:
                raise FileFormatError(
                    f"{path}: is damaged: reading it had not ended after computing for {cpu_seconds:.3g} s; if it "
                    "comes from where you trust, pass trusted=True"
                ) from None
            raise _FailedError("is damaged: the HDF5 library crashed on it (in a process of its own)") from None
        finally:  # whatever ends this in the middle of an answer, Ctrl-C too
            if not kept:
                self.end()
        reason = str(end["end"]).replace(f"{place}: ", "", 1)
        if end.get("memory"):
            raise _FailedError(reason)
        if reason:
            raise FileFormatError(f"{path}: {reason}")
        return values

    def _running(self) -> _Process:
        if self._process is None or not self._process.running:
            self.end()
            self._process = _Process()
        return self._process

    @property
    def process_id(self) -> int | None:
        """The number of the process, if there is one."""
        return None if self._process is None else self._process.number

    def end(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def leave(self) -> None:
        """In a process that was forked from this one, leave the reading process to the parent."""
        if self._process is not None:
            self._process.leave()


def _answer(process: _Process, max_bytes: int) -> tuple[Hdf5Values, dict[str, Any]]:
    """A file's values, and the line that ended them."""
    values = Hdf5Values()
    receiver = Receiver(process.fill, max_bytes)
    while "end" not in (line := process.line()):
        if "attributes" in line:
            values.attributes = {str(name): _plain(value) for name, value in line["attributes"].items()}
        else:
            values.put(receiver.item(line))
    return values, line


def _plain(value: Any) -> str | int | float:
    if not isinstance(value, str | int | float):
        raise TypeError("an attribute that is neither text nor number")
    return value


_reader = _Reader()


def _after_fork() -> None:
    """Start a process of this one's own when it is needed: two that ask one would take each other's answers."""
    global _reader
    _reader.leave()
    _reader = _Reader()


atexit.register(lambda: _reader.end())
os.register_at_fork(after_in_child=_after_fork)


def reading_process_id() -> int | None:
    """The number of the process that reads, for measurements; None where none runs."""
    return _reader.process_id


def read_elsewhere(path: str | os.PathLike[str], max_bytes: int, whole: bool) -> Hdf5Values:
    """What a process of its own reads in an HDF5 file: everything, or the attributes of the file alone.

    Raises:
        FileFormatError: see :func:`ssdp_hw.files.hdf5_reading.read_values`.
    """
    return _reader.read(os.fsdecode(path), max_bytes, whole)
