"""The worker subprocess: whatever happens, an error of ours and nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, TargetRunError, TargetUnavailableError
from ssdp_hw.running.target_registry import get_target

LAVA = get_target("lava")
if not LAVA.availability().installed:
    pytest.skip("lava-nc is not installed", allow_module_level=True)

from ssdp_hw.targets.lava.blueprint import Blueprint, Node  # noqa: E402
from ssdp_hw.targets.lava.session import Job, run_jobs  # noqa: E402

SHARED_MEMORY = Path("/dev/shm")
# Seconds within which processes that were told to end, and their shared memory, must be gone. Far more than that
# takes: tests beside this one use Lava too, and their segments look the same while a job of theirs lasts.
PATIENCE = 120.0


def small_network(packed: np.ndarray, *, loop: bool = False) -> Blueprint:
    """A source, a connection and neurons; a loop makes the neurons wait for their own spikes, for ever."""
    nodes = [
        Node("input a", "SpikeSource", {"shape": (5,), "packed": packed}),
        Node("projection w", "Connection", {"weights": np.ones((3, 5), np.int32)}),
        Node("population p", "Neurons", {"shape": (3,), "du": 0, "dv": 0, "vth": 1}),
    ]
    links = [("input a", "s_out", "projection w", "s_in"), ("projection w", "a_out", "population p", "a_in")]
    if loop:
        links.append(("population p", "s_out", "population p", "a_in"))
    return Blueprint("fixed_pt", nodes, links)


def run_small(*, time_limit: float = 600.0, dtype: type = np.uint8, loop: bool = False) -> dict[str, np.ndarray]:
    job = Job(small_network(np.zeros((3, 1), dtype), loop=loop), 3, {"population p": ["u"]})
    with run_jobs([job], python=None, time_limit=time_limit) as results:
        return results.arrays(0, "population p")


def marked_processes(mark: str) -> list[int]:
    """Living processes (zombies excepted) that were started with the mark in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = folder.joinpath("stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and mark.encode() in folder.joinpath("environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it ended meanwhile, or belongs to another user
            continue
    return found


def segments() -> set[str]:
    """Names of the shared memory that Python's multiprocessing made."""
    return {name for name in os.listdir(SHARED_MEMORY) if name.startswith("psm_")}


class Watch:
    """What the processes started under a mark leave behind."""

    def __init__(self, mark: str) -> None:
        self.mark, self.before = mark, segments()

    def wait_for_processes(self, count: int) -> None:
        """Until so many processes run and shared memory is in use."""
        deadline = time.monotonic() + PATIENCE
        while len(marked_processes(self.mark)) < count or not segments() - self.before:
            assert time.monotonic() < deadline, "the worker did not get going"
            time.sleep(0.02)

    def assert_clean(self) -> None:
        # Those that other tests use meanwhile go by and by.
        ours = segments() - self.before
        deadline = time.monotonic() + PATIENCE
        while (marked_processes(self.mark) or ours & segments()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert marked_processes(self.mark) == []
        assert ours & segments() == set()


@pytest.fixture
def watch(monkeypatch, request) -> Iterator[Watch]:
    """Marks the environment of every process that the test starts."""
    folder = tempfile.mkdtemp(dir="/tmp", prefix="t")
    monkeypatch.setenv("TMPDIR", folder)  # a killed parent cannot remove its folder
    monkeypatch.setattr(tempfile, "tempdir", None)
    mark = f"SSDP_HW_TEST_MARK_{os.getpid()}_{request.node.name}"
    monkeypatch.setenv(mark, "1")
    yield Watch(mark)
    shutil.rmtree(folder)


@pytest.mark.slow
def test_success_leaves_nothing(watch):
    assert run_small()["u"].shape == (3, 3)
    assert marked_processes(watch.mark) == []
    watch.assert_clean()


def test_model_that_raises_is_reported_and_leaves_nothing(watch):
    with pytest.raises(TargetRunError, match="TypeError: Expected an input array of unsigned byte"):
        run_small(dtype=np.float64)
    assert marked_processes(watch.mark) == []
    watch.assert_clean()


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Node("x", "Nothing", {}), "KeyError: 'Nothing'"),  # fails while the worker builds
        (Node("x", "Connection", {"weights": np.ones((2, 2)), "delays": np.ones(5)}), "ValueError: .*broadcast"),
    ],
)
def test_network_that_cannot_be_built_is_reported_and_leaves_nothing(watch, node, message):
    with (
        pytest.raises(TargetRunError, match=message),
        run_jobs([Job(Blueprint("fixed_pt", [node]), 3, {})], python=None, time_limit=600.0),
    ):
        pass
    assert marked_processes(watch.mark) == []
    watch.assert_clean()


@pytest.mark.slow
def test_model_that_hangs_is_ended_at_the_time_limit(watch):
    with pytest.raises(TargetRunError, match="not finished after 4 s"):
        run_small(time_limit=4.0, loop=True)
    assert marked_processes(watch.mark) == []
    watch.assert_clean()


