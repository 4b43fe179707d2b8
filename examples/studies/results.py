"""The results of a study: cells of a sweep, which are kept one by one, and the table that is made of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from study import Run, Study

import ssdp_hw as sh
from ssdp_hw.errors import SsdpHwError
from ssdp_hw.files.atomic import write_atomically

RESULTS = Path(__file__).parent.parent / "results"


@dataclass(frozen=True)
class Results:
    """What was measured in a study.

    Attributes:
        runs: the finished ones, in the order of cases, seeds and rows.
        toolkit: by case, the version of the toolkit that measured it.
    """

    runs: list[Run]
    toolkit: Mapping[str, str]


def available(study: Study) -> dict[int, tuple[Any, list[str]]]:
    """By data set: its data and the cases that use it; of cases that cannot run here it says what they lack."""
    found: dict[int, tuple[Any, list[str]]] = {}
    for case in study.cases:
        try:
            data = study.data(case)
        except SsdpHwError as error:
            print(f"{study.name}: skipped: {case}: {error}", file=sys.stderr)
            continue
        found.setdefault(id(data), (data, []))[1].append(case)
    return found


def measure(study: Study, seeds: int, jobs: int | str, store: Path) -> Results:
    """Sweep a study; what is in the store is not run again. Cells that fail are named, and left out.

    Args:
        study: the study.
        seeds: number of seeds.
        jobs: number of worker processes, 1 for this one alone; or the address of a dask scheduler.
        store: folder of the cells.
    """
    runs: list[Run] = []
    toolkit = {}
    for data, cases in available(study).values():
        grid = [{"case": [case], "seed": range(seeds), "row": study.rows(case)} for case in cases]
        with ThreadPoolExecutor(1) if jobs == 1 else nullcontext(jobs) as place:
            found = sh.sweep(
                study.run, grid, data={"settings": study.settings, "data": data}, executor=place, store=store
            )
        print(f"{study.name}: {len(found.cells)} cells, {found.computed} of them run now", file=sys.stderr)
        for cell in found.cells:
            toolkit[cell.parameters["case"]] = cell.origin["toolkit"]
            if cell.result is not None:
                runs.append({**cell.parameters, **cell.result})
            elif cell.error is not None:
                said = f"{cell.error['type']}: {cell.error['message']}"
                print(f"{study.name}: failed: {cell.parameters}: {said}", file=sys.stderr)
    return Results(in_order(runs), toolkit)


def in_order(runs: list[Run]) -> list[Run]:
    """Sorted by case, seed and row."""
    return sorted(runs, key=lambda run: (run["case"], run["seed"], run["row"]))


def read(study: Study, path: Path) -> Results:
    """The results that :func:`write` wrote, none if the file is missing; one with other settings ends the script."""
    if not path.exists():
        return Results([], {})
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        same, results = found["settings"] == plain(study.settings), Results(found["runs"], found["toolkit"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"{path}: this is no results file of a study ({error}); move it away")
    if not same:
        sys.exit(f"{path}: holds runs with other settings; move it away to run the study anew")
    return results


def write(study: Study, results: Results, path: Path) -> Results:
    """Write results; cases that could not run here keep what the file has of them. Returns what it holds now."""
    earlier = read(study, path)
    kept = [run for run in earlier.runs if run["case"] not in results.toolkit]
    both = Results(in_order([*results.runs, *kept]), {**earlier.toolkit, **results.toolkit})
    lines = ",\n".join("  " + json.dumps(run) for run in both.runs)
    head = f' "settings": {json.dumps(plain(study.settings))},\n "toolkit": {json.dumps(both.toolkit)},\n'
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f'{{\n{head} "runs": [\n{lines}\n ]\n}}\n'
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))
    return both


def plain(settings: Any) -> Any:
    """A dataclass of settings as JSON holds it."""
    return json.loads(json.dumps(asdict(settings)))
