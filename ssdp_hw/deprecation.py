"""Old names that stay accepted: each gives a DeprecationWarning that says the new one.

``docs/renamed.md`` is the table for people; ``tests/test_deprecation.py`` holds it against what is registered here.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])
V = TypeVar("V")

# Qualified name of a function or class -> old name of an argument or field -> new name.
RENAMED: dict[str, dict[str, str]] = {}

# Modules that third parties may import, by the path they had in 0.1.0; below ``ssdp_hw``.
MOVED_MODULES = {
    "activity": "analysis.activity",
    "alignment": "conversion.alignment",
    "chip_resources": "analysis.resources",
    "comparison": "analysis.comparison",
    "conv_weight": "network.convolution",
    "derived_rule": "rules.derivation",
    "design_rules": "network.design_rules",
    "drive": "running.drive",
    "encoding": "running.encoding",
    "fine_tuning": "quantization.fine_tuning",
    "fixed": "network.fixed_network",
    "formats": "network.formats",
    "graph": "network.graph",
    "hdf5_guard": "files.hdf5_guard",
    "health": "learning.health",
    "importers": "conversion",
    "ladder": "analysis.ladder",
    "learning_input": "learning.inputs",
    "learning_state": "learning.state",
    "neurons": "network.neurons",
    "nir_io": "conversion.nir",
    "quantization.report": "network.quantization_report",
    "readout": "running.decoding",
    "report": "reporting",
    "result": "running.result",
    "rule_values": "rules.values",
    "simulation": "running.run",
    "ssdp": "rules",
    "statistics": "analysis.statistics",
    "storage": "network.network_file",
    "streaming": "running.stream",
    "target": "running.target",
    "teacher": "learning.teacher",
    "torch_rule": "rules.torch_ssdp",
    "verification": "analysis.verification",
    "warm_up": "learning.warm_up",
}
# Public functions that have the name of such a module now, and their modules.
_FUNCTIONS = {"report": "reporting.report"}
# Names that such a module had and its successor has not.
MOVED_NAMES = {
    "storage": {"save_learning": "learning.state_file", "load_learning": "learning.state_file"},
}


def warn_renamed(old: str, new: str, level: int = 3) -> None:
    """Say that ``old`` is now ``new``, at the line of the caller's caller."""
    warnings.warn(f"{old} is now {new}; the old name will go with version 1.0", DeprecationWarning, stacklevel=level)


def renamed(**names: str) -> Callable[[T], T]:
    """Accept old names of arguments of a function, or of the fields of a dataclass.

    Decorates the function or (above ``@dataclass``) the class: ``@renamed(old="new")``. An old field can be read,
    too, and given to ``dataclasses.replace``; where both names are given the old one counts.
    """

    def decorate(decorated: T) -> T:
        where = decorated.__qualname__
        RENAMED.setdefault(where, {}).update(names)
        if not isinstance(decorated, type):
            function: T = _with_new_names(decorated, where, names)
            return function
        made: Any = decorated
        made.__init__ = _with_new_names(made.__init__, where, names)
        for old, new in names.items():
            setattr(made, old, _old_field(where, old, new))
        return decorated

    return decorate


def grouped(**groups: tuple[type, Mapping[str, str]]) -> Callable[[T], T]:
    """Accept arguments of a function that are fields of another argument now.

    ``@grouped(order=(Order, {"mixed": "shuffle"}))`` turns ``f(mixed=True)`` into ``f(order=Order(shuffle=True))``.
    An argument that is given beside its old parts keeps its other fields; one that is no instance of the class is the
    first field of a new one.

    Args:
        groups: by argument its class, and the old arguments with the names of the class's fields.
    """
    places = {old: (new, kind, name) for new, (kind, olds) in groups.items() for old, name in olds.items()}

    def decorate(function: T) -> T:
        where = function.__qualname__
        instead = {old: f"{new}={kind.__name__}({name}=...)" for old, (new, kind, name) in places.items()}
        RENAMED.setdefault(where, {}).update(instead)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            found: dict[str, dict[str, Any]] = {}
            for old in [name for name in kwargs if name in places]:
                new, _, field = places[old]
                warn_renamed(f"{where}({old}=...)", instead[old])
                found.setdefault(new, {})[field] = kwargs.pop(old)
            for new, values in found.items():
                kind, given = groups[new][0], kwargs.get(new)
                if isinstance(given, kind):
                    kwargs[new] = replace(given, **values)  # type: ignore[type-var]
                else:
                    kwargs[new] = kind(*([] if given is None else [given]), **values)
            return function(*args, **kwargs)

        made: Any = call
        return made  # type: ignore[no-any-return]

    return decorate


