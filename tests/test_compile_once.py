"""Two processes that need one function at the same time: one compiles it, the other loads it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from pathlib import Path
import pytest
sys.path[:0] = [{tests!r}, {folder!r}]
from compile_once import compile_once
with pytest.MonkeyPatch.context() as monkeypatch:
    compile_once(monkeypatch, Path({folder!r}))
    import shared_loop
    print("ready", flush=True)
    sys.stdin.readline()
    shared_loop.total(5)
print(sum(shared_loop.total.stats.cache_misses.values()))
"""
LOOP = """
import numba
@numba.njit(cache=True)
def total(n):
    found = 0
    for k in range(n):
        found += k
    return found
"""


def compilations(folder: Path) -> int:
    (folder / "shared_loop.py").write_text(LOOP)
    code = PROGRAM.format(tests=str(Path(__file__).parent), folder=str(folder))
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache")},
        )
        for _ in range(2)
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:  # both begin once both are ready
        process.stdin.write("\n")
        process.stdin.flush()
    return sum(int(process.communicate(timeout=120)[0]) for process in running)


@pytest.mark.slow
def test_one_of_two_processes_compiles(tmp_path):
    assert compilations(tmp_path) == 1
