"""ssdp-hw: trained spiking networks in a neuromorphic chip's integers, learning there with SSDP.

The pipeline::

    net = from_nir("model.nir", dt=1e-3)
    fixed = quantize(net, chip="loihi", calibration=spikes)
    result = run(fixed, spikes)
    learned = learn(fixed, spikes, labels, rule=SSDP())
    table = compare(net, fixed, spikes, labels)

The public names and their modules stand in ``__init__.pyi``, which type checkers read and from which this module
imports each name when it is first used: nothing heavy is imported before.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

from ssdp_hw.deprecation import MOVED_MODULES, accept_moved_modules, warn_renamed

__version__ = "0.2.0"

_STUB = ast.parse(Path(__file__).with_name("__init__.pyi").read_text(encoding="utf-8"))
_MODULE_OF = {
    alias.name: statement.module
    for statement in _STUB.body
    if isinstance(statement, ast.ImportFrom) and statement.module
    for alias in statement.names
}

# Names that need a package of an extra; `from ssdp_hw import *` works without it.
_OF_EXTRAS = {"NeuroBenchNetwork", "OnChipClassifier"}
__all__ = sorted(_MODULE_OF.keys() - _OF_EXTRAS)

accept_moved_modules()

# In a checkout the targets lie in a folder beside this package, which is found there if nothing is installed.
_CHECKOUT = Path(__file__).parents[1]
if (_CHECKOUT / "targets" / "__init__.py").is_file() and (_CHECKOUT / "pyproject.toml").is_file():
    __path__.append(str(_CHECKOUT))


def __getattr__(name: str) -> Any:
    if name == "targets":  # the package ssdp_hw.targets has this name as soon as it is imported
        warn_renamed("ssdp_hw.targets()", "ssdp_hw.list_targets()", 2)
        return __getattr__("list_targets")
    if name in MOVED_MODULES and name not in _MODULE_OF:
        return import_module(f"ssdp_hw.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'ssdp_hw' has no attribute '{name}'")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
