"""``sh.report``: every number of the page comes from its JSON, nothing is loaded, and any network has a page."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from report_reader import Page, expected, load_numbers, texts_in
from strategies import drives_for, fixed_networks, float_networks

import ssdp_hw as sh
from ssdp_hw.errors import FileFormatError, ParameterError, ShapeError
from ssdp_hw.reporting.data import ReportData, plain
from ssdp_hw.reporting.page import render_page

for package in ("matplotlib", "jinja2"):
    pytest.importorskip(package)

HIDDEN = 'x</script> & $a_1$ "/~'


def small(seed: int = 0) -> tuple[sh.Network, np.ndarray, np.ndarray]:
    """A network of two layers, whose first has a name that HTML, JSON pointers and matplotlib could take amiss."""
    rng = np.random.default_rng(seed)
    net = sh.Network(
        [sh.Input("in", 10)],
        [
            sh.Population(name=HIDDEN, neuron=sh.CubaLIF(size=12, tau_mem=8e-3, tau_syn=4e-3, v_threshold=0.3)),
            sh.Population(name="out", neuron=sh.LIF(size=4, tau_mem=5e-3, v_threshold=0.4)),
        ],
        [
            sh.Projection(pre="in", post=HIDDEN, weight=rng.normal(0.1, 0.8, (12, 10))),
            sh.Projection(pre=HIDDEN, post="out", weight=rng.normal(0.1, 0.8, (4, 12))),
        ],
        ["out"],
        sh.Semantics(1e-3),
        notes=["dt < 1 & <b>guessed</b>"],
    )
    return net, rng.random((30, 40, 10)) < 0.3, rng.integers(0, 4, 40)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A report with everything in it: the data, the page, and the JSON as it was read back."""
    net, spikes, labels = small()
    fixed = sh.quantize(net, calibration=spikes, weight_bits=4)
    rule = sh.SSDP(a_plus=0.05, a_baseline=0.01, sigma=5.0, rounding="stochastic")
    learned = sh.learn(fixed, spikes, labels, rule, evaluate=sh.Evaluation(spikes[:, :9], labels[:9], every=20))
    path = tmp_path_factory.mktemp("page") / "a report.html"
    data = sh.report(
        path, net, spikes, labels, fixed, learned=learned, targets=["engine", "spec"], seeds={"encoder": 3}, sample=7
    )
    return data, Page(path.read_text(encoding="utf-8")), load_numbers(path.with_suffix(".json"))


def check_numbers(page: Page, values: dict) -> None:
    """Every number of the page has its place in the JSON, and no other number stands in the page."""
    for attributes, text in page.numbers:
        number, written_so = expected(values, attributes)
        assert float(attributes["value"]) == pytest.approx(number, rel=1e-12, abs=1e-15), attributes
        assert text == written_so, attributes
    known = sorted((t for t in texts_in(values) if t), key=len, reverse=True)
    prose = "\n".join(page.prose)
    for text in known:
        if any(c.isdigit() for c in text):
            prose = prose.replace(text, "")
    for title in ("accuracy (95 %)", "SHA-256"):
        prose = prose.replace(title, "")
    assert re.findall(r".*\d.*", prose) == []


@pytest.mark.slow
def test_what_evaluate_measured_is_on_the_page(written):
    """Three evaluations by their number of samples; and no column of the lesson is empty."""
    _, page, values = written
    (run,) = values["learning"]["runs"]
    assert [one["presented"] for one in run["evaluations"]] == [0, 20, 40]
    asked = {a["data-from"].split()[0] for a, _ in page.numbers if "/evaluations/" in a.get("data-from", "")}
    at = "/learning/runs/0/evaluations"
    assert asked >= {f"{at}/{k}/presented" for k in range(3)}, sorted(asked)
    assert "output rate" not in page.text


def check_whole(page: Page) -> None:
    assert page.unclosed == []
    assert [i for i, count in Counter(page.ids).items() if count > 1] == []
    assert [load for load in page.loads if not load.startswith(("#", "data:,"))] == []
    assert re.findall(r"url\((?!#)|@import|https?://", page.text) == []
    links = re.findall(r'href="#([^"]*)"', page.text)
    assert set(links) <= set(page.ids)
    assert set(re.findall(r"url\(#([^)]*)\)", page.text)) <= set(page.ids)


def test_every_number_is_derived_from_the_json(written):
    _, page, values = written
    assert len(page.numbers) > 200
    check_numbers(page, values)


