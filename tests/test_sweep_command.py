"""``ssdp-hw sweep``: study files, right and wrong."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import ssdp_hw as sh
from ssdp_hw.cli.main import app
from ssdp_hw.cli.sweeps import _read
from ssdp_hw.errors import FileFormatError, ParameterError
from ssdp_hw.sweeping import compute, executors

STUDY = """
def study(a, b, scale=1.0):
    if a == b:
        raise ValueError("no [a] equal to b")
    return {"accuracy": scale * (10 * a + b), "bits": a}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """Cells run in this process, and the study's file is found by no other test."""
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import contextmanager

    @contextmanager
    def one_thread(_):
        with ThreadPoolExecutor(1) as pool:
            yield pool

    monkeypatch.setattr(compute, "compile_once", lambda: None)
    monkeypatch.setattr(executors, "_local_cluster", one_thread)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def written(folder, text, number):
    """A study file whose module no other test has imported."""
    (folder / f"own_{number}.py").write_text(STUDY)
    path = folder / "study.toml"
    path.write_text(text.replace("own.py", f"own_{number}.py"))
    return path


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)


def test_a_grid_and_random_points_on_a_function_of_the_users(tmp_path):
    text = """
    study = "own.py:study"
    points = [{a = 9, b = 1}]
    [data]
    scale = 0.5
    [grid]
    a = [1, 2]
    b = [1, 3]
    [random]
    count = 3
    seed = 1
    a = {low = 4, high = 8, integer = true}
    b = [0]
    """
    path = written(tmp_path, text, 0)
    done = call("sweep", path, "--store", tmp_path / "runs", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["schema"]["name"] == "ssdp-hw sweep"
    rows = found["rows"]
    drawn = sh.RandomSamples({"a": sh.Range(4, 8, integer=True), "b": [0]}, 3, 1).points()
    pairs = [(1, 1), (1, 3), (2, 1), (2, 3), *((p["a"], p["b"]) for p in drawn), (9, 1)]
    assert [(r["a"], r["b"]) for r in rows] == list(dict.fromkeys(pairs))
    assert [r["accuracy"] for r in rows[1:]] == [0.5 * (10 * r["a"] + r["b"]) for r in rows[1:]]
    assert rows[0]["error"] == "ValueError: no [a] equal to b"
    assert found["failed"] == 1
    said = call("sweep", path, "--store", tmp_path / "runs", "--plot", tmp_path / "map.png", "--show", "bits")
    assert said.exit_code == 0, said.output
    assert "no [a] equal to b" in " ".join(said.stdout.split())
    assert f"{len(rows)} cells, 0 of them run now, 1 failed" in said.stdout
    assert "--show and --json have more: accuracy" in said.stdout
    assert (tmp_path / "map.png").stat().st_size > 1000


def test_the_toolkits_own_study(tmp_path):
    rng = np.random.default_rng(0)
    net = sh.Network(
        [sh.Input("in", 6)],
        [sh.Population(name="out", neuron=sh.LIF(size=3, tau_mem=1e-2, v_threshold=0.1))],
        [sh.Projection(pre="in", post="out", weight=rng.normal(0.3, 0.3, (3, 6)))],
        ["out"],
        sh.Semantics(1e-3),
    )
    spikes, labels = rng.random((20, 40, 6)) < 0.4, rng.integers(0, 3, 40)
    sh.save(net, tmp_path / "net.h5")
    np.savez(tmp_path / "test.npz", spikes=spikes, labels=labels)
    text = '[data]\nnetwork = "net.h5"\nspikes = "test.npz"\n[grid]\nweight_bits = [2, 8]\ntarget = ["spec"]\n'
    done = call("sweep", written(tmp_path, text, 1), "--store", tmp_path / "runs", "--json")
    assert done.exit_code == 0, done.output
    for row in json.loads(done.stdout)["rows"]:
        fixed = sh.quantize(net, weight_bits=row["weight_bits"])
        right = [
            np.mean(sh.run(n, spikes, "spec", steps=21, on_overflow="ignore").predict() == labels) for n in (net, fixed)
        ]
        assert [row["float_accuracy"], row["accuracy"]] == right
        assert row["loss"] == pytest.approx(100 * (right[0] - right[1]))
        assert row["lost"] - row["won"] == round(40 * (right[0] - right[1]))


WRONG = [
    ("study = 7\n[grid]\na=[1]", "study = 7"),
    ('study = "nothing"\n[grid]\na=[1]', "study = 'nothing'"),
    ('study = "no_such_module_here:f"\n[grid]\na=[1]', "cannot be loaded"),
    ('study = "none.py:f"\n[grid]\na=[1]', "is no file"),
    ('study = "own.py:missing"\n[grid]\na=[1]', "cannot be loaded"),
    ('study = "own.py:STUDY"\n[grid]\na=[1]', "cannot be loaded"),
    ('study = "own.py:study"', "neither"),
    ('study = "own.py:study"\ngrid = 3', "grid"),
    ('study = "own.py:study"\n[grid]\na = 3\nb = [1]', "no list of values"),
    ('study = "own.py:study"\n[random]\na = [1]', "no count"),
    ('study = "own.py:study"\n[random]\ncount = 1\na = {low = 1}', "high"),
    ('study = "own.py:study"\n[grids]\na = [1]', "'grids' is unknown"),
    ('study = "own.py:study"\n[grid]\na = [1]\nc = [2]', "missing a required argument"),
    ("not toml", "no TOML file"),
    ("a = " + "9" * 5000, "no TOML file"),
    ("a = " + "[" * 5000, "no TOML file"),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_a_wrong_study_file_is_one_clear_error(tmp_path, number):
    text, said = WRONG[number]
    path = written(tmp_path, text, 10 + number)
    done = call("sweep", path, "--store", tmp_path / "runs")
    assert isinstance(done.exception, ParameterError | FileFormatError), done.output
    assert said in str(done.exception)


def test_a_binary_file_is_no_study(tmp_path):
    (tmp_path / "study.toml").write_bytes(bytes(range(256)))
    with pytest.raises(FileFormatError, match="no TOML file"):
        _read(tmp_path / "study.toml")
