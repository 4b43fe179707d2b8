"""``ssdp-hw sweep``: the study of a TOML file at all points of its grid."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ssdp_hw.cli import files
from ssdp_hw.cli.interruption import raise_if_stopped, whole_or_part
from ssdp_hw.cli.options import AsJson
from ssdp_hw.cli.output import print_json, print_line, print_table
from ssdp_hw.cli.plotting import write_picture
from ssdp_hw.cli.user_objects import user_object
from ssdp_hw.errors import FileFormatError, ParameterError
from ssdp_hw.files.json_values import JSON

# Results in the table by default.
_SHOWN = 6
_TABLES = {"study", "data", "grid", "random", "points"}


def sweep(
    study: Annotated[Path, typer.Argument(help="a .toml file: study, data, grid or random")],
    store: Annotated[Path, typer.Option(help="folder of the cells; a sweep goes on where it stopped")] = Path("runs"),
    scheduler: Annotated[
        str | None, typer.Option(help="tcp://host:port of a dask scheduler [a cluster on this computer]")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="processes of the cluster on this computer [CPUs]")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="run cells again that failed")] = False,
    plot: Annotated[Path | None, typer.Option(help="file for a heat map of --measure (.png, .svg, .pdf)")] = None,
    measure: Annotated[str, typer.Option(help="the result that is drawn")] = "accuracy",
    show: Annotated[list[str] | None, typer.Option(help="a column of the table; may be repeated [the first]")] = None,
    axes: Annotated[
        tuple[str, str] | None, typer.Option(help="two parameters of the heat map [the first two that vary]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a study at every point of a grid, and keep every result.

    It runs on all CPUs or on a cluster, and goes on where it was interrupted.
    """
    from ssdp_hw.sweeping.sweep import sweep as run_sweep

    if scheduler is not None and workers is not None:
        raise ParameterError("--scheduler has workers of its own; leave --workers out")
    function, grid, data = _read(study)
    result, stop = whole_or_part(
        run_sweep, function, grid, data=data, executor=workers if scheduler is None else scheduler, store=store,
        retry_failed=retry_failed, progress=False if as_json else None,
    )  # fmt: skip
    if not result.cells:
        raise_if_stopped(stop, "no cell was finished")
    if plot is not None:
        across = axes or tuple(result.varied[:2])
        if len(across) < 2:
            raise ParameterError("--plot: fewer than two parameters vary; a heat map needs two")
        write_picture(result.plot(measure, *across), plot)
    if as_json:
        print_json("sweep", result.to_dict())
        raise_if_stopped(stop, f"the same command goes on in {result.store}")
        return
    rows = result.rows()
    measures = [name for name in rows[0] if name not in (*result.parameters, "error")]
    for name in show or ():
        result.column(name)  # names an unknown one
    chosen = show or measures[:_SHOWN]
    shown = [*result.varied, *chosen, *(["error"] if result.failed else [])]
    print_table(shown, [[_cell(row[name]) for name in shown] for row in rows])
    left = [name for name in measures if name not in chosen]
    if left:
        print_line(f"--show and --json have more: {', '.join(left)}")
    said = f"{len(result.cells)} cells, {result.computed} of them run now, {len(result.failed)} failed"
    print_line(f"{said}; they are kept in {result.store}")
    raise_if_stopped(stop, "the same command goes on there")


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _read(path: Path) -> tuple[Callable[..., Any], Any, dict[str, Any]]:
    """The function, grid and data of a study file; paths in it are relative to its folder."""
    try:
        text = path.read_text(encoding="utf-8")
        found = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise FileFormatError(f"{path}: is no TOML file ({' '.join(str(error).split())})") from None
    unknown = sorted(set(found) - _TABLES)
    if unknown:
        raise ParameterError(f"{path}: '{unknown[0]}' is unknown; there are: {', '.join(sorted(_TABLES))}")
    function = _function(found.get("study", "quantised"), path)
    return function, _grid(found, path), _data(found.get("data", {}), path)


def _function(name: object, path: Path) -> Callable[..., Any]:
    """A study by its name: one of ours, ``package.module:function``, or ``file.py:function``."""
    if name == "quantised":
        from ssdp_hw.sweeping.quantised import quantised

        return quantised
    if not isinstance(name, str) or ":" not in name:
        raise ParameterError(f"{path}: study = {name!r}; give quantised, module:function or file.py:function")
    function = user_object(name, path.parent, f"{path}: study")
    if not callable(function):
        raise ParameterError(f"{path}: study '{name}' is a {type(function).__name__}, no function")
    return function  # type: ignore[no-any-return]


def _grid(found: Mapping[str, Any], path: Path) -> Any:
    """The grid, random samples and single points together."""
    from ssdp_hw.sweeping.points import RandomSamples, Range

    parts: list[Any] = [found["grid"]] if "grid" in found else []
    if "random" in found:
        given = dict(_table(found["random"], path, "random"))
        count, seed = given.pop("count", None), given.pop("seed", 0)
        if count is None:
            raise ParameterError(f"{path}: [random] has no count of points")
        try:
            values = {name: Range(**own) if isinstance(own, Mapping) else own for name, own in given.items()}
        except TypeError as error:
            raise ParameterError(f"{path}: [random]: {error}; a range has low, high, scale and integer") from None
        parts.append(RandomSamples(values, count, seed))
    parts += found.get("points", [])
    if not parts:
        raise ParameterError(f"{path}: has neither [grid] nor [random] nor points; give values by parameter")
    return parts


def _table(value: object, path: Path, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ParameterError(f"{path}: {name} = {value!r} is no table; write [{name}]")
    return value


def _data(given: object, path: Path) -> dict[str, JSON]:
    """What all points share: a network and spikes are read from the files that are named, with their labels."""
    from ssdp_hw.cli.nir_options import NAMES

    table = dict(_table(given, path, "data"))
    data: dict[str, Any] = {}
    if "network" in table:
        semantics = {name: table.pop(name) for name in NAMES if name in table}
        file = path.parent / str(table.pop("network"))
        data["network"] = files.as_float(files.read_network(file, **semantics), file)
    for name in ("spikes", "calibration"):
        if name in table:
            data[name] = files.read_spikes(path.parent / str(table.pop(name)))
    if "spikes" in data:
        labels = table.pop("labels", None)
        file = path.parent / str(given["spikes"])  # type: ignore[index]
        data["labels"] = files.read_labels(file, None if labels is None else path.parent / str(labels))
    return data | table
