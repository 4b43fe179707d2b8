"""Ways to damage a file: its bytes, its text, the values of an HDF5 file, the members of a zip archive."""

from __future__ import annotations

import io
import json
import random
import re
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

# Integers at whose ends arithmetic goes wrong.
_ENDS = [0, 1, 2, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]
_WORDS = [
    *map(str, _ENDS), "-1", "-9223372036854775808", "1e308", "1e999", "-0.0", "0.5", "NaN", "nan", "inf", "Infinity",
    "true", "null", "[]", "{}", '""', "[[]]", '"a\\nb"', "1" + "0" * 5000, "[" * 3000, '{"a":' * 300, '"\\ud800"',
    '"in"', '"__class__"', "1979-05-27T07:32:00Z", "'", "\\", "\0", "é", "=", "[a]", "[[a]]",
]  # fmt: skip


def damaged(content: bytes, name: str, draw: random.Random, others: list[bytes], scratch: Path) -> bytes:
    """One damaged form of a file's content.

    Args:
        content: of the whole file.
        name: of the file, whose ending says how its inside can be damaged.
        draw: all that is random.
        others: contents of other files of the format, parts of which may be put in.
        scratch: a path for a file in between.
    """
    inside = {".nir": _hdf5, ".h5": _hdf5, ".net": _hdf5, ".npz": _zip, ".toml": _text, ".json": _text}
    change = inside.get(Path(name).suffix)
    if change is not None and draw.random() < 0.5:
        try:
            content = change(content, draw, scratch)
        except (ValueError, TypeError, KeyError, IndexError, OSError, RuntimeError, OverflowError):
            pass  # what the writing library itself refuses; the bytes are damaged instead
        else:
            if draw.random() < 0.8:
                return content
    for _ in range(1 + int(draw.expovariate(0.7))):
        content = _bytes(content, draw, others)
    return content


