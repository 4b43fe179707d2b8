"""``sweep``: one study at many points, on many workers, each result kept as soon as it is there."""

from __future__ import annotations

import inspect
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ssdp_hw.checks import as_mapping
from ssdp_hw.errors import MissingPackageError, ParameterError, TargetRunError, TimeLimitError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.running.progress import progress as shown_progress
from ssdp_hw.running.time_limit import STOPS, check_time, limited_time, remaining_time, with_result
from ssdp_hw.sweeping.cell_store import Cell, CellStore, cell_key
from ssdp_hw.sweeping.compute import compute_cell
from ssdp_hw.sweeping.digest import digest_of_study, digest_of_value, toolkit_digest
from ssdp_hw.sweeping.executors import Executor, Place, is_dask, opened, shared
from ssdp_hw.sweeping.points import Grid, Point, points_of
from ssdp_hw.sweeping.result import SweepResult

TABLE = "table.parquet"
# dask's exception for a cell that several workers died of: it is that cell's failure.
KILLED_WORKER = "KilledWorker"


def sweep(
    study: Callable[..., Mapping[str, object]],
    grid: Grid,
    *,
    data: Mapping[str, object] | None = None,
    executor: Place = None,
    store: str | Path = "runs",
    retry_failed: bool = False,
    progress: bool | None = None,
    time_limit: float | None = None,
) -> SweepResult:
    """Run a study at every point of a grid, and keep every result.

    A cell, the result at one point, is a file of the store, whose key is a hash of the parameters, the data, the source
    of the study and of its own code that it names, and the toolkit's version. What is there is not computed again, so a
    sweep that was interrupted or killed, or whose grid has grown, goes on where it stopped. Several sweeps may share a
    store, also at the same time.

    Args:
        study: called with the parameters of a point and the data by name; it returns numbers, texts or booleans by
            name. What it raises is kept as the cell's error. A seed is a parameter like any other.
        grid: values by parameter, of which every combination is a point; :class:`~ssdp_hw.RandomSamples`; or a list of
            such grids and points. Values are plain: numbers, texts, booleans, None, lists of them.
        data: what is the same at all points: arrays, networks, paths of files (whose content counts), plain values.
        executor: anything that has ``submit``, such as a pool of ``concurrent.futures``; the address of a dask
            scheduler (``tcp://host:port``) for several computers; a number of workers; default a local cluster of a
            worker for each CPU, of one thread each.
        store: folder of the cells; it is made if it is missing. Where pandas and pyarrow are installed the table is
            written there too, as ``table.parquet``.
        retry_failed: whether cells that failed are run again.
        progress: whether a line with rate and time left is shown; default on a terminal and in a notebook.
        time_limit: seconds after which no further cell is waited for.

    Returns:
        The cells in the order of the points.

    Raises:
        ParameterError: a grid, or data, that cannot be used; parameters that the study does not take.
        FileFormatError: a store that cannot be used.
        MissingPackageError: a cluster is wanted and dask.distributed is not installed.
        TargetRunError: the scheduler does not answer, or ends before the sweep does.
        Interrupted, TimeLimitError: Ctrl-C, or the time is over; ``result`` holds the finished cells. A worker that
            computes a cell then may finish it, and the store keeps it.
    """
    points, shared = points_of(grid), dict(as_mapping(data, "data"))
    _check_signature(study, points, shared)
    kept = CellStore.open(store)
    name = getattr(study, "__name__", type(study).__name__)
    origin: dict[str, JSON] = {
        "study": name,
        "source": digest_of_study(study),
        "data": {key: digest_of_value(value, key) for key, value in shared.items()},
        "toolkit": toolkit_digest(),
    }
    by_key = {cell_key(point, origin): point for point in points}
    found: dict[str, Cell] = {}
    for key in by_key:
        cell = kept.read(key)
        if cell is not None and not (retry_failed and cell.error is not None):
            found[key] = cell
    missing = {key: point for key, point in by_key.items() if key not in found}
    if missing:
        try:
            with (
                limited_time(time_limit),
                shown_progress(name, len(missing), progress) as advance,
                opened(executor) as place,
            ):
                for cell in _computed(place, study, shared, kept, missing, origin):
                    found[cell.key] = cell
                    advance(1)
        except STOPS as stop:
            cells = {key: found.get(key) or kept.read(key) for key in by_key}
            computed = sum(cells[key] is not None for key in missing)
            result = SweepResult(name, tuple(cell for cell in cells.values() if cell), computed, str(kept.folder))
            done = f"after {len(result.cells)} of {len(by_key)} cells; the result has those, and the same call goes on"
            raise with_result(stop, done, result) from None
    result = SweepResult(name, tuple(found[key] for key in by_key), len(missing), str(kept.folder))
    with suppress(MissingPackageError):  # the cells hold all that the table does
        result.to_parquet(kept.folder / TABLE)
    return result


