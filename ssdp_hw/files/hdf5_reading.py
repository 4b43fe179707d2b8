"""Reads an HDF5 file: in this process where the file is trusted, else in a process of its own."""

from __future__ import annotations

import os

from ssdp_hw.errors import FileFormatError
from ssdp_hw.files.hdf5_guard import DEFAULT_MAX_BYTES, check_regular, file_attributes, first_line, open_checked
from ssdp_hw.files.hdf5_values import Hdf5Values, items
from ssdp_hw.files.reading_process import read_elsewhere


def read_values(path: str | os.PathLike[str], max_bytes: int = DEFAULT_MAX_BYTES, trusted: bool = False) -> Hdf5Values:
    """Everything in a file.

    A damaged file can crash the HDF5 library, or keep it busy for ever. A process of its own therefore reads the
    file, within limits of time and memory, and this process never opens it.

    Args:
        path: the file.
        max_bytes: limit of what its datasets together occupy in memory, uncompressed. The process may take that, and
            :data:`ssdp_hw.files.reading_worker.OWN_MEMORY` for its own use.
        trusted: whether to read the file in this process, without those limits of time and memory.

    Raises:
        FileFormatError: see :func:`ssdp_hw.files.hdf5_guard.open_checked` and
            :func:`ssdp_hw.files.hdf5_values.items`; reading the file crashed the process, did
            not end, or took more memory than it may.
    """
    check_regular(path)
    if not trusted:
        return read_elsewhere(path, max_bytes, whole=True)
    with open_checked(path) as file:
        values = Hdf5Values(file_attributes(file, path))
        try:
            for item in items(file, os.fsdecode(path), max_bytes):
                values.put(item)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, MemoryError) as error:
            raise FileFormatError(f"{path}: is damaged ({first_line(error)})") from None
    return values


def read_attributes(path: str | os.PathLike[str]) -> dict[str, str | int | float]:
    """The attributes of the file itself, of whatever kind it is.

    Raises:
        FileFormatError: see :func:`read_values`.
    """
    check_regular(path)
    return read_elsewhere(path, DEFAULT_MAX_BYTES, whole=False).attributes
