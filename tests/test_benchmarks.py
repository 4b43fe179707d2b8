"""``make bench`` runs: what it measures first needs no other simulator, and its networks are built in any case."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "run.py"


@pytest.mark.slow
def test_the_benchmarks_but_their_groups_run():
    command = [sys.executable, str(SCRIPT), "no group has this name"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
