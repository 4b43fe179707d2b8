"""Writing files so that nothing the user had is lost: a temporary file, then a rename.

The name of what is temporary tells the computer and the process that made it. What a killed process left is removed by
the next one that writes there.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from ssdp_hw.checks import as_path
from ssdp_hw.errors import FileFormatError

_DRAFT = ".ssdp-hw-"


def own_prefix(start: str) -> str:
    """How the names of this process's temporary files and folders begin."""
    return f"{start}{_computer()}-{os.getpid()}-"


def clear_stale(folder: str | os.PathLike[str], start: str) -> None:
    """Remove what processes of this computer that are no more left in a folder, as far as it can be removed."""
    own = re.compile(re.escape(f"{start}{_computer()}-") + r"(\d+)-")
    with suppress(OSError):
        for name in os.listdir(folder):
            made = own.match(name)
            if made is None or _runs(int(made[1])):
                continue
            stale = Path(folder) / name
            if stale.is_dir() and not stale.is_symlink():
                shutil.rmtree(stale, ignore_errors=True)
            else:
                with suppress(OSError):
                    stale.unlink()


def _computer() -> str:
    return re.sub(r"\W", "_", platform.node())


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is another user's, or no number of a process
        return True
    return True


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then rename it to ``path``.

    Raises:
        ParameterError: it is no path.
        FileFormatError: it cannot be written; an older file of that name stays as it was.
    """
    target = as_path(path, "the path of the file")
    clear_stale(target.parent, _DRAFT)
    # The suffix stays, since some writers choose their format by it.
    partial = target.parent / f"{own_prefix(_DRAFT)}{secrets.token_hex(8)}.partial{target.suffix}"
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
    target = as_path(folder, "the path of the folder")
    try:
        target.mkdir(parents=True, exist_ok=True)
        clear_stale(target, _DRAFT)
        with TemporaryDirectory(prefix=own_prefix(_DRAFT), suffix=".partial", dir=target) as name:
            partial = Path(name)
            write(partial)
            for file in sorted(partial.iterdir()):
                file.replace(target / file.name)
    except OSError as error:
        raise FileFormatError(f"{folder}: cannot be written ({error.strerror or error})") from None
