"""Sweeps on processes of a cluster, some of which are killed: the table is that of a sweep that nothing disturbed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sweep_studies

import ssdp_hw as sh
from ssdp_hw.errors import TargetRunError
from ssdp_hw.sweeping import executors

pytestmark = pytest.mark.slow
TESTS = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])}


def undisturbed(study: Any, grid: Any, data: Any, store: Path) -> Any:
    """The rows of a sweep in this process."""
    with ThreadPoolExecutor(1) as pool:
        return sh.sweep(study, grid, data=data, executor=pool, store=store).rows()


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """The address of a scheduler with workers, each a process of its own; dask starts a worker that was killed anew."""
    arguments = ["--scheduler-file", str(folder / "scheduler.json"), "--no-dashboard"]
    scheduler = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    worker = ["distributed.cli.dask_worker", "--nthreads", "1"]
    with ExitStack() as stack:
        for command in (scheduler, *[worker] * workers):
            process = subprocess.Popen(
                [sys.executable, "-m", *command, *arguments],
                env=ENVIRONMENT, stderr=subprocess.DEVNULL, cwd=folder, start_new_session=True,
            )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(os.killpg, process.pid, signal.SIGKILL)
        end = time.monotonic() + 60
        while not (folder / "scheduler.json").exists():
            assert time.monotonic() < end
            time.sleep(0.1)
        yield json.loads((folder / "scheduler.json").read_text())["address"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_is_killed_costs_no_cell(tmp_path: Path, workers: int) -> None:
    """With one worker the cells' data, which it alone holds, die with it."""
    pytest.importorskip("distributed")
    data = {"marker": str(tmp_path / "killed"), "pause": 0.05, "ballast": np.zeros(2_000_000)}
    grid = {"a": range(12)}
    with cluster(tmp_path, workers) as address:
        found = sh.sweep(sweep_studies.deadly, grid, data=data, executor=address, store=tmp_path / "runs")
    assert (tmp_path / "killed").exists()
    assert found.rows() == undisturbed(sweep_studies.deadly, grid, data, tmp_path / "undisturbed")
    assert [cell.result for cell in found.cells] == [{"square": a * a} for a in range(12)]


SCRIPT = """
import sys
import ssdp_hw as sh
import sweep_studies

sh.sweep(sweep_studies.product, {"a": range(6), "b": [0.5, 1.0], "seed": range(2)},
         data={"log": sys.argv[2], "pause": 0.2}, store=sys.argv[1], executor=2)
print("whole")
"""


def test_a_sweep_that_is_killed_goes_on_and_leaves_no_process(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    script, log = tmp_path / "script.py", tmp_path / "log"
    script.write_text(SCRIPT)
    log.touch()
    command = [sys.executable, str(script), str(tmp_path / "runs"), str(log)]
    process = subprocess.Popen(command, env=ENVIRONMENT, start_new_session=True)
    end = time.monotonic() + 90
    while len(list((tmp_path / "runs").rglob("cells/*/*.json"))) < 5:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)  # the script alone: its workers have to find out
    process.wait(30)
    while alive := group_of(process.pid):
        assert time.monotonic() < end, f"workers {alive} outlive the sweep that was killed"
        time.sleep(0.2)
    kept = {path.name for path in (tmp_path / "runs").rglob("cells/*/*.json")}
    begun = len(log.read_text().splitlines())
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "whole\n", done.stderr
    # What was finished is not run again; what had begun and was not finished is.
    assert len(log.read_text().splitlines()) == begun + 24 - len(kept)
    data = {"log": str(tmp_path / "other"), "pause": 0.0}
    grid = {"a": range(6), "b": [0.5, 1.0], "seed": range(2)}
    expected = undisturbed(sweep_studies.product, grid, data, tmp_path / "undisturbed")
    with ThreadPoolExecutor(1) as pool:
        found = sh.sweep(
            sweep_studies.product, grid, data={"log": str(log), "pause": 0.2}, store=tmp_path / "runs", executor=pool
        )
    assert found.computed == 0
    assert found.rows() == expected


def group_of(leader: int) -> list[int]:
    """Processes of a session that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def test_no_scheduler_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(executors, "_START_TIMEOUT", 4.0)
    with pytest.raises(TargetRunError, match="no answer"):
        sh.sweep(sweep_studies.product, {"a": [1], "b": [1.0]}, executor="tcp://127.0.0.1:9", store=tmp_path)
