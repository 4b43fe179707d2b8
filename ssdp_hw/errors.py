"""The exceptions of the toolkit: one small tree.

Each message names the node or file, the value found, the limit and what to do about it. The
command line turns every one of them into an exit code (:mod:`ssdp_hw.cli.exit_codes`) and one line.
"""

from __future__ import annotations


class SsdpHwError(Exception):
    """Base of every error that the toolkit raises on purpose.

    A message is one line of printable characters: names and files that it cites may hold anything, and a line break or
    another character without a form of its own is written as in Python's strings.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(_printable(x) if isinstance(x, str) else x for x in args))


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class ParameterError(SsdpHwError, ValueError):
    """A value is out of its range, of the wrong type, not finite or not an integer."""


class ShapeError(ParameterError):
    """Two arrays, or an array and a population, do not fit together."""


class FileFormatError(SsdpHwError):
    """A file is missing, cannot be read, or is not what it should be."""


class UnsupportedError(SsdpHwError):
    """A node, an option or a combination that this reader, chip or target cannot express."""


class MissingPackageError(UnsupportedError):
    """A package that only this needs is not installed; the message says how to install it."""


class UnknownTargetError(SsdpHwError, LookupError):
    """No target of that name is registered."""


class TargetUnavailableError(SsdpHwError):
    """The target exists but what it needs is not installed; the message says how to install it."""


class TargetRunError(SsdpHwError):
    """A target failed while it ran: a simulator crashed, hung past its time limit, or lied."""


class StateOverflowError(SsdpHwError, ArithmeticError):
    """A chip register wrapped or saturated in a run that was asked to treat this as an error."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C was pressed; what was done until then is the attribute ``result``, and the message says what that is."""

    def __init__(self, message: str, result: object) -> None:
        super().__init__(message)
        self.result = result


class LimitError(SsdpHwError):
    """A limit that the user set, of time or of loss, is exceeded."""


class TimeLimitError(LimitError):
    """The time limit has passed; what was done until then is the attribute ``result``, None where nothing was whole."""

    def __init__(self, message: str, result: object = None) -> None:
        super().__init__(message)
        self.result = result
