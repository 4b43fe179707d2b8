"""The demo's report: all files or none, and the numbers that were measured."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ssdp_hw import demo
from ssdp_hw.analysis.statistics import wilson
from ssdp_hw.datasets import load_digits
from ssdp_hw.errors import FileFormatError, UnsupportedError
from ssdp_hw.report import plots, write_demo_report

for package in ("sklearn", "matplotlib", "jinja2"):
    pytest.importorskip(package)

FILES = ["accuracy.png", "ladder.png", "learning.png", "raster.png", "report.md", "results.json"]


@pytest.fixture(scope="module")
def result():
    """The demo on a few samples, epochs and drifts, on two targets."""
    data = load_digits()
    few = replace(
        data,
        train_values=data.train_values[:80],
        train_labels=data.train_labels[:80],
        test_values=data.test_values[:50],
        test_labels=data.test_labels[:50],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "load_digits", lambda: few)
        patch.setattr(demo, "installed_targets", lambda say: (["spec", "engine"], {"lava": "not | here"}))
        for name, value in (("EPOCHS", 1), ("DRIFT_SEEDS", (0, 3)), ("SAME_BITS_WINDOWS", 3)):
            patch.setattr(demo, name, value)
        said = []
        found = demo.run_demo(said.append)
    assert any("learning by carry on spec, engine: the same bits" in line for line in said)
    return found


def test_what_the_demo_finds(result):
    assert [(row.target, row.arithmetic) for row in result.comparison.rows] == [
        ("spec", "float"),
        ("spec", "fixed"),
        ("engine", "float"),
        ("engine", "fixed"),
    ]
    assert [(row.drift_seed, row.rule) for row in result.learning] == [
        (seed, rule) for seed in (0, 3) for rule in ("float", "carry", "stochastic", "nearest")
    ]
    assert len(result.same_bits) == 6
    assert all(row.weights_equal and row.counters_equal and row.windows == 3 for row in result.same_bits)
    assert result.clean == result.comparison.rows[1].accuracy
    assert [result.ladder.rung(step).accuracy for step in ("float", "overflow")] == [
        row.accuracy for row in result.comparison.rows[:2]
    ]


def test_the_report_holds_the_numbers(result, tmp_path):
    path = write_demo_report(result, tmp_path / "new" / "folder")
    assert sorted(f.name for f in path.parent.iterdir()) == FILES
    text = path.read_text(encoding="utf-8")
    for row in result.comparison.rows:
        assert f"| {row.target} | {row.arithmetic} | {row.accuracy.percent()} | 50 |" in text
    for row in result.learning:
        assert f"| {row.drift_seed} | {row.rule} | {row.before.percent()} | {row.after.percent()} |" in text
    for row in result.ladder.rows:
        assert f"| {row.step.label} | {row.accuracy.percent()} | {row.lost}, {row.won} |" in text
    assert "Not run: lava (not | here)." in text
    assert "**This is supervised learning.**" in text
    for image in re.findall(r"!\[.*\]\((.*)\)", text):
        assert (path.parent / image).read_bytes().startswith(b"\x89PNG")
    assert "{{" not in text
    assert "{%" not in text


def test_tables_are_tables(result, tmp_path):
    """Every line of a table has as many cells as its head."""
    lines = write_demo_report(result, tmp_path).read_text(encoding="utf-8").splitlines()
    tables = 0
    for above, line in pairwise(lines):
        if line.startswith("|") and above.startswith("|"):
            assert line.count("|") == above.count("|"), line
        tables += line.startswith("| ---")
    assert tables >= 4


def test_the_raw_numbers_are_numbers(result, tmp_path):
    write_demo_report(result, tmp_path)
    data = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert data["clean"]["value"] == result.clean.value
    assert data["learning"][1]["after"]["low"] == result.learning[1].after.low
    assert data["comparison"]["rows"][3]["spike_rate"] == result.comparison.rows[3].spike_rate
    assert data["settings"]["drift_seeds"] == [0, 3]
    assert data["settings"]["rule"]["sigma"] == demo.RULE.sigma
    assert "traces" not in data


def contents(folder):
    return {f.name: f.read_bytes() for f in folder.iterdir()}


@pytest.fixture(scope="module")
def report(result, tmp_path_factory):
    """A folder with the report, to copy: most of the time of these tests goes into its plots."""
    return write_demo_report(result, tmp_path_factory.mktemp("report")).parent


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("plot_accuracy", OSError),
        ("plot_learning", OSError),
        ("plot_raster", OSError),
        ("plot_ladder", OSError),
        ("plot_ladder", ValueError),
        ("plot_ladder", KeyboardInterrupt),
    ],
)
def test_a_failing_plot_leaves_the_old_report(result, report, tmp_path, monkeypatch, name, error):
    shutil.copytree(report, tmp_path, dirs_exist_ok=True)
    before = contents(tmp_path)

    def fail(_, path):
        path.write_bytes(b"half of a plo")
        raise error("no ink")

    monkeypatch.setattr(plots, name, fail)
    changed = replace(result, skipped={"brian2": "gone"})
    with pytest.raises(FileFormatError if error is OSError else error, match="no ink"):
        write_demo_report(changed, tmp_path)
    assert contents(tmp_path) == before
    monkeypatch.undo()
    write_demo_report(changed, tmp_path)
    assert "Not run: brian2 (gone)." in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert sorted(contents(tmp_path)) == FILES


def test_a_failing_template_leaves_the_old_report(result, report, tmp_path):
    shutil.copytree(report, tmp_path, dirs_exist_ok=True)
    before = contents(tmp_path)
    import jinja2

    with pytest.raises(jinja2.UndefinedError):
        write_demo_report(replace(result, settings={}), tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("missing", ["matplotlib", "jinja2"])
def test_missing_extras_are_named(result, tmp_path, monkeypatch, missing):
    for name in [n for n in sys.modules if n.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)  # import then raises ImportError
    with pytest.raises(UnsupportedError, match=rf"{missing}.* not installed: pip install 'ssdp-hw\[report\]'"):
        write_demo_report(result, tmp_path)
    assert contents(tmp_path) == {}


def test_a_folder_that_cannot_be(result, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(FileFormatError, match=r"file.*cannot be written"):
            write_demo_report(result, folder)
    assert (tmp_path / "file").read_text() == "in the way"


def test_plots_of_perfect_and_hopeless_accuracies(result, tmp_path):
    """Intervals end at their values here, and no bar may be cut off."""
    rows = tuple(
        replace(row, accuracy=wilson(n, 50)) for row, n in zip(result.comparison.rows, (50, 0, 50, 1), strict=True)
    )
    learning = [replace(row, before=wilson(0, 50), after=wilson(50, 50)) for row in result.learning]
    rungs = tuple(replace(row, accuracy=wilson(0, 50)) for row in result.ladder.cumulative)
    ladder = replace(result.ladder, cumulative=rungs, alone=())
    extreme = replace(result, comparison=replace(result.comparison, rows=rows), learning=learning, ladder=ladder)
    write_demo_report(extreme, tmp_path)
    assert sorted(contents(tmp_path)) == FILES
    silent = {name: np.zeros_like(trace) for name, trace in result.traces.items()}
    write_demo_report(replace(extreme, traces=silent), tmp_path)
