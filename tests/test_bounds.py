"""No loop of the engine reads or writes beyond an array: its cases run where Numba looks at every index."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).with_name("test_spec_engine_cases.py")


@pytest.mark.slow
def test_no_index_is_out_of_bounds(tmp_path):
    checked = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_FULL_TRACEBACKS": "1", "NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    environment = {**os.environ, **checked, "SSDP_HW_CACHE": str(tmp_path / "steps"), "SSDP_HW_CASES": "200"}
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-m", "slow", "-p", "no:cacheprovider"]
    command += ["--hypothesis-profile", "all", str(CASES)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    # Functions that are called by address cannot raise: what they find is printed.
    assert "out of bounds" not in done.stdout + done.stderr
