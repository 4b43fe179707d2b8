"""Containers: plain values and arrays in one HDF5 file, no code, the same bytes for the same content.

A :class:`~ssdp_hw.files.record.Record` says what is kept of an object. Attributes of the file: ``format`` and
``version``. The dataset ``header`` is JSON in UTF-8 with the values of the record and of its parts; arrays of the
record lie at ``<array>``, those of its parts at ``<parts>/<index>/<array>``. Nothing is compressed.

Where there are many arrays, of which HDF5 takes more time than of their values, they are packed
(:mod:`ssdp_hw.files.packed_arrays`), and the version is 2; else it is 1.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ssdp_hw.arrays import Array
from ssdp_hw.errors import FileFormatError, SsdpHwError
from ssdp_hw.files.atomic import write_atomically
from ssdp_hw.files.hdf5_guard import DEFAULT_MAX_BYTES, first_line
from ssdp_hw.files.hdf5_reading import read_attributes, read_values
from ssdp_hw.files.hdf5_writing import new_hdf5
from ssdp_hw.files.packed_arrays import MANY_ARRAYS, packed, unpacked
from ssdp_hw.files.record import Record

T = TypeVar("T")


def check_no_nir(path: str | os.PathLike[str]) -> None:
    """Raise for a name that other tools take for NIR's format.

    Raises:
        FileFormatError: the name ends so.
    """
    if str(path).lower().endswith(".nir"):
        raise FileFormatError(
            f"{path}: what is written here is this toolkit's own format, which NIR's tools cannot read: name the file "
            ".h5, or write NIR with ssdp_hw.write_nir, on the command line ssdp-hw to-nir"
        )


@dataclass(frozen=True)
class Container:
    """One kind of file.

    Attributes:
        format: what the file's attribute ``format`` says.
        version: that of the files written where arrays are packed; earlier ones are read.
        content: what such a file is, for messages.
    """

    format: str
    version: int
    content: str

    def write(self, path: str | os.PathLike[str], record: Record) -> None:
        """Write one file, complete or not at all.

        Raises:
            FileFormatError: the file cannot be written, or has the name of a NIR file.
        """
        check_no_nir(path)
        text = json.dumps(record.values, sort_keys=True, separators=(",", ":"))
        arrays = dict(_by_path(record.arrays))
        many = len(arrays) > MANY_ARRAYS
        stored = packed(arrays) if many else arrays

        def write(partial: Path) -> None:
            with new_hdf5(partial) as new, new.writing() as file:
                file.attrs["format"] = self.format
                file.attrs["version"] = self.version if many else 1
                file.create_dataset("header", data=np.frombuffer(text.encode(), np.uint8), track_times=False)
                for name, array in stored.items():
                    file.create_dataset(name, data=array, track_times=False)

        write_atomically(path, write)

    def read(
        self,
        path: str | os.PathLike[str],
        decode: Callable[[Record], T],
        max_bytes: int = DEFAULT_MAX_BYTES,
        trusted: bool = False,
    ) -> T:
        """What ``decode`` makes of a file's record.

        Args:
            path: the file.
            decode: may raise whatever damaged values lead to.
            max_bytes, trusted: see :func:`ssdp_hw.files.hdf5_reading.read_values`.

        Raises:
            FileFormatError: the file is missing, damaged, of another kind or of a newer version, or ``decode`` failed.
        """
        values = read_values(path, max_bytes, trusted)
        self._check_version(values.attributes, path)
        try:
            arrays = values.tree
            header = json.loads(arrays.pop("header").tobytes())
            return decode(Record(header, unpacked(arrays) if values.attributes["version"] == 2 else arrays))
        except SsdpHwError as error:
            raise FileFormatError(f"{path}: {error}") from None
        except Exception as error:  # whatever a damaged file leads to
            raise FileFormatError(f"{path}: is damaged ({first_line(error)})") from None

    def wrote(self, path: str | os.PathLike[str]) -> bool:
        """Whether a file says that it is of this kind; only what it says of itself is read.

        Raises:
            FileFormatError: the file is missing, no HDF5, or damaged.
        """
        return read_attributes(path).get("format") == self.format

    def _check_version(self, attributes: Mapping[str, str | int | float], path: str | os.PathLike[str]) -> None:
        version = attributes.get("version")
        if attributes.get("format") != self.format:
            raise FileFormatError(f"{path}: is HDF5, but not {self.content}")
        if not isinstance(version, int) or not 1 <= version <= self.version:
            raise FileFormatError(
                f"{path}: has version {version!r} of the format; this ssdp-hw reads up to {self.version}: upgrade it"
            )


def _by_path(arrays: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Array]]:
    for name, value in arrays.items():
        if isinstance(value, Mapping):
            yield from _by_path(value, f"{above}{name}/")
        else:
            yield f"{above}{name}", value