# Python imports this module as it starts. The process's own thread then takes a command late, and the thread that puts
# commands into the channel is held up where it has seen the one before.
HELD_UP = """
import queue, sys, time

def change(cls):
    if cls.__name__ != "CspRecvQueue":
        return
    get, put = cls.get, cls.put_nowait

    def late(self, *args, **kwargs):
        if "service_to_process" in sys._getframe(1).f_locals["self"].name:
            time.sleep(0.1)
        return get(self, *args, **kwargs)

    def held_up(self, item):
        if self.qsize():
            time.sleep(0.5)
        put(self, item)

    cls.get, cls.put_nowait = late, held_up

queue.Queue.__init_subclass__ = classmethod(change)
"""


def test_a_command_that_comes_as_the_one_before_is_taken_is_seen(tmp_path, monkeypatch):
    """Lava's own channels do not tell of it, and the run never ends."""
    (tmp_path / "sitecustomize.py").write_text(HELD_UP)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert run_small(time_limit=60.0)["u"].shape == (3, 3)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("which", ["a process of Lava", "the worker itself"])
def test_a_process_that_is_killed_ends_the_run_at_once(watch, which):
    """As Linux does for want of memory."""
    found: list[BaseException] = []

    def run() -> None:
        try:
            run_small(loop=True)
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    watch.wait_for_processes(6)
    processes = marked_processes(watch.mark)
    parents = {process: parent_of(process) for process in processes}
    (worker,) = (process for process, parent in parents.items() if parent == os.getpid())
    children = [process for process, parent in parents.items() if parent == worker and not is_tracker(process)]
    start = time.monotonic()
    os.kill(worker if which == "the worker itself" else children[-1], signal.SIGKILL)
    thread.join(PATIENCE)
    assert time.monotonic() - start < PATIENCE / 2
    (error,) = found
    assert isinstance(error, TargetRunError)
    assert "ended by SIGKILL; is there enough memory?" in str(error)
    watch.assert_clean()


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def is_tracker(process: int) -> bool:
    return b"resource_tracker" in Path(f"/proc/{process}/cmdline").read_bytes()


def start_hanging_script() -> subprocess.Popen[str]:
    """Another Python that runs a network which hangs."""
    script = f"""
        import signal
        import sys
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell in the background would ignore
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_lava_worker import run_small
        try:
            run_small(loop=True)
        except KeyboardInterrupt:
            print("interrupted")
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_interrupt_of_the_parent_ends_the_worker(watch):
    parent = start_hanging_script()
    watch.wait_for_processes(6)
    parent.send_signal(signal.SIGINT)
    assert parent.communicate(timeout=PATIENCE) == ("interrupted\n", "")
    watch.assert_clean()


@pytest.mark.slow
def test_kill_of_the_parent_ends_the_worker(watch):
    parent = start_hanging_script()
    watch.wait_for_processes(6)
    parent.kill()
    parent.communicate(timeout=PATIENCE)
    watch.assert_clean()
    run_small()
    assert list(Path(tempfile.gettempdir()).iterdir()) == []  # what the killed one left is gone


def test_worker_does_not_need_the_toolkit():
    """Its modules load where the toolkit cannot be imported, as in another interpreter."""
    import ssdp_hw.targets.lava.session as session

    script = """
        import sys
        sys.modules["ssdp_hw"] = None
        from worker.compat import enable
        enable()
        import worker.__main__, worker.build, worker.recording
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=Path(session.__file__).parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def one_neuron() -> sh.FixedNetwork:
    return sh.FixedNetwork(
        [sh.Input("a", 1)],
        [sh.FixedPopulation(name="p", size=1, vth=1)],
        [sh.FixedProjection(pre="a", post="p", weight=np.array([[2]]))],
        ["p"],
    )


def test_interpreter_that_does_not_exist():
    with pytest.raises(TargetUnavailableError, match="cannot start '/nowhere/python'"):
        sh.run(one_neuron(), np.ones((2, 1, 1)), "lava", options={"python": "/nowhere/python"})


def test_interpreter_without_lava(tmp_path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    python.chmod(0o755)
    with pytest.raises(TargetUnavailableError, match="lacks a package, ModuleNotFoundError"):
        sh.run(one_neuron(), np.ones((2, 1, 1)), "lava", options={"python": str(python)})


@pytest.mark.slow
def test_modules_in_the_users_folder_do_not_get_in_the_way(tmp_path, monkeypatch):
    for name in ("worker", "lava", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('imported by mistake')")
    monkeypatch.chdir(tmp_path)
    assert run_small()["u"].shape == (3, 3)


@pytest.mark.parametrize(
    ("name", "value"), [("processes", "none"), ("batch_size", 0), ("time_limit", -1.0), ("python", 3), ("batch", 1)]
)
def test_options_are_checked(name, value):
    with pytest.raises(ParameterError, match=name):
        sh.run(one_neuron(), np.ones((2, 1, 1)), "lava", options={name: value})


def test_availability_names_the_environment_variable(monkeypatch):
    monkeypatch.setenv("SSDP_HW_LAVA_PYTHON", "/nowhere/python")
    assert not LAVA.availability().installed
    monkeypatch.setenv("SSDP_HW_LAVA_PYTHON", sys.executable)
    assert LAVA.availability().installed
