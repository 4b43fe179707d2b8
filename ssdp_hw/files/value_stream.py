"""How the reading process hands values over: for each place in a file a line of JSON, then the bytes of its array.

Nothing is unpickled, and what the receiving side allocates is bounded before it does: a process in which the HDF5
library met a damaged file may send anything.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ssdp_hw.files.hdf5_guard import MAX_OBJECTS, MAX_TEXT_BYTES, MAX_TEXTS
from ssdp_hw.files.hdf5_values import Item

_KINDS = "biufcS"  # booleans, numbers, and texts of a fixed length


def sent(item: Item) -> Iterator[bytes]:
    """What is to be written for what lies at a place of a file."""
    place, value = item
    header: dict[str, Any] = {"place": place}
    body = []
    if isinstance(value, dict):
        header["kind"] = "group"
    elif value is None:
        header["kind"] = "nothing"
    elif isinstance(value, bytes) and not isinstance(value, np.bytes_):
        header |= {"kind": "text", "lengths": [len(value)]}
        body.append(value)
    elif np.asarray(value).dtype.kind == "O":
        texts = [bytes(text) for text in value.reshape(-1)]
        header |= {"kind": "texts", "shape": value.shape, "lengths": [len(text) for text in texts]}
        body.append(b"".join(texts))
    else:
        array = np.ascontiguousarray(value)
        header |= {"kind": "numbers", "dtype": array.dtype.str, "shape": np.shape(value)}
        body.append(array.tobytes())
    yield json.dumps(header).encode() + b"\n"
    yield from body


class Receiver:
    """Puts together what :func:`sent` took apart, for one file.

    Args:
        fill: fills a buffer with the next bytes.
        max_bytes: what all arrays of numbers together may occupy.
    """

    def __init__(self, fill: Callable[[memoryview], None], max_bytes: int) -> None:
        self._fill = fill
        self._bytes, self._texts, self._objects = max_bytes, MAX_TEXT_BYTES, MAX_OBJECTS

    def item(self, header: dict[str, Any]) -> Item:
        """What lies at the place that a line names.

        Raises:
            ValueError, KeyError, TypeError: no line that :func:`sent` makes, or more than the file may hold.
        """
        self._objects -= 1
        place = tuple(str(name) for name in header["place"])
        if not place or self._objects < 0:
            raise ValueError("no place, or too many")
        if header["kind"] in ("group", "nothing"):
            return place, {} if header["kind"] == "group" else None
        if header["kind"] == "text":
            return place, self._read_texts(header["lengths"])[0]
        shape = tuple(int(size) for size in header["shape"])
        if any(size < 0 for size in shape):
            raise ValueError("a negative size")
        if header["kind"] == "texts":
            return place, self._text_array(header["lengths"], shape)
        return place, self._numbers(np.dtype(str(header["dtype"])), shape)

    def _read_texts(self, lengths: list[int]) -> list[bytes]:
        if any(length < 0 for length in lengths):
            raise ValueError("a negative length")
        total = sum(lengths)
        self._texts -= total
        if self._texts < 0 or len(lengths) > MAX_TEXTS:
            raise ValueError("too much text")
        buffer = bytearray(total)
        self._fill(memoryview(buffer))
        ends = np.cumsum([0, *lengths]).tolist()
        return [bytes(buffer[start:end]) for start, end in itertools.pairwise(ends)]

    def _text_array(self, lengths: list[int], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        array = np.empty(len(lengths), object)
        array[:] = self._read_texts(lengths)
        return array.reshape(shape)

    def _numbers(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
        size = math.prod(shape) * dtype.itemsize
        self._bytes -= size
        if dtype.kind not in _KINDS or self._bytes < 0:
            raise ValueError("no numbers, or too many")
        buffer = bytearray(size)
        self._fill(memoryview(buffer))
        if dtype.kind == "b":  # only 0 and 1 are booleans: other bytes would make two of them that are true and differ
            return (np.frombuffer(buffer, np.uint8) != 0).reshape(shape)[()]
        return np.frombuffer(buffer, dtype).reshape(shape)[()]
