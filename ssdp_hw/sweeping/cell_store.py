"""The store of a sweep: one JSON file a cell, written atomically, named by a key of all that determines its result."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssdp_hw.checks import as_path
from ssdp_hw.display import Table, shown, text
from ssdp_hw.errors import FileFormatError
from ssdp_hw.files.atomic import write_atomically
from ssdp_hw.files.json_values import JSON
from ssdp_hw.sweeping.points import Point

# The version of a cell's file; a change of what it means raises it, and so changes every key.
FORMAT = 1
_MARK = "store.json"
# Letters of a key that name its folder: a folder with all files of a large sweep would be slow to list.
_FOLDER = 2


@shown
@dataclass(frozen=True)
class Cell:
    """One finished run of a study.

    Attributes:
        key: see :func:`cell_key`.
        parameters: the point.
        result: what the study returned, None if it failed.
        error: ``type``, ``message`` and ``traceback`` of a failure, else None.
        seconds: how long it took.
        host: the computer that ran it.
        origin: ``study``, hashes of ``source`` and ``data``, ``toolkit``: what the key is made of, but the point.
    """

    key: str
    parameters: Point
    result: Mapping[str, JSON] | None
    error: Mapping[str, str] | None
    seconds: float
    host: str
    origin: Mapping[str, JSON]

    def _table(self) -> Table:
        point = ", ".join(f"{name}={text(value)}" for name, value in self.parameters.items())
        if self.error is None:
            rows, end = [(name, text(value)) for name, value in (self.result or {}).items()], ""
        else:
            rows, end = [(name, text(self.error[name])) for name in ("type", "message")], ", failed"
        return Table(f"{self.origin['study']}({point}): {self.seconds:.2f} s{end}", ("result", "value"), rows)


def cell_key(parameters: Point, origin: Mapping[str, JSON]) -> str:
    """Hash of the format, the parameters, and what else determines a result."""
    described = json.dumps({"format": FORMAT, "parameters": parameters, **origin}, sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()


@dataclass(frozen=True)
class CellStore:
    """A folder of cells.

    Attributes:
        folder: its absolute path.
        identity: a random text that its file ``store.json`` holds, so that a worker on another computer sees whether a
            folder of that name is this store.
    """

    folder: Path
    identity: str

    @classmethod
    def open(cls, folder: str | Path) -> CellStore:
        """The store in that folder, which is made if it is missing.

        Raises:
            FileFormatError: it cannot be made, or holds other files than a store's.
        """
        path = as_path(folder, "store").expanduser().absolute()
        try:
            path.mkdir(parents=True, exist_ok=True)
            mark = path / _MARK
            if not mark.exists():
                strange = next((f.name for f in path.iterdir() if not f.name.startswith(".")), None)
                if strange is not None:
                    raise FileFormatError(
                        f"{path}: holds '{strange}' but no {_MARK}, so it is no store of a sweep; name another folder"
                    )
                text = json.dumps({"store": "ssdp-hw sweep", "format": FORMAT, "identity": secrets.token_hex(8)})
                # Of two sweeps that begin at once one keeps an identity that is not the store's: then its cells are
                # written by the process that called it instead of by the workers.
                write_atomically(mark, lambda partial: partial.write_text(text, encoding="utf-8"))
            identity = json.loads(mark.read_text(encoding="utf-8"))["identity"]
        except OSError as error:
            raise FileFormatError(f"{path}: cannot be used as a store ({error.strerror or error})") from None
        except (ValueError, KeyError, TypeError) as error:
            raise FileFormatError(f"{path / _MARK}: is damaged ({error}); name another folder") from None
        return cls(path, str(identity))

    @property
    def is_here(self) -> bool:
        """Whether this computer sees the store itself."""
        try:
            found = json.loads((self.folder / _MARK).read_text(encoding="utf-8"))
            return isinstance(found, dict) and found.get("identity") == self.identity
        except (OSError, ValueError):
            return False

    def path(self, key: str) -> Path:
        """Where a cell's file lies."""
        return self.folder / "cells" / key[:_FOLDER] / f"{key}.json"

    def read(self, key: str) -> Cell | None:
        """A cell, or None where it was not finished.

        Raises:
            FileFormatError: its file is damaged.
        """
        path = self.path(key)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise FileFormatError(f"{path}: cannot be read ({error}); remove it to run its cell anew") from None
        try:
            found: dict[str, Any] = json.loads(text)
            cell = Cell(key, *(found[n] for n in ("parameters", "result", "error", "seconds", "host", "origin")))
            if found["format"] != FORMAT or cell_key(cell.parameters, cell.origin) != key:
                raise ValueError("its name is not that of its content")
        except (ValueError, KeyError, TypeError) as error:
            raise FileFormatError(f"{path}: is no cell of a sweep ({error}); remove it to run its cell anew") from None
        return cell

    def write(self, cell: Cell) -> None:
        """Keep a cell.

        Raises:
            FileFormatError: it cannot be written.
        """
        path = self.path(cell.key)
        text = json.dumps({"cell": "ssdp-hw sweep", "format": FORMAT, **vars(cell)}, indent=1)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileFormatError(f"{path.parent}: cannot be made ({error.strerror or error})") from None
        write_atomically(path, lambda partial: partial.write_text(text + "\n", encoding="utf-8"))
