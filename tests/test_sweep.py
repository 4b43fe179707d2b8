"""Sweeps: points, keys, stores, executors, tables. What takes a cluster of processes is in test_sweep_cluster.py."""

from __future__ import annotations

import importlib
import itertools
import json
import math
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sweep_studies
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw.analysis.statistics import mean_interval
from ssdp_hw.errors import FileFormatError, MissingPackageError, ParameterError, TargetRunError
from ssdp_hw.sweeping import compute, digest
from ssdp_hw.sweeping.cell_store import Cell, CellStore
from ssdp_hw.sweeping.digest import digest_of_study, digest_of_value, toolkit_digest
from ssdp_hw.sweeping.points import points_of
from ssdp_hw.sweeping.result import SweepResult


@pytest.fixture(autouse=True)
def _nothing_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    """These studies run no network."""
    monkeypatch.setattr(compute, "compile_once", lambda: None)


@pytest.fixture
def one() -> Any:
    """An executor of one thread."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


GRID = {"a": [1, 2, 3], "b": [0.5, 2.0], "seed": range(2)}


# Points.


def test_a_grid_is_every_combination_once_in_order() -> None:
    expected = [dict(zip("abs", each, strict=True)) for each in itertools.product([1, 2], ["x", None], [True])]
    assert points_of({"a": [1, 2], "b": ["x", None], "s": [True]}) == expected
    assert points_of([{"a": [1, 2]}, {"a": 2}, {"a": [3]}]) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_a_point_may_hold_dicts_and_numpy_scalars_become_plain() -> None:
    [point] = points_of([{"bits": {"fc1": np.int64(3)}, "x": np.float32(0.5)}])
    assert point == {"bits": {"fc1": 3}, "x": 0.5}
    assert type(point["x"]) is float


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 9))
def test_more_samples_and_parameters_leave_the_first_as_they_were(few: int, more: int, seed: int) -> None:
    values: dict[str, Any] = {"x": sh.Range(1, 100, scale="log"), "n": sh.Range(2, 5, integer=True), "m": ["p", "q"]}
    short = sh.RandomSamples(values, few, seed).points()
    longer = sh.RandomSamples({**values, "new": [1, 2]}, few + more, seed).points()
    assert [{k: p[k] for k in values} for p in longer[:few]] == short


def test_ranges_are_uniform_in_their_scale() -> None:
    drawn = sh.RandomSamples(
        {"lin": sh.Range(-1, 3), "log": sh.Range(1e-3, 1e3, scale="log"), "int": sh.Range(1, 4, integer=True)}, 4000, 7
    ).points()
    lin, log = (np.array([p[k] for p in drawn]) for k in ("lin", "log"))
    # Of n uniform numbers in [0, 1) the mean is 1/2 with standard deviation 1 / sqrt(12 n); five of these.
    room = 5 / math.sqrt(12 * len(drawn))
    assert abs((lin.mean() + 1) / 4 - 0.5) < room
    assert abs((np.log10(log).mean() + 3) / 6 - 0.5) < room
    assert lin.min() >= -1
    assert lin.max() <= 3
    counts = np.bincount([p["int"] for p in drawn], minlength=5)[1:]
    assert np.all(np.abs(counts - 1000) < 5 * math.sqrt(4000 * 0.25 * 0.75))


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ({}, "names no parameter"),
        ([{}], "names no parameter"),
        ({"a": []}, "'a' has no values"),
        ({"a": "text"}, r"write \['text'\]"),
        ({"a": [np.zeros(3), object()]}, "'a' is a object"),
        ({"a": [math.inf]}, "finite"),
        ({"a": range(2_000_000)}, "more than 1000000"),
        ({"a": sh.Range(0, 1)}, "RandomSamples"),
        ([], "no points"),
        (7, "give a dict"),
        (sh.RandomSamples({"a": [1]}, 0), "count = 0"),
        (sh.RandomSamples({"a": [1]}, 1, -1), "seed = -1"),
    ],
)
def test_what_is_no_grid_is_refused(grid: Any, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        points_of(grid)


@pytest.mark.parametrize("ends", [(1, 1), (2, 1), (math.nan, 1)])
def test_what_is_no_range_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(ParameterError):
        sh.Range(*ends)
    with pytest.raises(ParameterError, match="above 0"):
        sh.Range(0, 1, scale="log")
    with pytest.raises(ParameterError, match="whole"):
        sh.Range(0.5, 1, integer=True)


# Keys.

MODULE = """
{imports}
LEVEL = {level}

class Helper:
    def value(self, x):
        return x {method}

