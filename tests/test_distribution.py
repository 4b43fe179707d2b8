"""What is built: every file of the package in the wheel, everything that the tests need in the sdist, one version."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import ssdp_hw

ROOT = Path(__file__).parents[1]
FOLDERS = {"ssdp_hw": ROOT / "ssdp_hw", "ssdp_hw/targets": ROOT / "targets"}


def packaged_files() -> set[str]:
    """Every file of the package as a path within the wheel."""
    return {
        f"{name}/{file.relative_to(folder).as_posix()}"
        for name, folder in FOLDERS.items()
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.suffix not in (".nbi", ".nbc")
    }


def test_there_is_one_version():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dynamic = ["version", "readme"]' in text
    assert not re.search(r'^version = "', text, re.MULTILINE)
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {ssdp_hw.__version__}\n" in citation
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(ssdp_hw.__version__)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE)


def test_every_package_and_every_kind_of_file_is_declared():
    """Setuptools takes the folders and patterns that pyproject.toml lists, and silently leaves out all others."""
    import fnmatch
    import tomllib

    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    missing = []
    for file in packaged_files():
        folder, _, name = file.rpartition("/")
        package = folder.replace("/", ".")
        owner = next(p for p in sorted(table["packages"], key=len, reverse=True) if f"{package}.".startswith(f"{p}."))
        patterns = table["package-data"].get(owner, [])
        below = f"{folder}/{name}".removeprefix(owner.replace(".", "/") + "/")
        if not (package == owner and name.endswith(".py")) and not any(fnmatch.fnmatch(below, p) for p in patterns):
            missing.append(file)
    assert missing == []


@pytest.mark.slow
def test_sdist_and_wheel_are_complete_and_run_in_a_clean_environment(tmp_path):
    """Built from the sdist, installed without this folder, and used from elsewhere."""
    run = {"check": True, "timeout": 1200, "cwd": tmp_path}
    subprocess.run(["git", "clone", "-q", str(ROOT), str(tmp_path / "source")], **run)
    code = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    builder = tmp_path / "builder"
    subprocess.run([sys.executable, "-m", "venv", str(builder)], **run)
    subprocess.run([builder / "bin/pip", "install", "-q", "setuptools>=77", "wheel"], **run)
    subprocess.run([builder / "bin/python", "-c", code, str(tmp_path)], **{**run, "cwd": tmp_path / "source"})
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(tmp_path / "unpacked", filter="data")
    for needed in ("tests/test_distribution.py", "tests/data/golden.json", "docs/architecture.md", "constraints.txt"):
        assert needed in names
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    subprocess.run([builder / "bin/pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(unpacked)], **run)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert packaged_files() <= set(archive.namelist())
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        shown = archive.read(metadata).decode("utf-8")
    assert "# ssdp-hw" in shown
    assert all(target.startswith("https://") for target in re.findall(r"\]\(([^)\s]+)\)", shown))
    clean = tmp_path / "clean"
    subprocess.run([sys.executable, "-m", "venv", str(clean)], **run)
    constraints = ("-c", str(ROOT / "constraints.txt"))
    subprocess.run([clean / "bin/pip", "install", "-q", *constraints, f"{wheel}[report]"], **run)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    program = (
        "import numpy as np, ssdp_hw as sh; from ssdp_hw.datasets import DIGITS_MODEL;"
        "net = sh.from_nir(DIGITS_MODEL, dt=1e-3);"
        "spikes = sh.encode(np.random.default_rng(0).random((8, 64)), 'rate', steps=16, seed=0);"
        "print(sh.__version__, sh.__file__); sh.report('page.html', net, spikes, np.arange(8), targets='spec')"
    )
    done = subprocess.run([clean / "bin/python", "-c", program], **run, capture_output=True, text=True, env=environment)
    version, place = done.stdout.split()
    assert version == ssdp_hw.__version__
    assert str(clean) in place
    assert (tmp_path / "page.html").stat().st_size > 10_000
    listed = subprocess.run(
        [clean / "bin/ssdp-hw", "targets", "--json"], **run, capture_output=True, text=True, env=environment
    )
    states = {t["name"]: (t["installed"], t["failure"]) for t in json.loads(listed.stdout)["targets"]}
    assert states["spec"] == states["engine"] == (True, "")
    assert states["brian2"][0] is states["lava"][0] is False
