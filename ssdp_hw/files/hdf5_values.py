"""What lies in an HDF5 file, as plain arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h5py

# What lies at a place in a file: a group (as an empty dict), an array or a scalar as h5py reads it, None where the
# dataset holds nothing.
Item = tuple[tuple[str, ...], Any]


@dataclass
class Hdf5Values:
    """The content of a file.

    Attributes:
        attributes: texts and numbers that the file itself bears; those of groups and datasets are not read.
        tree: groups as dicts; numbers as arrays or, of shape (), NumPy scalars; texts as ``bytes``, or arrays of them.
    """

    attributes: dict[str, str | int | float] = field(default_factory=dict)
    tree: dict[str, Any] = field(default_factory=dict)

    def put(self, item: Item) -> None:
        """Add what lies at one place; its group comes before."""
        *groups, name = item[0]
        inside = self.tree
        for group in groups:
            inside = inside[group]
        inside[name] = item[1]


def items(file: h5py.File) -> Iterator[Item]:
    """What lies in a file that was looked at, groups before what they hold.

    Raises:
        Exception: whatever the HDF5 library makes of a damaged file.
    """
    pending: list[tuple[tuple[str, ...], Any]] = [((), file)]
    while pending:
        above, group = pending.pop()
        for name, item in group.items():
            place = (*above, name)
            if isinstance(item, h5py.Group):
                yield place, {}
                pending.append((place, item))
            else:
                yield place, _value(item)


def _value(dataset: h5py.Dataset) -> Any:
    return None if dataset.shape is None else dataset[()]
