"""Lets no message of Lava's channels go unseen: in lava-nc 0.10.0 a process can sleep for ever beside a message.

A process that waits for several channels sleeps until the thread of one of them reports a message. The thread reports
it only if the channel was empty, and looks before it puts the message in. If the process takes the message before in
between, finds nothing further and goes to sleep, the new one is put in and nobody is told. Lava sends its processes a
command that needs no answer (the end of a run) right before the command to stop, and so a run that is done sometimes
never ends. Here the threads report every message; to be woken once too often does no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from multiprocessing.synchronize import Semaphore
from typing import Any


def report_every_message() -> None:
    """Change the threads of Lava's channels, in this process and in those that it forks later."""
    from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort

    CspRecvPort._req_callback = _reporting(lambda port: port._queue.put_nowait(0))
    CspSendPort._ack_callback = _reporting(lambda port: port._semaphore.release())


def _reporting(take: Callable[[Any], None]) -> Callable[[Any, Semaphore], None]:
    """The thread of a port: it takes each message, or each place that became free, and then reports it."""

    def run(port: Any, messages: Semaphore) -> None:
        with suppress(EOFError):  # the other end is gone
            while messages.acquire() and not port._done:
                take(port)
                observer = port.observer  # whoever waits may go meanwhile, and set it to None
                if observer is not None:
                    observer()

    return run
