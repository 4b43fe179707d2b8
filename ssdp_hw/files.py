"""Writing files so that nothing the user had is lost: a temporary file, then a rename."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ssdp_hw.errors import FileFormatError


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then rename it to ``path``.

    Raises:
        FileFormatError: it cannot be written; an older file of that name stays as it was.
    """
    target = Path(path)
    # The suffix stays, since some writers choose their format by it.
    partial = target.parent / f".ssdp-hw-{secrets.token_hex(8)}.partial{target.suffix}"
    try:
        write(partial)
        with partial.open("rb+") as written:  # on the disk before the name points at it
            os.fsync(written.fileno())
        partial.replace(target)
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        with suppress(OSError):
            partial.unlink()


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))
