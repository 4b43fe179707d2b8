"""A chip is data: its register widths and limits, each with a unit and a source.

The files beside this module are the shipped chips. Nothing here knows how a chip is simulated.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from ssdp_hw.errors import FileFormatError, ParameterError


@dataclass(frozen=True)
class Chip:
    """Register widths of a chip, in bits unless said.

    ``weight_scale_bits`` is the width of the scale on which weights are written: a weight of fewer
    bits keeps that scale and loses low bits. ``current_decay_offset`` and
    ``voltage_decay_offset`` are added to ``du`` and ``dv`` before they act. Synaptic input and
    threshold are shifted left by ``activation_shift`` to reach the scale of u and v.
    """

    name: str
    title: str
    weight_bits: int
    weight_scale_bits: int
    weight_exp_min: int
    weight_exp_max: int
    decay_bits: int
    current_decay_offset: int
    voltage_decay_offset: int
    state_bits: int
    activation_shift: int
    activation_bits: int
    threshold_bits: int
    bias_mant_bits: int
    bias_exp_max: int
    delay_max: int
    window_ticks_max: int

    @property
    def decay_max(self) -> int:
        """Largest value of the decay registers du and dv."""
        return (1 << self.decay_bits) - 1

    @property
    def threshold_max(self) -> int:
        """Largest threshold mantissa ``vth``."""
        return (1 << self.threshold_bits) - 1

    @property
    def state_max(self) -> int:
        """Largest voltage: v saturates at plus and minus this."""
        return (1 << (self.state_bits - 1)) - 1

    @property
    def bias_mant_max(self) -> int:
        """Largest bias mantissa; the smallest is its negative (the register's -2**n is left out)."""
        return (1 << (self.bias_mant_bits - 1)) - 1


@dataclass(frozen=True)
class Figure:
    """A number with its unit and where it comes from."""

    value: float
    unit: str
    source: str


def _figure(entry: Any, name: str, origin: str) -> Figure:
    if not isinstance(entry, dict) or not {"value", "unit", "source"} <= entry.keys():
        raise FileFormatError(f"{origin}: '{name}' needs value, unit and source")
    if isinstance(entry["value"], bool) or not isinstance(entry["value"], int | float):
        raise FileFormatError(f"{origin}: '{name}' = {entry['value']!r} is not a number")
    return Figure(entry["value"], str(entry["unit"]), str(entry["source"]))


def _from_table(table: dict[str, Any], origin: str) -> Chip:
    values: dict[str, Any] = {}
    for field in fields(Chip):
        if field.name not in table:
            raise FileFormatError(f"{origin}: the entry '{field.name}' is missing from the chip")
        if field.name in ("name", "title"):
            values[field.name] = str(table[field.name])
            continue
        value = _figure(table[field.name], field.name, origin).value
        if not isinstance(value, int):
            raise FileFormatError(f"{origin}: '{field.name}' = {value!r} is not an integer")
        values[field.name] = value
    return Chip(**values)


def _table(name: str) -> dict[str, Any]:
    if name not in chip_names():
        raise ParameterError(f"chip '{name}' is unknown; known chips: {', '.join(chip_names())}")
    return tomllib.loads((resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))


def chip_names() -> list[str]:
    """Names of the chips that ship with the toolkit."""
    files = resources.files(__name__).iterdir()
    return sorted(Path(f.name).stem for f in files if f.name.endswith(".toml"))


@lru_cache(maxsize=32)
def load_chip(name: str) -> Chip:
    """The chip of that name.

    Raises:
        ParameterError: no such chip ships with the toolkit.
        FileFormatError: the chip's file lacks an entry.
    """
    return _from_table(_table(name), f"{name}.toml")


def load_figures(name: str, group: str) -> dict[str, Figure]:
    """Figures of the chip that are no register widths: ``core`` (limits) or ``energy``.

    Empty where nothing is known, which is better than a guess.

    Raises:
        ParameterError, FileFormatError: see :func:`load_chip`.
    """
    table = _table(name).get(group, {})
    return {key: _figure(entry, f"{group}.{key}", f"{name}.toml") for key, entry in table.items()}
