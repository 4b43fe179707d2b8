"""The targets by what they declare: which one runs where none is named, and that the toolkit names none itself."""

import ast
from pathlib import Path

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw import demo
from ssdp_hw.errors import ParameterError, TargetUnavailableError, UnsupportedError
from ssdp_hw.running import target_registry as registry
from ssdp_hw.running.result import Recording
from ssdp_hw.running.target import Availability, Target
from ssdp_hw.running.target_registry import choose_target, fastest_target, reference_target, targets_by_speed

PACKAGE = Path(sh.__file__).parent
SPIKES = np.ones((3, 1, 2), bool)


def network():
    return sh.FixedNetwork(
        [sh.Input("in", 2)],
        [sh.FixedPopulation(name="out", size=2, vth=1)],
        [sh.FixedProjection(pre="in", post="out", weight=[[2, 0], [0, 2]])],
        ["out"],
    )


class Plain(Target):
    """A target that declares nothing but that it runs."""

    def __init__(self, name, *, rank=None, installed=True, reasons=(), reference=False, wide=False):
        self.name, self.title, self.speed_rank = name, name, rank
        self.installed, self.reasons = installed, list(reasons)
        self.is_reference, self.any_register_width = reference, wide

    def availability(self):
        return Availability(self.installed, "1.0" if self.installed else "", f"pip install {self.name}")

    def unsupported(self, net, *, learning=False):
        return self.reasons

    def run(self, net, drive, record, options):
        return Recording({}, {}, {})


class Teachable(Plain):
    def learn(self, net, drive, plan, options):
        raise NotImplementedError


class Piecewise(Plain):
    def start(self, net, options):
        raise NotImplementedError


class EntryPoint:
    def __init__(self, target):
        self.target = target

    def load(self):
        if isinstance(self.target, Exception):
            raise self.target
        return self.target


@pytest.fixture
def register(monkeypatch):
    def make(*targets, broken=False):
        found = {t.name: EntryPoint(t) for t in targets}
        if broken:
            found["broken"] = EntryPoint(ImportError("no such module"))
        monkeypatch.setattr(registry, "_entry_points", lambda: found)
        registry._load.cache_clear()

    yield make
    registry._load.cache_clear()


def test_targets_are_ordered_by_rank_and_then_by_name(register):
    register(Plain("b"), Plain("a"), Plain("slow", rank=7), Plain("fast", rank=0), broken=True)
    assert [t.name for t in targets_by_speed()] == ["fast", "slow", "a", "b"]
    assert fastest_target().name == "fast"
    assert reference_target().name == "fast"  # where none says that it is the reference


def test_what_is_not_installed_or_cannot_run_the_network_is_passed_over(register):
    register(Plain("missing", rank=0, installed=False), Plain("narrow", rank=1, reasons=["too wide"]), Plain("third"))
    assert fastest_target().name == "narrow"
    assert fastest_target(network()).name == "third"
    assert sh.run(network(), SPIKES).target == "third"


def test_abilities_are_asked_for(register):
    register(Plain("a", rank=0), Teachable("b", rank=1), Piecewise("c", rank=2), Plain("d", rank=3, wide=True))
    assert fastest_target(learning=True).name == "b"
    assert fastest_target(in_pieces=True).name == "c"
    assert fastest_target(any_register_width=True).name == "d"
    with pytest.raises(TargetUnavailableError, match="none of the targets a, b, c, d is installed and able"):
        fastest_target(learning=True, in_pieces=True)
    with pytest.raises(UnsupportedError, match="target 'a' cannot run in pieces; the target 'c' can"):
        choose_target("a", network(), in_pieces=True)
    with pytest.raises(UnsupportedError, match="target 'a' cannot run in pieces"):
        targets_by_speed()[0].start(network(), {})


def test_every_reason_of_every_installed_target_is_listed(register):
    register(Plain("a", rank=0, reasons=["delays", "width"]), Plain("b", reasons=["shape"]))
    words = "no installed target can run this network: target 'a': delays; width; target 'b': shape"
    with pytest.raises(UnsupportedError, match=words):
        sh.run(network(), SPIKES)


def test_no_target_at_all(register):
    register(Plain("a", installed=False))
    for find in (fastest_target, reference_target):
        with pytest.raises(TargetUnavailableError, match="none of the targets a is installed"):
            find()


def test_the_reference_is_the_one_that_says_so(register):
    register(Plain("a", rank=0), Plain("b", rank=1, reference=True), Plain("c", reference=True, installed=False))
    assert reference_target().name == "b"


