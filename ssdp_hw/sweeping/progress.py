"""A bar with rate and time left on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from ssdp_hw.running.progress import no_progress


class _Rate(ProgressColumn):
    """Cells a minute."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{60 * speed:.3g} a minute")


@contextmanager
def progress_bar(name: str, total: int, shown: bool | None) -> Iterator[Callable[[], None]]:
    """Show how many of ``total`` steps are done.

    Args:
        name: what is done.
        total: number of steps.
        shown: whether to show it; None: where standard error is a terminal.

    Yields:
        What to call after each step.
    """
    console = Console(stderr=True)
    columns = (
        *(TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()),
        *(_Rate(), TimeRemainingColumn()),
    )
    # What a study itself runs here is not shown beside the bar.
    with (
        no_progress(),
        Progress(*columns, console=console, disable=not (sys.stderr.isatty() if shown is None else shown)) as bar,
    ):
        task = bar.add_task(name, total=total)
        yield lambda: bar.advance(task)
