"""What other packages add by name: neuron models and learning rules.

A package registers one as an entry point: a name, and the object. A script or a notebook calls ``register``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib import import_module, metadata
from keyword import iskeyword
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Generic, TypeVar

from ssdp_hw.errors import ParameterError

T = TypeVar("T")  # has a ``name``


class Registry(Generic[T]):
    """Objects of one kind by name: those of the toolkit, and those of other packages.

    Args:
        noun: what they are, for messages.
        group: the group of entry points.
        package: the package of the toolkit's own.
        attribute: name of the object in a module of the package; with an S, of several.
        check: raises a ParameterError unless an object is one; it is given the object and who asks.
    """

    def __init__(
        self, noun: str, group: str, package: ModuleType, attribute: str, check: Callable[[object, str], T]
    ) -> None:
        self.noun, self.group, self.package, self.attribute, self.check = noun, group, package, attribute, check
        self.registered: dict[str, T] = {}

    @cached_property
    def shipped(self) -> dict[str, T]:
        """Those of the toolkit."""
        found: dict[str, T] = {}
        for module in iter_modules(self.package.__path__):
            loaded = import_module(f"{self.package.__name__}.{module.name}")
            single = getattr(loaded, self.attribute, None)
            for one in (*getattr(loaded, f"{self.attribute}S", ()), *([] if single is None else [single])):
                found[name_of(one)] = one
        return found

    @cached_property
    def entry_points(self) -> dict[str, metadata.EntryPoint]:
        """Those of other packages, not yet loaded."""
        return {e.name: e for e in metadata.entry_points(group=self.group)}

    def register(self, one: T, owner: str) -> T:
        """Make an object known by its name in this process; returns it.

        Raises:
            ParameterError: it is none, or another class has that name.
        """
        checked = self.check(one, owner)
        name = name_of(checked)
        known = self.registered.get(name) or self.shipped.get(name)
        if known is not None and known != checked and type(known).__qualname__ != type(checked).__qualname__:
            raise ParameterError(f"{self.noun} '{name}' is already {type(known).__name__}; give the new one a name")
        self.registered[name] = checked
        return checked

    def names(self) -> list[str]:
        """All names that are known, sorted."""
        return sorted({*self.shipped, *self.entry_points, *self.registered})

    def get(self, name: str) -> T:
        """The object of that name.

        Raises:
            ParameterError: there is none, or the package that registers it is broken.
        """
        for known in (self.registered, self.shipped):
            if name in known:
                return known[name]
        if name not in self.entry_points:
            raise ParameterError(
                f"{self.noun} '{name}' is unknown; there are: {', '.join(self.names())}; one of your own is registered "
                f"in the same process, or by its package as an entry point of the group '{self.group}'"
            )
        try:
            loaded = self.entry_points[name].load()
        except Exception as error:  # any: the package of someone else
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ParameterError(f"{self.noun} '{name}' cannot be loaded ({reason}); reinstall its package") from error
        self.registered[name] = self.check(loaded, f"entry point '{name}' of the group {self.group}")
        return self.registered[name]


def name_of(one: Any) -> str:
    """The name of a registered object."""
    return str(one.name)


def check_identifiers(names: list[str], owner: str, what: str) -> None:
    """Raise unless every name is a Python identifier, and no keyword.

    Raises:
        ParameterError: one is not.
    """
    for name in names:
        if not isinstance(name, str) or not name.isascii() or not name.isidentifier() or iskeyword(name):
            raise ParameterError(f"{owner}: {name!r} names {what}; it must be a Python identifier")
