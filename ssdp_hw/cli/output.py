"""Where the commands print: text and tables for people, JSON for machines.

Texts are printed as they are: names and advice may have brackets, which rich would take for markup.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ssdp_hw.files.json_values import JSON

# Tables that go to a file or a pipe need not fit a screen.
console = Console(width=None if sys.stdout.isatty() else 140, markup=False, emoji=False, highlight=False)
errors = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)

# The version of what every command prints with --json; a key that goes or changes its meaning raises it.
SCHEMA_VERSION = 1
# Number of values of a list that a table or a line shows.
SHOWN = 10


def print_json(command: str, data: Mapping[str, object]) -> None:
    """Print the results of a command as JSON with its schema's name and version; values that JSON lacks become text."""
    schema = {"schema": {"name": f"ssdp-hw {command}", "version": SCHEMA_VERSION}}
    sys.stdout.write(compact_json({**schema, **data}) + "\n")


def compact_json(value: object, indent: int = 0) -> str:
    """JSON text in which a list of plain values takes one line, and every other value a line of its own."""
    inner, outer = " " * (indent + 2), " " * indent
    if isinstance(value, dict) and value:
        parts = [f"{inner}{json.dumps(str(k))}: {compact_json(v, indent + 2)}" for k, v in value.items()]
        return "{\n" + ",\n".join(parts) + f"\n{outer}}}"
    if isinstance(value, list | tuple) and any(isinstance(v, dict | list | tuple) for v in value):
        parts = [f"{inner}{compact_json(v, indent + 2)}" for v in value]
        return "[\n" + ",\n".join(parts) + f"\n{outer}]"
    return json.dumps(value, default=str)


def print_line(text: str) -> None:
    """Print a line for people, without wrapping it."""
    console.print(text, soft_wrap=True)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table for people."""
    table = Table()
    for title in header:
        table.add_column(Text(title))
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def first_of(values: Sequence[JSON], shown: int = SHOWN) -> str:
    """The first values of a list in words, and how many follow."""
    text = " ".join(str(v) for v in values[:shown])
    return text if len(values) <= shown else f"{text} ... ({len(values) - shown} more)"
