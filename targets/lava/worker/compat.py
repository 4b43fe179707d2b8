"""Mends lava-nc 0.10.0: it can be imported on Python 3.11 and newer, and its runs end (see :mod:`.wake_up`).

Import Lava only after :func:`enable`. The one break of the import is in ``lava.magma.compiler.var_model``: dataclass
fields whose default is an instance of the dataclass ``ByteEncoder``, which is unhashable, and so refused since Python
3.11. While that one module is imported, ``ByteEncoder`` is made hashable. No installed file is changed.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
from typing import Any

from .wake_up import report_every_message

_MODULE, _CLASS = "lava.magma.compiler.var_model", "ByteEncoder"


def enable() -> None:
    """Make ``import lava`` work in this interpreter, and the runs of its processes end."""
    _make_importable()
    report_every_message()


def _make_importable() -> None:
    if sys.version_info < (3, 11) or _MODULE in sys.modules:
        return
    original: Any = dataclasses.dataclass

    def dataclass(cls: Any = None, /, **options: Any) -> Any:
        def wrap(c: Any) -> Any:
            hashable = {"unsafe_hash": True} if (c.__module__, c.__name__) == (_MODULE, _CLASS) else {}
            return original(c, **{**options, **hashable})

        return wrap if cls is None else wrap(cls)

    dataclasses.dataclass = dataclass
    try:
        importlib.import_module(_MODULE)
    finally:
        dataclasses.dataclass = original
