"""Every public object shows itself: a short repr, a table of at most 40 lines, and HTML that escapes names."""

from __future__ import annotations

import html.parser
import inspect
import typing
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw import display
from ssdp_hw.display import MOST_LINES, Table
from ssdp_hw.rules.derivation import fixed_rule
from ssdp_hw.rules.fixed_gate import fixed_gate
from ssdp_hw.running.time_limit import Deadline
from ssdp_hw.sweeping import compute

NAME = "<b>layer & 'x'"


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """One object or more of every kind that public functions take or give back, of a network with a hostile name."""
    rng = np.random.default_rng(0)
    spikes = rng.random((12, 6, 4)) < 0.5
    labels = np.array([0, 1, 2, 0, 1, 2])
    neuron = sh.LIF(size=3, tau_mem=0.02, r=1.0, v_leak=0.0, v_threshold=1.0)
    population = sh.Population(name=NAME, neuron=neuron)
    projection = sh.Projection(pre="in", post=NAME, weight=rng.normal(5, 9, (3, 4)))
    semantics = sh.Semantics(dt=1e-3)
    net = sh.Network([sh.Input("in", 4)], [population], [projection], [NAME], semantics)
    fixed = sh.quantize(net, calibration=spikes)
    rule = sh.SSDP(a_plus=0.5, a_baseline=0.05, sigma=5.0)
    learned = sh.learn(fixed, spikes, labels, rule, "spec", teach=sh.Teaching("delta", refresh=3), on_overflow="ignore")
    comparison = sh.compare(net, fixed, spikes, labels, ["spec"])
    ladder = sh.loss_ladder(net, spikes, labels, fixed, target="spec")
    proof, resources = sh.prove(fixed), sh.resources(fixed)
    result = sh.run(fixed, spikes, "spec", record=("spikes", "v"), on_overflow="ignore")
    verification = sh.verify(net, net, spikes, target="spec")
    code = sh.compile_microcode(rule, window=15, scale=1)
    folder = tmp_path_factory.mktemp("sweep")
    with ThreadPoolExecutor(1) as pool, pytest.MonkeyPatch.context() as patch:
        patch.setattr(compute, "compile_once", lambda: None)
        swept = sh.sweep(study, {"sigma": [1.0, -1.0], "name": [NAME]}, store=folder / "cells", executor=pool)
        data, bits = rng.random((12, 8, 4)) < 0.5, np.arange(8) % 3
        found = sh.search_bits(net, data, bits, 100.0, executor=pool, store=folder / "bits")
    declared = sh.rule("Oja", eta=1e-4, forget=1e-4)
    rules = [fixed_rule(one, fixed.projections[0], fixed.limits)[0] for one in (sh.STDP(), sh.SADP(), declared)]
    delayed = sh.neuron("RefractoryLIF", 3, tau_syn=1e-3, tau_mem=1e-2, v_threshold=1.0, refractory_period=2)
    gate, events = (
        sh.Gate(k=0.5, mean=1.0, deviation=2.0),
        np.zeros(3, [("t", int), ("x", int), ("y", int), ("p", int)]),
    )
    neurons = [
        kind(size=3, **dict.fromkeys(names, 0.5))
        for kind, names in {
            sh.IF: ("v_threshold",), sh.LI: ("tau_mem",), sh.I: (), sh.CubaLIF: ("tau_syn", "tau_mem", "v_threshold"),
            sh.CubaLI: ("tau_syn", "tau_mem"),
        }.items()
    ]  # fmt: skip
    return [
        net, fixed, population, projection, neuron, semantics, *fixed.populations, *fixed.projections, *net.inputs,
        fixed.report, *fixed.report.populations, *fixed.report.projections, fixed.projections[0].format, fixed.limits,
        rule, sh.STDP(), sh.SADP(), *learned.rules.values(), learned, learned.state, *learned.health.values(),
        *learned.curve, comparison, *comparison.rows, ladder, *ladder.rows, *ladder.rows[-1].layers, proof,
        *proof.registers, resources, *resources.populations, result, *result.levels.values(), *result.overflow.values(),
        verification, *verification.layers, code, code.both, *code.products, *code.traces.values(), sh.Teacher(),
        sh.measure_activity(fixed, spikes, "spec"), sh.stream(fixed, [spikes], on_overflow="ignore"),
        sh.DirectInput(np.ones((2, 4)), 5), comparison.rows[0].accuracy, *sh.list_targets(), sh.BatchSSDP(),
        sh.neuron_model("CubaLIF"), swept, *swept.cells, found, sh.Checkpoint(NAME), sh.Evaluation(spikes, labels),
        sh.Teaching("delta"), sh.Presentation(2), sh.Range(1, 9), sh.RandomSamples({"a": sh.Range(1, 9)}, 3), declared,
        sh.Lesson(rng.random((4, 3, 2)) < 0.5, [0, 1, 0], declared),
        declared.model, *declared.model.parameters, *declared.model.pre, *rules, gate, fixed_gate(gate, 4, 3), *neurons,
        sh.ConvWeight(rng.normal(size=(2, 1, 2, 2)), (1, 2, 2)), delayed, *sh.step_costs(fixed),
        sh.LearningScale(9, 0.5, 0.1, 3, 0.5, 2.0, 0, NAME),
        sh.RuleFactor("reward"), sh.StateRead("v"), sh.WrittenVariable("theta"), sh.AliveBit("alive"),
        sh.from_events([(events, 0)], dt=1e-3, steps=4, sensor_size=(3, 3, 2)),
        sh.report(folder / "page.html", fixed, ladder=False),
    ]  # fmt: skip


