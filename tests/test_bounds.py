"""No loop of the engine reads or writes beyond an array: its cases run where Numba looks at every index.

The slow run has 200 cases of those for which few loops are compiled: one plastic projection, and counters and weights
of the narrow types. ``make test-cases COUNT=5000`` adds a 25th of its cases, and these are of every kind.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from example_counts import ALL, SHARE

CASES = Path(__file__).with_name("test_spec_engine_cases.py")


@pytest.mark.slow
def test_no_index_is_out_of_bounds(tmp_path):
    every_kind = os.environ.get("SSDP_HW_CASES")
    count = 200 if every_kind is None else max(1, int(every_kind) // 25)
    checked = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_FULL_TRACEBACKS": "1", "NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    environment = {**os.environ, **checked, "SSDP_HW_CACHE": str(tmp_path / "steps"), "SSDP_HW_CASES": str(count)}
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-m", "slow", "-p", "no:cacheprovider"]
    command += ["--hypothesis-profile", SHARE if every_kind is None else ALL, str(CASES)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    # Functions that are called by address cannot raise: what they find is printed.
    assert "out of bounds" not in done.stdout + done.stderr
