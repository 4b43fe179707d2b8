"""Writing files so that nothing the user had is lost: a temporary file, then a rename."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

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


def write_together(folder: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary folder inside ``folder``, then rename its files into ``folder``.

    Raises:
        FileFormatError: something cannot be written. Whatever ``write`` raises, older files stay as
            they were.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".ssdp-hw-", suffix=".partial", dir=target) as name:
            partial = Path(name)
            write(partial)
            for file in sorted(partial.iterdir()):
                file.replace(target / file.name)
    except OSError as error:
        raise FileFormatError(f"{folder}: cannot be written ({error.strerror or error})") from None
