"""Classes of models and rules, whose attributes stay as they are."""

from __future__ import annotations

import dataclasses
from abc import ABCMeta

from ssdp_hw.errors import ParameterError


class UnchangingType(ABCMeta):
    """Classes whose attributes stay as they are: graphs and compiled loops of a class are made once, and kept."""

    def __setattr__(cls, name: str, value: object) -> None:
        # Python sets such itself, and the decorator dataclass the defaults of its fields.
        if not name.startswith("_") and not isinstance(cls.__dict__.get(name), dataclasses.Field):
            raise ParameterError(
                f"{cls.__name__}.{name} cannot be set anew, since what was made of {cls.__name__} before would go on "
                "with the old one: make a subclass, with a name of its own, that has the new one"
            )
        super().__setattr__(name, value)
