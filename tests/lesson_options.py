"""Options of ``sh.learn`` by the names of their fields, so that a test's defaults can be changed one at a time."""

from __future__ import annotations

import dataclasses

import ssdp_hw as sh


def lesson(**options: object) -> dict[str, object]:
    """Options of ``sh.learn`` in which fields of ``Presentation`` and ``Teaching`` stand beside its own arguments."""
    for argument, kind in (("presentation", sh.Presentation), ("teach", sh.Teaching)):
        names = {f.name for f in dataclasses.fields(kind)} & options.keys()
        if names:
            options[argument] = kind(**{name: options.pop(name) for name in names})
    return options