def inner(x):
    return Helper().value(x) {inner}

def unrelated(x):
    return {unrelated}

def study(a, scale={default}):
    return {{"y": sum(inner(v) for v in [a]) + LEVEL}}
"""
USUAL = {"imports": "", "level": "1", "method": "+ 1", "inner": "* 2", "unrelated": "0", "default": "1.0"}


def study_of(folder: Path, number: int, **changed: str) -> Any:
    """The study of a module with some of its code changed."""
    name = f"own_study_{folder.name.replace('-', '_')}_{number}"
    (folder / f"{name}.py").write_text(MODULE.format(**{**USUAL, **changed}), encoding="utf-8")
    importlib.invalidate_caches()
    return importlib.import_module(name).study


def test_the_key_follows_all_code_that_the_study_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    first = digest_of_study(study_of(tmp_path, 0))
    assert digest_of_study(study_of(tmp_path, 1, unrelated="1")) == first
    assert digest_of_study(study_of(tmp_path, 2, imports="import json")) == first
    changes = {"level": "2", "method": "- 1", "inner": "* 3", "default": "2.0"}
    changed = [digest_of_study(study_of(tmp_path, 3 + i, **{k: v})) for i, (k, v) in enumerate(changes.items())]
    assert len({first, *changed}) == 1 + len(changes)


def test_the_key_follows_a_constant_array_and_an_argument_that_is_bound() -> None:
    def with_array(array: Any) -> Any:
        return lambda a: {"y": array.sum() * a}

    ones, twos = digest_of_study(with_array(np.ones(3))), digest_of_study(with_array(2 * np.ones(3)))
    assert ones != twos
    assert ones == digest_of_study(with_array(np.ones(3)))
    bound = [digest_of_study(partial(sweep_studies.product, a=a)) for a in (1, 2)]
    assert bound[0] != bound[1]


@dataclass(frozen=True, eq=False)
class Setting:
    """Data of a study, or a constant that it names."""

    number: int
    numbers: Any


class Holder:
    """An object of one's own."""

    def __init__(self, held: object) -> None:
        self.held = held


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("kind", ["setting", "holder", "list", "dict", "path", "function"])
def test_the_key_follows_what_a_constant_holds_however_deep(kind: str, depth: int) -> None:
    def holding(value: Any) -> Any:
        for _ in range(depth):
            value = {
                "setting": lambda v: Setting(1, v),
                "holder": Holder,
                "list": lambda v: [0, v],
                "dict": lambda v: {"own": v},
                "path": lambda v: [Path(f"{v}.none"), v],
                "function": lambda v: partial(sweep_studies.product, a=v),
            }[kind](value)
        return lambda a: {"y": value}

    first, same, other = (digest_of_study(holding(v)) for v in (1, 1, 2))
    assert first == same != other


