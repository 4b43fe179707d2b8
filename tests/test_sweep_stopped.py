"""A sweep that a limit of time or Ctrl-C ends: what is finished is handed out and kept, and the next call goes on."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sweep_studies
from command_calls import call
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw.errors import Interrupted, TimeLimitError
from ssdp_hw.running import time_limit
from ssdp_hw.sweeping import compute, executors

GRID = {"a": [1, 2], "b": [0.5, 1.0, 3.0]}
CELLS = 6


@pytest.fixture(autouse=True)
def _nothing_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    """These studies run no network."""
    monkeypatch.setattr(compute, "compile_once", lambda: None)


class Here:
    """Computes each cell when it is asked for it, after which ``then`` is called with how many there were."""

    def __init__(self, then: Any) -> None:
        self.then, self.made = then, 0

    def submit(self, function: Any, *args: Any) -> Any:
        executor = self

        class Ended:
            def result(self) -> Any:
                found = function(*args)
                executor.made += 1
                executor.then(executor.made)
                return found

            def cancel(self) -> bool:
                return True

        return Ended()


@given(st.integers(1, CELLS - 1), st.booleans())
def test_the_finished_cells_are_the_result_and_the_next_call_computes_the_others(finished: int, by_time: bool) -> None:
    now = [0.0]

    def stop(made: int) -> None:
        now[0] += 1.0
        if not by_time and made == finished:
            raise KeyboardInterrupt

    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(time_limit.time, "monotonic", lambda: now[0])
        options: dict[str, Any] = {"executor": Here(stop), "store": folder}
        limit = finished - 0.5 if by_time else None
        with pytest.raises((TimeLimitError, Interrupted), match=f"after {finished} of {CELLS} cells") as stopped:
            sh.sweep(sweep_studies.product, GRID, time_limit=limit, **options)
        part = stopped.value.result
        assert isinstance(stopped.value, TimeLimitError) == by_time
        whole = sh.sweep(sweep_studies.product, GRID, executor=Here(lambda _: None), store=folder)
        assert (part.computed, whole.computed) == (finished, CELLS - finished)
        assert part.rows() == whole.rows()[:finished]


def test_what_runs_when_the_time_is_over_ends_and_is_kept(tmp_path: Path) -> None:
    given: dict[str, Any] = {"data": {"until": str(tmp_path / "until")}, "store": tmp_path / "runs"}
    with ThreadPoolExecutor(2) as pool:
        with pytest.raises(TimeLimitError, match=r"over the time limit of 0\.5 s after 1 of 4 cells") as stopped:
            sh.sweep(sweep_studies.waits, {"a": [1, 2, 3, 4]}, executor=pool, time_limit=0.5, **given)
        (tmp_path / "until").touch()
    assert [cell.result for cell in stopped.value.result.cells] == [{"square": 1}]
    with ThreadPoolExecutor(1) as pool:
        assert sh.sweep(sweep_studies.waits, {"a": [1, 2, 3, 4]}, executor=pool, **given).computed == 1


def limited(a: int) -> dict[str, Any]:
    """A study with a limit of its own."""
    with time_limit.limited_time(1e-9):
        time_limit.check_time()
    return {"a": a}


def test_a_limit_of_the_studys_own_is_a_failure_of_its_cell(tmp_path: Path) -> None:
    found = sh.sweep(limited, {"a": [1]}, executor=Here(lambda _: None), store=tmp_path, time_limit=1000.0)
    assert [cell.error["type"] for cell in found.failed if cell.error] == ["TimeLimitError"]


STUDY = """
def study(a, b):
    return {"accuracy": a + b}
"""


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_prints_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    def stop(made: int) -> None:
        if made == 2:
            raise KeyboardInterrupt

    @contextmanager
    def here(_: int) -> Any:
        yield Here(stop)

    monkeypatch.setattr(executors, "_local_cluster", here)
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"stopped_{as_json}"
    (tmp_path / f"{name}.py").write_text(STUDY)
    (tmp_path / "study.toml").write_text(f'study = "{name}.py:study"\n[grid]\na = [1, 2]\nb = [3, 4]\n')
    words = ["sweep", tmp_path / "study.toml", "--store", tmp_path / "runs", *(["--json"] if as_json else [])]
    stopped = call(*words)
    assert stopped.returncode == 130
    assert "interrupted after 2 of 4 cells; the same command goes on" in stopped.stderr
    if as_json:
        assert [row["accuracy"] for row in json.loads(stopped.stdout)["rows"]] == [4, 5]
    else:
        assert "2 cells, 2 of them run now, 0 failed" in stopped.stdout
    monkeypatch.setattr(executors, "_local_cluster", contextmanager(lambda _: iter([Here(lambda _: None)])))
    assert call(*words).returncode == 0
