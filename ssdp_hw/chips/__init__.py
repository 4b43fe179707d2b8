"""A chip is data: its register widths and limits, each with a unit and a source.

The TOML files beside this module are the shipped chips. To add a chip, copy one of them, change its values and their
sources, and give its path, ``quantize(net, chip="my_chip.toml")``; a file in this folder is found by its name alone.
``chip.py`` says what each entry means, ``table.py`` checks a file entry by entry. Nothing here knows how a chip is
simulated.
"""

from __future__ import annotations

import os
import tomllib
from functools import lru_cache
from importlib import resources
from pathlib import Path
from reprlib import repr as short
from typing import Any

from ssdp_hw.checks import check_exact
from ssdp_hw.chips.chip import Chip, Figure
from ssdp_hw.chips.table import chip_from_table, chip_to_table
from ssdp_hw.errors import FileFormatError, ParameterError

__all__ = ["Chip", "Figure", "chip_from_table", "chip_names", "chip_to_table", "load_chip", "shipped_chip"]

# A chip's file takes some kilobytes.
_MAX_BYTES = 1 << 20


def chip_names() -> list[str]:
    """Names of the chips that ship with the toolkit."""
    files = resources.files(__name__).iterdir()
    return sorted(Path(f.name).stem for f in files if f.name.endswith(".toml"))


@lru_cache(maxsize=32)
def shipped_chip(name: str) -> Chip:
    """The chip of that name that ships with the toolkit.

    Raises:
        ParameterError: there is none.
    """
    if name not in chip_names():
        raise ParameterError(
            f"chip '{name}' is unknown; known chips: {', '.join(chip_names())}, or the path of a .toml file"
        )
    text = (resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8")
    return chip_from_table(tomllib.loads(text), f"{name}.toml")


def load_chip(chip: Chip | str | os.PathLike[str]) -> Chip:
    """A chip by its name, or by the path of a user's ``.toml`` file.

    Raises:
        ParameterError: no such chip ships with the toolkit, or a file has the name of one with other numbers.
        UnsupportedError: an object of a subclass of Chip.
        FileFormatError: the file is missing, no TOML, or breaks a rule of :mod:`ssdp_hw.chips.table`.
    """
    if isinstance(chip, Chip):
        check_exact(chip, (Chip,), f"chip '{chip.name}'", "describe the chip in a file, whose path load_chip takes")
        return chip
    if isinstance(chip, str) and not chip.endswith(".toml"):
        return shipped_chip(chip)
    if not isinstance(chip, str | os.PathLike):
        raise ParameterError(f"chip = {short(chip)} is neither a name, nor a path, nor a Chip")
    found = chip_from_table(_read(Path(chip)), str(chip))
    if found.name in chip_names() and found != shipped_chip(found.name):
        raise ParameterError(
            f"{chip}: name = '{found.name}' is that of a chip of this toolkit, which has other numbers; give it a name "
            "of its own, by which reports are read"
        )
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise FileFormatError(f"{path}: is larger than {_MAX_BYTES} bytes, which no chip's file is")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, or an integer of thousands of digits
        raise FileFormatError(f"{path}: is no TOML that can be read ({error})") from None
