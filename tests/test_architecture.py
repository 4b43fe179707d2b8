"""The map in docs/architecture.md holds: which layer may import which, no circles, few modules that lie flat."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"ssdp_hw": ROOT / "ssdp_hw", "ssdp_hw.targets": ROOT / "targets"}
DOCS = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
MOST_FLAT_MODULES = 12


def modules() -> dict[str, Path]:
    """Every module of the toolkit and of its targets by its dotted name; a package by its own."""
    found = {}
    for package, folder in PACKAGES.items():
        for file in folder.rglob("*.py"):
            parts = [part for part in file.relative_to(folder).with_suffix("").parts if part != "__init__"]
            found[".".join([package, *parts])] = file
    return found


MODULES = modules()


def imports_of(module: str) -> set[str]:
    """Modules of ours that a module imports, within functions and for type checking too."""
    file = MODULES[module]
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            above = parents[: len(parents) - node.level + 1] if node.level else []
            source = ".".join(filter(None, (".".join(above), node.module)))
            for alias in node.names:
                whole = f"{source}.{alias.name}"
                found.add(whole if whole in MODULES else source)
    return {name for name in found if name in MODULES and name != module}


@cache
def imports() -> dict[str, set[str]]:
    return {module: imports_of(module) for module in MODULES}


def layer_of(module: str) -> str:
    """The folder or flat module below ``ssdp_hw`` that a module belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def documented_layers() -> dict[str, int]:
    """Rank of every layer in the table of the docs, from the lowest, 0, upwards."""
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", DOCS, re.MULTILINE)
    return {name: int(rank) for rank, names in rows for name in re.findall(r"`([a-z_0-9]+)(?:/|\.py)`", names)}


LAYERS = documented_layers()


def test_every_layer_stands_in_the_docs():
    assert {layer_of(module) for module in MODULES} - {"__init__"} == set(LAYERS)


def test_the_picture_knows_every_layer():
    """The script that draws it has a note for each, or else it could not draw the table of today."""
    drawn = (ROOT / "docs" / "draw_architecture.py").read_text(encoding="utf-8")
    assert [name for name in LAYERS if name != "targets" and f'"{name}": ' not in drawn] == []


def test_a_layer_imports_lower_layers_only():
    upward = {
        (module, layer_of(other))
        for module, others in imports().items()
        for other in others
        if "__init__" not in (layer_of(module), layer_of(other))
        and layer_of(module) != layer_of(other)
        and LAYERS[layer_of(module)] <= LAYERS[layer_of(other)]
    }
    assert upward == set()


def test_the_toolkit_imports_no_target():
    assert [
        m
        for m, others in imports().items()
        if layer_of(m) != "targets" and any(layer_of(o) == "targets" for o in others)
    ] == []


def test_no_target_imports_another():
    def target(module: str) -> str:
        return module.split(".")[2]

    pairs = [(m, o) for m, others in imports().items() for o in others if m.count(".") > 1 and o.count(".") > 1]
    assert [p for p in pairs if layer_of(p[0]) == layer_of(p[1]) == "targets" and target(p[0]) != target(p[1])] == []


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, by Tarjan's algorithm (SIAM J. Comput. 1(2), 1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for other in graph[module]:
            if other not in order:
                visit(other)
            if other in stack:
                lowest[module] = min(lowest[module], lowest[other])
        if lowest[module] == order[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in graph:
        if module not in order:
            visit(module)
    return found


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


def test_no_modules_import_each_other():
    # A package's __init__ gathers names of its modules, which is no circle while no module asks the package for them.
    graph = {m: {o for o in others if not m.startswith(f"{o}.")} for m, others in imports().items()}
    assert circles(graph) == []
    asking = [
        f"{m} asks {o}"
        for m, others in imports().items()
        for o in others
        if m.startswith(f"{o}.") and m in imports()[o]
    ]
    assert asking == []


def test_few_modules_lie_flat():
    flat = [module for module in MODULES if module.count(".") == 1 and MODULES[module].name != "__init__.py"]
    assert len(flat) + 1 <= MOST_FLAT_MODULES, flat  # __init__.py is one of them


def test_every_folder_is_packaged():
    """Setuptools cannot discover packages through a mapped folder, so pyproject.toml lists them."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(module for module, file in MODULES.items() if file.name == "__init__.py")


def test_a_package_names_files_that_it_has():
    """The docstring of a package says what is in which file."""
    named = {
        (str(file.parent.relative_to(ROOT)), name)
        for file in MODULES.values()
        if file.name == "__init__.py"
        for name in re.findall(r"``([a-z_0-9]+\.py)``", ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "")
    }
    assert len(named) > 30
    assert [(folder, name) for folder, name in sorted(named) if not (ROOT / folder / name).is_file()] == []


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:ssdp_hw|targets|tests|docs)/[\w./]+)`", DOCS))))
def test_the_docs_name_files_that_exist(path):
    assert (ROOT / path).exists()


def test_files_beside_others_stand_there():
    """A file named without a folder is in the folder of the file or folder named before it in the line."""
    beside = []
    for line in DOCS.splitlines():
        folder = None
        for path in re.findall(r"`([\w./]+(?:/|\.py))`", line):
            if path.startswith(("ssdp_hw/", "targets/", "tests/")):
                folder = ROOT / (path if path.endswith("/") else path.rpartition("/")[0])
            elif folder and path.endswith(".py"):
                beside.append(folder / path)
    assert len(beside) > 5
    assert [str(file) for file in beside if not file.is_file()] == []
