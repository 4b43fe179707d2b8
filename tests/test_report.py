"""The demo's report: both files or none, and the numbers that were measured."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from ssdp_hw import demo
from ssdp_hw.datasets import load_digits
from ssdp_hw.errors import FileFormatError, UnsupportedError
from ssdp_hw.reporting import page, write_demo_report

for package in ("sklearn", "matplotlib", "jinja2"):
    pytest.importorskip(package)

FILES = ["report.html", "report.json"]


@pytest.fixture(scope="module")
def result():
    """The demo on a few samples, epochs and drifts, on two targets."""
    data = load_digits()
    few = replace(
        data,
        train_values=data.train_values[:40],
        train_labels=data.train_labels[:40],
        test_values=data.test_values[:30],
        test_labels=data.test_labels[:30],
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


@pytest.mark.slow
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
    assert json.loads(json.dumps(result.to_dict()))["clean"]["value"] == result.clean.value


@pytest.fixture(scope="module")
def written(result, tmp_path_factory):
    return write_demo_report(result, tmp_path_factory.mktemp("report") / "new" / "folder")


def test_the_page_holds_the_numbers(result, written):
    assert sorted(f.name for f in written.parent.iterdir()) == FILES
    text = written.read_text(encoding="utf-8")
    for row in result.comparison.rows:
        assert row.accuracy.percent() in text
    for row in result.learning:
        assert f"drift {row.drift_seed}, {row.rule}" in text
        assert row.before.percent() in text
        assert row.after.percent() in text
    for row in result.ladder.rows:
        assert row.step.label in text
    assert "not | here" in text
    assert "This is supervised learning" in text


def test_the_numbers_are_those_that_were_measured(result, written):
    data = json.loads(written.with_suffix(".json").read_text(encoding="utf-8"))
    assert data["schema"] == {"name": "ssdp-hw report", "version": 1}
    assert data["learning"]["undrifted"]["value"] == result.clean.value
    assert data["learning"]["runs"][1]["after"]["low"] == result.learning[1].after.low
    assert data["comparison"]["rows"][3]["spike_rate"] == result.comparison.rows[3].spike_rate
    assert data["environment"]["seeds"]["drift_seeds"] == [0, 3]
    assert data["environment"]["seeds"]["rule"]["sigma"] == demo.RULE.sigma
    # Measured twice: by the comparison and by the report itself.
    assert data["agreement"]["runs"]["fixed"]["accuracy"]["value"] == result.comparison.rows[1].accuracy.value


def contents(folder):
    return {f.name: f.read_bytes() for f in folder.iterdir()}


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt])
def test_a_failing_page_leaves_the_old_report(result, written, tmp_path, monkeypatch, error):
    for file in written.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    before = contents(tmp_path)

    def fail(*_):
        raise error("no ink")

    monkeypatch.setattr(page, "render_page", fail)
    with pytest.raises(error, match="no ink"):
        write_demo_report(result, tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("missing", ["matplotlib", "jinja2"])
def test_missing_extras_are_named(result, tmp_path, monkeypatch, missing):
    for name in [n for n in sys.modules if n.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)  # import then raises ImportError
    with pytest.raises(UnsupportedError, match=rf"{missing}.* not installed.*: pip install 'ssdp-hw\[report\]'"):
        write_demo_report(result, tmp_path)
    assert contents(tmp_path) == {}


@pytest.mark.slow
def test_a_folder_that_cannot_be(result, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(FileFormatError, match=r"file.*cannot be written"):
            write_demo_report(result, folder)
    assert (tmp_path / "file").read_text() == "in the way"
