"""docs/models.md: its code runs, its tables name what the models declare, and its model is found by an entry point."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from installed_package import installed_package

import ssdp_hw as sh
from ssdp_hw.models import registry

PAGE = (Path(__file__).parents[1] / "docs" / "models.md").read_text(encoding="utf-8")
FIRST, GRADED, OWN = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ENTRY_POINT = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]


def rows():
    """(names, states, registers by name with their float name) of the table of models."""
    table = PAGE.partition("| model | states |")[2].partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        models, states, registers, _ = (cell.strip() for cell in line.strip("| ").split(" | "))
        found = re.findall(r"`(\w+)`(?: \((\w+)\))?", registers)
        yield re.findall(r"`(\w+)`", models), re.findall(r"`(\w+)`", states), {r: f or r for r, f in found}


def test_the_table_is_what_the_models_declare():
    named = [name for names, *_ in rows() for name in names]
    assert sorted(named) == sorted(registry.KNOWN_MODELS.shipped)
    for names, states, registers in rows():
        for name in names:
            model = sh.neuron_model(name)
            own = [s.name for s in model.states]
            assert own == states or (name == "SEAdLIF" and [*own, "fired"] == states)
            assert {q.name: q.float_name for q in model.parameters} == registers, name


def test_functions_and_tests_that_it_names_exist():
    for module, function in re.findall(r"`(ssdp_hw\.models\.\w+)\.(\w+)\(", PAGE):
        assert callable(getattr(importlib.import_module(module), function))
    for path in re.findall(r"`((?:tests|ssdp_hw)/[\w/]+\.py)`", PAGE):
        assert (Path(__file__).parents[1] / path).exists()


def test_its_first_code_runs(capsys):
    exec(compile(FIRST, "docs/models.md", "exec"), {})
    fixed, floating = (line.split() for line in capsys.readouterr().out.splitlines())
    assert int(fixed[0]) > 0
    assert int(floating[0]) > 0
    assert float(fixed[1]) == float(floating[1]) == 5


def test_its_graded_network_runs():
    """The decoder has 2 and -4 times the last values that arrived: sent in step t + 1, they act 4 steps after that."""
    found = {}
    exec(compile(GRADED, "docs/models.md", "exec"), found)
    sigma = found["result"].states["sigma"]["values"]
    np.testing.assert_array_equal(sigma[5:, 0, 0], 64 * found["values"][:-5, 0] @ [2, -4])


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The page's model as another package on the path."""
    with installed_package(tmp_path, monkeypatch, registry.KNOWN_MODELS, "my_neurons", OWN, ENTRY_POINT):
        yield "AfterpotentialLIF"


def test_a_model_of_another_package(installed, tmp_path):
    """By its name: in integers by its formula, in real numbers, and back from a file."""
    assert installed in sh.model_names()
    registers = {"dh": 300, "pull": 40}
    weight = 2 * np.random.default_rng(2).integers(-20, 60, (5, 8))
    fixed = sh.FixedNetwork(
        [sh.Input("in", 8)],
        [sh.FixedPopulation(name="p", size=5, model=installed, dv=500, vth=70, parameters=registers)],
        [sh.FixedProjection(pre="in", post="p", weight=weight)],
        ["p"],
        chip="loihi2",
    )
    spikes = np.random.default_rng(3).random((80, 1, 8)) < 0.3
    result = sh.run(fixed, spikes, "spec", record=("spikes", "v", "h"))
    v, h = np.zeros(5, np.int64), np.zeros(5, np.int64)
    for k in range(80):
        arriving = weight @ spikes[k - 1, 0] * 64 if k else 0
        v = np.sign(v) * (np.abs(v) * (4096 - 500) >> 12) + arriving - h
        fired = v > 70 * 64
        v, h = np.where(fired, 0, v), (h * (4096 - 300) >> 12) + 40 * 64 * fired
        assert np.array_equal(result.spikes["p"][k, 0], fired)
        assert np.array_equal(result.v["p"][k, 0], v)
        assert np.array_equal(result.states["h"]["p"][k, 0], h)
    assert result.spikes["p"].any()
    sh.save(fixed, tmp_path / "own.h5")
    again = sh.run(sh.load(tmp_path / "own.h5"), spikes, "spec", record=("spikes",))
    assert np.array_equal(again.spikes["p"], result.spikes["p"])
    neuron = sh.neuron(installed, 5, tau_mem=4.096 / 500, tau_pull=4.096 / 300, pull=40 / 70)
    floating = sh.Network(
        fixed.inputs,
        [sh.Population(name="p", neuron=neuron)],
        [sh.Projection(pre="in", post="p", weight=weight / 70)],
        ["p"],
        sh.Semantics(dt=1e-3),
    )
    ideal = sh.run(floating, spikes, "spec", record=("spikes",)).spikes["p"]
    assert np.count_nonzero(ideal != result.spikes["p"]) < 0.1 * ideal.sum()
