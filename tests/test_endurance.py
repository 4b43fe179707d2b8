"""A fiftieth of ``make endurance``."""

import subprocess
import sys
from pathlib import Path

import pytest

from ssdp_hw.running.target_registry import get_target

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "endurance.py"


@pytest.mark.slow
def test_a_fiftieth_of_the_kills_and_of_the_runs_on_lava():
    if not get_target("lava").availability().installed:
        pytest.skip("lava-nc is not installed")
    command = [sys.executable, str(SCRIPT), "--lava", "20", "--kills", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing differs" in done.stdout
