"""A Numba without some of its private names, as another version may be: they are hidden from everyone but Numba."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.codegen import CodeLibrary, CPUCodeLibrary
from numba.core.cpu import CPUTargetOptions
from numba.core.dispatcher import Dispatcher, _FunctionCompiler

OF_FILE = ("load", "save", "_version", "_data_name_pattern", "_save_data", "_save_index", "_load_index")
# What the engine uses of it, and whether it can keep code on disk without.
PRIVATE: dict[tuple[type, str], bool] = {
    (Dispatcher, "_compiler"): True,
    (_FunctionCompiler, "_customize_flags"): True,
    (CPUTargetOptions, "_nrt"): True,
    (Dispatcher, "_cache"): False,
    (FunctionCache, "_cache_file"): False,
    (FunctionCache, "save_overload"): False,
    **{(IndexDataCacheFile, name): False for name in OF_FILE},
    (CPUCodeLibrary, "_final_module"): False,
    (CPUCodeLibrary, "_linking_libraries"): True,
    (CPUCodeLibrary, "_optimize_functions"): True,
    (CPUCodeLibrary, "_get_module_for_linking"): True,
    (CodeLibrary, "_raise_if_finalized"): True,
    (CodeLibrary, "_reload_init"): True,
    (CodeLibrary, "_codegen"): True,
}


class _Hidden:
    """An attribute that only Numba's own code finds."""

    def __init__(self, name: str, original: Any) -> None:
        self._name, self._original = name, original

    def __get__(self, instance: object, kind: type) -> Any:
        if not sys._getframe(1).f_globals["__name__"].startswith("numba."):
            raise AttributeError(self._name)
        if instance is not None and self._name in vars(instance):
            return vars(instance)[self._name]
        return self._original if self._original is None else self._original.__get__(instance, kind)

    def __set__(self, instance: Any, value: object) -> None:
        vars(instance)[self._name] = value


def hide(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    """Hide an attribute of a class, or of its instances."""
    if owner is CPUTargetOptions:  # an option, of which Numba says that it is unknown
        monkeypatch.delattr(next(c for c in owner.__mro__ if name in vars(c)), name)
    else:
        monkeypatch.setattr(owner, name, _Hidden(name, getattr(owner, name, None)), raising=False)