def _with_new_names(function: Any, where: str, names: Mapping[str, str]) -> Any:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for old in names.keys() & kwargs.keys():
            warn_renamed(f"{where}({old}=...)", f"{names[old]}=...")
            kwargs[names[old]] = kwargs.pop(old)
        return function(*args, **kwargs)

    return call


def _old_field(where: str, old: str, new: str) -> property:
    def read(self: Any) -> Any:
        warn_renamed(f"{where}.{old}", f"{where}.{new}")
        return getattr(self, new)

    return property(read, doc=f"Deprecated: ``{new}``.")


def with_new_names(kind: type, values: Mapping[str, V]) -> dict[str, V]:
    """Arguments of a class, as a file or a command line names them, by their names of today; without a warning."""
    names = RENAMED.get(kind.__qualname__, {})
    return {names.get(name, name): value for name, value in values.items()}


def renamed_names(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's ``__getattr__`` for names (old to new) that it has under another name."""

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        warn_renamed(f"{package}.{name}", f"{package}.{names[name]}")
        return getattr(import_module(package), names[name])

    return find


def moved_names(package: str, names: Sequence[str], module: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package or module for names that are in another module now."""

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        warn_renamed(f"{package}.{name}", f"{module}.{name}")
        return getattr(import_module(module), name)

    return find


class _CallableModule(ModuleType):
    """An old module whose name a public function has now: it can be called as that function."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return vars(self)["function"](*args, **kwargs)


class _Forwarding(Loader):
    """Loads an old module as one that looks every name up in the new one.

    Python sets the module as the attribute of its package, where it would hide a public function of its name, such as
    ``ssdp_hw.report``: the module then can be called in its place.
    """

    def __init__(self, new: str, elsewhere: Mapping[str, str]) -> None:
        self.new = new
        self.elsewhere = elsewhere  # modules of names that the new one has not

    def exec_module(self, module: ModuleType) -> None:
        real = import_module(self.new)

        def find(name: str) -> Any:
            place = self.elsewhere.get(name)
            return getattr(real if place is None else import_module(f"ssdp_hw.{place}"), name)

        name = module.__name__.rpartition(".")[2]
        if name in _FUNCTIONS:
            module.__class__ = _CallableModule
            vars(module)["function"] = getattr(import_module(f"ssdp_hw.{_FUNCTIONS[name]}"), name)
        module.__doc__ = f"Deprecated: {self.new}."
        vars(module)["__getattr__"] = find
        vars(module)["__path__"] = []  # so that an old package can have modules, which find_spec looks for


class _MovedModules(MetaPathFinder):
    """Finds modules by the paths they had."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package, *parts = name.split(".")
        for length in range(len(parts), 0, -1) if package == "ssdp_hw" else ():
            old = ".".join(parts[:length])
            if old in MOVED_MODULES:
                new = ".".join((package, MOVED_MODULES[old], *parts[length:]))
                warn_renamed(name, new, 2)
                return ModuleSpec(name, _Forwarding(new, MOVED_NAMES.get(old, {})))
        return None


def accept_moved_modules() -> None:
    """Let the old paths of modules be imported; done once, when ``ssdp_hw`` is imported."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(_MovedModules())
