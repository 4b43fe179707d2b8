"""Functions that are compiled by themselves, and their callers, from an empty folder and from a damaged one."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from numba_without import PRIVATE, hide
from ssdp_hw.targets.engine.jit import compiled_loop, entry_point

CALLEE = """
from ssdp_hw.targets.engine.jit import compiled_alone

@compiled_alone
def add(total, value, times):
    for k in range(times):
        total[k] += value
    return times - 1
"""
CALLER = """
import sys
import numpy as np
from callee import add
from ssdp_hw.targets.engine.jit import entry_point

@entry_point
def add_twice(total, value):
    return add(total, value, 2) + add(total, value + 1, len(total))

for kind in (np.int32, np.float64):
    total = np.zeros(4, kind)
    print(add_twice(total, kind(3)), total.tolist())
print(sum(add_twice.stats.cache_hits.values()), sum(add.dispatcher.stats.cache_hits.values()))
"""


@pytest.mark.slow
def test_a_caller_on_disk_finds_its_callee_where_that_is_there_and_where_it_is_gone(tmp_path):
    (tmp_path / "callee.py").write_text(CALLEE)
    (tmp_path / "caller.py").write_text(CALLER)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def lines():
        done = subprocess.run(
            [sys.executable, "caller.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    sums = ["4 [7, 7, 4, 4]", "4 [7.0, 7.0, 4.0, 4.0]"]
    assert lines() == [*sums, "0 0"]
    assert lines() == [*sums, "2 2"]
    gone = [file for file in (tmp_path / "cache").rglob("callee.add-*") if file.suffix == ".nbc"]
    for file in gone[:1]:
        file.unlink()
    assert lines() == [*sums, "2 1"], gone


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("owner", "name"), PRIVATE, ids=[name for _, name in PRIVATE])
def test_a_numba_without_a_private_name_compiles_the_same(tmp_path, monkeypatch, owner, name):
    modules = [f"callee_{name}", f"caller_{name}"]
    for module, text in zip(modules, (CALLEE, CALLER.replace("from callee", f"from {modules[0]}")), strict=True):
        (tmp_path / f"{module}.py").write_text(text.partition("\nfor kind")[0])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    hide(monkeypatch, owner, name)
    caller = importlib.import_module(modules[1])
    total = np.zeros(4, np.int32)
    assert caller.add_twice(total, np.int32(3)) == 4
    assert total.tolist() == [7, 7, 4, 4]
    assert any((tmp_path / "cache").rglob("*.nbc")) is PRIVATE[owner, name]


WITHOUT = """
import numpy as np, pytest
from numba.core.dispatcher import Dispatcher
from numba_without import PRIVATE, hide
with pytest.MonkeyPatch.context() as patch:
    for owner, name in PRIVATE:
        hide(patch, owner, name)
    import ssdp_hw as sh
    rng = np.random.default_rng(0)
    net = sh.Network(
        [sh.Input("in", 10)],
        [sh.Population(name="out", neuron=sh.LIF(size=8, tau_mem=5.0, v_threshold=0.3))],
        [
            sh.Projection(pre="in", post="out", weight=rng.normal(0.4, 0.6, (8, 10))),
            sh.Projection(pre="out", post="out", weight=rng.normal(0, 0.2, (8, 8))),
        ],
        ["out"],
        sh.Semantics(1.0),
    )
    fixed, spikes = sh.quantize(net), rng.random((20, 5, 10)) < 0.3
    found = [sh.run(fixed, spikes, target).spikes["out"] for target in ("spec", "engine")]
    assert (found[0] == found[1]).all() and found[0].any()
    rule = sh.SSDP(a_plus=0.05, a_baseline=0.01, sigma=5.0, rounding="carry")
    learned = [sh.learn(fixed, spikes, None, rule, target, plastic="in->out").network for target in ("spec", "engine")]
    first, second = (n.projection("in->out").mantissa for n in learned)
    assert (first == second).all() and (first != fixed.projection("in->out").mantissa).any()
    print("equal")
"""


@pytest.mark.slow
def test_the_engine_of_a_numba_without_any_private_name_equals_the_specification(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.path.dirname(__file__)}
    done = subprocess.run([sys.executable, "-c", WITHOUT], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "equal\n", done.stderr


NAMES = """
import gc, importlib, pkgutil
from numba.core.dispatcher import Dispatcher

package = importlib.import_module("ssdp_hw.targets.engine")
for module in pkgutil.iter_modules(package.__path__):
    importlib.import_module(f"{package.__name__}.{module.name}")
for found in gc.get_objects():
    if isinstance(found, Dispatcher) and found.py_func.__module__.startswith(package.__name__):
        print(found.py_func.__module__, found.py_func.__qualname__)
"""


@pytest.mark.slow
def test_no_two_compiled_functions_have_one_name():
    """Of code from disk the name and the types decide which function a call reaches: numbers are another process's."""
    run = subprocess.run([sys.executable, "-c", NAMES], check=True, capture_output=True, text=True)
    names = run.stdout.splitlines()
    assert len(names) > 50
    assert sorted(names) == sorted(set(names))


def test_functions_that_another_one_makes_are_named_after_what_they_are_made_with():
    def made(number, kind):
        def loop(x):
            return kind(x) + number

        return compiled_loop(loop)

    one, two, other = made(1, np.int64), made(2, np.int64), made(1, np.int32)
    assert len({v.py_func.__qualname__ for v in (one, two, other)}) == 3
    assert entry_point(lambda x: 10 * one(x) + two(x))(3) == 45
