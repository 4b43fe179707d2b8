"""Ctrl-C, or a limit of time, while a command computes: what it has is printed or written, and the command says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from ssdp_hw.errors import Interrupted, TimeLimitError

R = TypeVar("R")


class Stopped(BaseException):
    """The command was interrupted. Not a KeyboardInterrupt, which typer takes for itself, without its message."""


def whole_or_part(
    compute: Callable[..., R], *args: Any, **kwargs: Any
) -> tuple[R, Interrupted | TimeLimitError | None]:
    """What a function computes; what it had computed until Ctrl-C, or until the time was over, and the exception.

    Raises:
        TimeLimitError: the time was over before anything was finished.
    """
    try:
        return compute(*args, **kwargs), None
    except (Interrupted, TimeLimitError) as stop:
        if stop.result is None:
            raise
        return cast("R", stop.result), stop


def raise_if_stopped(stop: Interrupted | TimeLimitError | None, where: str) -> None:
    """End the command as interrupted, or over its limit, once its part of the result is out.

    Args:
        stop: the interruption, if there was one.
        where: the part of the result, in words: "the table above".

    Raises:
        Stopped: Ctrl-C.
        TimeLimitError: the time is over.
    """
    if stop is None:
        return
    message = f"{str(stop).partition(';')[0]}; {where}"
    if isinstance(stop, TimeLimitError):
        raise TimeLimitError(message)
    raise Stopped(message)
