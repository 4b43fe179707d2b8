"""The modules of ``examples/studies``, which are scripts and no package, for the tests of the studies."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples" / "studies"
MODULES = [path.stem for path in FOLDER.glob("*.py") if path.stem != "regularise"]  # that one needs torch


class Studies:
    """The modules of the studies by name."""


@contextmanager
def loaded() -> Iterator[Studies]:
    """All of them, importable by each other meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        found = Studies()
        for name in MODULES:
            setattr(found, name, importlib.import_module(name))
        yield found
        for name in MODULES:
            del sys.modules[name]