def _bytes(content: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    data = bytearray(content)
    size = len(data)
    if not size:
        return draw.randbytes(8)
    place, length = draw.randrange(size), 1 + int(draw.expovariate(0.05))
    kind = draw.randrange(7)
    if kind == 0:
        data[place] ^= 1 << draw.randrange(8)
    elif kind == 1:
        data[place] = draw.randrange(256)
    elif kind == 2:  # an integer of 1 to 8 bytes
        width = draw.choice([1, 2, 4, 8])
        value = (draw.choice(_ENDS) + draw.randrange(-2, 3)) % (1 << 8 * width)
        data[place : place + width] = value.to_bytes(width, "little")
    elif kind == 3:
        del data[place : place + length]
    elif kind == 4:
        data[place:place] = data[draw.randrange(size) :][:length]
    elif kind == 5:
        del data[place:]
    else:
        other = draw.choice(others)
        start = draw.randrange(max(1, len(other)))
        data[place : place + length] = other[start : start + length]
    return bytes(data)


def _text(content: bytes, draw: random.Random, _: Path) -> bytes:
    """Words, numbers and lines of TOML or JSON put in the place of others."""
    text = content.decode("utf-8", "replace")
    for _round in range(1 + int(draw.expovariate(1.0))):
        tokens = [m.span() for m in re.finditer(r'"[^"\n]*"|-?\d[\w.+-]*|\w+|\[|\{', text)]
        lines = text.split("\n")
        kind = draw.randrange(4)
        if kind < 2 and tokens:
            start, end = draw.choice(tokens)
            other = draw.choice(tokens)
            text = text[:start] + (draw.choice(_WORDS) if kind else text[slice(*other)]) + text[end:]
        elif kind == 2:
            del lines[draw.randrange(len(lines))]
            text = "\n".join(lines)
        else:
            lines.insert(draw.randrange(len(lines)), draw.choice(lines))
            text = "\n".join(lines)
    return text.encode("utf-8", "surrogatepass")


def _zip(content: bytes, draw: random.Random, _: Path) -> bytes:
    """An archive whose members are damaged, renamed, or said to be of other sizes, with checksums that are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for name, data in members.items():
            kind = draw.randrange(6)
            if (
                kind < 2
            ):  # the header of the array is a text: {'descr': '|b1', 'fortran_order': False, 'shape': (5, 2, 4)}
                head, rest = data[:10], data[10:]
                end = rest.find(b"\n") + 1
                changed = _text(rest[:end], draw, Path())[: max(end, 1)].ljust(end, b" ")
                data = head + changed + rest[end:]
            elif kind == 2:
                data = _bytes(data, draw, [data])
            elif kind == 3:
                name = draw.choice(["spikes", "labels.npy", "spikes.in.npy", "a/b.npy", "\n.npy", "spikes.npy"])
            elif kind == 4:
                continue
            archive.writestr(name, data)
    return out.getvalue()


def _hdf5(content: bytes, draw: random.Random, scratch: Path) -> bytes:
    """A file that HDF5 reads well and whose groups, values and headers are damaged."""
    scratch.write_bytes(content)
    with h5py.File(scratch, "r+") as file:
        places: list[str] = []
        file.visit(places.append)
        for _ in range(1 + int(draw.expovariate(1.0))):
            place = draw.choice(places)
            if place in file:
                _change(file, place, draw)
    return scratch.read_bytes()


def _change(file: Any, place: str, draw: random.Random) -> None:
    item = file[place]
    kind = draw.randrange(5)
    if kind == 0:
        del file[place]
    elif kind == 1:
        names = list(file[place].parent)
        file.move(place, f"{place}{draw.choice(['0', 'é', ' ', 'x' * 300])}" if len(names) < 2 else place + "_")
    elif isinstance(item, h5py.Group):
        item[draw.choice(["type", "weight", "extra", "metadata", "0", "99"])] = draw.choice([1, "text", np.zeros(3)])
    else:
        value = _other_value(item[()], place, draw)
        del file[place]
        file.create_dataset(place, data=value, dtype=None if isinstance(value, np.ndarray) else h5py.string_dtype())


def _other_value(value: Any, place: str, draw: random.Random) -> Any:
    """A value of another type, shape or size in the place of one."""
    if place == "header" or (isinstance(value, bytes) and value[:1] == b"{"):  # JSON
        text = _json(bytes(value) if isinstance(value, bytes) else value.tobytes(), draw)
        return (
            text.decode(errors="replace").replace("\0", " ") if isinstance(value, bytes) else np.frombuffer(text, "u1")
        )
    if isinstance(value, bytes):
        return draw.choice(["", "LIF", "Affine", "Conv2d", "NIRGraph", "Delay", "Input", "a\nb", "x" * 1000, "é"])
    array = np.array(value)
    if array.dtype.kind == "O":
        flat = array.reshape(-1)
        if flat.size:
            flat[draw.randrange(flat.size)] = draw.choice([b"in", b"out", b"nowhere", b"", b"a\nb"])
        return [list(row) for row in array] if array.ndim == 2 else list(flat)
    kind = draw.randrange(6)
    if kind == 0 and array.size:
        flat = array.astype(draw.choice([array.dtype, np.float64, np.int64])).reshape(-1)
        with np.errstate(all="ignore"):
            special = np.array(draw.choice([np.nan, np.inf, -1, 0, 2**31, -(2**62), 1e300, 0.5])).astype(flat.dtype)
        flat[draw.randrange(flat.size)] = special
        return flat.reshape(array.shape)
    if kind == 1:
        return array.astype(draw.choice(["u1", "i8", "f2", "f8", "c16", "S4", "?", ">i4"]))
    if kind == 2:
        return array[..., None]
    if kind == 3:
        return array.reshape(-1)[: draw.randrange(array.size + 1)]
    if kind == 4:
        return np.repeat(array.reshape(-1), 2)
    return np.zeros(draw.choice([(), (0,), (1,), (1, 1, 1, 1, 1), (2**20,), (3, 0, 2)]), array.dtype)


def _json(text: bytes, draw: random.Random) -> bytes:
    if draw.random() < 0.5:
        return _text(text, draw, Path())
    try:
        value = json.loads(text)
    except ValueError:
        return _text(text, draw, Path())
    spots: list[tuple[Any, Any]] = []
    pending = [value]
    while pending:
        inside = pending.pop()
        keys = list(inside) if isinstance(inside, dict) else range(len(inside)) if isinstance(inside, list) else ()
        for key in keys:
            spots.append((inside, key))
            pending.append(inside[key])
    if not spots:
        return _text(text, draw, Path())
    inside, key = draw.choice(spots)
    if draw.random() < 0.2 and isinstance(inside, dict):
        del inside[key]
    else:
        source, other = draw.choice(spots)
        inside[key] = draw.choice(
            [None, True, -1, 0, 1.5, 2**31, 2**70, 1e308, "", "text", "a\nb", [], {}, [[]], [1, 2], {"a": 1}]
            + ([json.loads(json.dumps(source[other]))] if other in source or isinstance(source, list) else [])
        )
    return json.dumps(value).encode()
