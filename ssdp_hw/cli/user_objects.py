"""What a user wrote and names on the command line: ``package.module:name`` or ``file.py:name``."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from ssdp_hw.errors import ParameterError


def user_object(name: str, folder: Path, owner: str) -> Any:
    """The object of that name.

    Args:
        name: of a module or a ``.py`` file, a colon, and the name within it.
        folder: where a file's path begins; it is put on Python's path, so that workers find the file, too.
        owner: of the name, for errors.

    Raises:
        ParameterError: there is none, or its module raises.
    """
    where, _, attribute = name.rpartition(":")
    try:
        module = _module_of(folder / where) if where.endswith(".py") else import_module(where)
        return getattr(module, attribute)
    except Exception as error:  # any exception: the module is the user's
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ParameterError(f"{owner} '{name}' cannot be loaded ({reason})") from None


def _module_of(path: Path) -> Any:
    """A module by its file, whose folder workers search too."""
    sys.path.insert(0, str(path.parent.resolve()))
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file")
    if not path.stem.isidentifier():
        raise ImportError(f"'{path.stem}' is no Python identifier; rename the file")
    return import_module(path.stem)