def _check_signature(study: Callable[..., object], points: Sequence[Point], data: Mapping[str, object]) -> None:
    """Raise before anything runs if a point does not fit the study.

    Raises:
        ParameterError: it does not.
    """
    if not callable(study):
        raise ParameterError(f"study = {type(study).__name__}; give a function of the parameters")
    try:
        signature = inspect.signature(study)
    except (TypeError, ValueError):  # a built-in function says nothing of its parameters
        return
    for point in {tuple(point): point for point in points}.values():
        both = sorted(set(point) & set(data))
        if both:
            raise ParameterError(f"'{both[0]}' is a parameter of the grid and data; rename one")
        try:
            signature.bind(**point, **data)
        except TypeError as error:
            raise ParameterError(f"study {getattr(study, '__name__', study)}{signature}: {error}") from None


def _computed(
    executor: Executor,
    study: Callable[..., object],
    data: Mapping[str, object],
    store: CellStore,
    points: Mapping[str, Point],
    origin: Mapping[str, JSON],
) -> Iterator[Cell]:
    """Cells as they are finished, each kept; what is left is cancelled if the caller stops.

    Raises:
        TargetRunError: the executor failed, not a cell.
    """
    options: dict[str, Any] = {"pure": False} if is_dask(executor) else {}
    try:
        given = shared(executor, data)
        futures = {}
        for key, point in points.items():
            check_time()  # an executor may run what it is given at once
            futures[executor.submit(compute_cell, study, given, store, key, point, origin, **options)] = key
    except TimeLimitError:
        raise
    except Exception as error:  # any: the executor is someone else's
        raise TargetRunError(f"the executor takes no cells ({type(error).__name__}: {error})") from error
    try:
        for future in _finished(futures):
            key = futures[future]
            try:
                cell, kept = future.result()
            except TimeLimitError:  # of an executor that computes in this process
                raise
            except Exception as error:  # any: the executor is someone else's
                said = " ".join(str(error).split())
                if type(error).__name__ != KILLED_WORKER:
                    raise TargetRunError(
                        f"the executor failed, not a cell ({type(error).__name__}: {said}); finished cells are kept in "
                        f"{store.folder}, and the same call goes on there"
                    ) from error
                failure = {"type": KILLED_WORKER, "message": said, "traceback": ""}
                cell, kept = Cell(key, dict(points[key]), None, failure, 0.0, "", origin), False
            if not kept:
                store.write(cell)
            yield cell
    finally:
        for future in futures:
            future.cancel()


def _finished(futures: Mapping[Any, str]) -> Iterator[Any]:
    """Futures as they end; of an executor whose futures call nobody, in the order in which they were made.

    Raises:
        TimeLimitError: the time is over.
    """
    if not all(hasattr(future, "add_done_callback") for future in futures):
        for future in futures:
            check_time()
            yield future
        return
    ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for future in futures:
        future.add_done_callback(ended.put)
    for _ in futures:
        future = None
        while future is None:
            check_time()
            with suppress(queue.Empty):
                future = ended.get(timeout=remaining_time())
        yield future
