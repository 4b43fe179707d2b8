"""A file for libraries that do not bear an error of the operating system: it keeps the error for us.

The HDF5 library cannot close a file after a write that failed: it ends the process (HDF5 1.14, through h5py 3.16). A
``ZipFile`` complains when it is collected.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class FailureKeeper(io.RawIOBase):
    """A new file whose writes and reads never fail.

    From the first failure on nothing more is written to the disk.

    Args:
        path: of the file, which must not exist.
        reads: whether the library reads what it wrote; then what it writes after a failure stays in memory.

    Attributes:
        failure: the first error of the operating system, or None.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: str | os.PathLike[str], *, reads: bool) -> None:
        super().__init__()
        self._reads = reads
        self.failure: OSError | None = None
        self._file = open(path, "x+b", buffering=0)  # noqa: SIM115 - closed by close()
        self._position = self._end = 0
        self._late: list[tuple[int, bytes]] = []

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        """Write all of it, to the disk or to memory."""
        content = bytes(data)
        if self.failure is None:
            try:
                self._file.seek(self._position)
                written = 0
                while written < len(content):
                    written += self._file.write(content[written:])
            except OSError as error:
                self.failure = error
        if self.failure is not None and self._reads:
            self._late.append((self._position, content))
        self._position += len(content)
        self._end = max(self._end, self._position)
        return len(content)

    def readinto(self, buffer: Any) -> int:
        """What was written at the position; 0 where nothing was."""
        view = memoryview(buffer).cast("B")
        start, size = self._position, max(0, min(len(view), self._end - self._position))
        content = bytearray(size)
        try:
            self._file.seek(start)
            found = self._file.read(size) or b""
        except OSError as error:
            found, self.failure = b"", self.failure or error
        content[: len(found)] = found
        for at, late in self._late:
            low, high = max(at, start), min(at + len(late), start + size)
            if low < high:
                content[low - start : high - start] = late[low - at : high - at]
        view[:size] = content
        self._position += size
        return size

    def truncate(self, size: int | None = None) -> int:
        self._end = self._position if size is None else size
        if self.failure is None:
            try:
                self._file.truncate(self._end)
            except OSError as error:
                self.failure = error
        return self._end

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


@contextmanager
def kept_failure(path: str | os.PathLike[str], *, reads: bool = False) -> Iterator[FailureKeeper]:
    """A new file for a library; what failed is raised in the end, when the library has let go of it.

    Args:
        path, reads: see :class:`FailureKeeper`.

    Raises:
        OSError: the file cannot be made, or the first failure.
    """
    keeper = FailureKeeper(path, reads=reads)
    try:
        yield keeper
        if keeper.failure is not None:
            raise keeper.failure
    finally:
        keeper.close()
