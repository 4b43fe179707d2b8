"""What lies in an HDF5 file, as plain arrays; each object is looked at before it is read.

HDF5 can point into other files (external links, external storage, virtual datasets), into circles (soft links, groups
linked into themselves), load code from outside (filters), and declare terabytes in a few bytes: by a shape, or by many
texts that share one. None of these has a place in a network, so such files are refused.

h5py's own functions are called, not its File, Group and Dataset: on files of many small arrays these take most of the
time. Of many datasets that are described alike, the library is asked for the first only
(:mod:`ssdp_hw.files.hdf5_copies`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import h5py
import numpy as np
from h5py import h5d, h5g, h5l, h5o, h5s

from ssdp_hw.errors import FileFormatError
from ssdp_hw.files import hdf5_guard
from ssdp_hw.files.hdf5_copies import UNKNOWN, Copies

# Filters that HDF5 and h5py have built in; any other is looked for as a plug-in on this computer.
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}

_POINTER = 16  # bytes that point at a text: length (4), address of its collection (8), index in it (4)

# What lies at a place in a file: a group (as an empty dict), an array or a scalar as h5py reads it, None where the
# dataset holds nothing.
Item = tuple[tuple[str, ...], Any]


@dataclass
class Hdf5Values:
    """The content of a file.

    Attributes:
        attributes: texts and numbers that the file itself bears; those of groups and datasets are not read.
        tree: groups as dicts; numbers as arrays or, of shape (), NumPy scalars; texts as ``bytes``, or arrays of them.
    """

    attributes: dict[str, str | int | float] = field(default_factory=dict)
    tree: dict[str, Any] = field(default_factory=dict)

    def put(self, item: Item) -> None:
        """Add what lies at one place; its group comes before."""
        *groups, name = item[0]
        inside = self.tree
        for group in groups:
            inside = inside[group]
        inside[name] = item[1]


def items(file: h5py.File, path: str, max_bytes: int) -> Iterator[Item]:
    """What lies in an open file, groups before what they hold; iterative, since depth is hostile.

    Args:
        file: the file.
        path: its path, for messages.
        max_bytes: limit of what all its datasets together occupy in memory, uncompressed.

    Raises:
        FileFormatError: an object that points outside the file or into a circle, or exceeds a limit.
        Exception: whatever the HDF5 library makes of a damaged file.
    """
    root = h5g.open(file.id, b"/")
    seen = {h5o.get_info(root).addr}
    with Copies(path) as copies:
        reader = _Reader(max_bytes, copies)
        pending: list[tuple[tuple[str, ...], h5g.GroupID, Iterator[_Link]]] = [((), root, _links(root, seen, path))]
        while pending:
            above, group, links = pending[-1]  # few groups are open at a time: each takes memory
            link = next(links, None)
            if link is None:
                pending.pop()
                continue
            stored, address = link
            place = (*above, stored.decode())
            where = f"{path}: '/{'/'.join(place)}'"
            if address is None:
                raise FileFormatError(f"{where} is a soft or external link; copy what it points at into the file")
            if address in seen:
                raise FileFormatError(f"{where} is a second link to an object of the file; store a copy")
            seen.add(address)
            value = reader.copy(address, where)
            if value is UNKNOWN:
                item = h5o.open(group, stored)
                if isinstance(item, h5g.GroupID):
                    if len(place) > hdf5_guard.MAX_DEPTH:
                        raise FileFormatError(f"{where} is nested deeper than {hdf5_guard.MAX_DEPTH} groups")
                    yield place, {}
                    pending.append((place, item, _links(item, seen, path)))
                    continue
                if not isinstance(item, h5d.DatasetID):
                    raise FileFormatError(f"{where} is neither a group nor a dataset")
                value = reader.value(item, where)
                copies.learn(address, item, value)
            yield place, value


# The name of an object in its group, and its address in the file; None for a link that is soft or external.
_Link: TypeAlias = tuple[bytes, int | None]


def _links(group: h5g.GroupID, seen: Set[int], path: str) -> Iterator[_Link]:
    """What a group holds, by name.

    Raises:
        FileFormatError: with what was seen it is more than a network needs.
    """
    found: list[_Link] = []
    most = hdf5_guard.MAX_OBJECTS - len(seen)

    def add(name: bytes, link: h5l.LinkInfo) -> bool:
        found.append((name, link.u if link.type == h5l.TYPE_HARD else None))
        return len(found) > most  # the library stops there

    group.links.iterate(add, info=True)
    if len(found) > most:
        raise FileFormatError(f"{path}: more than {hdf5_guard.MAX_OBJECTS} objects; a network needs far fewer")
    return iter(found)


class _Reader:
    """Reads the datasets of one file, once they have been looked at."""

    def __init__(self, max_bytes: int, copies: Copies) -> None:
        self._max_bytes, self._copies = max_bytes, copies
        self._bytes = self._texts = self._text_bytes = 0

    def copy(self, address: int, where: str) -> Any:
        """The value of a dataset that is described as one before it; else UNKNOWN.

        Raises:
            FileFormatError: it is too much.
        """
        found = self._copies.find(address)
        if found is None:
            return UNKNOWN
        value = self._copies.value(*found)
        if value is not UNKNOWN:
            self._add_bytes(found[0].memory, where)
            if isinstance(value, bytes):
                self._add_texts(1, len(value), where)
        return value

    def value(self, dataset: h5d.DatasetID, where: str) -> Any:
        """The value of a dataset.

        Raises:
            FileFormatError: it lies outside the file, is neither numbers nor text, or is too much.
            Exception: whatever the HDF5 library makes of a damaged file.
        """
        space, dtype, how = dataset.get_space(), dataset.dtype, dataset.get_create_plist()
        self._check_storage(how, dtype, where)
        if space.get_simple_extent_type() == h5s.NULL:
            return None
        shape = space.get_simple_extent_dims()
        self._add_bytes(math.prod(shape) * int(dtype.itemsize), where)  # in Python's integers, which do not turn around
        if dtype.kind == "O":
            self._measure(dataset, how, math.prod(shape), where)
        array = np.empty(shape, dtype)
        if array.size:
            dataset.read(h5s.ALL, h5s.ALL, array)
        return array if shape else array[()]

    def _check_storage(self, how: Any, dtype: np.dtype[Any], where: str) -> None:
        """Refuse what lies outside the file, types other than numbers and text, and pieces that unfold to too much."""
        layout = how.get_layout()
        if how.get_external_count() or layout == h5d.VIRTUAL:
            raise FileFormatError(f"{where} is stored in other files; copy its data into this one")
        # HDF5 unfolds a chunk as a whole, however little of it the dataset covers.
        if layout == h5d.CHUNKED and math.prod(chunk := how.get_chunk()) * int(dtype.itemsize) > self._max_bytes:
            raise FileFormatError(
                f"{where} is stored in chunks {chunk} of more than max_bytes, {self._max_bytes}, each"
            )
        for index in range(how.get_nfilters()):
            number = how.get_filter(index)[0]
            if number not in _FILTERS:
                known = ", ".join(_FILTERS.values())
                raise FileFormatError(f"{where} is stored through the HDF5 filter {number}; only {known} are read")
        if dtype.kind not in "biufc" and h5py.check_string_dtype(dtype) is None:
            raise FileFormatError(f"{where} has values of type {dtype}; only numbers and text are read")

    def _measure(self, dataset: h5d.DatasetID, how: Any, count: int, where: str) -> None:
        """Add the lengths of a dataset's texts to those of the file, from the 16 bytes that point at each: its length,
        then where it is. Many may point at the same bytes, and HDF5 allocates what they claim before it looks.
        """
        self._add_texts(count, 0, where)
        if how.get_layout() != h5d.CONTIGUOUS:
            raise FileFormatError(f"{where} has texts in chunks; store them contiguously")
        offset = dataset.get_offset()
        if offset is None:
            return  # declared but never written: empty texts
        pointers = self._copies.stored(offset, _POINTER * count)
        lengths = int(np.frombuffer(pointers, "<u4")[:: _POINTER // 4].sum(dtype=np.int64))
        self._add_texts(0, lengths if len(pointers) == _POINTER * count else hdf5_guard.MAX_TEXT_BYTES + 1, where)

    def _add_bytes(self, size: int, where: str) -> None:
        self._bytes += size
        if self._bytes > self._max_bytes:
            raise FileFormatError(
                f"{where}: the datasets of the file occupy more than {self._max_bytes} bytes; if that is meant, raise "
                "max_bytes"
            )

    def _add_texts(self, count: int, size: int, where: str) -> None:
        self._texts += count
        self._text_bytes += size
        if self._texts > hdf5_guard.MAX_TEXTS:
            raise FileFormatError(
                f"{where}: more than {hdf5_guard.MAX_TEXTS} texts in the file; a network needs far fewer"
            )
        if self._text_bytes > hdf5_guard.MAX_TEXT_BYTES:
            raise FileFormatError(
                f"{where}: the texts of the file are longer than {hdf5_guard.MAX_TEXT_BYTES} bytes together"
            )
