"""A checkout works by its path alone, without an installed distribution of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_checkout_finds_its_targets():
    """As with PYTHONPATH: finders and metadata of an installed ssdp-hw are hidden."""
    code = """
import sys
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in getattr(f, "__module__", "") + str(f).lower()]
from importlib import metadata
real = metadata.entry_points
metadata.entry_points = lambda **by: [e for e in real(**by) if by.get("group") != "ssdp_hw.targets"]
import ssdp_hw as sh
from ssdp_hw.running.target_registry import (get_target)
print(sh.__file__)
print(sys.modules[type(get_target("spec")).__module__].__file__)
print(*[t.name for t in sh.list_targets()])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    package, spec, names = done.stdout.splitlines()
    assert Path(package) == ROOT / "ssdp_hw" / "__init__.py"
    assert Path(spec) == ROOT / "targets" / "spec" / "target.py"
    assert names.split() == ["brian2", "engine", "lava", "spec"]
