"""Start, watch and end the worker subprocess.

Lava's runtime does not fail cleanly: after an exception in a model the other processes wait for ever, and
a killed parent leaves orphans. The worker is therefore a process of its own, in a session of its
own, and the end of its first process ends all its processes (see :mod:`.worker.lifetime`). Only
Python's resource tracker runs a moment longer and unlinks the shared memory. All these processes hold the
worker's stderr open, so the end of that stream proves that all of them have ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssdp_hw.arrays import Numbers
from ssdp_hw.errors import TargetRunError, TargetUnavailableError
from ssdp_hw.files.atomic import clear_stale, own_prefix
from ssdp_hw.files.failure_keeper import kept_failure
from ssdp_hw.running.time_limit import check_time, remaining_time

from .blueprint import Blueprint
from .worker.lifetime import signal_name

PYTHON_VARIABLE = "SSDP_HW_LAVA_PYTHON"

# lava-nc declares Python < 3.11 and numpy < 2, which pip would obey.
INSTALL = "pip install 'ssdp-hw[lava]' && pip install --no-deps --ignore-requires-python lava-nc==0.10.0"

# Seconds to wait for the processes of an ended worker before a stronger signal is sent.
GRACE = 10.0

# Bytes of the name of a temporary folder, at most, in which multiprocessing can make its sockets.
_LONGEST_FOLDER = 60

# How the names of the folders with a worker's arrays begin.
_FOLDER = "ssdp-hw-lava-"


@dataclass(frozen=True, eq=False)
class Job:
    """One Lava runtime: its network, its number of steps and its recordings.

    Attributes:
        blueprint: a connected network.
        steps: number of steps.
        record: for each node that is recorded the names of its variables.
        last: whether variables are recorded in the last step alone.
    """

    blueprint: Blueprint
    steps: int
    record: Mapping[str, list[str]]
    last: bool = False


class Results:
    """The files that the jobs of a worker wrote.

    Attributes:
        versions: versions of Lava, NumPy and Python in the worker.
        seconds: for each job the seconds of its steps, without compiling and starting its processes.
    """

    def __init__(self, folder: Path, jobs: Sequence[Job]) -> None:
        self._folder, self._jobs = folder, jobs
        self.versions: dict[str, str] = json.loads((folder / "versions.json").read_text(encoding="utf-8"))
        self.seconds: list[float] = json.loads((folder / "seconds.json").read_text(encoding="utf-8"))

    def arrays(self, number: int, node: str) -> dict[str, Numbers]:
        """The arrays that a node of job ``number`` wrote, by name."""
        with np.load(self._folder / _file(number, self._jobs[number], node), allow_pickle=False) as file:
            return {key: file[key] for key in file.files}


def _file(number: int, job: Job, node: str) -> str:
    names = [n.name for n in job.blueprint.nodes]
    return f"{number}-{names.index(node)}.npz"


def interpreter(python: str | os.PathLike[str] | None) -> str:
    """The Python that runs Lava: the option, else the environment variable, else this one."""
    chosen = os.fspath(python or os.environ.get(PYTHON_VARIABLE) or sys.executable)
    return os.path.abspath(chosen) if os.path.dirname(chosen) else chosen  # the worker runs elsewhere


@contextmanager
def run_jobs(jobs: Sequence[Job], *, python: str | os.PathLike[str] | None, time_limit: float) -> Iterator[Results]:
    """Run jobs one after the other in one worker; the result files are deleted when the context ends.

    Raises:
        TargetUnavailableError: the interpreter cannot be started, or it lacks a package.
        TargetRunError: a job failed, or all together took longer than ``time_limit`` seconds.
    """
    with ExitStack() as stack:
        try:
            clear_stale(tempfile.gettempdir(), _FOLDER)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=own_prefix(_FOLDER))))
            _write(jobs, folder)
        except OSError as error:
            raise TargetRunError(
                f"target 'lava': its arrays cannot be written to a temporary folder ({error.strerror or error}); make "
                "room, or choose another folder by the environment variable TMPDIR"
            ) from None
        _work(interpreter(python), folder, time_limit)
        yield Results(folder, jobs)


def _write(jobs: Sequence[Job], folder: Path) -> None:
    described = []
    for number, job in enumerate(jobs):
        plain, arrays = job.blueprint.with_files(folder, str(number)).described()
        record = {
            node: {"variables": variables, "last": job.last, "file": _file(number, job, node)}
            for node, variables in job.record.items()
        }
        described.append({**plain, "steps": job.steps, "record": record})
        with kept_failure(folder / f"{number}.npz") as file:
            np.savez(file, **arrays)
    (folder / "jobs.json").write_text(json.dumps(described), encoding="utf-8")


def _work(python: str, folder: Path, time_limit: float) -> None:
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    # What multiprocessing leaves behind when it is killed then lies in our folder, which the next run removes. The
    # names of its sockets may have 107 bytes.
    own_temporary = {"TMPDIR": str(folder)} if len(os.fsencode(folder)) <= _LONGEST_FOLDER else {}
    # Without these variables every Lava process would start one BLAS thread per core.
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [python, "-m", "worker", str(os.getpid()), str(folder)]
    try:
        process = subprocess.Popen(  # noqa: S603  # the interpreter is the user's choice
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, **single, **own_temporary, "PYTHONPATH": path},
            cwd=folder,  # with -m Python searches this folder first, and no module of the user's may shadow the worker
        )
    except OSError as error:
        raise TargetUnavailableError(f"target 'lava': cannot start '{python}': {error}") from None
    try:
        left = remaining_time()
        _, stderr = process.communicate(timeout=time_limit if left is None else min(time_limit, left))
    except subprocess.TimeoutExpired:
        _end(process)
        check_time()
        raise TargetRunError(
            f"target 'lava': not finished after {time_limit:g} s; raise the option time_limit or run fewer samples"
        ) from None
    except BaseException:
        _end(process)
        raise
    if process.returncode == 0:
        return
    error_file = folder / "error.txt"
    if error_file.exists():
        text = error_file.read_text(encoding="utf-8")
    elif process.returncode < 0:  # the last line on stderr is that of Python's resource tracker
        text = f"it was ended by {signal_name(-process.returncode)}"
    else:
        text = stderr.decode(errors="replace")
    lines = [line for line in text.splitlines() if line.strip()] or ["no message"]
    if lines[-1].startswith("ModuleNotFoundError"):
        raise TargetUnavailableError(f"target 'lava': '{python}' lacks a package, {lines[-1]}; install: {INSTALL}")
    failure = TargetRunError(f"target 'lava': the worker failed: {lines[-1].strip()}")
    failure.add_note(text)  # the whole traceback
    raise failure


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the worker and wait until all its processes are gone and its shared memory is unlinked."""
    process.kill()
    # The parent-death signal ends the other processes. If one survives, SIGTERM comes first: Python's resource
    # tracker ignores it and can still unlink the shared memory.
    for stronger in (signal.SIGTERM, signal.SIGKILL):
        try:
            process.communicate(timeout=GRACE)
            return
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, stronger)
    process.communicate()
