"""Calls, from Python, of functions that the engine compiles for compiled callers only."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba as nb


@cache
def from_python(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that Python can call: it has no wrapper of its own, and Python would jump to address 0."""

    @nb.njit
    def call(*arguments: Any) -> Any:
        return function(*arguments)

    return call
