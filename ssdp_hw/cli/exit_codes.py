"""Exit codes of commands, and how an error is printed: one line for people, with ``--json`` an object for machines."""

from __future__ import annotations

from ssdp_hw.errors import (
    LimitError,
    MissingPackageError,
    SsdpHwError,
    StateOverflowError,
    TargetRunError,
    TargetUnavailableError,
)
from ssdp_hw.files.json_values import JSON

OK, FAILED, BAD_INPUT, MISSING, TARGET_FAILED, LIMIT, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
MEANINGS = {
    OK: "fine",
    BAD_INPUT: "bad input: a file, an option or a network that cannot be used",
    MISSING: "a part is missing: a target or a package is not installed",
    TARGET_FAILED: "a target failed while it ran",
    LIMIT: "over a limit of time or loss",
}
# From the most special to the most general.
_CODES: tuple[tuple[type[SsdpHwError], int], ...] = (
    (MissingPackageError, MISSING),
    (TargetUnavailableError, MISSING),
    (TargetRunError, TARGET_FAILED),
    (LimitError, LIMIT),
    (StateOverflowError, LIMIT),
    (SsdpHwError, BAD_INPUT),
)


def exit_code(error: SsdpHwError) -> int:
    """The exit code of an error of this package."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


def error_record(kind: str, message: str, code: int) -> dict[str, JSON]:
    """An error as ``--json`` prints it."""
    return {"error": {"type": kind, "message": message, "exit_code": code, "meaning": MEANINGS.get(code, "")}}
