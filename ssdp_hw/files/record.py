"""What is kept of an object in a file: plain values and arrays, and records of its parts.

A class that can be stored has a method ``to_record`` and a class method ``from_record``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ssdp_hw.arrays import Array
from ssdp_hw.errors import ParameterError, ShapeError


@dataclass
class Record:
    """What is kept of an object.

    Attributes:
        values: plain values for JSON, by name. Of a file that is read they are whatever JSON holds.
        arrays: arrays by name; those of parts in further mappings: ``arrays[parts][str(index)][name]``.
    """

    values: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Any] = field(default_factory=dict)

    def add_parts(self, name: str, parts: Sequence[Record]) -> None:
        """Put records into this one, in their order."""
        self.values[name] = [part.values for part in parts]
        self.arrays[name] = {str(index): part.arrays for index, part in enumerate(parts)}

    def parts(self, name: str) -> list[Record]:
        """The records that :meth:`add_parts` put in.

        Raises:
            Exception: of any kind, where a file is damaged.
        """
        found = self.arrays[name]
        return [Record(dict(values), dict(found[str(index)])) for index, values in enumerate(self.values[name])]

    def texts(self, name: str) -> list[str]:
        """A value that is a list of texts.

        Raises:
            ParameterError: it is something else.
        """
        values = self.values[name]
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise ParameterError(f"the header has something else where '{name}', a list of texts, should be")
        return values

    def vector(self, name: str, size: int, owner: str) -> Array:
        """An array with one value a neuron: nothing is broadcast to a size that a file only claims.

        Raises:
            ShapeError: another shape than ``(size,)``.
        """
        array: Array = self.arrays[name]
        if array.shape != (size,):
            raise ShapeError(f"{owner}: {name} of shape {array.shape} for {size} neurons")
        return array
