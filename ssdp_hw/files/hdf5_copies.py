"""Datasets whose description is a copy of one that the HDF5 library has read, without asking the library again.

A graph of 100,000 nodes is half a million datasets of one number or word each. The library takes a tenth of a
millisecond for one, nearly all of it to describe the dataset anew: space, type, filters. HDF5 keeps that description in
the object's header, beside the address of the values. Where two headers are the same but for the address, so are the
descriptions: what the library found for the first, and this package's guard accepted, holds for the second, and its
values are fetched from their address. Whatever is not as simple as that is left to the library.

Layouts are those of the HDF5 file format specification, version 1 of object headers (IV.A.1.a), version 3 of the data
layout message (IV.A.2.i), version 1 of B-trees (III.A.1) and global heaps (III.E).
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from h5py import h5d, h5s, h5t

from ssdp_hw.files.hdf5_guard import heap_objects

# What a dataset that is left to the library gives in place of a value.
UNKNOWN: Final = object()

# Headers that h5py writes have 272 bytes.
_MOST_HEADER = 512
# Larger datasets are left to the library, which then takes most of its time for the values; and larger collections of
# texts, of which each has at most 65,535.
_MOST_BYTES, _MOST_COLLECTION = 1 << 16, 1 << 24
# What is kept at a time: collections of texts, and descriptions.
_MOST_COLLECTIONS, _MOST_KNOWN = 4, 1024

_UNDEFINED = (1 << 64) - 1
_PREFIX = struct.Struct("<BxHII4x")  # version, messages, references, bytes of the messages
_MESSAGE = struct.Struct("<HHB3x")  # type, bytes, flags
_LAYOUT, _CONTIGUOUS, _CHUNKED = 8, 1, 2
_NODE = struct.Struct("<4sBBHQQ")  # signature, type, level, entries, left and right sibling
_CHUNK = struct.Struct("<II")  # stored bytes, mask of filters that were skipped; then one offset an axis, and one of 0
_TEXT = struct.Struct("<IQI")  # length, address of the collection, index in it
_GZIP = 1


@dataclass(frozen=True)
class _Description:
    """What the headers of several datasets have in common.

    Attributes:
        shape, dtype: as h5py has them; of type ``O`` for a text.
        size: bytes of the values.
        chunk_axes: axes of the only chunk, which holds the whole dataset; 0 where the values lie in one piece.
        folded: whether that chunk is compressed by gzip.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    size: int
    chunk_axes: int
    folded: bool

    @property
    def memory(self) -> int:
        """Bytes that the values are counted as."""
        return math.prod(self.shape) * int(self.dtype.itemsize)


