"""Ties the life of every process of the worker to its parent's, so that none is ever left behind.

Lava starts a process for each Lava Process and some more. Left alone they outlive a killed parent,
and one that fails leaves the others waiting for ever. With the parent-death signal of Linux
(``prctl(2)``) the death of one process ends all below it. Python's resource tracker alone has no
such signal: it sees its pipe close, unlinks the shared memory, and exits.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import traceback
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends (the thread of it that made this one)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it ended before the call above
        os._exit(1)


def follow(parent: int) -> None:
    """Die with the process ``parent``, which must be this one's, and let all forked processes do likewise."""
    die_with(parent)
    forking: list[int] = []
    os.register_at_fork(before=lambda: forking.append(os.getpid()), after_in_child=lambda: die_with(forking[-1]))


def report(error_file: Path) -> None:
    """Write the traceback of the exception being handled, unless another process did before.

    Whole or not at all: whoever comes second may kill the first at once.
    """
    draft = error_file.with_suffix(f".{os.getpid()}")
    draft.write_text(traceback.format_exc(), encoding="utf-8")
    with contextlib.suppress(FileExistsError):
        error_file.hardlink_to(draft)


def end_worker_on_failure(error_file: Path) -> None:
    """Let a process in which a ProcessModel or a Lava service fails report it and end the worker.

    Without this Lava keeps the exception to itself, and whoever waits for a message of the failed
    process waits for ever.
    """
    from lava.magma.runtime.message_infrastructure import multiprocessing as lava_processes

    worker = os.getpid()

    def run(self: Any) -> None:
        try:
            multiprocessing.Process.run(self)
            self._cconn.send(None)
        except BaseException:
            report(error_file)
            os.kill(worker, signal.SIGKILL)

    lava_processes.SystemProcess.run = run
