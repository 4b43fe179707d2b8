"""Turns a MemoryError into an error that names what needed the memory, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ssdp_hw.errors import ParameterError


@contextmanager
def memory_named(what: str) -> Iterator[None]:
    """Replace a MemoryError of the block by one that names ``what`` and says what to do.

    Args:
        what: the work of the block, as in ``target 'spec' with 10 samples``.

    Raises:
        ParameterError: there was not enough memory.
    """
    try:
        yield
    except MemoryError as error:
        reason = " ".join(str(error).split()) or "out of memory"
        raise ParameterError(f"{what}: {reason}; give fewer samples or steps at a time, or set max_bytes") from None
