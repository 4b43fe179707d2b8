"""What all tests share: the profiles of Hypothesis, compiling once, and less work for the garbage collection."""

import gc
import os
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from compile_once import compile_once
from example_counts import register_profiles

register_profiles()

# Numba makes millions of objects while it compiles, and keeps most. To look for circles among them after each 700 new
# ones takes a tenth of its time.
gc.set_threshold(50_000)


_SHARED = pytest.MonkeyPatch()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let processes compile what they share once, from the collection on, since some test modules run networks."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = session.config._tmp_path_factory.getbasetemp().parent  # which all workers have in common
        compile_once(_SHARED, folder)


def pytest_sessionfinish() -> None:
    _SHARED.undo()


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what -m does not name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what ``slow_after`` says: each set of a test's parameters but the first ones."""
    seen: Counter[str] = Counter()
    for item in items:
        marker = item.get_closest_marker("slow_after")
        if marker is not None:
            test = item.nodeid.partition("[")[0]
            seen[test] += 1
            if seen[test] > marker.args[0]:
                item.add_marker("slow")


@pytest.fixture(scope="module", autouse=True)
def _collections_pass_over_what_is_here_to_stay() -> None:
    """Freeze what earlier files and imports left, compiled kernels above all: Brian2 collects garbage twice a run,
    and to look through millions of objects each time took longer than the runs."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_figure_stays_open() -> Iterator[None]:
    """Close what a test drew: pyplot keeps every figure, and warns of more than twenty."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium without a window."""
    pytest.importorskip("selenium")
    from browser_window import opened

    with opened() as found:
        yield found


@pytest.fixture(scope="module")
def studies():
    """The modules of the studies by name."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed; it comes with the extra ssdp-hw[demo]")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed; it comes with the extra ssdp-hw[report]")
    from study_modules import loaded

    with loaded() as found:
        yield found
