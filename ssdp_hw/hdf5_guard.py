"""A look at an HDF5 file before anything reads it: only what lies in the file itself, and not too much.

HDF5 can point into other files (external links, external storage, virtual datasets), into circles
(soft links, groups linked into themselves), and can declare terabytes in a few bytes. None of these
has a place in a network, so such files are refused before a reader meets them.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import h5py

from ssdp_hw.errors import FileFormatError

# What the datasets of a file may occupy in memory together, in bytes.
DEFAULT_MAX_BYTES = 1 << 30
MAX_OBJECTS = 100_000
MAX_DEPTH = 64


def open_checked(path: str | os.PathLike[str], max_bytes: int = DEFAULT_MAX_BYTES) -> h5py.File:
    """Open an HDF5 file for reading once it has been checked; a context manager.

    Args:
        path: the file.
        max_bytes: limit of what all its datasets together occupy in memory, uncompressed.

    Raises:
        FileFormatError: the file is missing, is no regular file or not HDF5, is damaged, points
            outside itself or into a circle, or exceeds a limit.
    """
    if not Path(path).exists():
        raise FileFormatError(f"{path}: no such file")
    if not Path(path).is_file():
        raise FileFormatError(f"{path}: is not a regular file")
    try:
        file = h5py.File(path, "r")
    except (OSError, RuntimeError, ValueError) as error:
        raise FileFormatError(f"{path}: cannot be opened as HDF5 ({first_line(error)})") from None
    try:
        _check_objects(file, str(path), max_bytes)
    except FileFormatError:
        file.close()
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        file.close()
        raise FileFormatError(f"{path}: the HDF5 file is damaged ({first_line(error)})") from None
    return file


def first_line(error: BaseException) -> str:
    """An exception in one line: its type and the first line of its text."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__


def _check_objects(file: Any, path: str, max_bytes: int) -> None:
    """Walk over every object without following a link out of the file; iterative, since depth is hostile."""
    total = 0
    seen = {_address(file)}
    pending: list[tuple[Any, int]] = [(file, 0)]
    while pending:
        group, depth = pending.pop()
        for name in group:
            where = f"{path}: '{group.name.rstrip('/')}/{name}'"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise FileFormatError(f"{where} is a soft or external link; copy what it points at into the file")
            item = group[name]
            address = _address(item)
            if address in seen:
                raise FileFormatError(f"{where} is a second link to an object of the file; store a copy")
            seen.add(address)
            if len(seen) > MAX_OBJECTS:
                raise FileFormatError(f"{path}: more than {MAX_OBJECTS} objects; a network needs far fewer")
            if isinstance(item, h5py.Group):
                if depth >= MAX_DEPTH:
                    raise FileFormatError(f"{where} is nested deeper than {MAX_DEPTH} groups")
                pending.append((item, depth + 1))
            elif isinstance(item, h5py.Dataset):
                total += _bytes(item, where)
                if total > max_bytes:
                    raise FileFormatError(
                        f"{where}: the datasets of the file occupy more than {max_bytes} bytes; if that is "
                        "meant, raise max_bytes"
                    )
            else:
                raise FileFormatError(f"{where} is neither a group nor a dataset")


def _bytes(dataset: Any, where: str) -> int:
    """Size in memory of a dataset that lies in the file itself."""
    if dataset.external or dataset.is_virtual:
        raise FileFormatError(f"{where} is stored in other files; copy its data into this one")
    # Not dataset.nbytes: its product can turn around in 64 bits.
    return math.prod(dataset.shape or ()) * int(dataset.dtype.itemsize)


def _address(item: Any) -> int:
    return int(h5py.h5o.get_info(item.id).addr)
