"""Numbers in a page: each is a ``<data>`` element that names the place in the JSON that it was taken from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from ssdp_hw.reporting.data import Facts

# How a number is written, by the name that stands beside it in the page.
FORMATS: dict[str, Callable[[Any], str]] = {
    "count": lambda v: f"{v:,.0f}",
    "integer": lambda v: f"{v:d}",
    "percent": lambda v: f"{100 * v:.1f} %",
    "error": lambda v: f"{100 * v:.2f} %",
    "points": lambda v: f"{v:.2f}",
    "rate": lambda v: f"{v:.4f}",
    "signed": lambda v: f"{v:+.4f}",
    "number": lambda v: f"{v:,.0f}" if v == int(v) else f"{v:.4g}",
    "exact": str,
    "p": lambda v: f"{v:.2g}" if v >= 0.001 else "< 0.001",
    "seconds": lambda v: f"{v:.2g}" if v < 1 else f"{v:.1f}",
    "interval": lambda v: f"{100 * v['value']:.1f} % ({100 * v['low']:.1f} to {100 * v['high']:.1f})",
}
NOTHING = Markup("–")


class Numbers:
    """The values of a report by their JSON pointers (RFC 6901), written into a page."""

    def __init__(self, values: Facts) -> None:
        self._values = values

    def at(self, pointer: str) -> Any:
        """The value itself; None where there is none."""
        found: Any = self._values
        for key in pointer.split("/")[1:]:
            name = key.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                found = found[int(name)]
            elif isinstance(found, Mapping):
                found = found.get(name)
            else:
                return None
        return found

    def __call__(self, pointer: str, how: str = "count") -> Markup:
        """The value as text, with its pointer; a dash where there is none."""
        value = self.at(pointer)
        if value is None:
            return NOTHING
        key = value["value"] if isinstance(value, Mapping) else value
        return _data(key, pointer, how, FORMATS[how](value))

    def of(self, pointer: str, one: str, several: str) -> Markup:
        """A count with what is counted: ``1 sample``, ``2 samples``."""
        return self(pointer) + " " + (one if self.at(pointer) == 1 else several)

    def share(self, part: str, whole: str, how: str = "percent") -> Markup:
        """The quotient of two values; a dash where one is missing or the divisor is 0."""
        a, b = self.at(part), self.at(whole)
        if a is None or not b:
            return NOTHING
        return _data(a / b, f"{part} {whole}", how, FORMATS[how](a / b))

    def difference(self, left: str, right: str, factor: int) -> Markup:
        """``factor * (left - right)`` in points."""
        a, b = self.at(left), self.at(right)
        if a is None or b is None:
            return NOTHING
        value, how = factor * (a - b), "points"
        return Markup('<data value="{}" data-from="{} {}" data-times="{}" data-format="{}">{}</data>').format(
            value, left, right, factor, how, FORMATS[how](value)
        )

    def matching(self, pointer: str, field: str, wanted: str) -> Markup:
        """How many entries of a list have a field of that value."""
        count = sum(entry[field] == wanted for entry in self.at(pointer) or [])
        return Markup('<data value="{}" data-matching="{}" data-field="{}" data-wanted="{}">{}</data>').format(
            count, pointer, field, wanted, f"{count:,}"
        )

    def length(self, pointer: str) -> Markup:
        """How many entries a list has."""
        value = self.at(pointer) or []
        return Markup('<data value="{}" data-length="{}">{}</data>').format(len(value), pointer, f"{len(value):,}")


def _data(value: float, source: str, how: str, text: str) -> Markup:
    return Markup('<data value="{}" data-from="{}" data-format="{}">{}</data>').format(value, source, how, text)


def key(name: str) -> str:
    """A name as a part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