def study(sigma: float, name: str) -> dict[str, float]:
    if sigma < 0:
        raise ValueError(f"{name}: no width")
    return {"accuracy": 0.5, "sigma of it": sigma}


class Reader(html.parser.HTMLParser):
    """Collects the tags of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open = set(), []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_object_shows_itself(objects):
    for one in objects:
        kind = type(one).__name__
        assert "\n" not in repr(one), kind
        assert len(repr(one)) <= 200, (kind, repr(one))
        lines = str(one).splitlines()
        assert 1 <= len(lines) <= MOST_LINES, kind
        if "icrocode" not in kind and len(lines) > 1:  # formulas and sentences are copied whole
            assert max(map(len, lines)) <= 120, (kind, lines)
        page = Reader(one._repr_html_())
        assert page.open == [], kind
        assert {"table", "caption"} <= page.tags <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}, kind


def test_layers_have_the_names_of_the_user(objects):
    for one in objects:
        if type(one).__name__ in ("Network", "FixedNetwork", "RunResult", "Resources", "QuantizationReport", "Proof"):
            assert NAME in str(one), type(one).__name__
            assert "&lt;b&gt;layer" in one._repr_html_()


def shows(cls):
    return cls.__repr__ is not object.__repr__ and "_repr_html_" in dir(cls)


def test_every_public_class_shows_itself():
    """A public class that is added and does not show itself is found here."""
    public = [getattr(sh, name) for name in sh.__all__]
    classes = [c for c in public if inspect.isclass(c) and not issubclass(c, Exception)]
    choices = [c for c in classes if hasattr(c, "__members__")]
    assert [c.__name__ for c in classes if c not in choices and not shows(c)] == []
    returned = returned_classes(public)
    assert len(returned) >= 20
    assert [c.__name__ for c in returned if not shows(c)] == []


def returned_classes(public):
    """Classes of ours that public functions give back, alone or in a tuple or list."""

    def within(hint):
        yield from [hint] if inspect.isclass(hint) and hint.__module__.startswith("ssdp_hw.") else []
        for part in typing.get_args(hint):
            yield from within(part)

    found = set()
    for function in public:
        if inspect.isfunction(function):
            original = inspect.unwrap(function)
            hint = original.__annotations__["return"]
            if isinstance(hint, str):
                hint = eval(hint, vars(inspect.getmodule(original)))
            found.update(within(hint))
    return {kind for kind in found - {Deadline} if not inspect.isabstract(kind)}  # a context manager yields Deadline


def test_every_public_class_is_among_the_objects(objects):
    """So that what its instances show is looked at above."""
    public = [getattr(sh, name) for name in sh.__all__]
    classes = {c for c in public if inspect.isclass(c) and not issubclass(c, Exception)} | returned_classes(public)
    left_out = {c for c in classes if hasattr(c, "__members__")} | {sh.Target}  # of which list_targets() tells
    assert [c.__name__ for c in classes - left_out if not any(isinstance(o, c) for o in objects)] == []


def test_the_classifier_shows_itself_as_those_of_scikit_learn_do():
    pytest.importorskip("sklearn")
    one = sh.OnChipClassifier()
    assert repr(one) == str(one) == "OnChipClassifier()"
    assert "OnChipClassifier" in one._repr_html_()


def test_a_neurobench_model_shows_itself(objects):
    pytest.importorskip("neurobench")
    one = sh.NeuroBenchNetwork(objects[1])
    assert NAME in str(one)
    assert "\n" not in repr(one)
    assert "&lt;b&gt;layer" in one._repr_html_()


def test_what_differs_from_a_default_is_named():
    assert repr(sh.SSDP()) == "SSDP()"
    assert repr(sh.SSDP(sigma=3, silent_pairs="skip")) == "SSDP(sigma=3, silent_pairs=skip)"
    assert "a_plus" in str(sh.SSDP())


@given(st.integers(0, 120), st.integers(0, 60), st.booleans())
def test_tables_keep_to_forty_lines_and_count_what_is_left_out(rows, notes, header):
    cells = [(f"row {k}", "x" * k) for k in range(rows)]
    said = [f"note {k}" for k in range(notes)]
    lines = str(Table("title", ("a", "b") if header else (), cells, said)).splitlines()
    assert len(lines) <= MOST_LINES
    shown_rows = sum(line.startswith("  row") for line in lines)
    left = next((int(line.split()[2]) for line in lines if line.startswith("  ... and")), 0)
    assert shown_rows + left == rows
    shown_notes = sum(line.startswith("note") for line in lines)
    left = next((int(line.split()[2]) for line in lines if line.startswith("... and")), 0)
    assert shown_notes + left == notes


@examples(100, default=30)
@given(
    st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(st.text("ab ->", max_size=72), min_size=n, max_size=n))),
    st.integers(70, 200),
)
def test_tables_fit_the_line_and_lose_no_letter(cells, width):
    """Cells of up to 72 letters, long names without a space among them, on terminals of any width."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(display, "line_width", lambda: width)
        text = str(Table("title", rows=cells[:8]))
    assert all(len(line) <= width for line in text.splitlines())
    if "... and" not in text:
        assert sorted("title" + "".join(" ".join(map(" ".join, cells[:8])).split())) == sorted("".join(text.split()))


def test_a_readout_has_no_error_of_a_threshold():
    readout = sh.Population(name="out", neuron=sh.LI(size=2, tau_mem=5e-3))
    weight = sh.Projection(pre="in", post="out", weight=[[0.5, 1.0], [0.1, 0.2]])
    net = sh.Network([sh.Input("in", 2)], [readout], [weight], ["out"], sh.Semantics(1e-3))
    said = "\n".join(sh.quantize(net).report.lines())
    assert "no threshold" in said
    assert "threshold error" not in said
    assert "of the threshold" not in said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.arange(6).reshape(2, 3), "2 x 3, 0 .. 5"),
        (np.full(9, 0.25), "9 values, all 0.25"),
        (np.array([True, False]), "2 values, 1 true"),
        (np.zeros((0, 3)), "0 x 3 empty"),
        (np.array([1, 2]), "[1, 2]"),
        ({"a": 1, "b": None}, "a: 1, b: -"),
        (1 / 3, "0.333333"),
    ],
)
def test_values_in_short(value, said):
    assert display.text(value) == said
