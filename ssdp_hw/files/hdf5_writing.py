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
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5f, h5g, h5p, h5s, h5t

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


class DatasetWriter:
    """Writes groups and datasets, without time stamps, of which a graph has hundreds of thousands of few kinds.

    h5py makes the first dataset of a shape and type; for those that follow, its description of the first is used again,
    since to make one takes longer than all else.
    """

    def __init__(self) -> None:
        self._links: dict[bool, h5p.PropLCID] = {}
        self._kinds: dict[tuple[Any, ...], tuple[h5t.TypeID, h5s.SpaceID, h5p.PropDCID]] = {}

    def group(self, above: h5g.GroupID, name: str) -> h5g.GroupID:
        """A new group."""
        return h5g.create(above, name.encode(), lcpl=self._link(name))

    def write(self, group: h5g.GroupID | h5f.FileID, name: str, value: Any, compressed: bool = False) -> None:
        """A new dataset of numbers, a text, or texts (an array of type object)."""
        array = np.array(value, object) if isinstance(value, str) else np.asarray(value)
        dtype = h5py.string_dtype() if array.dtype.kind == "O" else array.dtype
        kind = (array.shape, array.dtype.str, compressed)
        if kind in self._kinds:
            of_type, space, how = self._kinds[kind]
            made = h5d.create(group, name.encode(), of_type, space, how, lcpl=self._link(name))
            if array.size:
                made.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(array, dtype).reshape(array.shape))
            return
        compression = "gzip" if compressed else None
        first = h5py.Group(h5g.open(group, b".")).create_dataset(
            name, data=array, dtype=dtype, compression=compression, track_times=False
        )
        self._kinds[kind] = (first.id.get_type(), first.id.get_space(), first.id.get_create_plist())

    def _link(self, name: str) -> h5p.PropLCID:
        """How h5py links names: those that are not ASCII are marked as UTF-8."""
        ascii_only = name.isascii()
        if ascii_only not in self._links:
            self._links[ascii_only] = link = h5p.create(h5p.LINK_CREATE)
            if not ascii_only:
                link.set_char_encoding(h5t.CSET_UTF8)
        return self._links[ascii_only]


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
