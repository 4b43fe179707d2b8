"""A look at an HDF5 file before anything reads it: only what lies in the file itself, and not too much.

HDF5 can point into other files (external links, external storage, virtual datasets), into circles
(soft links, groups linked into themselves), load code from outside (filters), and declare terabytes in
a few bytes: by a shape, or by many texts that share one. None of these has a place in a network, so
such files are refused before a reader meets them.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from pathlib import Path

import h5py
import numpy as np

from ssdp_hw.errors import FileFormatError, ParameterError

# What the datasets of a file may occupy in memory together, in bytes.
DEFAULT_MAX_BYTES = 1 << 30
MAX_OBJECTS = 100_000
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
_POINTER = 16  # bytes that point at a text: length (4), address of its collection (8), index in it (4)

# Filters that HDF5 and h5py have built in; any other is looked for as a plug-in on this computer.
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}


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


def open_looked_at(path: str | os.PathLike[str], max_bytes: int = DEFAULT_MAX_BYTES, objects: bool = True) -> h5py.File:
    """Open an HDF5 file for reading once it has been looked at; a context manager.

    Args:
        path: the file.
        max_bytes: limit of what all its datasets together occupy in memory, uncompressed.
        objects: whether to look at every object of it; without, only at what its own attributes need.

    Raises:
        FileFormatError: the file is missing, is no regular file or not HDF5, is damaged, points
            outside itself or into a circle, or exceeds a limit.
    """
    check_regular(path)
    try:
        file = h5py.File(path, "r")
    except (OSError, RuntimeError, ValueError) as error:
        said = _what_it_is(path) or f"cannot be opened as HDF5 ({first_line(error)})"
        raise FileFormatError(f"{path}: {said}") from None
    try:
        _check_heaps(file, str(path))
        if objects:
            _check_objects(file, str(path), max_bytes)
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
            _check_heap(content, start, path)
            start = content.find(_HEAP, start + 1)


def _check_heap(content: mmap.mmap, start: int, path: str) -> None:
    header = content[start + 8 : start + 16]
    size = int.from_bytes(header, "little")
    end = start + size
    if size < _HEAP_MIN or end > len(content):
        return  # no collection, but these bytes by chance; if one, HDF5 refuses it
    place = start + 16
    while place + _OBJECT.size <= end:
        index, _, _, length = _OBJECT.unpack_from(content, place)
        step = length if index == 0 else (_OBJECT.size + (length + 7) // 8 * 8) % (1 << 64)
        if step == 0 or step >= 1 << 63:
            raise FileFormatError(f"{path}: the HDF5 file is damaged (a collection of texts at byte {start})")
        place += step


def _check_objects(file: h5py.File, path: str, max_bytes: int) -> None:
    """Walk over every object without following a link out of the file; iterative, since depth is hostile."""
    total, texts = 0, _Texts(path)
    seen = {_address(file)}
    pending: list[tuple[h5py.Group, int]] = [(file, 0)]
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
                _check_storage(item, where, max_bytes)
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


def _check_storage(dataset: h5py.Dataset, where: str, max_bytes: int) -> None:
    """Refuse what lies outside the file, types other than numbers and text, and pieces that unfold to too much."""
    if dataset.external or dataset.is_virtual:
        raise FileFormatError(f"{where} is stored in other files; copy its data into this one")
    # HDF5 unfolds a chunk as a whole, however little of it the dataset covers.
    if dataset.chunks is not None and math.prod(dataset.chunks) * int(dataset.dtype.itemsize) > max_bytes:
        raise FileFormatError(f"{where} is stored in chunks {dataset.chunks} of more than max_bytes, {max_bytes}, each")
    stored = dataset.id.get_create_plist()
    for index in range(stored.get_nfilters()):
        number = stored.get_filter(index)[0]
        if number not in _FILTERS:
            known = ", ".join(_FILTERS.values())
            raise FileFormatError(f"{where} is stored through the HDF5 filter {number}; only {known} are read")
    text = h5py.check_string_dtype(dataset.dtype) is not None
    if not text and dataset.dtype.kind not in "biufc":
        raise FileFormatError(f"{where} has values of type {dataset.dtype}; only numbers and text are read")


def _bytes(dataset: h5py.Dataset) -> int:
    """Size in memory of a dataset, without the texts that it points at."""
    # Not dataset.nbytes: its product can turn around in 64 bits.
    return math.prod(dataset.shape or ()) * int(dataset.dtype.itemsize)


class _Texts:
    """The length of all texts of a file, from the 16 bytes that point at each: its length, then where it is.

    Many may point at the same bytes, and HDF5 allocates what they claim before it looks.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._count = self._bytes = 0

    def measure(self, dataset: h5py.Dataset, where: str) -> None:
        """Add a dataset of texts of any length.

        Raises:
            FileFormatError: it is too much, or stored in a way that hides its size.
        """
        count = math.prod(() if dataset.shape is None else dataset.shape)
        self._count += count
        if self._count > MAX_TEXTS:
            raise FileFormatError(f"{where}: more than {MAX_TEXTS} texts in the file; a network needs far fewer")
        if dataset.id.get_create_plist().get_layout() != h5py.h5d.CONTIGUOUS:
            raise FileFormatError(f"{where} has texts in chunks; store them contiguously")
        offset = dataset.id.get_offset()
        if offset is None:
            return  # declared but never written: empty texts
        with self._path.open("rb") as raw:
            raw.seek(offset)
            pointers = raw.read(_POINTER * count)
        self._bytes += int(np.frombuffer(pointers, "<u4")[:: _POINTER // 4].sum(dtype=np.int64))
        if len(pointers) < _POINTER * count or self._bytes > MAX_TEXT_BYTES:
            raise FileFormatError(f"{where}: the texts of the file are longer than {MAX_TEXT_BYTES} bytes together")


def _address(item: h5py.Group | h5py.Dataset) -> int:
    return int(h5py.h5o.get_info(item.id).addr)
