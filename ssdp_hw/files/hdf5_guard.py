"""Checks of an HDF5 file before any of its objects is read, and the limits of what is read of it.

:mod:`ssdp_hw.files.hdf5_values` checks each object before it reads it.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from ssdp_hw.errors import FileFormatError, ParameterError

# What the datasets of a file may occupy in memory together, in bytes.
DEFAULT_MAX_BYTES = 1 << 30
MAX_OBJECTS = 1_000_000
MAX_DEPTH = 64
# Texts in all datasets together, and their bytes.
MAX_TEXTS = 1 << 20
MAX_TEXT_BYTES = 1 << 24
# Attributes of the file itself, and the bytes of each.
MAX_ATTRIBUTES, MAX_ATTRIBUTE_BYTES = 1000, 1 << 16

# A collection of texts ("global heap") begins with this, then 3 reserved bytes and its size (HDF5 file
# format, section III.E); each object in it has 16 bytes of header.
_HEAP, _HEAP_MIN = b"GCOL\x01", 4096
_OBJECT = struct.Struct("<HHIQ")  # index, references, reserved, size


def check_regular(path: str | os.PathLike[str]) -> None:
    """Raise for what is no file.

    Raises:
        ParameterError: it is no path.
        FileFormatError: nothing is there, or a folder, a pipe or the like.
    """
    if not isinstance(path, str | os.PathLike):
        raise ParameterError(f"path is a {type(path).__name__}; give the path of a file")
    try:
        if Path(path).is_file():
            return
        there = Path(path).exists()
    except (OSError, ValueError) as error:  # a name that is too long, or has a null byte
        raise FileFormatError(f"{str(path)!r}: cannot be opened ({first_line(error)})") from None
    raise FileFormatError(f"{path}: is not a regular file" if there else f"{path}: no such file")


def open_checked(path: str | os.PathLike[str]) -> h5py.File:
    """Open an HDF5 file for reading once its collections of texts have been looked at; a context manager.

    Raises:
        FileFormatError: the file is missing, is no regular file or not HDF5, or is damaged.
    """
    check_regular(path)
    try:
        file = h5py.File(path, "r")
    except (OSError, RuntimeError, ValueError) as error:
        said = _what_it_is(path) or f"cannot be opened as HDF5 ({first_line(error)})"
        raise FileFormatError(f"{path}: {said}") from None
    try:
        _check_heaps(file, str(path))
    except FileFormatError:
        file.close()
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        file.close()
        raise FileFormatError(f"{path}: the HDF5 file is damaged ({first_line(error)})") from None
    return file


def file_attributes(file: h5py.File, path: str | os.PathLike[str]) -> dict[str, str | int | float]:
    """The attributes of the file itself that are one text or one number, those of other kinds being left out unread.

    Raises:
        FileFormatError: they are damaged, too many, or too large.
    """
    try:
        if len(file.attrs) > MAX_ATTRIBUTES:
            raise FileFormatError(f"{path}: has more than {MAX_ATTRIBUTES} attributes")
        found = {}
        for name in file.attrs:
            stored = h5py.h5a.open(file.id, name.encode())
            if stored.shape != () or stored.dtype.itemsize > MAX_ATTRIBUTE_BYTES:
                continue
            if stored.dtype.kind in "biuf" or h5py.check_string_dtype(stored.dtype) is not None:
                value = file.attrs[name]
                value = value.decode() if isinstance(value, bytes) else value
                found[name] = value.item() if isinstance(value, np.generic) else value
        if any(isinstance(value, str) and len(value) > MAX_ATTRIBUTE_BYTES for value in found.values()):
            raise FileFormatError(f"{path}: has an attribute of more than {MAX_ATTRIBUTE_BYTES} bytes")
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(f"{path}: is damaged ({first_line(error)})") from None
    return found


# First bytes of files that are often given in place of HDF5, and what to say of them.
_OTHERS = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the file itself: run 'git lfs pull' where it came from"),
    (
        b"PK\x03\x04",
        "is a zip archive, as torch.save and numpy.savez write: load it with the tool that wrote it; a torch module "
        "goes through ssdp_hw.from_torch",
    ),
    (b"\x80", "is a Python pickle, which is not opened: load it with the tool that wrote it, if you trust it"),
    (b"<!DOCTYPE", "is a web page: the download did not give the file"),
    (b"<html", "is a web page: the download did not give the file"),
)


def _what_it_is(path: str | os.PathLike[str]) -> str:
    """What a file that is no HDF5 is, in words; empty if it is none of the known."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(64)
    except OSError:
        return ""
    return next((said for mark, said in _OTHERS if start.startswith(mark)), "")


def first_line(error: BaseException) -> str:
    """An exception in one line: its type and the first line of its text."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__


def _check_heaps(file: h5py.File, path: str) -> None:
    """Refuse collections of texts on which HDF5 would never stop: it steps from object to object by their sizes,
    and does not see that a step is 0 or leads back.
    """
    if file.id.get_create_plist().get_sizes() != (8, 8):
        raise FileFormatError(f"{path}: HDF5 with addresses or lengths of other than 8 bytes; store it anew")
    with Path(path).open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(_HEAP)
        while start >= 0:
            _check_heap(content, start)
            start = content.find(_HEAP, start + 1)


def _check_heap(content: mmap.mmap, start: int) -> None:
    header = content[start + 8 : start + 16]
    size = int.from_bytes(header, "little")
    end = start + size
    if size < _HEAP_MIN or end > len(content):
        return  # no collection, but these bytes by chance; if one, HDF5 refuses it
    for _ in heap_objects(content, start, end):
        pass


def heap_objects(content: mmap.mmap | bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The texts of a collection: the index of each in it, its place in ``content``, and its bytes.

    Raises:
        ValueError: a step from one to the next is 0 or leads back.
    """
    place = start + 16
    while place + _OBJECT.size <= end:
        index, _, _, length = _OBJECT.unpack_from(content, place)
        step = length if index == 0 else (_OBJECT.size + (length + 7) // 8 * 8) % (1 << 64)
        if step == 0 or step >= 1 << 63:
            raise ValueError(f"a collection of texts at byte {start}")
        if index:
            yield index, place + _OBJECT.size, length
        place += step
