"""A fiftieth of ``make endurance``."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.running.target_registry import get_target

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "endurance.py"


@pytest.mark.slow
def test_a_fiftieth_of_the_kills_and_of_the_runs_on_lava():
    if not get_target("lava").availability().installed:
        pytest.skip("lava-nc is not installed")
    command = [sys.executable, str(SCRIPT), "--lava", "20", "--kills", "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing differs" in done.stdout


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ssdp_hw.learning.nothing_learned.NothingLearnedWarning")
@pytest.mark.parametrize("online", [False, True])
def test_the_lesson_that_is_killed_moves_weights_until_its_end(online, tmp_path):
    """Where nothing moved any more, a lesson that goes on from a wrong place would end with the same file."""
    spec = spec_from_file_location("endurance", SCRIPT)
    endurance = module_from_spec(spec)
    spec.loader.exec_module(endurance)
    endurance.learning(tmp_path, 11, online)
    before, _ = sh.load_learning(tmp_path / "learned.h5")
    endurance.learning(tmp_path, 12, online)
    after, _ = sh.load_learning(tmp_path / "learned.h5")
    for p in after.projections:
        assert np.mean(p.weight != before.projection(p.name).weight) > 0.2, p.name
