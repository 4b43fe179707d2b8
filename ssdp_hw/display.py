"""How objects show themselves: a short repr, a table as text and as HTML, and the pictures that methods draw."""

from __future__ import annotations

import html
import itertools
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

import numpy as np

from ssdp_hw.errors import MissingPackageError

if TYPE_CHECKING:
    import matplotlib.axes

# What pictures are drawn in; no type is known of it where matplotlib is not installed.
Axes: TypeAlias = "matplotlib.axes.Axes"
# What a picture gives back: its Axes, or of several panels an array of them.
Drawn: TypeAlias = "Axes | np.ndarray[Any, np.dtype[np.object_]]"

# The extra that brings what pictures need.
INSTALL = "pip install 'ssdp-hw[report]'"

# Lines of the text of an object, letters of a cell, and letters of a repr, at most.
MOST_LINES, _CELL, _REPR = 40, 72, 160
# Letters of a line where no terminal says how many it has, and the fewest and most for which tables are made.
_WIDTH, _LEAST_WIDTH, _MOST_WIDTH = 120, 60, 200
# No column is narrower, so that numbers stay whole.
_NARROW = 10
# Names that a message lists.
MOST_NAMES = 50

T = TypeVar("T")
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Table:
    """What an object says of itself.

    Attributes:
        title: one line; it is the object's repr, too.
        header: of the columns; empty for none.
        rows: texts of the cells.
        notes: sentences below.
    """

    title: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        """Text of at most :data:`MOST_LINES` lines; what is left out is counted."""
        notes = [wrapped(_one_line(note, 4 * _CELL)) for note in self.notes[:MOST_LINES]]
        lines = wrapped(_one_line(self.title, 4 * _CELL))
        given = [self.header] * bool(self.header) + list(self.rows[:MOST_LINES])  # more do not fit
        laid = _laid_out([[_one_line(cell, _CELL) for cell in row] for row in given])
        first, rows = laid[: bool(self.header)], laid[bool(self.header) :]
        lines += [line for row in first for line in row]
        room = MOST_LINES - len(lines) - min(sum(map(len, notes)), MOST_LINES // 4)
        kept = _whole(rows, len(self.rows), room)
        lines += [line for row in kept for line in row]
        lines += [f"  ... and {len(self.rows) - len(kept)} more"] if len(kept) < len(self.rows) else []
        said = _whole(notes, len(self.notes), MOST_LINES - len(lines))
        lines += [line for note in said for line in note]
        lines += [f"... and {len(self.notes) - len(said)} more notes"] if len(said) < len(self.notes) else []
        return "\n".join(lines)

    def to_html(self) -> str:
        """An HTML table, of as many rows as the text, every text escaped."""

        def row(cells: Sequence[str], kind: str) -> str:
            return "<tr>" + "".join(f"<{kind}>{html.escape(_one_line(c, 2 * _CELL))}</{kind}>" for c in cells) + "</tr>"

        rows = _first(self.rows, MOST_LINES)
        parts = [f"<table><caption>{html.escape(self.title)}</caption>"]
        parts += [f"<thead>{row(self.header, 'th')}</thead>"] if self.header else []
        parts += ["<tbody>", *(row(cells, "td") for cells in rows), "</tbody></table>"]
        parts += [f"<p>... and {len(self.rows) - len(rows)} more</p>"] if len(rows) < len(self.rows) else []
        return "".join([*parts, *(f"<p>{html.escape(note)}</p>" for note in _first(self.notes, MOST_LINES // 4))])


def count(number: float, what: str, many: str = "") -> str:
    """A number with its noun: ``1 spike``, ``2 spikes``, ``2 axes``."""
    said = f"{int(number):,}"
    return f"{said} {what}" if number == 1 else f"{said} {many or what + 's'}"


def line_width() -> int:
    """Letters of a line of text: those of the terminal that it is printed on, else 120."""
    if not (sys.stdout and sys.stdout.isatty()):
        return _WIDTH
    return min(max(shutil.get_terminal_size((_WIDTH, MOST_LINES)).columns, _LEAST_WIDTH), _MOST_WIDTH)


def wrapped(text: str) -> list[str]:
    """A text in lines of at most :func:`line_width` letters, those after the first indented by four more."""
    indent = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(text, line_width(), subsequent_indent=indent + "    ", break_on_hyphens=False) or [""]


def _laid_out(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Rows of cells as lines in columns; columns are narrowed until a line fits, and their cells wrapped."""
    columns = list(zip(*rows, strict=True))
    widths = _widths(columns)
    found = []
    for row in zip(*map(_wrapped_column, columns, widths), strict=True):
        lines = itertools.zip_longest(*row, fillvalue="")
        found.append(
            ["  " + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
        )
    return found


def _widths(columns: Sequence[Sequence[str]]) -> list[int]:
    """Letters of each column, so that a line fits.

    One letter after the other is taken from the column where this costs the fewest lines of the table, and of several
    such columns from the widest.
    """
    widths = [max(map(len, column)) for column in columns]
    room = line_width() - 2 * len(widths)

    @cache
    def heights(k: int, width: int) -> list[int]:
        """Lines of each cell of column k, were it so wide."""
        return list(map(len, _wrapped_column(columns[k], width)))

    def lines_without_a_letter_of(narrowed: int) -> int:
        cells = (heights(k, width - (k == narrowed)) for k, width in enumerate(widths))
        return sum(map(max, zip(*cells, strict=True)))

    while sum(widths) > room and max(widths) > _NARROW:
        wide = (k for k, width in enumerate(widths) if width > _NARROW)
        widths[min(wide, key=lambda k: (lines_without_a_letter_of(k), -widths[k]))] -= 1
    return widths


def _wrapped_column(column: Sequence[str], width: int) -> list[list[str]]:
    """The lines of each cell of a column."""
    return [textwrap.wrap(cell, max(width, 1), break_on_hyphens=False) or [""] for cell in column]


def _whole(parts: Sequence[list[str]], count: int, room: int) -> Sequence[list[str]]:
    """As many of the first of ``count`` parts as there is room for, and for a line that says how many are left out."""
    ends = list(itertools.accumulate(map(len, parts)))
    if len(parts) == count and (not ends or ends[-1] <= room):
        return parts
    return parts[: sum(end <= room - 1 for end in ends)]


def _first(items: Sequence[_Item], room: int) -> Sequence[_Item]:
    """As many of the first items as there is room for, where a last line says how many are left out."""
    return items if len(items) <= room else items[: max(0, room - 1)]


def cut(lines: Sequence[str], what: str) -> Sequence[str]:
    """At most :data:`MOST_LINES` lines, the last of which says how many more ``what`` there are."""
    kept = _first(lines, MOST_LINES)
    return lines if len(kept) == len(lines) else [*kept, f"... and {len(lines) - len(kept)} more {what}"]


def listed(names: Iterable[str]) -> str:
    """Names in a message: the first :data:`MOST_NAMES` of them, and how many more there are."""
    found = list(names)
    more = len(found) - MOST_NAMES
    return ", ".join(found) if more <= 0 else f"{', '.join(found[:MOST_NAMES])} and {more} more"


def _one_line(text: str, letters: int) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= letters else f"{line[: letters - 1]}…"


def shown(cls: type[T]) -> type[T]:
    """Give a class a short repr, a text and an HTML table; the outermost of its decorators.

    The table is that of its method ``_table``, or lists the fields of a dataclass. A ``__str__`` that the class has
    itself stays. The repr of a class without ``_table`` names the fields that differ from their defaults.
    """

    def table(self: Any) -> Table:
        return self._table() if hasattr(self, "_table") else _field_table(self)

    def represent(self: Any) -> str:
        if hasattr(self, "_table"):
            return f"<{type(self).__name__}: {_one_line(self._table().title, _REPR - 30)}>"
        return _call(self)

    def as_text(self: Any) -> str:
        return str(table(self))

    def as_html(self: Any) -> str:
        return table(self).to_html()

    made: Any = cls
    made.__repr__, made._repr_html_ = represent, as_html
    if not any("__str__" in vars(base) and not hasattr(vars(base)["__str__"], "_shown") for base in cls.__mro__[:-1]):
        as_text._shown = True  # type: ignore[attr-defined]
        made.__str__ = as_text
    return cls


def _given(field: Field[Any], value: object) -> bool:
    """Whether a field is not at its default."""
    if not field.repr:
        return False
    default = field.default if field.default is not MISSING else None
    if field.default_factory is not MISSING:
        default = field.default_factory()
    elif field.default is MISSING:
        return True
    try:
        return not bool(np.all(np.asarray(value == default)))
    except (TypeError, ValueError):
        return True


def _call(shown: Any) -> str:
    """``Kind(name=value, ...)`` on one line, arrays in short."""
    texts = [f"{f.name}={text(getattr(shown, f.name))}" for f in fields(shown) if _given(f, getattr(shown, f.name))]
    return _one_line(f"{type(shown).__name__}({', '.join(texts)})", _REPR)


def _field_table(shown: Any) -> Table:
    rows = [(f.name, text(getattr(shown, f.name))) for f in fields(shown) if f.repr]
    return Table(str(type(shown).__name__), ("field", "value"), rows)


def text(value: object) -> str:
    """A value in short, on one line: arrays by their shape and range, mappings by their keys."""
    if value is None:
        return "-"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool | np.bool_ | str):
        return repr(value) if isinstance(value, str) else str(bool(value))
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, np.ndarray):
        return array_text(value)
    if isinstance(value, Mapping):
        return _one_line(", ".join(f"{key}: {text(item)}" for key, item in list(value.items())[:8]) or "-", _CELL)
    if isinstance(value, list | tuple):
        items = [text(item) for item in value[:6]]
        return _one_line(", ".join([*items, "..."] if len(value) > 6 else items) or "-", _CELL)
    if is_dataclass(value):
        return _one_line(repr(value), _CELL)
    if hasattr(value, "shape") and hasattr(value, "nnz"):
        return f"{_shape(value.shape)} sparse, {value.nnz:,} stored"
    return _one_line(repr(value), _CELL)


def array_text(array: np.ndarray[Any, Any]) -> str:
    """Shape and range of an array: ``128 x 64, -120 .. 98``; one number where all are equal."""
    if array.size == 0:
        return f"{_shape(array.shape)} empty"
    if array.dtype.kind not in "biuf":
        return _shape(array.shape)
    if array.dtype == bool:
        return f"{_shape(array.shape)}, {np.count_nonzero(array):,} true"
    low, high = text(array.min()), text(array.max())
    if array.ndim == 1 and array.size <= 4:
        return f"[{', '.join(text(x) for x in array)}]"
    return f"{_shape(array.shape)}, {f'all {low}' if low == high else f'{low} .. {high}'}"


def _shape(shape: Sequence[int]) -> str:
    return f"{shape[0]} values" if len(shape) == 1 else " x ".join(map(str, shape)) or "one"


class Drawable:
    """What has one picture, drawn by the module of :mod:`ssdp_hw.pictures` that ``_picture`` names."""

    _picture: ClassVar[str]

    def plot(self, *, ax: Axes | None = None) -> Drawn:
        """Draw the picture that the class describes.

        Args:
            ax: matplotlib Axes to draw in; default a new figure.

        Returns:
            The Axes; of several panels an array, from top to bottom.

        Raises:
            UnsupportedError: matplotlib is not installed.
        """
        return draw(self._picture, self, ax=ax)


def draw(picture: str, *given: object, **options: object) -> Drawn:
    """Draw a picture of :mod:`ssdp_hw.pictures`, found by its name, and give back its axes.

    Pictures know the classes that they show, so that these find them by name and only when one is drawn: nothing
    imports matplotlib before.

    Args:
        picture: name of the module; its function ``draw`` is called.
        given, options: what is drawn, and how.

    Raises:
        MissingPackageError: matplotlib is not installed.
        SsdpHwError: whatever the picture raises.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingPackageError(f"pictures need matplotlib, which is not installed: {INSTALL}") from None
    drawn: Drawn = import_module(f"ssdp_hw.pictures.{picture}").draw(*given, **options)
    return drawn