def test_the_targets_of_the_repository():
    assert [t.name for t in targets_by_speed()] == ["engine", "spec", "brian2", "lava"]
    assert (fastest_target(network()).name, reference_target().name) == ("engine", "spec")
    assert [t.name for t in targets_by_speed() if t.runs_in_pieces] == ["engine"]
    assert all(t.learns for t in targets_by_speed())


def test_results_say_which_target_ran():
    assert sh.run(network(), SPIKES).target == "engine"
    assert sh.stream(network(), [SPIKES, SPIKES]).target == "engine"
    assert sh.run(network(), SPIKES, target="spec").target == "spec"


def test_a_network_that_the_fastest_refuses_runs_on_the_next():
    wide = sh.FixedNetwork(
        [sh.Input("in", 1)],
        [sh.FixedPopulation(name="out", size=1, vth=1)],
        [sh.FixedProjection(pre="in", post="out", weight=[[2]])],
        ["out"],
    )
    fast = fastest_target(wide)
    reasons, type(fast).unsupported = type(fast).unsupported, lambda *_, **__: ["a test"]
    try:
        assert sh.run(wide, SPIKES[:, :, :1]).target == "spec"
    finally:
        type(fast).unsupported = reasons


def test_the_ladder_asks_for_registers_of_any_width():
    net = sh.Network(
        [sh.Input("in", 1)],
        [sh.Population(name="out", neuron=sh.LIF(size=1, tau_mem=0.01))],
        [sh.Projection(pre="in", post="out", weight=[[1.0]])],
        ["out"],
        sh.Semantics(dt=1e-3),
    )
    with pytest.raises(ParameterError, match=r"target 'brian2' cannot run every rung .* choose engine or spec"):
        sh.loss_ladder(net, np.ones((3, 2, 1)), [0, 0], target="brian2")
    assert sh.loss_ladder(net, np.ones((3, 2, 1)), [0, 0], alone=False).target == "engine"


# Help texts of the command line and the demo's texts are for people and may name a target.
FOR_PEOPLE = ("cli/", "demo.py")
NAMES = ("engine", "spec", "lava", "brian2")


def without_docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return tree


def named_targets(source):
    """Names of targets in the code of a module: as a string, in quotes within a message, or imported."""
    found = []
    for node in ast.walk(without_docstrings(ast.parse(source))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            found += [n for n in NAMES if text == n or f"'{n}'" in text or f"target {n}" in text]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("ssdp_hw.targets", "targets")):
            found.append(node.module)
        elif isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.startswith(("ssdp_hw.targets", "targets"))]
    return found


def test_what_the_search_for_names_finds():
    assert named_targets('"""The engine."""\ndef f(t="engine"):\n    """Run on \'spec\'."""') == ["engine"]
    assert named_targets("raise E(\"use the target 'spec'\")") == ["spec"]
    assert named_targets("from ssdp_hw.targets.lava import x") == ["ssdp_hw.targets.lava"]
    assert named_targets("x = 'spectral'; y = 'lava-dl'") == []


def test_the_toolkit_names_no_target():
    files = [p for p in PACKAGE.rglob("*.py") if not p.relative_to(PACKAGE).as_posix().startswith(FOR_PEOPLE)]
    assert len(files) > 80
    named = {str(p.relative_to(PACKAGE)): named_targets(p.read_text(encoding="utf-8")) for p in files}
    assert {path: names for path, names in named.items() if names} == {}


def test_what_is_listed_is_tried(register):
    """A target that is installed and cannot run, as Brian2 beside a NumPy that it does not know, is named."""

    class Fires(Plain):
        def __init__(self, name, fired):
            super().__init__(name)
            self.fired = fired

        def run(self, network, drive, record, options):
            if self.fired is None:
                raise AttributeError("module 'numpy' has no attribute 'trapz'")
            return Recording({"out": np.array(self.fired)[:, None, None]}, {}, {})

    register(Fires("a", None), Fires("b", [False, False, True]), Fires("c", [False, True, False]))
    assert [t.failure for t in sh.list_targets()] == ["", "", ""]
    failures = {t.name: t.failure for t in sh.list_targets(tried=True)}
    assert failures["a"] == "AttributeError: module 'numpy' has no attribute 'trapz'"
    assert failures["b"].startswith("it ran one neuron wrongly")
    assert failures["c"] == ""
    found, skipped = demo.installed_targets()
    assert (found, set(skipped)) == (["c"], {"a", "b"})


@pytest.mark.parametrize("name", registry.target_names())
def test_every_target_of_ours_runs_one_neuron(name):
    found = registry.get_target(name)
    assert registry.why_not(found) == ""
