"""Compiled functions on disk, and calls of compiled functions that are compiled by themselves.

A function that is compiled by itself has a *symbol*: a name made of its types and of the sources of this package. Code
that calls it refers to the symbol only. LLVM ends the process if it loads code with a symbol that it does not know, so
the file of a function also says what it refers to, and that is loaded first.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.base import BaseContext
from numba.core.typing import BaseContext as TypingContext
from numba.core.typing.templates import Signature
from numba.extending import intrinsic

_PREFIX = "ssdp_hw_engine."


class _Callee(NamedTuple):
    """A function that is compiled by itself, for one signature."""

    module: str
    name: str
    arguments: tuple[types.Type, ...]

    @property
    def symbol(self) -> str:
        digest = hashlib.sha256(f"{self} {_sources_digest()}".encode()).hexdigest()[:24]
        return f"{_PREFIX}{self.name}.{digest}"

    def load(self) -> types.Type:
        """Compile the function or read it from disk, and tell LLVM where it is; returns the type of its result."""
        dispatcher: Any = getattr(importlib.import_module(self.module), self.name).dispatcher
        dispatcher.compile(self.arguments)
        compiled = dispatcher.overloads[self.arguments]
        llvm.add_symbol(self.symbol, compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
        _callees[self.symbol] = self
        return cast("types.Type", compiled.signature.return_type)


_callees: dict[str, _Callee] = {}


def callable_by_symbol(dispatcher: Any) -> Any:
    """A function for compiled callers, which calls the compiled ``dispatcher`` without being optimised with it."""
    function = dispatcher.py_func

    def call(typing: TypingContext, *given: types.Type) -> tuple[Signature, Callable[..., ir.Value]]:
        arguments = tuple(_without_value(x) for x in given)
        callee = _Callee(function.__module__, function.__name__, arguments)
        result = callee.load()

        def codegen(
            context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
        ) -> ir.Value:
            kind = context.call_conv.get_function_type(result, arguments)
            code = cgutils.get_or_insert_function(builder.module, kind, callee.symbol)
            status, value = context.call_conv.call_function(builder, code, result, arguments, args)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return value

        return result(*arguments), codegen

    call.__name__ = function.__name__
    own = inspect.signature(function)
    first = inspect.Parameter("typing", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    call.__signature__ = own.replace(parameters=[first, *own.parameters.values()])  # type: ignore[attr-defined]
    made = intrinsic(call)
    made.dispatcher = dispatcher
    return made


def _without_value(kind: types.Type) -> types.Type:
    """The type of an argument, that of a constant without its value; integers have 64 bits."""
    general: types.Type = getattr(kind, "literal_type", kind)
    return types.int64 if isinstance(general, types.Integer) else general


# What :func:`invalidated_by_sources` replaces or calls in the cache of a function, and in its file; no public names.
_OF_CACHE = ("save_overload",)
_OF_FILE = ("load", "save", "_version", "_data_name_pattern", "_save_data", "_save_index", "_load_index")


def can_be_invalidated(dispatcher: Any) -> bool:
    """Whether this Numba has what :func:`invalidated_by_sources` replaces; else its cache on disk cannot be used.

    It would load code that refers to symbols which LLVM does not know yet, and LLVM would end the process.
    """
    cache = getattr(dispatcher, "_cache", None)
    file = getattr(cache, "_cache_file", None)
    replaced = [hasattr(cache, name) for name in _OF_CACHE] + [hasattr(file, name) for name in _OF_FILE]
    return all(replaced)


def invalidated_by_sources(dispatcher: Any) -> Any:
    """Invalidate the cache on disk of a compiled function as soon as any file of this package changes.

    Numba itself compares the file of the function only, not the files of the functions that it calls. It also numbers
    the files of compiled code, so that of two processes that compile the function for different types at the same
    time one may later load the code of the other, which reads the wrong bytes. Here the name of a file says the types
    and the sources.
    """
    # The sources are a part of the version, which Numba checks before it unpickles the types of the cached signatures;
    # these may no longer exist.
    file = dispatcher._cache._cache_file
    file._version = f"{file._version}, sources {_sources_digest()}"
    number, original_load, original_save = file._data_name_pattern, file.load, dispatcher._cache.save_overload

    def save(key: object, data: object) -> None:
        name = number.format(number=int(hashlib.sha256(f"{file._version} {key}".encode()).hexdigest()[:15], 16))
        file._save_data(name, (referred, data))  # before the index names it
        file._save_index({**file._load_index(), key: name})

    referred: list[_Callee] = []

    def save_overload(signature: object, compiled: Any) -> None:
        module = getattr(compiled.library, "_final_module", None)
        if module is not None:  # else nobody could know what the code refers to
            referred[:] = _referred(module)
            original_save(signature, compiled)

    def load(key: object) -> object:
        found = original_load(key)
        if found is None:
            return None
        callees, data = cast("tuple[list[_Callee], object]", found)
        for callee in callees:
            callee.load()
        return data

    file.save, file.load, dispatcher._cache.save_overload = save, load, save_overload
    return dispatcher


def _referred(module: Any) -> list[_Callee]:
    """The functions compiled by themselves to whose symbols a module of LLVM refers."""
    names = [f.name for f in module.functions if f.is_declaration and f.name.startswith(_PREFIX)]
    return [_callees[name] for name in names]


@cache
def _sources_digest() -> str:
    """A hash of every file of this package."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
