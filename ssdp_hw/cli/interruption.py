"""Ctrl-C while a command computes: what was computed until then is printed or written, and the command says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from ssdp_hw.errors import Interrupted

R = TypeVar("R")


class Stopped(BaseException):
    """The command was interrupted. Not a KeyboardInterrupt, which typer takes for itself, without its message."""


def whole_or_part(compute: Callable[..., R], *args: Any, **kwargs: Any) -> tuple[R, Interrupted | None]:
    """What a function computes; after Ctrl-C what it had computed until then, and the interruption."""
    try:
        return compute(*args, **kwargs), None
    except Interrupted as stop:
        return cast("R", stop.result), stop


def raise_if_stopped(stop: Interrupted | None, where: str) -> None:
    """End the command as interrupted, once its part of the result is out.

    Args:
        stop: the interruption, if there was one.
        where: the part of the result, in words: "the table above".

    Raises:
        Stopped: there was one.
    """
    if stop is not None:
        raise Stopped(f"{str(stop).partition(';')[0]}; {where}")
