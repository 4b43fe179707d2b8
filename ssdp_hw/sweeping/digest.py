"""Hashes of all that determines a study's result: its data, its source, and the toolkit that runs it."""

from __future__ import annotations

import functools
import hashlib
import inspect
import site
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ssdp_hw.errors import FileFormatError, ParameterError
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.network_file import save
from ssdp_hw.sweeping.points import plain_value

_PIECE = 1 << 20
# What counts by its content alone, so that two equal ones are the same wherever they stand.
_CONTENT = (bool, int, float, str, bytes, Path, np.ndarray, Network, FixedNetwork)


def digest_of_value(value: object, name: str) -> str:
    """Hash of one piece of data.

    Args:
        value: an array or tensor, a network, the path of a file (its content counts), a plain value, or a dataclass,
            list or dict of such values.
        name: of the data, for messages.

    Raises:
        ParameterError: something else.
        FileFormatError: a file that cannot be read.
    """
    hashed = hashlib.sha256()
    if isinstance(value, Path):
        _add_file(hashed, value)
    elif isinstance(value, Network | FixedNetwork):
        with tempfile.TemporaryDirectory(prefix="ssdp-hw-digest-") as folder:
            path = Path(folder) / "network.h5"
            save(value, path)
            _add_file(hashed, path)
    elif isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise ParameterError(f"data '{name}' is an array of Python objects; give numbers")
        hashed.update(f"array {array.dtype.str} {array.shape}".encode())
        hashed.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else b"")
    elif is_dataclass(value) and not isinstance(value, type):
        hashed.update(f"dataclass {type(value).__module__}.{type(value).__qualname__}".encode())
        for piece in _pieces(type(value), set()):
            hashed.update(piece.encode())
        for own in fields(value):
            hashed.update(f"{own.name} {digest_of_value(getattr(value, own.name), f'{name}.{own.name}')}".encode())
    elif isinstance(value, Mapping):
        hashed.update(b"mapping")
        for key, item in value.items():
            hashed.update(f"{_key(key)} {digest_of_value(item, f'{name}[{key!r}]')}".encode())
    elif isinstance(value, list | tuple):
        hashed.update(f"list {[digest_of_value(item, f'{name}[{i}]') for i, item in enumerate(value)]}".encode())
    else:
        hashed.update(repr(plain_value(value, f"data '{name}'")).encode())
    return hashed.hexdigest()


def _key(key: object) -> str:
    """A key of a dict, such as 1, "1" or a type of an enumeration, as text."""
    return f"{type(key).__name__} {key!r}"


def _add_file(hashed: Any, path: Path) -> None:
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                hashed.update(piece)
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror or error})") from None


def digest_of_study(study: Callable[..., object]) -> str:
    """Hash of a study's source and of what it names of its own code: functions, classes, constants, modules.

    Own is what is neither in the standard library, nor installed, nor this toolkit; the versions of what is installed
    are no part of it, but for this toolkit's (:func:`toolkit_digest`).
    """
    hashed = hashlib.sha256()
    for piece in _pieces(study, set()):
        hashed.update(piece.encode())
        hashed.update(b"\0")
    return hashed.hexdigest()


def _pieces(value: object, seen: set[int]) -> Iterator[str]:
    """The source of an object and of all own objects that it names, and the content of its constants."""
    if value is None or isinstance(value, _CONTENT):
        yield _constant(value)
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, functools.partial):
        for part in (value.func, value.args, value.keywords):
            yield from _pieces(part, seen)
    elif isinstance(value, Mapping):
        yield f"mapping of {len(value)}"
        for key, item in value.items():
            yield _key(key)
            yield from _pieces(item, seen)
    elif isinstance(value, list | tuple):
        yield f"list of {len(value)}"
        for item in value:
            yield from _pieces(item, seen)
    elif isinstance(value, set | frozenset):
        yield f"set {sorted(map(_key, value))}"
    elif isinstance(value, MethodType):
        yield from _pieces(value.__func__, seen)
        yield from _pieces(value.__self__, seen)
    elif isinstance(value, ModuleType):
        yield _source(value) if _is_own(value.__name__) else value.__name__
    elif isinstance(value, FunctionType):
        if not _is_own(value.__module__):
            yield f"{value.__module__}.{value.__qualname__}"
        else:
            yield _source(value)
            yield from _pieces(value.__defaults__, seen)
            yield from _pieces(value.__kwdefaults__, seen)
            for cell in value.__closure__ or ():
                yield from _pieces(_content(cell), seen)
            for name in sorted(set(_names(value.__code__))):
                if name in value.__globals__:
                    yield name
                    yield from _pieces(value.__globals__[name], seen)
    elif isinstance(value, type):
        if not _is_own(value.__module__):
            yield f"{value.__module__}.{value.__qualname__}"
        else:
            yield _source(value)
            for base in value.__bases__:
                yield from _pieces(base, seen)
            for method in vars(value).values():
                function = inspect.unwrap(getattr(method, "__func__", getattr(method, "fget", None) or method))
                if isinstance(function, FunctionType):
                    yield from _pieces(function, seen)
    elif hasattr(value, "__wrapped__"):  # a decorated function, as by functools.cache
        yield from _pieces(value.__wrapped__, seen)
    else:
        yield _constant(value)
        if _is_own(type(value).__module__):
            yield from _pieces(type(value), seen)
            yield from _pieces(getattr(value, "__dict__", {}), seen)


def _names(code: CodeType) -> Iterator[str]:
    """Global names of a function, of the functions inside it too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # it is not set yet
        return None


def _constant(value: object) -> str:
    """A constant of own code: what data may be by its content, a path without a file as it is, else its type."""
    try:
        return digest_of_value(value, "constant")
    except (ParameterError, FileFormatError):
        return str(value) if isinstance(value, Path) else f"{type(value).__module__}.{type(value).__qualname__}"


@lru_cache(maxsize=1024)
def _source(value: Any) -> str:
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):  # typed at a prompt, or made by exec
        code: CodeType | None = getattr(value, "__code__", None)
        return repr(value.__name__) if code is None else f"{code.co_code!r} {code.co_consts!r} {code.co_names!r}"


@lru_cache(maxsize=1024)
def _is_own(module: str | None) -> bool:
    """Whether a module is neither of the standard library, nor installed, nor of this toolkit."""
    top = (module or "").partition(".")[0]
    if top == "__main__":
        return True
    if top in ("ssdp_hw", "") or top in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    return file is not None and not _is_installed(Path(file))


def _is_installed(file: Path) -> bool:
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()}
    return any(file.resolve().is_relative_to(Path(folder).resolve()) for folder in folders)


@lru_cache(maxsize=1)
def toolkit_digest() -> str:
    """This toolkit's version; of a checkout, which may have changed since, a hash of all its files too."""
    import ssdp_hw

    version: str = ssdp_hw.__version__
    roots = [Path(next(iter(import_module(name).__path__))) for name in ("ssdp_hw", "ssdp_hw.targets")]
    if _is_installed(roots[0]):
        return version
    hashed = hashlib.sha256()
    for root in roots:
        for path in sorted(p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            hashed.update(str(path.relative_to(root)).encode())
            hashed.update(path.read_bytes())
    return f"{version}+{hashed.hexdigest()[:16]}"
