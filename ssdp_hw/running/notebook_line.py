"""A line of progress below a notebook's cell, which is rewritten as work goes on and removed at the end.

It needs no widgets.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

# Least number of seconds between two updates of the line, each of which is a message to the browser.
INTERVAL = 0.25


def rate(done: int, seconds: float) -> str:
    """How many are done in a second, or in a minute where that is less than one; empty where none is done."""
    if not done or seconds <= 0:
        return ""
    each = done / seconds
    return f"{each:.3g} a second" if each >= 1 else f"{60 * each:.3g} a minute"


class NotebookLine:
    """The methods of rich's ``Progress`` that :mod:`.progress` calls, without rich.

    In a notebook rich needs ipywidgets; without them it warns at each update.

    Args:
        display: a function that shows a dict of texts by MIME type below the cell and returns a handle whose
            ``update`` replaces them; default ``IPython.display.display``.
    """

    def __init__(self, display: Callable[..., Any] | None = None) -> None:
        self._display = import_module("IPython.display").display if display is None else display
        self._handle: Any = None
        self._what, self._total, self._done, self._rate = "", 0, 0, ""
        self._begun = self._last = time.monotonic()
        self.console = SimpleNamespace(print=self._print)

    def add_task(self, what: str, total: int | None, completed: int, rate: str) -> None:
        self._what, self._total, self._done, self._rate = what, total or 0, completed, rate

    def start(self) -> None:
        self._handle = self._display(self._bundle(str(self)), raw=True, display_id=True)

    def update(
        self, task: None, *, completed: int | None = None, description: str | None = None, rate: str = ""
    ) -> None:
        self._what = self._what if description is None else description
        self._done, self._rate = (self._done, self._rate) if completed is None else (completed, rate)
        if self._handle is not None and time.monotonic() - self._last >= INTERVAL:
            self._last = time.monotonic()
            self._handle.update(self._bundle(str(self)), raw=True)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.update(self._bundle(""), raw=True)

    def __str__(self) -> str:
        passed = time.monotonic() - self._begun
        text = f"{self._what}: {passed:.0f} s"
        if self._total:
            text = f"{self._what}: {self._done} of {self._total}, {passed:.0f} s"
            if 0 < self._done < self._total:
                text += f", {self._rate}, {passed / self._done * (self._total - self._done):.0f} s left"
        return text

    def _print(self, text: str, **_: object) -> None:
        self._display(self._bundle(text), raw=True)

    @staticmethod
    def _bundle(text: str) -> dict[str, str]:
        return {"text/plain": text}
