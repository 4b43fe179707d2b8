"""Arrays of ``.npz`` and ``.npy`` files, whose sizes are checked before anything of that size is made."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from ssdp_hw.arrays import Array
from ssdp_hw.errors import FileFormatError
from ssdp_hw.files.hdf5_guard import first_line

# What the arrays of a file may occupy together; a run has the same limit for its input.
MAX_BYTES = 8 << 30


def read_arrays(path: Path, max_bytes: int = MAX_BYTES) -> dict[str, Array]:
    """Arrays of a ``.npz`` file, or the one of a ``.npy`` file under the name ``spikes``.

    Args:
        path: the file.
        max_bytes: limit of what its arrays may occupy in memory together.

    Raises:
        FileFormatError: missing, damaged, larger than that, or with objects that only pickle could read.
    """
    try:
        needed = _declared_bytes(path)
        if needed > max_bytes:
            raise FileFormatError(
                f"{path}: its arrays take {needed / 2**30:.3g} GiB, above the limit of {max_bytes / 2**30:.3g} GiB; "
                "write fewer samples to a file"
            )
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"spikes": loaded}
        with loaded:
            arrays = {name: loaded[name] for name in loaded.files}
    except FileFormatError:
        raise
    except FileNotFoundError:
        raise FileFormatError(f"{path}: no such file") from None
    except Exception as error:  # the errors of damaged files come from NumPy, zipfile, zlib or tokenize
        raise FileFormatError(f"{path}: is no readable .npy or .npz file ({first_line(error)})") from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # np.load returns bytes for a member of the archive that is no array
            raise FileFormatError(f"{path}: its member {name!r} is no array")
    return arrays


def _declared_bytes(path: Path) -> int:
    """What the arrays occupy by their headers, and the members of an archive by its directory.

    Raises:
        ValueError: a header states more than its file or member holds.
    """
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            file.seek(0)
            return _array_bytes(file, path.stat().st_size)
    total = 0
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as content:
                total += _array_bytes(content, member.file_size)
    return total


def _array_bytes(file: IO[bytes], size: int) -> int:
    """Bytes of an array by its header, in a file of ``size`` bytes; of what is no array, its size.

    Raises:
        ValueError: the file is too short for them.
    """
    formats: Any = np.lib.format  # NumPy types it in part
    try:
        version = formats.read_magic(file)
    except ValueError:
        return size
    read = formats.read_array_header_1_0 if version == (1, 0) else formats.read_array_header_2_0
    shape, _, dtype = read(file)
    needed: int = math.prod(shape) * dtype.itemsize
    if needed > size:
        raise ValueError(f"a header of shape {shape} and type {dtype} in a file of {size} bytes")
    return max(needed, size)
