"""Calls that may be refused: what they return, or the message of our own error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ssdp_hw.errors import SsdpHwError

T = TypeVar("T")


def attempt(call: Callable[[], T]) -> tuple[T | None, str]:
    """The result and an empty text, or None and the message of our own error; any other error passes."""
    try:
        return call(), ""
    except SsdpHwError as error:
        return None, str(error)
