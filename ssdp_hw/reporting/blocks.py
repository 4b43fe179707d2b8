"""What a page is made of: sections of paragraphs, lists, tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Paragraph:
    """A sentence or several."""

    text: Markup
    kind: str = "paragraph"


@dataclass(frozen=True)
class Items:
    """Sentences, one a line."""

    items: Sequence[Markup | str]
    kind: str = "items"


@dataclass(frozen=True)
class Table:
    """A table that the reader can sort.

    Attributes:
        caption: what it shows.
        header: titles of the columns.
        rows: one tuple of cells each; numbers as :class:`~ssdp_hw.reporting.numbers.Numbers` writes them.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Markup | str]]
    kind: str = "table"


@dataclass(frozen=True)
class Figure:
    """A picture, as SVG that stands in the page, with what it shows in words."""

    name: str
    svg: Markup
    caption: Markup | str
    kind: str = "figure"


Block = Paragraph | Items | Table | Figure


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading."""

    name: str
    title: str
    blocks: Sequence[Block]