def test_a_number_that_is_not_the_jsons_is_found(written):
    """The check above can fail: another value, another text, a number that names no place."""
    _, page, values = written
    place = '<data value="40" data-from="/agreement/samples" data-format="count">40</data>'
    assert place in page.text
    for wrong in (place.replace('"40"', '"41"'), place.replace(">40<", ">41<"), "40"):
        with pytest.raises(AssertionError):
            check_numbers(Page(page.text.replace(place, wrong)), values)


def test_the_page_is_one_file(written):
    _, page, _ = written
    check_whole(page)
    assert {"accuracy", "ladder", "layer-losses", "layers", "weights", "raster", "ranges", "learning"} == set(
        page.figures
    )
    assert HIDDEN.replace("</", "&lt;/").split(" ")[0] not in page.prose  # it is text, not markup
    assert any(HIDDEN in text for text in page.prose)
    assert any("<b>guessed</b>" in text for text in page.prose)


@pytest.mark.slow
def test_the_json_gives_the_same_page(written):
    data, page, values = written
    again = ReportData.from_json(json.dumps(values))
    assert again == data
    assert render_page(again, "a report.json") == page.text


def test_the_finding_stands_first_and_is_that_of_the_runs(written):
    _, page, values = written
    net, spikes, labels = small()
    fixed = sh.quantize(net, calibration=spikes, weight_bits=4)
    steps = len(spikes) + net.latency
    right = {
        kind: int(np.sum(sh.run(which, spikes, "spec", steps=steps).predict() == labels))
        for kind, which in (("float", net), ("fixed", fixed))
    }
    assert {kind: run["right"] for kind, run in values["agreement"]["runs"].items()} == right
    body = page.text[page.text.index("<main>") :]
    first = re.sub(r"<[^>]*>", "", body[: body.index("</p>")])
    assert f"classifies {right['fixed']} of 40 samples right" in first
    spec = {kind: sh.run(which, spikes, "spec", steps=steps) for kind, which in (("float", net), ("fixed", fixed))}
    for layer in values["agreement"]["layers"]:
        rasters = {kind: result.spikes[layer["population"]] for kind, result in spec.items()}
        assert layer["spikes"] == {kind: int(r.sum()) for kind, r in rasters.items()}
        different = rasters["float"] != rasters["fixed"]
        assert layer["different"] == int(different.sum())
        step, sample, neuron = np.argwhere(different)[0]
        assert layer["first"] == {"step": step, "sample": sample, "neuron": neuron}


def test_the_raster_draws_every_spike(written):
    """One line a spike; the colours tell which of the two runs has it."""
    _, page, values = written
    net, spikes, _ = small()
    result = sh.run(net, spikes[:, 7:8], "spec", steps=len(spikes) + net.latency)
    drawn = Counter()
    for style, path in re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', page.figures["raster"], re.DOTALL):
        for color in ("currentColor", "var(--float)", "var(--fixed)"):
            if f"stroke: {color}" in path and "clip" not in path:
                drawn[color] += style.count("M ")
    wanted = Counter()
    for layer in values["raster"]["layers"]:
        both = [{tuple(pair) for pair in layer["spikes"][kind]} for kind in ("float", "fixed")]
        assert both[0] == {tuple(p) for p in np.argwhere(result.spikes[layer["population"]][:, 0]).tolist()}
        wanted["currentColor"] += len(both[0] & both[1])
        wanted["var(--float)"] += len(both[0] - both[1])
        wanted["var(--fixed)"] += len(both[1] - both[0])
    assert min(wanted.values()) > 0
    legend = Counter(dict.fromkeys(wanted, 1))
    assert drawn - wanted == legend or drawn == wanted + legend


def test_colours_are_the_pages(written):
    """Every colour of a figure is a variable, so that dark pages and paper have their own."""
    _, page, _ = written
    for name, svg in page.figures.items():
        assert set(re.findall(r"#[0-9a-fA-F]{6}\b", svg)) == set(), name
        assert "var(--" in svg
    declared = [set(re.findall(r"(--\w+):", block)) for block in re.findall(r":root \{(.*?)\}", page.text, re.DOTALL)]
    assert len(declared) == 3
    assert declared[0] == declared[1] == declared[2]
    assert set(re.findall(r"var\((--\w+)\)", page.text)) <= declared[0]


@examples(20, default=2)
@given(st.data())
def test_any_network_has_a_page(tmp_path_factory, data):
    """Float and fixed, with several outputs, readouts, loops, delays and analog input."""
    fixed = data.draw(st.booleans())
    net = data.draw(fixed_networks() if fixed else float_networks())
    inputs = data.draw(drives_for(net)) if len(net.outputs) == 1 else None
    path = tmp_path_factory.mktemp("any") / "page.html"
    spiking = net.population(net.outputs[0]).spiking
    sh.report(path, net, inputs, decode="spike_count" if spiking else "max_membrane")
    page, values = Page(path.read_text(encoding="utf-8")), load_numbers(path.with_suffix(".json"))
    check_whole(page)
    check_numbers(page, values)


