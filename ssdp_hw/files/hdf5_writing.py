"""Writing HDF5 files so that neither a full disk nor Ctrl-C meets the HDF5 library.

The library writes to a file that never fails (:mod:`ssdp_hw.files.failure_keeper`). h5py swallows a KeyboardInterrupt
that is raised in one of the library's calls back to Python, so Ctrl-C waits until the library has returned.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import h5py

from ssdp_hw.files.failure_keeper import FailureKeeper, kept_failure


class NewFile:
    """An HDF5 file that is being written.

    Attributes:
        file: h5py's file; it is written to inside of ``with new.writing():`` alone.
    """

    def __init__(self, keeper: FailureKeeper, file: h5py.File) -> None:
        self.file, self._keeper = file, keeper

    @contextmanager
    def writing(self) -> Iterator[h5py.File]:
        """Let the library write; what it keeps is written in the end.

        Raises:
            OSError: something could not be written.
            KeyboardInterrupt: Ctrl-C was pressed meanwhile.
        """
        with held_interrupts():
            try:
                yield self.file
                self.file.flush()
            finally:
                if self._keeper.failure is not None:
                    raise self._keeper.failure


@contextmanager
def new_hdf5(path: str | os.PathLike[str]) -> Iterator[NewFile]:
    """A new HDF5 file.

    Raises:
        OSError: it cannot be made, or something could not be written.
    """
    with kept_failure(path, reads=True) as keeper:
        with held_interrupts():
            new = NewFile(keeper, h5py.File(keeper, "w"))
        try:
            yield new
        finally:
            with held_interrupts():
                new.file.close()


@contextmanager
def held_interrupts() -> Iterator[None]:
    """Keep Ctrl-C until the end of the block, where its handler is called.

    Threads other than the main one are never interrupted.
    """
    before = signal.getsignal(signal.SIGINT)
    nobody = (signal.SIG_IGN, signal.SIG_DFL, None)  # the first two are enum members, which say that they can be called
    if threading.current_thread() is not threading.main_thread() or before in nobody:
        yield
        return
    assert callable(before)
    pressed: list[FrameType | None] = []
    signal.signal(signal.SIGINT, lambda _, frame: pressed.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        before(signal.SIGINT, pressed[-1])
