"""All extras together have versions that fit, on every Python version that is supported."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# What makes packages of its own necessary: a browser, and what only develops this toolkit.
OTHERS = {"browser", "lint", "test", "docs"}
EXTRAS = sorted(set(PROJECT["optional-dependencies"]) - OTHERS)
VERSIONS = [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if re.fullmatch(r".*:: 3\.\d+", c)]


def resolved(version, *options):
    """Versions by package, found by uv for a Python version that need not be here."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-annotate", "--python-version", version]
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    done = subprocess.run(
        [*command, *extras, *options, "pyproject.toml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if re.search(r"dns error|failed to lookup address|Connection refused|error sending request", done.stderr):
        pytest.skip("no package index is reached")
    assert done.returncode == 0, done.stderr
    pairs = re.findall(r"^([a-z0-9._-]+)==(\d+)\.(\d+)", done.stdout, re.MULTILINE)
    return {name: (int(major), int(minor)) for name, major, minor in pairs}


def test_the_versions_are_those_of_the_classifiers():
    assert VERSIONS == ["3.11", "3.12", "3.13"]
    assert {"all", "brian2", "frames", "lava", "neurobench", "report", "sklearn", "sweep", "train"} <= set(EXTRAS)


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("options", [(), ("-c", "constraints.txt")], ids=["newest", "constrained"])
def test_all_extras_resolve_together(version, options):
    pytest.importorskip("uv")
    found = resolved(version, *options)
    assert found["numpy"] >= (1, 26)
    if found["brian2"] < (2, 10):
        assert found["numpy"] < (2, 4)  # it cannot be imported with a newer one
    if options and found["numpy"] < (2, 0):
        assert found["pyarrow"] < (26, 0)  # nor can pyarrow with an older one
