"""The code of a page of the docs as a package of somebody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ssdp_hw.registry import Registry


@contextmanager
def installed_package(
    folder: Path, monkeypatch: pytest.MonkeyPatch, known: Registry, module: str, code: str, entry_point: str
) -> Iterator[None]:
    """A module with that code on the path, and the entry point that the page writes as TOML for its registry."""
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    group, entry = re.fullmatch(r'\[project\.entry-points\."([\w.]+)"\]\n(.*)\n', entry_point).groups()
    (info / "entry_points.txt").write_text(f"[{group}]\n{entry.replace(chr(34), '')}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    known.__dict__.pop("entry_points", None)
    monkeypatch.setattr(known, "registered", {})
    yield
    known.__dict__.pop("entry_points", None)