class Copies:
    """Reads such datasets of one file; a context manager.

    Args:
        path: the file, which the library reads at the same time; it begins with its superblock.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._raw = Path(path).open("rb", buffering=0)  # noqa: SIM115 - closed by __exit__
        self._places: list[int] = []  # in a header, of the address of the values
        self._known: dict[bytes, _Description | None] = {}
        self._collections: dict[int, dict[int, tuple[int, int]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._raw.close()

    def find(self, address: int) -> tuple[_Description, int] | None:
        """The description of the dataset whose header is there, and the address of its values; None if unknown."""
        header = self._header(address)
        for place in self._places:
            found = self._known.get(_without(header, place))
            if found is not None:
                return found, int.from_bytes(header[place : place + 8], "little")
        return None

    def learn(self, address: int, dataset: h5d.DatasetID, value: Any) -> None:
        """Keep the description of a dataset that the guard has accepted and the library has read."""
        header = self._header(address)
        place, kind = _values_place(header)
        if not place or (key := _without(header, place)) in self._known or len(self._known) == _MOST_KNOWN:
            return
        found = _description(dataset, kind)
        if found is not None and not _same(
            self.value(found, int.from_bytes(header[place : place + 8], "little")), value
        ):
            found = None  # the library knows better what the header means
        self._known[key] = found
        if place not in self._places:
            self._places.append(place)

    def value(self, found: _Description, address: int) -> Any:
        """The values of a dataset, as the library reads them, or UNKNOWN."""
        if found.chunk_axes:
            stored = self._chunk(found, address)
        else:
            stored = self.stored(address, found.size)
        if stored is None or len(stored) != found.size:
            return UNKNOWN
        if found.dtype.kind == "O":
            return self._text(*_TEXT.unpack(stored))
        return np.frombuffer(bytearray(stored), found.dtype).reshape(found.shape)[()]

    def stored(self, address: int, size: int) -> bytes:
        """Bytes of the file, fewer where it ends before."""
        return os.pread(self._raw.fileno(), size, address) if address < 1 << 62 else b""

    def _header(self, address: int) -> bytes:
        """The header of a dataset, or nothing where it is of another kind or long."""
        header = self.stored(address, _MOST_HEADER)
        if len(header) < _PREFIX.size:
            return b""
        version, _, _, size = _PREFIX.unpack_from(header)
        end = _PREFIX.size + size
        return header[:end] if version == 1 and end <= len(header) else b""

    def _chunk(self, found: _Description, address: int) -> bytes | None:
        """The values of a dataset of one chunk, which a B-tree of one leaf of one entry points at."""
        key = 8 * (found.chunk_axes + 1)
        node = self.stored(address, _NODE.size + _CHUNK.size + key + 8)
        if len(node) < _NODE.size + _CHUNK.size + key + 8:
            return None
        start = node[_NODE.size + _CHUNK.size :]
        stored, skipped = _CHUNK.unpack_from(node, _NODE.size)
        one = _NODE.unpack_from(node) == (b"TREE", 1, 0, 1, _UNDEFINED, _UNDEFINED)
        if not one or skipped or any(start[:key]) or stored > _MOST_BYTES + 1024:
            return None
        content = self.stored(int.from_bytes(start[key:], "little"), stored)
        if not found.folded or len(content) < stored:
            return content
        unfold = zlib.decompressobj()
        try:
            values = unfold.decompress(content, found.size + 1)
        except zlib.error:
            return None
        return values if unfold.eof and not unfold.unused_data else None

    def _text(self, length: int, address: int, index: int) -> Any:
        if address not in self._collections:
            if len(self._collections) == _MOST_COLLECTIONS:
                self._collections.pop(next(iter(self._collections)))
            self._collections[address] = dict(self._collection(address))
        place, size = self._collections[address].get(index, (0, -1))
        text = self.stored(place, size) if size == length else b"\0"
        # The library ends a text at its first 0.
        return UNKNOWN if len(text) != length or b"\0" in text else text

    def _collection(self, address: int) -> Iterator[tuple[int, tuple[int, int]]]:
        """Place and bytes of the texts of a collection, by index; none where the library is to look at it."""
        header = self.stored(address, 16)
        size = int.from_bytes(header[8:], "little")
        if header[:5] != b"GCOL\x01" or size > _MOST_COLLECTION:
            return
        content = self.stored(address, size)
        if len(content) == size:
            for index, place, length in heap_objects(content, 0, size):
                if place + length <= size:
                    yield index, (address + place, length)


def _values_place(header: bytes) -> tuple[int, int]:
    """Where a header has the address of the values, and how they lie there; 0 where no place is known."""
    place = _PREFIX.size
    while place + _MESSAGE.size <= len(header):
        kind, size, _ = _MESSAGE.unpack_from(header, place)
        place += _MESSAGE.size
        if kind == _LAYOUT and header[place : place + 1] == b"\x03":
            how = header[place + 1]
            found = place + {_CONTIGUOUS: 2, _CHUNKED: 3}.get(how, len(header))  # behind it: the rank of the chunks
            return (found, how) if found + 8 <= len(header) else (0, 0)
        place += size
    return 0, 0


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, bytes):
        return isinstance(ours, bytes) and ours == theirs
    return ours is not UNKNOWN and np.asarray(ours).tobytes() == np.asarray(theirs).tobytes()


def _without(header: bytes, place: int) -> bytes:
    return header[:place] + header[place + 8 :]


def _description(dataset: h5d.DatasetID, kind: int) -> _Description | None:
    """What the library says of a dataset; None where its values are not to be fetched as they lie."""
    how, dtype, stored = dataset.get_create_plist(), dataset.dtype, dataset.get_type()
    space = dataset.get_space()
    if space.get_simple_extent_type() == h5s.NULL or how.get_external_count():
        return None
    shape = space.get_simple_extent_dims()
    size = math.prod(shape) * (_TEXT.size if dtype.kind == "O" else int(dtype.itemsize))
    if not 0 < size <= _MOST_BYTES:
        return None
    if dtype.kind == "O":
        if shape or kind != _CONTIGUOUS or not stored.equal(h5t.py_create(dtype, logical=True)):
            return None
    elif dtype.kind not in "iuf" or not stored.equal(h5t.py_create(dtype)):
        return None  # the library converts what it reads
    if kind == _CONTIGUOUS:
        return _Description(shape, dtype, size, 0, folded=False)
    filters = [how.get_filter(index)[0] for index in range(how.get_nfilters())]
    if how.get_chunk() != shape or filters not in ([], [_GZIP]):
        return None
    return _Description(shape, dtype, size, len(shape), folded=bool(filters))
