"""Reads a report's page as a stranger would: its numbers, the places in the JSON that they name, and its other text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "link", "br", "path", "use", "input", "img", "hr"}


@dataclass
class Page(HTMLParser):
    """What a page consists of.

    Attributes:
        numbers: attributes and text of every ``<data>`` element.
        prose: all text outside of numbers, pictures, style and script.
        figures: by name of the figure the SVG's source.
        loads: what an element would fetch from elsewhere.
        ids: of every element.
        unclosed: elements that are open where another ends.
    """

    text: str
    numbers: list[tuple[dict[str, str], str]] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    unclosed: list[str] = field(default_factory=list)
    _open: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self, convert_charrefs=True)
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.loads += [named[a] for a in ("src", "srcset", "data", "action") if a in named]
        if tag in ("link", "use", "image"):
            self.loads += [named[a] for a in ("href", "xlink:href") if a in named]
        if "id" in named:
            self.ids.append(named["id"])
        if tag == "data":
            self.numbers.append((named, ""))
        if tag not in VOID:
            self._open.append((tag, named))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        opened = self._open.pop()[0] if self._open else "nothing"
        if opened != tag:
            self.unclosed.append(f"<{opened}> closed by </{tag}>")

    def handle_data(self, text: str) -> None:
        tags = [tag for tag, _ in self._open]
        if "data" in tags:
            attributes, before = self.numbers[-1]
            self.numbers[-1] = attributes, before + text
        elif not {"svg", "style", "script"} & set(tags):
            self.prose.append(text)

    @property
    def figures(self) -> dict[str, str]:
        found = re.findall(r'<figure id="figure-([\w-]+)">.*?(<svg.*?</svg>)', self.text, re.DOTALL)
        return dict(found)


def resolve(values: Any, pointer: str) -> Any:
    """RFC 6901."""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        values = values[int(name)] if isinstance(values, list) else values[name]
    return values


def expected(values: Any, attributes: dict[str, str]) -> tuple[float, str]:
    """The number that a ``<data>`` element should have and how it should be written, from the JSON alone."""
    if "data-length" in attributes:
        count = len(resolve(values, attributes["data-length"]))
        return count, f"{count:,}"
    if "data-matching" in attributes:
        name, wanted = attributes["data-field"], attributes["data-wanted"]
        count = sum(entry[name] == wanted for entry in resolve(values, attributes["data-matching"]))
        return count, f"{count:,}"
    found = [resolve(values, pointer) for pointer in attributes["data-from"].split(" /")[:1]]
    rest = attributes["data-from"].split(" /")[1:]
    found += [resolve(values, f"/{pointer}") for pointer in rest]
    how = attributes["data-format"]
    if "data-times" in attributes:
        number = float(attributes["data-times"]) * (found[0] - found[1])
    elif len(found) == 2:
        number = found[0] / found[1]
    else:
        number = found[0]
    if how == "interval":
        low, middle, high = (f"{100 * number[name]:.1f}" for name in ("low", "value", "high"))
        return number["value"], f"{middle} % ({low} to {high})"
    return number, {
        "count": f"{number:,.0f}",
        "integer": f"{number:.0f}",
        "percent": f"{number * 100:.1f} %",
        "error": f"{number * 100:.2f} %",
        "points": f"{number:.2f}",
        "seconds": f"{number:.2g}" if number < 1 else f"{number:.1f}",
        "rate": f"{number:.4f}",
        "signed": f"{number:+.4f}",
        "number": f"{number:,.0f}" if number == int(number) else f"{number:.4g}",
        "exact": str(number),
        "p": "< 0.001" if number < 0.001 else f"{number:.2g}",
    }[how]


def texts_in(values: Any) -> set[str]:
    """All texts among values, and the names in them; no numbers."""
    if isinstance(values, dict):
        return set().union(*(texts_in(v) for v in values.values()), values)
    if isinstance(values, list):
        return set().union(*map(texts_in, values))
    return {values} if isinstance(values, str) else set()


def load_numbers(path: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
