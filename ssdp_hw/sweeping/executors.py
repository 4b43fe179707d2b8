"""Where the cells run: a local cluster, a dask scheduler, or any executor that has ``submit``."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, Protocol, TypeAlias, runtime_checkable

from ssdp_hw.errors import MissingPackageError, ParameterError, TargetRunError

INSTALL = "pip install 'ssdp-hw[sweep]'"
_START_TIMEOUT = 60.0  # seconds in which the first worker has to be there
# Seconds after which a worker without its scheduler ends.
_DEATH_TIMEOUT = 10
# Each worker has one thread: numerical libraries would otherwise take all cores in each of them.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


@runtime_checkable
class Executor(Protocol):
    """What runs functions elsewhere, such as those of ``concurrent.futures``, or dask's ``Client``."""

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A future: it has ``result()``, and ``add_done_callback(function)`` or is waited for in turn."""


Place: TypeAlias = "Executor | str | int | None"


@contextmanager
def opened(place: Place) -> Iterator[Executor]:
    """The executor to use, closed in the end if it was made here.

    Args:
        place: an executor, which stays open; the address of a dask scheduler, ``tcp://host:port``; a number of workers
            of a cluster on this computer; or None: as many as this process may use CPUs.

    Raises:
        ParameterError: none of these.
        MissingPackageError: dask.distributed is needed and not installed.
        TargetRunError: the scheduler does not answer, or no worker starts.
    """
    if isinstance(place, str):
        client = _client(place)
        try:
            yield client
        finally:
            client.close()
    elif place is None or (isinstance(place, int) and not isinstance(place, bool)):
        workers = len(os.sched_getaffinity(0)) if place is None else place
        if workers < 1:
            raise ParameterError(f"executor = {workers}; give at least 1 worker")
        with _local_cluster(workers) as client:
            yield client
    elif isinstance(place, Executor):
        yield place
    else:
        raise ParameterError(
            f"executor = {type(place).__name__}; give something that has submit(), a scheduler's address, a number of "
            "workers, or None"
        )


def distributed() -> Any:
    """The package dask.distributed.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        return import_module("distributed")
    except ImportError:
        raise MissingPackageError(
            f"a cluster needs dask.distributed, which is not installed: {INSTALL}; or give an executor of Python's, "
            "as executor=concurrent.futures.ProcessPoolExecutor()"
        ) from None


def is_dask(executor: Executor) -> bool:
    """Whether it is a client of dask."""
    return type(executor).__module__.partition(".")[0] == "distributed"


class _Data:
    """What is the same for all cells; dask does not look into it."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = values

    def __call__(self) -> Mapping[str, object]:
        return self.values


def shared(executor: Executor, data: Mapping[str, object]) -> Any:
    """The data as each cell's argument; of a dask cluster a future, so that they are sent once and not with each cell.

    The future is one of a task, which the scheduler keeps: what it scatters is lost with the workers that hold it, and
    every cell with it.
    """
    if not is_dask(executor):
        return dict(data)
    dask = import_module("dask")
    client: Any = executor
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PB"}):  # they are meant to be sent so
        return client.submit(_Data(dict(data)), pure=False)


def _client(address: str) -> Any:
    try:
        return distributed().Client(address, timeout=_START_TIMEOUT / 4, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TargetRunError(f"scheduler {address}: no answer ({reason}); start it by: dask scheduler") from None


@contextmanager
def _local_cluster(workers: int) -> Iterator[Any]:
    """A client of a scheduler in this process, whose workers are processes started by their own command.

    They are not forked from this process, whose threads and locks would not survive that, nor spawned by
    ``multiprocessing``, which would run the user's script again. If this process is killed they end by themselves.
    """
    package = distributed()
    silent = {"dashboard_address": None, "silence_logs": logging.ERROR}
    with package.LocalCluster(n_workers=0, processes=False, protocol="tcp://", host="127.0.0.1", **silent) as cluster:
        command = [
            *(sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address),
            *("--nworkers", str(workers), "--nthreads", "1", "--no-dashboard", "--memory-limit", "0"),
            *("--death-timeout", str(_DEATH_TIMEOUT)),
        ]
        # Modules beside the user's script are found there, too.
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        logged = {"DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "error"}
        process = subprocess.Popen(  # noqa: S603 - this very interpreter
            command, env={**os.environ, **_ONE_THREAD, **logged, "PYTHONPATH": path}, stdin=subprocess.DEVNULL
        )
        try:
            with package.Client(cluster, set_as_default=False) as client:
                _wait_for_worker(client, process)
                yield client
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_DEATH_TIMEOUT)
            process.kill()
            process.wait()


def _wait_for_worker(client: Any, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_TIMEOUT
    while not client.scheduler_info()["workers"]:
        if process.poll() is not None or time.monotonic() > end:
            raise TargetRunError("no worker of the local cluster started; see the messages above")
        time.sleep(0.05)
