"""Mutation test: which small faults in operations, printers, rules and quantisation do the tests let live?

    python benchmarks/mutants.py --seed 0 --count 300

Every mutant is one change of the syntax tree (a bound ``<`` for ``<=``, a sign, a shift, a constant off by one, two
arguments exchanged; in a printer's template an operator or the order of its arguments). The mutants are drawn evenly
over the modules by the seed. A first run without any change finds how long each test takes and which functions it
calls; each mutant then meets those tests that call the changed function, the shortest first, as long as one takes no
more than ``--longest`` seconds and all of them ``--budget``. No file is changed: each mutant runs in a process of its
own, which loads the changed module from memory.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.abc
import importlib.util
import json
import math
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / ".cache" / "mutants.json"
FOLDERS = ("ssdp_hw/operations", "ssdp_hw/rules", "ssdp_hw/quantization")
# What prints neuron models and rules in the language of a target.
PRINTERS = (
    "ssdp_hw/models/printing.py",
    "targets/brian2/printer.py",
    "targets/engine/generated.py",
    "targets/engine/generated_rules.py",
    "targets/lava/printer.py",
    "targets/lava/rule_printer.py",
)
EXCEPT = {
    "ssdp_hw/operations/straight_through.py",
    "ssdp_hw/rules/torch_ssdp.py",
    "ssdp_hw/quantization/fine_tuning.py",
    "ssdp_hw/quantization/gradient_paths.py",
}
# Files of tests that take part, without test_ and .py.
TESTS = (
    "arithmetic",
    "operations",
    "printers",
    "models",
    "model_mathematics",
    "proof",
    "generated_steps",
    "neuron_models",
    "declared_rules",
    "third_factors",
    "stochastic_models",
    "ports",
    "formula",
    "released_ssdp",
    "thresholds_learned",
    "state_rounding",
    "model_quantization",
    "model_scaling",
    "register_bounds",
    "rules",
    "derived_rule",
    "rule_formulas",
    "rule_limits",
    "rounding_bias",
    "philox",
    "ssdp_batch",
    "ssdp_fixed",
    "ssdp_gate",
    "ssdp_rule",
    "learning_gates",
    "quantization",
    "quantization_methods",
    "quantization_bounds",
    "quantization_formulas",
    "register_corners",
    "split",
    "formats",
)

# Seconds of CPU after which a mutant counts as caught: it never ends.
_ENDLESS = 120
_SURVIVED, _KILLED, _TIMEOUT = "survived", "killed", "timeout"

_COMPARE = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_BINARY = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
}
_CALLS = {
    "min": "max",
    "max": "min",
    "minimum": "maximum",
    "maximum": "minimum",
    "any": "all",
    "all": "any",
    "argmax": "argmin",
    "argmin": "argmax",
    "floor": "ceil",
    "rint": "floor",
    "round": "int",
    "sum": "max",
    "abs": "asarray",
}

# In the templates of printers: an operator, and one that stands in its place. Those at the end are the same with their
# arguments exchanged.
_IN_TEMPLATES = {
    "<<": ">>",
    ">>": "<<",
    "<=": "<",
    "<": "<=",
    "//": "/",
    "/": "*",
    " - ": " + ",
}
_SYMMETRIC = {
    " + ": " - ",
    "*": "+",
    "==": "!=",
    "!=": "==",
    " and ": " or ",
    " or ": " and ",
    "logical_and": "logical_or",
    "logical_or": "logical_and",
    "min": "max",
    "max": "min",
}

# Calls that are the same with their first two arguments exchanged, or cannot run at all.
_ORDERED_BY_TYPE = {
    "min",
    "max",
    "minimum",
    "maximum",
    "isinstance",
    "getattr",
    "__setattr__",
    "asarray",
    "array",
    "zeros",
}


@dataclass(frozen=True)
class Mutant:
    """Change number ``change`` of a module: at a line, within the function that begins at ``function`` (0: none)."""

    file: str
    change: int
    line: int
    function: int
    text: str


@dataclass(frozen=True)
class Baseline:
    """Of each test: CPU seconds, and the functions (file, first line) that it calls."""

    seconds: dict[str, float]
    called: dict[str, set[tuple[str, int]]]


def modules() -> list[str]:
    """The files that are mutated, relative to the root."""
    found = ["ssdp_hw/arithmetic.py", *PRINTERS]
    for folder in FOLDERS:
        found += sorted(str(f.relative_to(ROOT)) for f in (ROOT / folder).glob("*.py"))
    return [f for f in found if f not in EXCEPT and not f.endswith("__init__.py")]


def mutants_of(file: str) -> list[Mutant]:
    """All mutants of a file."""
    tree = ast.parse((ROOT / file).read_text())
    found = []
    for change, (node, function, _, text) in enumerate(_changes(tree, f_strings=file in PRINTERS)):
        found.append(Mutant(file, change, node.lineno, function, text))
    return found


def mutated(file: str, change: int) -> ast.Module:
    """The syntax tree of a file after one change."""
    tree = ast.parse((ROOT / file).read_text())
    for k, (_, _, apply, _) in enumerate(_changes(tree, f_strings=file in PRINTERS)):
        if k == change:
            apply()
            return ast.fix_missing_locations(tree)
    raise IndexError(change)


def _changes(tree: ast.Module, *, f_strings: bool) -> Iterator[tuple[Any, int, Callable[[], None], str]]:
    """(node, first line of its function, what changes the tree, description) of every possible change, in order."""
    for node, function in list(_nodes(tree, 0, f_strings=f_strings)):
        before = _text(node)
        for apply, undo in _variants(node):
            apply()
            after = _text(node)
            undo()
            if after != before:
                yield node, function, apply, f"{before} -> {after}"


def _text(node: Any) -> str:
    return f"if {ast.unparse(node.test)}" if isinstance(node, ast.If) else ast.unparse(node)


def _nodes(node: ast.AST, function: int, *, f_strings: bool) -> Iterator[tuple[ast.AST, int]]:
    """Every node that computes something; not annotations, decorators, imports, messages and docstrings.

    ``f_strings`` says whether f-strings are more than messages, as they are in printers.
    """
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "keywords") and not isinstance(node, ast.Call):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(
                child, ast.Raise | ast.Import | ast.ImportFrom | ast.Assert
            ):
                continue
            if isinstance(child, ast.JoinedStr) and not f_strings:
                continue
            inner = function
            if isinstance(child, ast.FunctionDef):
                inner = min([child.lineno, *(d.lineno for d in child.decorator_list)])
            if isinstance(child, ast.expr | ast.AugAssign | ast.If):
                yield child, inner
            yield from _nodes(child, inner, f_strings=f_strings)


def _variants(node: Any) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """For each change of a node: what makes it and what takes it back."""

    def put(field: str, value: Any, owner: Any = node) -> tuple[Callable[[], None], Callable[[], None]]:
        old = getattr(owner, field)
        return (lambda: setattr(owner, field, value)), (lambda: setattr(owner, field, old))

    if isinstance(node, ast.Compare):
        for k in range(len(node.ops)):
            yield put("ops", [_COMPARE[type(o)]() if i == k else o for i, o in enumerate(node.ops)])
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _BINARY:
        yield put("op", _BINARY[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        yield put("op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not | ast.Invert):
        if isinstance(node.op, ast.USub):
            yield put("op", ast.UAdd())
        else:
            yield put("op", ast.Not() if isinstance(node.op, ast.Invert) else ast.UAdd())
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            for changed in _templates(node.value):
                yield put("value", changed)
        elif isinstance(node.value, bool):
            yield put("value", not node.value)
        elif isinstance(node.value, int | float):
            yield put("value", node.value + 1)
            yield put("value", node.value - 1)
    elif isinstance(node, ast.IfExp | ast.If):
        yield put("test", ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _CALLS and (name != "abs" or isinstance(node.func, ast.Attribute)):
            field = "attr" if isinstance(node.func, ast.Attribute) else "id"
            yield put(field, _CALLS[name], node.func)
        plain = node.args if not any(isinstance(a, ast.Starred) for a in node.args) else []
        if len(plain) == 3 and name in ("where", "clip"):
            yield put("args", [plain[0], plain[2], plain[1]])
        elif len(plain) >= 2 and name not in _ORDERED_BY_TYPE:
            yield put("args", [plain[1], plain[0], *plain[2:]])


def _templates(text: str) -> Iterator[str]:
    """What a printer's template becomes; nothing of other texts, docstrings among them."""
    if "{0}" not in text or "\n" in text:
        return
    for operator, other in {**_IN_TEMPLATES, **_SYMMETRIC}.items():
        if operator in text:
            yield text.replace(operator, other)
            break
    if "{1}" in text and not any(operator in text for operator in _SYMMETRIC):
        yield text.replace("{0}", "{}").replace("{1}", "{0}").replace("{}", "{1}")
    if "{2}" in text:
        yield text.replace("{1}", "{}").replace("{2}", "{1}").replace("{}", "{2}")


