"""A process that reads HDF5 files in place of this one, since a damaged file can end or stop the process that reads it.

It takes one request a line from its standard input, JSON with ``path``, ``max_bytes``, ``whole``, ``seconds`` and
``cpu_seconds``, and answers with the file's attributes in a line, then, where the whole file is asked for, with its
content as :mod:`ssdp_hw.files.value_stream` sends it, and at the end with a line that has ``end``: empty, or why the
file is refused, and ``memory`` where memory was too small. It ends with its input.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from ssdp_hw.errors import FileFormatError
from ssdp_hw.files.hdf5_guard import file_attributes, first_line, open_checked
from ssdp_hw.files.hdf5_values import items
from ssdp_hw.files.value_stream import sent

# What the HDF5 library may take beside the arrays of a file, in bytes: caches, a chunk before it is unfolded.
OWN_MEMORY = 128 << 20

# In what the HDF5 library says where an allocation failed; of a filter that failed it does not say why.
_OUT_OF_MEMORY = ("memory", "allocat", "filter returned failure")


def read_whole(path: str, max_bytes: int, whole: bool, out: BinaryIO) -> None:
    """Answer one request, up to the line that ends it.

    Raises:
        FileFormatError: see :func:`ssdp_hw.files.hdf5_guard.open_checked` and
            :func:`ssdp_hw.files.hdf5_values.items`.
        Exception: whatever the HDF5 library makes of a damaged file.
    """
    with open_checked(path) as file:
        out.write(json.dumps({"attributes": file_attributes(file, path)}).encode() + b"\n")
        if whole:
            for item in items(file, path, max_bytes):
                for piece in sent(item):
                    out.write(piece)


def main() -> None:
    """Answer requests until there are no more."""
    out = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    libraries = _occupied()
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        # Either ends this process. The second is for the case that the one who asks has ended itself.
        signal.setitimer(signal.ITIMER_PROF, request["cpu_seconds"])
        signal.alarm(int(request["seconds"]) + 5)
        _limit_memory(libraries + int(request["max_bytes"]) + OWN_MEMORY)
        answer: dict[str, Any] = {"end": ""}
        try:
            read_whole(request["path"], request["max_bytes"], request["whole"], out)
        except FileFormatError as error:
            answer["end"] = str(error)
        except Exception as error:  # whatever a damaged file leads to
            answer["end"] = f"is damaged ({first_line(error)})"
            if isinstance(error, MemoryError) or any(word in str(error) for word in _OUT_OF_MEMORY):
                answer = {"end": too_much(request["max_bytes"], error), "memory": True}
        out.write(json.dumps(answer).encode() + b"\n")
        out.flush()
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)


def _occupied() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _limit_memory(wanted: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with suppress(ValueError, OSError):  # a limit that the user's own system set stays
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))


def too_much(max_bytes: int, error: Exception) -> str:
    """Why a file is refused that takes more memory than it may, in words."""
    return (
        f"is damaged, or takes more memory to read than max_bytes, {max_bytes}, allows ({first_line(error)}); if it "
        "comes from where you trust, raise max_bytes"
    )


if __name__ == "__main__":
    main()
