"""Every public object shows itself: a short repr, a table of at most 40 lines, and HTML that escapes names."""

from __future__ import annotations

import dataclasses
import html.parser
import inspect

import numpy as np
import pytest
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw import display
from ssdp_hw.display import MOST_LINES, Table

NAME = "<b>layer & 'x'"


@pytest.fixture(scope="module")
def objects():
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
    return [
        net, fixed, population, projection, neuron, semantics, *fixed.populations, *fixed.projections, *net.inputs,
        fixed.report, *fixed.report.populations, *fixed.report.projections, fixed.projections[0].format, fixed.limits,
        rule, sh.STDP(), sh.SADP(), *learned.rules.values(), learned, learned.state, *learned.health.values(),
        *learned.curve, comparison, *comparison.rows, ladder, *ladder.rows, *ladder.rows[-1].layers, proof,
        *proof.registers, resources, *resources.populations, result, *result.levels.values(), *result.overflow.values(),
        verification, *verification.layers, code, code.both, *code.products, *code.traces.values(), sh.Teacher(),
        sh.measure_activity(fixed, spikes, "spec"), sh.stream(fixed, [spikes], on_overflow="ignore"),
        sh.DirectInput(np.ones((2, 4)), 5), comparison.rows[0].accuracy, *sh.list_targets(), sh.BatchSSDP(),
        sh.neuron_model("CubaLIF"),
    ]  # fmt: skip


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
    returned = set()
    for function in public:
        if inspect.isfunction(function):
            name = str(inspect.signature(function).return_annotation)
            module = inspect.getmodule(inspect.unwrap(function))
            kind = getattr(module, name, None)
            if inspect.isclass(kind) and dataclasses.is_dataclass(kind):
                returned.add(kind)
    assert len(returned) >= 10
    assert [c.__name__ for c in returned if not shows(c)] == []


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
