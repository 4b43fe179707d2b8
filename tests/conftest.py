"""What all tests share: the profiles of Hypothesis, compiling once, and less work for the garbage collection."""

import gc
import os
from collections.abc import Iterator

import pytest
from compile_once import compile_once
from example_counts import register_profiles

register_profiles()

# Numba makes millions of objects while it compiles, and keeps most. To look for circles among them after each 700 new
# ones takes a tenth of its time.
gc.set_threshold(50_000)


@pytest.fixture(scope="session", autouse=True)
def _processes_compile_what_they_share_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        if "PYTEST_XDIST_WORKER" in os.environ:
            compile_once(monkeypatch, tmp_path_factory.getbasetemp().parent)  # which all workers have in common
        yield


@pytest.fixture(scope="module", autouse=True)
def _collections_pass_over_what_is_here_to_stay() -> None:
    """Freeze what earlier files and imports left, compiled kernels above all: Brian2 collects garbage twice a run,
    and to look through millions of objects each time took longer than the runs."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium without a window."""
    pytest.importorskip("selenium")
    from browser_window import opened

    with opened() as found:
        yield found
