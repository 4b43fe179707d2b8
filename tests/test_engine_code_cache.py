"""Functions that are compiled by themselves, and their callers, from an empty folder and from a damaged one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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