def test_a_checkout_counts_by_all_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chips and networks determine results as code does."""
    found = []
    for number, changed in enumerate((None, "own/chip.toml", "own/module.py", "own/__pycache__/module.pyc")):
        root = tmp_path / str(number) / "own"
        for name in ("chip.toml", "module.py", "__pycache__/module.pyc"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("other" if f"own/{name}" == changed else name)
        package = SimpleNamespace(__path__=[str(root)])
        monkeypatch.setattr(digest, "import_module", lambda _, package=package: package)
        toolkit_digest.cache_clear()
        found.append(toolkit_digest())
    toolkit_digest.cache_clear()
    assert len(set(found[:3])) == 3
    assert found[3] == found[0]


def test_the_digest_of_data_is_that_of_its_content(tmp_path: Path) -> None:
    a = np.arange(6.0)
    different = [a, a.astype(np.float32), a.reshape(2, 3), a[::-1], 1, 1.0, "1", True, [1], None, np.zeros(0)]
    assert len({digest_of_value(v, "x") for v in different}) == len(different)
    assert digest_of_value(np.asfortranarray(a.reshape(2, 3)), "x") == digest_of_value(a.reshape(2, 3), "x")
    for number in (0, 1):
        (tmp_path / f"{number}").write_bytes(b"same")
    nested: list[Any] = [
        {"a": [x]} for x in (Setting(1, a), Setting(2, a), Setting(1, -a), a, {"a": 1}, {1: 1}, {"1": 1})
    ]
    assert len({digest_of_value(v, "x") for v in nested}) == len(nested)
    assert digest_of_value(Setting(1, a.copy()), "x") == digest_of_value(Setting(1, a), "x")
    assert digest_of_value(tmp_path / "0", "x") == digest_of_value(tmp_path / "1", "x")
    with pytest.raises(FileFormatError, match="cannot be read"):
        digest_of_value(tmp_path / "none", "x")
    with pytest.raises(ParameterError, match="Python objects"):
        digest_of_value(np.array([object()]), "x")


def test_a_network_counts_by_its_content() -> None:
    def net(weight: float) -> sh.Network:
        p = sh.Population(name="out", neuron=sh.LIF(size=1, tau_mem=1e-2, v_threshold=1.0))
        w = sh.Projection(pre="in", post="out", weight=np.array([[weight]]))
        return sh.Network([sh.Input("in", 1)], [p], [w], ["out"], sh.Semantics(1e-3))

    assert digest_of_value(net(0.5), "n") == digest_of_value(net(0.5), "n") != digest_of_value(net(0.25), "n")


# The store.


def test_cells_are_kept_and_not_run_again(tmp_path: Path, one: Any) -> None:
    log = str(tmp_path / "log")
    options: dict[str, Any] = {"data": {"log": log}, "executor": one, "store": tmp_path / "runs"}
    first = sh.sweep(sweep_studies.product, {**GRID, "b": [0.5]}, **options)
    assert first.computed == 6
    second = sh.sweep(sweep_studies.product, GRID, **options)
    assert second.computed == 6
    assert len(Path(log).read_text().splitlines()) == 12
    assert sh.sweep(sweep_studies.product, GRID, **options).rows() == second.rows()
    fresh = sh.sweep(sweep_studies.product, GRID, **{**options, "store": tmp_path / "other"})
    assert fresh.rows() == second.rows()
    for cell in fresh.cells:
        a, b, seed = (cell.parameters[name] for name in ("a", "b", "seed"))
        if cell.error is None:
            assert cell.result == {"product": a * (b + 0.5) + seed, "bits": a, "even": a == 2, "name": f"{a}x{b}"}


def test_failures_are_cells_too(tmp_path: Path, one: Any) -> None:
    log = str(tmp_path / "log")
    options: dict[str, Any] = {"data": {"log": log}, "executor": one, "store": tmp_path / "runs"}
    found = sh.sweep(sweep_studies.product, GRID, **options)
    assert [c.parameters for c in found.failed] == [{"a": 3, "b": 2.0, "seed": s} for s in range(2)]
    assert found.failed[0].error is not None
    assert found.failed[0].error["type"] == "ValueError"
    assert "sweep_studies.py" in found.failed[0].error["traceback"]
    assert "no product of 3 and 2" in str(found)
    assert sh.sweep(sweep_studies.product, GRID, **options).computed == 0
    again = sh.sweep(sweep_studies.product, GRID, retry_failed=True, **options)
    assert (again.computed, len(again.failed)) == (2, 2)
    assert again.rows() == found.rows()


def test_other_data_or_another_study_are_other_cells(tmp_path: Path, one: Any) -> None:
    def double(a: int, scale: Any) -> dict[str, Any]:
        return {"y": 2 * a * float(np.sum(scale))}

    def triple(a: int, scale: Any) -> dict[str, Any]:
        return {"y": 3 * a * float(np.sum(scale))}

    rows = []
    for study, scale in ((double, np.ones(2)), (double, np.ones(3)), (triple, np.ones(2)), (double, np.ones(2))):
        found = sh.sweep(study, {"a": [1, 2]}, data={"scale": scale}, executor=one, store=tmp_path)
        rows.append((found.computed, [c.result["y"] for c in found.cells if c.result]))
    assert rows == [(2, [4, 8]), (2, [6, 12]), (2, [6, 12]), (0, [4, 8])]


def test_what_is_no_number_has_a_form(tmp_path: Path, one: Any) -> None:
    def odd(a: int) -> Any:
        return [{"y": math.nan}, {"y": np.float64("inf"), "z": np.int8(3)}, {"y": object()}, 7][a]

    found = sh.sweep(odd, {"a": range(4)}, executor=one, store=tmp_path)
    assert [c.result for c in found.cells] == [{"y": None}, {"y": None, "z": 3}, None, None]
    messages = [c.error["message"] for c in found.failed if c.error]
    assert "result 'y' is a object" in messages[0]
    assert "return a dict" in messages[1]


def test_a_damaged_cell_is_named(tmp_path: Path, one: Any) -> None:
    sh.sweep(sweep_studies.product, {"a": [1], "b": [1.0]}, executor=one, store=tmp_path)
    [path] = (tmp_path / "cells").rglob("*.json")
    good = json.loads(path.read_text())
    bad = [b"", b"{", b"[]", b"\xff", json.dumps({**good, "parameters": {"a": 2, "b": 1.0}}).encode()]
    for content in bad:
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=path.name):
            sh.sweep(sweep_studies.product, {"a": [1], "b": [1.0]}, executor=one, store=tmp_path)


def test_another_folder_is_no_store(tmp_path: Path, one: Any) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(FileFormatError, match=r"thesis\.tex"):
        sh.sweep(sweep_studies.product, {"a": [1], "b": [1.0]}, executor=one, store=tmp_path)
    with pytest.raises(FileFormatError):
        sh.sweep(sweep_studies.product, {"a": [1], "b": [1.0]}, executor=one, store=tmp_path / "thesis.tex" / "x")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "store.json").write_text("{}")
    with pytest.raises(FileFormatError, match=r"store\.json"):
        CellStore.open(tmp_path / "x")


def test_the_caller_writes_what_a_worker_cannot(tmp_path: Path) -> None:
    class Elsewhere:
        """A computer that does not see the store."""

        def submit(self, function: Any, study: Any, data: Any, store: CellStore, *rest: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_result(function(study, data, CellStore(tmp_path / "nowhere", store.identity), *rest))
            return future

    options: dict[str, Any] = {"executor": Elsewhere(), "store": tmp_path / "runs"}
    found = sh.sweep(sweep_studies.product, {"a": [1, 2], "b": [1.0]}, **options)
    assert not (tmp_path / "nowhere").exists()
    again = sh.sweep(sweep_studies.product, {"a": [1, 2], "b": [1.0]}, **options)
    assert (again.computed, again.rows()) == (0, found.rows())


# Executors.


class Plain:
    """Futures that call nobody; those of ``broken`` raise what no study raised."""

    def __init__(self, broken: int = -1) -> None:
        self.broken, self.made = broken, 0

    def submit(self, function: Any, *args: Any) -> Any:
        number, self.made = self.made, self.made + 1
        broken = self.broken

        class Ended:
            def result(self) -> Any:
                if number == broken:
                    raise OSError("the pool is gone")
                return function(*args)

            def cancel(self) -> bool:
                return False

        return Ended()


def test_any_executor_will_do(tmp_path: Path) -> None:
    grid = {"a": [1, 2], "b": [0.5, 1.0]}
    plain = sh.sweep(sweep_studies.product, grid, executor=Plain(), store=tmp_path / "plain")
    with ThreadPoolExecutor(4) as pool:
        threads = sh.sweep(sweep_studies.product, grid, executor=pool, store=tmp_path / "threads")
    assert plain.rows() == threads.rows()


def test_an_executor_that_breaks_loses_no_cell_and_blames_none(tmp_path: Path) -> None:
    grid = {"a": [1, 2], "b": [0.5, 1.0]}
    with pytest.raises(TargetRunError, match="the pool is gone"):
        sh.sweep(sweep_studies.product, grid, executor=Plain(broken=2), store=tmp_path)
    found = sh.sweep(sweep_studies.product, grid, executor=Plain(), store=tmp_path)
    assert (found.computed, len(found.failed)) == (2, 0)


@pytest.mark.parametrize("executor", [0, True, 1.5, object()])
def test_what_is_no_executor_is_refused(executor: Any, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="executor"):
        sh.sweep(sweep_studies.product, {"a": [1], "b": [1.0]}, executor=executor, store=tmp_path)


def test_a_cluster_without_dask_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingPackageError, match=r"ssdp-hw\[sweep\]"):
        sh.sweep(sweep_studies.product, {"a": [1], "b": [1.0]}, store=tmp_path)


@pytest.mark.parametrize(
    ("grid", "data", "said"),
    [
        ({"a": [1]}, {}, "missing a required argument: 'b'"),
        ({"a": [1], "b": [1.0], "c": [1]}, {}, "unexpected keyword argument 'c'"),
        ({"a": [1], "b": [1.0]}, {"a": 2}, "'a' is a parameter of the grid and data"),
    ],
)
def test_a_study_that_does_not_fit_is_refused_before_it_runs(grid: Any, data: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=said):
        sh.sweep(sweep_studies.product, grid, data=data, executor=Plain(), store=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


# Results.


def made(rows: list[tuple[dict[str, Any], dict[str, Any] | None]]) -> SweepResult:
    """A result of these parameters and results."""
    error = {"type": "ValueError", "message": "no", "traceback": ""}
    cells = [Cell(str(i), p, r, error if r is None else None, 0.0, "", {}) for i, (p, r) in enumerate(rows)]
    return SweepResult("study", tuple(cells), 0, "runs")


numbers = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12)


@given(numbers)
def test_the_front_holds_what_nothing_is_better_than(pairs: list[tuple[int, int]]) -> None:
    found = made([({"i": i}, {"cost": c, "accuracy": m}) for i, (c, m) in enumerate(pairs)])
    front = {cell.parameters["i"] for cell in found.pareto("cost")}
    beaten = {i for i, (c, m) in enumerate(pairs) for d, n in pairs if d <= c and n >= m and (d, n) != (c, m)}
    assert front == set(range(len(pairs))) - beaten


def test_time_is_a_cost_unless_the_study_says_otherwise() -> None:
    cells = [
        Cell(str(i), {"i": i}, {"accuracy": a}, None, t, "", {})
        for i, (t, a) in enumerate([(3.0, 1), (2.0, 2), (1.0, 0)])
    ]
    found = SweepResult("study", tuple(cells), 0, "runs")
    assert [cell.parameters["i"] for cell in found.pareto("seconds")] == [2, 1]
    assert made([({"i": 0}, {"seconds": 7.0})]).column("seconds") == [7.0]


def test_means_over_seeds() -> None:
    values = {1: [0.5, 0.75, 0.7], 2: [0.25, 0.5, 0.9]}
    rows: list[Any] = [({"a": a, "seed": s}, {"y": v}) for a, own in values.items() for s, v in enumerate(own)]
    rows += [({"a": 3, "seed": 0}, {"y": 1}), ({"a": 3, "seed": 1}, None)]
    assert made(rows).summary("y") == [
        ({"a": 1}, mean_interval(values[1])),
        ({"a": 2}, mean_interval(values[2])),
        ({"a": 3}, 1.0),
    ]
    with pytest.raises(ParameterError, match="no column 'z'"):
        made(rows).summary("z")
    with pytest.raises(ParameterError, match="a mean needs numbers"):
        made([({"seed": 0}, {"y": "text"})]).summary("y")


def test_tables_hold_what_the_cells_do(tmp_path: Path, one: Any) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    found = sh.sweep(sweep_studies.product, GRID, executor=one, store=tmp_path)
    for frame in (found.to_pandas(), pandas.read_parquet(tmp_path / "table.parquet")):
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        assert rows == found.rows()


def test_a_column_of_several_kinds_becomes_text(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    values = [1, "x", {"fc1": 3}, [1, 2]]
    made(
        [({"i": i}, {"v": v, "n": n}) for i, (v, n) in enumerate(zip(values, [1, 2.5, None, 3], strict=True))]
    ).to_parquet(tmp_path / "t.parquet")
    frame = pandas.read_parquet(tmp_path / "t.parquet")
    assert [json.loads(text) for text in frame["v"]] == values
    assert frame["n"].tolist()[:2] == [1, 2.5]
    assert math.isnan(frame["n"][2])


def test_a_result_with_a_parameters_name_has_a_column_of_its_own() -> None:
    [row] = made([({"a": 1}, {"a": 2, "error": 3})]).rows()
    assert row == {"a": 1, "result.a": 2, "result.error": 3, "error": None}


def test_the_heat_map_shows_the_means() -> None:
    pytest.importorskip("matplotlib")
    rows: list[Any] = [
        ({"a": a, "b": b, "seed": s}, {"y": 10 * a + b + s}) for a in (2, 1) for b in (5, 3) for s in (0, 1)
    ]
    axes = made([*rows, ({"a": 3, "b": 3, "seed": 0}, None)]).plot("y", "a", "b")
    shown = axes.images[0].get_array()
    assert shown.shape == (2, 3)
    assert np.array_equal(np.ma.filled(shown, np.nan)[:, :2], [[13.5, 23.5], [15.5, 25.5]])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "3"]
    assert "25.5, at a = 2, b = 5" in " ".join(axes.get_title(loc="left").split())
    with pytest.raises(ParameterError, match="no numbers"):
        made([({"a": 1, "b": 1}, {"y": "x"})]).plot("y", "a", "b")


def test_the_pareto_picture_joins_the_front() -> None:
    pytest.importorskip("matplotlib")
    points = [(1, 0.5), (2, 0.9), (2, 0.7), (3, 0.8), (4, 0.95)]
    axes = made([({"i": i}, {"bits": c, "accuracy": m}) for i, (c, m) in enumerate(points)]).plot_pareto("bits")
    others, front = axes.get_lines()
    assert list(zip(*front.get_data(), strict=True)) == [(1, 0.5), (2, 0.9), (4, 0.95)]
    assert sorted(zip(*others.get_data(), strict=True)) == [(2, 0.7), (3, 0.8)]
