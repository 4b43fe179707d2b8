"""What a worker does with one point: run the study, keep the cell."""

from __future__ import annotations

import math
import platform
import time
import traceback
from collections.abc import Callable, Mapping

import numpy as np

from ssdp_hw.errors import ParameterError, TimeLimitError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.running.time_limit import check_time
from ssdp_hw.sweeping.cell_store import Cell, CellStore
from ssdp_hw.sweeping.compile_once import compile_once
from ssdp_hw.sweeping.points import Point, plain_value

# Letters of a failure's message and traceback that a cell keeps.
_MESSAGE, _TRACEBACK = 2000, 20000


def compute_cell(
    study: Callable[..., object],
    data: Mapping[str, object],
    store: CellStore,
    key: str,
    parameters: Point,
    origin: Mapping[str, JSON],
) -> tuple[Cell, bool]:
    """Run a study at one point; whatever it raises is the cell's error.

    The cell is written here, so that it is there even if the process that asked for it is not any more. On a computer
    that does not see the store that process writes it.

    Returns:
        The cell, and whether it was written.

    Raises:
        TimeLimitError: the time of the sweep is over.
    """
    compile_once()
    start = time.perf_counter()
    result, error = None, None
    try:
        result = _checked(study(**parameters, **data))
    except Exception as problem:  # any: the study is the user's
        if isinstance(problem, TimeLimitError):
            check_time()  # the sweep's own limit, where this is its process, is no failure of the cell
        error = {
            "type": type(problem).__name__,
            "message": str(problem)[:_MESSAGE],
            "traceback": "".join(traceback.format_exception(problem))[-_TRACEBACK:],
        }
    cell = Cell(key, parameters, result, error, time.perf_counter() - start, platform.node(), origin)
    kept = store.is_here
    if kept:
        store.write(cell)
    return cell, kept


def _checked(result: object) -> dict[str, JSON]:
    """What a study returned, as plain values; numbers that are not finite become None."""
    if not isinstance(result, Mapping):
        raise ParameterError(f"the study returned a {type(result).__name__}; return a dict of numbers by name")
    found: dict[str, JSON] = {}
    for name, value in result.items():
        if isinstance(value, float | np.floating) and not math.isfinite(value):  # JSON has no form for it
            value = None
        found[str(name)] = plain_value(value, f"the study's result '{name}'")
    return found
