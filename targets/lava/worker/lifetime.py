"""Ties the life of every process of the worker to its parent's, so that no process is left behind.

Lava starts an OS process for each Lava Process and some more. Without further measures they outlive a killed parent,
and after the failure of one process the others wait for ever. With the parent-death signal of Linux
(``prctl(2)``) the death of one process ends all its descendants. Python's resource tracker alone has no
such signal: it sees its pipe close, unlinks the shared memory, and exits.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import threading
import time
import traceback
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_POLL = 0.2  # seconds between two looks at the children


def die_with(parent: int) -> None:
    """Let Linux kill this process when its parent ends, or more exactly the thread that forked this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # the parent ended before the call above
        os._exit(1)


def follow(parent: int) -> None:
    """Die with the process ``parent``, which must be this one's, and let all forked processes do likewise."""
    die_with(parent)
    forking: list[int] = []
    os.register_at_fork(before=lambda: forking.append(os.getpid()), after_in_child=lambda: die_with(forking[-1]))


def report(error_file: Path) -> None:
    """Write the traceback of the exception being handled, unless another process did before."""
    write_once(error_file, traceback.format_exc())


def write_once(error_file: Path, text: str) -> None:
    """Write why the worker ends, unless another process or thread did before.

    The file appears whole or not at all, since a second failing process may kill the first at any time.
    """
    draft = error_file.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    draft.write_text(text, encoding="utf-8")
    with contextlib.suppress(FileExistsError):
        error_file.hardlink_to(draft)


def end_worker_if_a_child_is_killed(error_file: Path) -> None:
    """Watch this process's children from a thread: if a signal ends one, say so and end the worker.

    A process that is killed, as for want of memory, reports nothing, and those that wait for its messages would wait
    for ever.
    """

    def watch() -> None:
        while True:
            time.sleep(_POLL)
            for child in _children():
                # Without taking the child's status from whoever waits for it.
                with contextlib.suppress(ChildProcessError):
                    ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                    if ended is not None and ended.si_code in (os.CLD_KILLED, os.CLD_DUMPED):
                        time.sleep(_POLL)  # a process that failed kills others, and has said why
                        write_once(error_file, f"one of Lava's processes was ended by {signal_name(ended.si_status)}")
                        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _children() -> list[int]:
    lists = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    return [int(number) for text in lists for number in text.split()]


def signal_name(number: int) -> str:
    """A signal in words, with what it most likely means."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"{name}; is there enough memory?" if number == signal.SIGKILL else name


def end_worker_on_failure(error_file: Path) -> None:
    """Let a process in which a ProcessModel or a Lava service fails report it and end the worker.

    Lava itself does not report the exception, and processes that wait for a message of the failed
    process would wait for ever.
    """
    from lava.magma.runtime.message_infrastructure import multiprocessing as lava_processes

    worker = os.getpid()

    def run(self: lava_processes.SystemProcess) -> None:
        try:
            multiprocessing.Process.run(self)
            self._cconn.send(None)
        except BaseException:
            report(error_file)
            os.kill(worker, signal.SIGKILL)

    lava_processes.SystemProcess.run = run
