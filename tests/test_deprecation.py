"""Old names still work, warn, and stand in the table of the docs."""

from __future__ import annotations

import ast
import subprocess
import sys
import warnings
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import pytest

import ssdp_hw
from ssdp_hw.deprecation import MOVED_MODULES, MOVED_NAMES, RENAMED, grouped, renamed

DOCS = (Path(__file__).parents[1] / "docs" / "renamed.md").read_text(encoding="utf-8")
NEEDS_TORCH = {"fine_tuning", "torch_rule"}
FORMER_MODULES = {  # where a package has taken the name of a module
    "network": ("Network", "Population", "Projection", "Semantics"),
    "learning": ("learn", "LearnResult"),
    "files": ("write_atomically", "write_together"),
}


@renamed(b="beta")
@dataclass(frozen=True)
class Example:
    beta: int
    other: int = 0


@renamed(x="value")
def double(value: int) -> int:
    return 2 * value


@grouped(example=(Example, {"b": "beta", "other": "other"}))
def total(*, example: Example | int | None = None, times: int = 1) -> int:
    if example is None:
        return 0
    return times * (example if isinstance(example, int) else example.beta + 10 * example.other)


def test_old_arguments_that_are_fields_of_another_now():
    with pytest.warns(DeprecationWarning, match=r"total\(b=\.\.\.\) is now example=Example\(beta=\.\.\.\)") as caught:
        assert total(b=3, times=2) == 6
    assert caught[0].filename == __file__
    with warnings.catch_warnings(record=True) as both:
        warnings.simplefilter("always")
        assert total(other=2, b=3) == 23
    assert len(both) == 2
    with pytest.warns(DeprecationWarning, match="other="):
        assert total(example=Example(4, 1), other=2) == 24  # the other fields stay
    with pytest.warns(DeprecationWarning, match="other="):
        assert total(example=5, other=1) == 15  # the first field alone
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert total(example=5) == 5


def test_old_arguments_and_fields():
    with pytest.warns(DeprecationWarning, match=r"double\(x=\.\.\.\) is now value=") as caught:
        assert double(x=4) == 8
    assert caught[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=r"Example\(b="):
        made = Example(b=3)
    with pytest.warns(DeprecationWarning, match=r"Example\.b is now Example\.beta"):
        assert made.b == 3
    with pytest.warns(DeprecationWarning, match="Example"):
        assert replace(made, b=5) == Example(5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert replace(Example(beta=1), beta=2, other=3) == Example(2, 3)


@pytest.mark.parametrize("name", sorted(set(MOVED_MODULES) - NEEDS_TORCH))
def test_a_moved_module_is_found_by_its_old_path(name):
    sys.modules.pop(f"ssdp_hw.{name}", None)
    with pytest.warns(DeprecationWarning, match=f"ssdp_hw.{name} is now ssdp_hw.{MOVED_MODULES[name]}"):
        old = import_module(f"ssdp_hw.{name}")
    new = import_module(f"ssdp_hw.{MOVED_MODULES[name]}")
    public = [n for n in vars(new) if not n.startswith("_")]
    assert public
    assert all(getattr(old, n) is getattr(new, n) for n in public)


@pytest.mark.parametrize("module", MOVED_NAMES)
def test_names_that_a_moved_module_left_elsewhere(module):
    sys.modules.pop(f"ssdp_hw.{module}", None)
    with pytest.warns(DeprecationWarning, match=module):
        old = import_module(f"ssdp_hw.{module}")
    for name, place in MOVED_NAMES[module].items():
        assert getattr(old, name) is getattr(import_module(f"ssdp_hw.{place}"), name)
        assert f"`ssdp_hw.{module}.{name}`" in DOCS
        assert f"`ssdp_hw.{place}`" in DOCS


def test_a_module_below_a_moved_package():
    for name in [m for m in sys.modules if m.startswith("ssdp_hw.nir_io")]:
        del sys.modules[name]
    with pytest.warns(DeprecationWarning, match="nir_io"):
        old = import_module("ssdp_hw.nir_io.presets")
    assert old.__getattr__("PRESETS") is import_module("ssdp_hw.conversion.nir.presets").PRESETS


def test_functions_that_find_targets_by_their_old_path():
    interface = import_module("ssdp_hw.running.target")
    with pytest.warns(DeprecationWarning, match=r"target\.get_target is now ssdp_hw\.running\.target_registry"):
        assert interface.get_target("spec").name == "spec"
    assert "`ssdp_hw.running.target_registry.get_target`" in DOCS


@pytest.mark.parametrize(("package", "names"), FORMER_MODULES.items())
def test_a_package_in_the_place_of_a_module(package, names):
    found = import_module(f"ssdp_hw.{package}")
    for name in names:
        if name == "learn" and "ssdp_hw.learning.learn" in sys.modules:
            continue  # the module of that name, once imported, hides it
        with pytest.warns(DeprecationWarning, match=rf"ssdp_hw\.{package}\.{name} is now"):
            assert callable(getattr(found, name))
    with pytest.raises(AttributeError, match="has no attribute 'absent'"):
        _ = found.absent


def test_the_old_name_of_the_list_of_targets():
    code = "import warnings; warnings.simplefilter('error'); import ssdp_hw; ssdp_hw.targets()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "DeprecationWarning: ssdp_hw.targets() is now ssdp_hw.list_targets()" in done.stderr


def test_the_docs_name_everything_that_was_renamed():
    for name in ssdp_hw.__all__:
        getattr(ssdp_hw, name)  # a renamed argument is registered when its module is imported
    missing = [f"`ssdp_hw.{old}` | `ssdp_hw.{new}`" for old, new in MOVED_MODULES.items()]
    missing += [
        f"`{where}`: `{old}` | `{new}`"
        for where, names in RENAMED.items()
        if where not in ("Example", "double", "total")
        for old, new in names.items()
    ]
    assert [line for line in missing if line not in DOCS] == []


def test_public_names_stand_in_one_table():
    stub = ast.parse(Path(ssdp_hw.__file__).with_name("__init__.pyi").read_text(encoding="utf-8"))
    exported = [a for s in stub.body if isinstance(s, ast.ImportFrom) for a in s.names]
    assert [a.asname for a in exported] == [a.name for a in exported]  # type checkers export "X as X" only
    assert {*ssdp_hw.__all__, *ssdp_hw._OF_EXTRAS} == {a.name for a in exported}
    assert all(getattr(ssdp_hw, name) is not None for name in ssdp_hw.__all__)