@pytest.mark.slow
def test_without_labels_or_samples(tmp_path):
    net, spikes, _ = small()
    data = sh.report(tmp_path / "x.html", net, spikes)
    assert data.ladder is None
    assert data.agreement["runs"]["fixed"]["accuracy"] is None
    assert "nothing is said of accuracy" in (tmp_path / "x.html").read_text(encoding="utf-8")
    bare = sh.report(tmp_path / "y.html", sh.quantize(net), prove=False)
    assert (bare.agreement, bare.proof, bare.raster) == (None, None, None)
    page = Page((tmp_path / "y.html").read_text(encoding="utf-8"))
    check_whole(page)
    check_numbers(page, load_numbers(tmp_path / "y.json"))


@pytest.mark.slow
def test_the_finding_says_first_that_nothing_fires(tmp_path):
    net, spikes, labels = small()
    silent = net.with_weights({q.name: q.stored.with_values(-abs(q.stored.values)) for q in net.projections})
    with pytest.warns(sh.running.silence.SilentNetworkWarning):
        sh.report(tmp_path / "x.html", silent, spikes, labels, ladder=False)
    said = " ".join(Page((tmp_path / "x.html").read_text(encoding="utf-8")).prose)
    assert said.index("No neuron fired on the chip, nor did any in float") < said.index("On the chip’s integers")


def test_batches_give_the_same_numbers(tmp_path, monkeypatch):
    """Many samples are run a batch at a time, which no number tells."""
    from ssdp_hw.reporting import measure

    net, spikes, labels = small()
    monkeypatch.setattr("ssdp_hw.reporting.page.render_page", lambda *_: "")
    whole = sh.report(tmp_path / "x.html", net, spikes, labels, ladder=False)
    sizes = []
    monkeypatch.setattr(measure, "batch_size", lambda *args, **kwargs: sizes.append(7) or 7)
    parts = sh.report(tmp_path / "y.html", net, spikes, labels, ladder=False)
    assert sizes

    def timeless(data):
        runs = {kind: {k: v for k, v in run.items() if k != "seconds"} for kind, run in data.agreement["runs"].items()}
        return {**data.agreement, "runs": runs}

    assert timeless(parts) == timeless(whole)


def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path):
    net, spikes, labels = small()
    fixed = sh.quantize(net)
    page = tmp_path / "x.html"
    for arguments, options, error, said in (
        ((net, spikes, labels[:-1]), {}, ShapeError, "labels of shape"),
        ((net, spikes, labels), {"sample": 40}, ParameterError, "there are 40"),
        ((fixed, spikes), {"weight_bits": 4}, ParameterError, "a fixed one already"),
        ((net, spikes, None, fixed), {"chip": "loihi"}, ParameterError, "give one of both"),
        ((net, None, labels), {}, ParameterError, "give inputs too"),
        (("net.nir", spikes), {}, ParameterError, "not str"),
        ((net, spikes, None, net), {}, ParameterError, "is a Network"),
    ):
        with pytest.raises(error, match=said):
            sh.report(page, *arguments, **options)
    with pytest.raises(ParameterError, match=r"ends with \.html"):
        sh.report(tmp_path / "x.pdf", net, spikes)
    assert list(tmp_path.iterdir()) == []


def test_json_of_other_things_is_refused():
    known = ReportData("t", {}).to_dict()
    for text in ("[]", "{", json.dumps({**known, "schema": {"name": "x", "version": 1}}), '{"schema": {}}'):
        with pytest.raises(FileFormatError):
            ReportData.from_json(text)
    with pytest.raises(FileFormatError, match="up to version 1"):
        ReportData.from_json(json.dumps({**known, "schema": {"name": "ssdp-hw report", "version": 2}}))
    later = ReportData.from_json(json.dumps({**known, "new": 3}))
    assert later == ReportData("t", {})


def test_values_are_those_that_json_reads_back():
    values = {"a": (1, np.int64(2), np.array([1.5, np.nan])), 3: np.float32(0.5), "b": {"c": None, "d": np.bool_(True)}}
    assert plain(values) == json.loads(json.dumps(plain(values), allow_nan=False))
    assert replace(ReportData("t", {"x": (1,)}), skipped={"y": "z"}).network == {"x": [1]}
