"""Where the commands print: text and tables for people, JSON for machines."""

from __future__ import annotations

import json
import sys

from rich.console import Console
from rich.table import Table

# Into a file or a pipe tables need not fit a screen.
console, errors = Console(width=None if sys.stdout.isatty() else 140), Console(stderr=True)


def print_json(data: object) -> None:
    """Write data as JSON; what JSON has no form for becomes text."""
    sys.stdout.write(json.dumps(data, indent=2, default=str) + "\n")


def print_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a table for people."""
    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    console.print(table)
