"""Progress of work that takes longer than a second: one line on the terminal or in a notebook, nothing elsewhere.

``with progress("learning", 2400) as advance:`` shows how many of 2400 samples are done. A :func:`progress` that begins
within another one shows no line of its own.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ssdp_hw.running.notebook_line import NotebookLine, rate

_LOG = logging.getLogger(__name__)

# Seconds before the line appears; work that ends sooner never shows one.
DELAY = 1.0

# The line of the progress that this thread is in; False if that progress was told to be quiet, None outside of any.
_current: ContextVar[_Line | bool | None] = ContextVar("progress", default=None)


def is_shown(shown: bool | None) -> bool:
    """Whether progress is shown: as ``shown`` says; if that is None, in the main thread on a terminal or in a notebook.

    Other threads and worker processes share the terminal, where their lines would overwrite each other. With
    ``SSDP_HW_PROGRESS=0`` in the environment nothing is shown; notebooks that are executed to be published need that.
    """
    if _current.get() is not None:
        return False
    if shown is not None:
        return shown
    if os.environ.get("SSDP_HW_PROGRESS") == "0":
        return False
    if multiprocessing.parent_process() is not None or threading.current_thread() is not threading.main_thread():
        return False
    return sys.stderr is not None and (sys.stderr.isatty() or _in_notebook())


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    found = None if shell is None else shell.get_ipython()
    return type(found).__name__ == "ZMQInteractiveShell"


@contextmanager
def progress(what: str, total: int | None = None, shown: bool | None = None) -> Iterator[Callable[[int], None]]:
    """Show how much of the block's work is done, once the block has run for a second.

    Args:
        what: the name of the work, in a few words.
        total: number of items of work, such as samples; None if it is not known, and then only the time is shown.
        shown: True or False; None shows it on a terminal and in a notebook only.

    Yields:
        A function that takes the number of items done since it was last called.
    """
    if not is_shown(shown):
        # Work inside a block that was told to be quiet is quiet, too.
        token = _current.set(False) if shown is False and _current.get() is None else None
        try:
            yield _ignore
        finally:
            if token is not None:
                _current.reset(token)
        return
    line = _Line(what, total)
    token = _current.set(line)
    try:
        yield line.advance
    finally:
        _current.reset(token)
        line.end()


def _ignore(done: int) -> None:
    """Nothing is shown."""


@contextmanager
def no_progress() -> Iterator[None]:
    """Show no progress of the work within the block."""
    with progress("", shown=False):
        yield


def shows_progress() -> bool:
    """Whether a line is shown or will be after DELAY, so that it pays to work in pieces and advance the line."""
    return isinstance(_current.get(), _Line)


def describe(what: str) -> None:
    """Change the name of the work on the line, as to "compiling"; an empty text brings back the first name."""
    line = _current.get()
    if isinstance(line, _Line):
        line.describe(what)


def say(text: str) -> None:
    """Log a sentence, and print it where progress is shown."""
    _LOG.info("%s", text)
    line = _current.get()
    if isinstance(line, _Line):
        line.say(text)


class _Line:
    """A line on the terminal, which appears after DELAY and is removed at the end."""

    def __init__(self, what: str, total: int | None) -> None:
        self.what, self.total, self.done = what, total, 0
        self._now = what
        self._begun = time.monotonic()
        self._said: list[str] = []
        self._bar: Any = None
        self._task: Any = None
        self._ended = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(DELAY, self._begin)
        self._timer.daemon = True
        self._timer.start()

    def advance(self, done: int) -> None:
        with self._lock:
            self.done += done
            if self._bar is not None:
                self._bar.update(self._task, completed=self.done, rate=self._rate())

    def _rate(self) -> str:
        return rate(self.done, time.monotonic() - self._begun)

    def describe(self, what: str) -> None:
        with self._lock:
            self._now = what or self.what
            if self._bar is not None:
                self._bar.update(self._task, description=self._now)

    def say(self, text: str) -> None:
        with self._lock:
            if self._bar is None:
                self._said.append(text)
            else:
                self._print(text)

    def end(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._ended = True
            if self._bar is not None:
                self._bar.stop()
            elif self._said:
                self._bar = _bar(self.total)
                for text in self._said:
                    self._print(text)

    def _begin(self) -> None:
        with self._lock:
            if self._ended:
                return
            self._bar = _bar(self.total)
            for text in self._said:
                self._print(text)
            self._task = self._bar.add_task(self._now, total=self.total, completed=self.done, rate=self._rate())
            self._bar.start()

    def _print(self, text: str) -> None:
        self._bar.console.print(text, markup=False, emoji=False, highlight=False)


def _bar(total: int | None) -> Any:
    """A progress bar of rich, or in a notebook a line of text.

    Rich is imported here, since most runs end before they show a line.
    """
    if _in_notebook():
        return NotebookLine()
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    text = TextColumn("{task.description}", markup=False)
    if total is None:
        columns: tuple[Any, ...] = (text, TimeElapsedColumn())
    else:
        speed = TextColumn("{task.fields[rate]}", markup=False)
        bar, count = BarColumn(bar_width=20), MofNCompleteColumn()
        columns = (text, bar, count, speed, TimeElapsedColumn(), TimeRemainingColumn())
    # A cell of a sweep may take minutes: over less time than that the time left would not be known.
    return Progress(*columns, console=Console(file=sys.stderr), transient=True, speed_estimate_period=600)
