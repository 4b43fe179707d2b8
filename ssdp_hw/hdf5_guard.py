"""A look at an HDF5 file before anything reads it: only what lies in the file itself, and not too much.

HDF5 can point into other files (external links, external storage, virtual datasets), into circles
(soft links, groups linked into themselves), load code from outside (filters), and declare terabytes in
a few bytes: by a shape, or by many texts that share one. None of these has a place in a network, so
such files are refused before a reader meets them.
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
# Texts in all datasets together, and their bytes.
MAX_TEXTS = 1 << 20
MAX_TEXT_BYTES = 1 << 24

# Filters that HDF5 and h5py have built in; any other is looked for as a plug-in on this computer.
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}


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
    total, texts = 0, _Texts(path)
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
                _check_storage(item, where)
                total += _bytes(item)
                if total > max_bytes:
                    raise FileFormatError(
                        f"{where}: the datasets of the file occupy more than {max_bytes} bytes; if that is "
                        "meant, raise max_bytes"
                    )
                if item.dtype.kind == "O":
                    texts.measure(item, where)
            else:
                raise FileFormatError(f"{where} is neither a group nor a dataset")


def _check_storage(dataset: Any, where: str) -> None:
    """Refuse what lies outside the file, and types other than numbers and text."""
    if dataset.external or dataset.is_virtual:
        raise FileFormatError(f"{where} is stored in other files; copy its data into this one")
    stored = dataset.id.get_create_plist()
    for index in range(stored.get_nfilters()):
        number = stored.get_filter(index)[0]
        if number not in _FILTERS:
            known = ", ".join(_FILTERS.values())
            raise FileFormatError(f"{where} is stored through the HDF5 filter {number}; only {known} are read")
    text = h5py.check_string_dtype(dataset.dtype) is not None
    if not text and dataset.dtype.kind not in "biufc":
        raise FileFormatError(f"{where} has values of type {dataset.dtype}; only numbers and text are read")


def _bytes(dataset: Any) -> int:
    """Size in memory of a dataset, without the texts that it points at."""
    # Not dataset.nbytes: its product can turn around in 64 bits.
    return math.prod(dataset.shape or ()) * int(dataset.dtype.itemsize)


class _Texts:
    """The length of all texts of a file. Many may point at the same bytes, so no size says it."""

    def __init__(self, path: str) -> None:
        # No text is longer than the file, so a piece read at once is not much above the limit.
        self._piece = max(1, MAX_TEXT_BYTES // max(1, Path(path).stat().st_size))
        self._count = self._bytes = 0

    def measure(self, dataset: Any, where: str) -> None:
        """Read a dataset of texts of any length, in pieces, and stop where it is too much."""
        shape: tuple[int, ...] = dataset.shape or ()
        if len(shape) > 2 or (len(shape) == 2 and shape[1] > 2):
            raise FileFormatError(f"{where} has texts in the shape {shape}; a network has lists and pairs of them")
        self._count += math.prod(shape)
        if self._count > MAX_TEXTS:
            raise FileFormatError(f"{where}: more than {MAX_TEXTS} texts in the file; a network needs far fewer")
        if dataset.shape is None:
            return
        for start in range(0, shape[0] if shape else 1, self._piece):
            piece = dataset[start:start + self._piece].reshape(-1) if shape else [dataset[()]]
            self._bytes += sum(map(len, piece))
            if self._bytes > MAX_TEXT_BYTES:
                raise FileFormatError(f"{where}: the texts of the file are longer than {MAX_TEXT_BYTES} bytes together")


def _address(item: Any) -> int:
    return int(h5py.h5o.get_info(item.id).addr)