class _Loader(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Loads one module from a syntax tree instead of its file."""

    def __init__(self, mutant: Mutant) -> None:
        self.name = mutant.file.removesuffix(".py").replace("/", ".")
        if self.name.startswith("targets."):  # the folder is installed as a part of the package
            self.name = f"ssdp_hw.{self.name}"
        self.path = str(ROOT / mutant.file)
        self.code = compile(mutated(mutant.file, mutant.change), self.path, "exec")

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def get_source(self, fullname: str) -> str:
        return Path(self.path).read_text()

    def is_package(self, fullname: str) -> bool:
        return False

    def get_code(self, fullname: str) -> Any:
        return self.code

    def exec_module(self, module: Any) -> None:
        exec(self.code, module.__dict__)  # noqa: S102


class _Watch:
    """Plugin of pytest: CPU seconds of each test that passes, and the functions of the mutated modules it calls."""

    def __init__(self) -> None:
        self.files = {str(ROOT / f): f for f in modules()}
        self.seconds: dict[str, float] = {}
        self.called: dict[str, set[tuple[str, int]]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Any:
        called: set[tuple[str, int]] = set()

        def profile(frame: Any, event: str, _: Any) -> None:
            if event == "call" and frame.f_code.co_filename in self.files:
                called.add((self.files[frame.f_code.co_filename], frame.f_code.co_firstlineno))

        self.called[item.nodeid] = called
        start = time.process_time()
        sys.setprofile(profile)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            self.seconds[item.nodeid] = time.process_time() - start

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" and not report.passed:
            self.called.pop(report.nodeid, None)


def _test_files() -> list[str]:
    return [f for name in TESTS if (ROOT / (f := f"tests/test_{name}.py")).exists()]


def baseline() -> Baseline:
    """What each test calls and takes, from a run without any change; of each file of tests kept until it changes."""
    kept = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    source = hashlib.sha256(b"".join((ROOT / file).read_bytes() for file in modules()))
    for file in _test_files():
        digest = source.copy()
        digest.update((ROOT / file).read_bytes())
        if kept.get(file, {}).get("digest") == digest.hexdigest():
            continue
        BASELINE.parent.mkdir(exist_ok=True)
        pid = os.fork()
        if not pid:
            _silence()
            watch = _Watch()
            pytest.main([*_OPTIONS, file], plugins=[watch])
            called = {t: sorted(c) for t, c in watch.called.items()}
            kept[file] = {"digest": digest.hexdigest(), "seconds": watch.seconds, "called": called}
            BASELINE.write_text(json.dumps(kept))
            os._exit(0)
        os.waitpid(pid, 0)
        kept = json.loads(BASELINE.read_text())
    parts = [kept[file] for file in _test_files()]
    return Baseline(
        {t: seconds for part in parts for t, seconds in part["seconds"].items()},
        {t: {(f, k) for f, k in called} for part in parts for t, called in part["called"].items()},
    )


_OPTIONS = [
    "-q",
    "-m",
    "not slow and not browser",
    "--assert=plain",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    f"--rootdir={ROOT}",
]


def tests_for(mutant: Mutant, known: Baseline, longest: float, budget: float) -> list[str]:
    """Tests that call the changed function, the shortest first; of what runs on import all that call the module."""
    place = (mutant.file, mutant.function)
    chosen, total = [], 0.0
    for test, called in sorted(known.called.items(), key=lambda entry: known.seconds[entry[0]]):
        reaches = place in called if mutant.function else any(f == mutant.file for f, _ in called)
        if reaches and known.seconds[test] <= longest and total + known.seconds[test] <= budget:
            chosen.append(test)
            total += known.seconds[test]
    return chosen


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _run(mutant: Mutant, tests: list[str]) -> int:
    """In a process of its own: 0 if all tests pass."""
    from numba.core import caching

    # What a mutant compiles is never kept.
    caching.Cache.save_overload = lambda *_: None
    resource.setrlimit(resource.RLIMIT_CPU, (_ENDLESS, _ENDLESS + 5))
    _silence()
    sys.meta_path.insert(0, _Loader(mutant))
    return int(pytest.main(["-x", *_OPTIONS, *tests]))


def verdicts(
    chosen: list[Mutant], known: Baseline, longest: float, budget: float, processes: int, seconds: float
) -> dict[Mutant, str]:
    """Which mutants the tests see, some at a time; after so many seconds no further ones begin."""
    # What all children share; the mutated package itself must not be loaded here.
    import h5py  # noqa: F401
    import nir  # noqa: F401
    import numba  # noqa: F401
    import scipy.sparse  # noqa: F401

    found: dict[Mutant, str] = {}
    running: dict[int, Mutant] = {}
    waiting, end = list(chosen), time.monotonic() + seconds
    while waiting or running:
        if time.monotonic() > end:
            waiting.clear()
        while waiting and len(running) < processes:
            mutant = waiting.pop(0)
            tests = tests_for(mutant, known, longest, budget)
            if not tests:
                found[mutant] = "no test"
                print(f"no test   {mutant.file}:{mutant.line}  {mutant.text}", flush=True)
                continue
            pid = os.fork()
            if not pid:
                code = 3  # what pytest itself says of an internal error
                try:
                    code = _run(mutant, tests)
                finally:
                    os._exit(code)
            running[pid] = mutant
        if not running:
            continue
        pid, status = os.wait()
        mutant = running.pop(pid)
        if os.WIFSIGNALED(status):
            found[mutant] = _TIMEOUT
        else:  # 1: a test failed; 2 and 4: a file of tests, which imports the changed module, cannot be loaded
            code = os.WEXITSTATUS(status)
            found[mutant] = _SURVIVED if code == 0 else _KILLED if code in (1, 2, 4) else f"pytest ended with {code}"
        if found[mutant] != _KILLED:
            print(f"{found[mutant]:9} {mutant.file}:{mutant.line}  {mutant.text}", flush=True)
    return found


def draw(seed: int, count: int) -> list[Mutant]:
    """So many mutants, evenly over the modules."""
    shuffled = []
    for k, file in enumerate(modules()):
        every = mutants_of(file)
        shuffled.append([every[i] for i in np.random.default_rng((seed, k)).permutation(len(every))])
    chosen: list[Mutant] = []
    while len(chosen) < count and any(shuffled):
        for rest in shuffled:
            if rest and len(chosen) < count:
                chosen.append(rest.pop(0))
    return chosen


def main() -> None:
    """Draw mutants, run the tests against each, print the survivors and how many were caught."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--longest", type=float, default=5.0, help="CPU seconds of the longest test that takes part")
    parser.add_argument("--budget", type=float, default=20.0, help="CPU seconds of all tests against one mutant")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin no further mutant after that")
    parser.add_argument("--only", default="", help="mutate only files whose path holds this, e.g. rules/stdp")
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    options = parser.parse_args()
    os.chdir(ROOT)
    chosen = [m for m in draw(options.seed, options.count) if options.only in m.file]
    if options.list:
        for m in chosen:
            print(f"{m.file}:{m.line}  {m.text}")
        return
    known = baseline()
    start = time.perf_counter()
    found = verdicts(chosen, known, options.longest, options.budget, options.processes, options.seconds)
    caught = sum(v in (_KILLED, _TIMEOUT) for v in found.values())
    print(f"{caught} of {len(found)} mutants caught (seed {options.seed}) in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
