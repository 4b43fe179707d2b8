"""``compare``: accuracies counted by hand, and a target that lies is caught in the right place."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, ShapeError, UnknownTargetError
from ssdp_hw.running import target_registry as registry
from ssdp_hw.running.target_registry import get_target

STEPS, BATCH = 15, 20


class Altered(registry.Target):
    """The engine, with one deliberate mistake in what it hands back of fixed networks."""

    name, title = "altered", "an engine that lies"

    def __init__(self, change):
        self._change = change

    def run(self, network, drive, record, options):
        engine = get_target("engine")
        found = engine.run(network, drive, record, engine.resolve({}))
        return self._change(found) if isinstance(network, sh.FixedNetwork) else found


@pytest.fixture
def altered(monkeypatch):
    """Registers the target ``altered``, which makes one change."""

    def register(change):
        monkeypatch.setattr(registry, "_entry_points", lambda: {"spec": None, "engine": None, "altered": None})
        known = registry._load
        monkeypatch.setattr(registry, "_load", lambda name: Altered(change) if name == "altered" else known(name))

    get_target("spec"), get_target("engine")  # loaded through their real entry points
    return register


@pytest.fixture(scope="module")
def case():
    """Two layers, their fixed form, samples and labels."""
    rng = np.random.default_rng(0)
    net = sh.Network(
        [sh.Input("in", 10)],
        [
            sh.Population(name="hid", neuron=sh.LIF(size=8, tau_mem=5.0, v_threshold=0.3)),
            sh.Population(name="out", neuron=sh.LIF(size=4, tau_mem=5.0, v_threshold=0.3)),
        ],
        [
            sh.Projection(pre="in", post="hid", weight=rng.normal(0.4, 0.6, (8, 10))),
            sh.Projection(pre="hid", post="out", weight=rng.normal(0.4, 0.8, (4, 8))),
        ],
        ["out"],
        sh.Semantics(1.0),
    )
    return net, sh.quantize(net), rng.random((STEPS, BATCH, 10)) < 0.3, rng.integers(0, 4, BATCH)


def flipped(step, sample, neuron, population="out"):
    """Another spike there, and only there."""

    def change(found):
        spikes = found.spikes[population].copy()
        spikes[step, sample, neuron] ^= True
        return replace(found, spikes={**found.spikes, population: spikes})

    return change


def test_what_it_counts(case):
    net, fixed, spikes, labels = case
    table = sh.compare(net, fixed, spikes, labels, ["spec", "engine"])
    assert [(row.target, row.arithmetic) for row in table.rows] == [
        ("spec", "float"),
        ("spec", "fixed"),
        ("engine", "float"),
        ("engine", "fixed"),
    ]
    assert (table.steps, table.reference, table.decode) == (STEPS + 2, "spec", "spike_count")
    padded = np.concatenate([spikes, np.zeros((2, BATCH, 10), bool)])
    predicted = {}
    for row in table.rows:
        run = sh.run(fixed if row.arithmetic == "fixed" else net, padded, row.target)
        counts = run.spikes["out"].sum(axis=0)
        predicted[row.arithmetic] = np.where(counts.any(axis=1), counts.argmax(axis=1), -1)
        right = np.sum(predicted[row.arithmetic] == labels)
        assert row.accuracy.value == right / BATCH
        assert row.accuracy.low < row.accuracy.value < row.accuracy.high
        assert row.undecided == np.sum(~counts.any(axis=1))
        fired = run.spikes["hid"].sum() + run.spikes["out"].sum()
        assert row.spike_rate == pytest.approx(fired / (12 * BATCH * (STEPS + 2)))
        assert row.same_as_float == np.mean(predicted[row.arithmetic] == predicted["float"])
        both = predicted["float"] == labels, predicted[row.arithmetic] == labels
        assert (row.lost, row.won) == (np.sum(both[0] & ~both[1]), np.sum(both[1] & ~both[0]))
        assert row.p_value == pytest.approx(binomtest(row.lost, row.lost + row.won).pvalue if row.lost + row.won else 1)
        told = f"{row.lost}, {row.won}" + (f" (p = {row.p_value:.2g})" if row.lost + row.won else "")
        assert told in table.cells()[table.rows.index(row)]
        assert (row.divergence, row.same_as_reference, row.samples) == (None, 1.0, BATCH)
        assert row.seconds > 0
    assert table.fixed_runs_equal
    accuracies = [row.accuracy.value for row in table.rows]
    assert table.loss == pytest.approx(100 * (accuracies[0] - accuracies[1]))
    assert [row.largest_v_difference for row in table.rows][:2] == [0, 0]
    assert table.rows[3].largest_v_difference == 0
    assert table.rows[2].largest_v_difference < 1e-12


@pytest.mark.parametrize("where", [(7, 3, 2), (0, 0, 0), (STEPS + 1, BATCH - 1, 3)])
def test_one_wrong_spike_is_found(case, altered, where):
    net, fixed, spikes, labels = case
    altered(flipped(*where))
    table = sh.compare(net, fixed, spikes, labels, ["spec", "altered"])
    step, sample, neuron = where
    assert table.rows[3].divergence.startswith(f"spikes of 'out' at step {step}, sample {sample}, neuron {neuron}: ")
    assert not table.fixed_runs_equal
    assert table.rows[2].divergence is None
    assert f"first difference: spikes of 'out' at step {step}" in table.to_markdown()


def test_the_earliest_of_several_is_reported(case, altered):
    net, fixed, spikes, labels = case

    def change(found):
        for place in ((9, 1, 1, "out"), (4, 6, 5, "hid"), (11, 0, 0, "hid")):
            found = flipped(*place)(found)
        return found

    altered(change)
    row = sh.compare(net, fixed, spikes, labels, ["engine", "altered"]).rows[3]
    assert row.divergence.startswith("spikes of 'hid' at step 4, sample 6, neuron 5: ")


def test_voltages_that_differ_are_found_too(case, altered):
    net, fixed, spikes, labels = case

    def change(found):
        v = found.v["hid"].copy()
        v[5, 2, 1] += 3
        return replace(found, v={**found.v, "hid": v})

    altered(change)
    table = sh.compare(net, fixed, spikes, labels, ["engine", "altered"])
    assert (table.rows[3].divergence, table.rows[3].largest_v_difference) == (None, 3)
    assert not table.fixed_runs_equal
    assert "all spikes equal, v within 3.0e+00" in table.to_markdown()


def test_another_network_shows_as_disagreement(case, altered):
    """All outputs silent: nothing to decide on."""
    net, fixed, spikes, labels = case
    altered(lambda found: replace(found, spikes={n: np.zeros_like(s) for n, s in found.spikes.items()}))
    row = sh.compare(net, fixed, spikes, labels, ["engine", "altered"]).rows[3]
    assert (row.undecided, row.accuracy.value, row.same_as_reference, row.spike_rate) == (BATCH, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("decode", ["first_spike", "max_membrane"])
def test_other_rules_of_decoding(case, decode):
    net, fixed, spikes, labels = case
    table = sh.compare(net, fixed, spikes, labels, "engine", decode=decode, steps=STEPS + 5)
    padded = np.concatenate([spikes, np.zeros((5, BATCH, 10), bool)])
    for row, which in zip(table.rows, (net, fixed), strict=True):
        predicted = sh.run(which, padded, record=("spikes", "v")).predict(decode)
        assert row.accuracy.value == np.mean(predicted == labels)


def test_as_json_and_as_a_table(case):
    net, fixed, spikes, labels = case
    table = sh.compare(net, fixed, spikes, labels)
    data = json.loads(table.to_json())
    assert data["fixed_runs_equal"] is True
    assert data["loss"] == pytest.approx(table.loss)
    assert data["rows"][1]["accuracy"]["value"] == table.rows[1].accuracy.value
    assert data["info"]["fixed"]["arithmetic"] == "fixed"
    lines = table.to_markdown().splitlines()
    assert len(lines) == 2 + 4
    assert {line.count("|") for line in lines} == {len(table.header) + 1}
    assert lines[4].startswith("| engine | float | ")
    assert lines[2].endswith(f"| (reference) | {table.rows[0].seconds:.2f} |")


def test_options_reach_their_target(case):
    net, fixed, spikes, labels = case
    table = sh.compare(net, fixed, spikes, labels, ["engine", "spec"], options={"engine": {"threads": 1}})
    assert table.info["fixed"]["options"]["threads"] == 1
    with pytest.raises(ParameterError, match="has no option 'speed'"):
        sh.compare(net, fixed, spikes, labels, "engine", options={"engine": {"speed": 2}})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"targets": []}, ParameterError, "different targets, at least one"),
        ({"targets": ["spec", "spec"]}, ParameterError, "different targets"),
        ({"targets": ["spec", "abacus"]}, UnknownTargetError, "abacus"),
        ({"options": {"engnie": {}}}, ParameterError, "options are given for target 'engnie'"),
        ({"labels": np.zeros(BATCH - 1, int)}, ShapeError, r"labels of shape \(19,\)"),
        ({"labels": np.zeros(BATCH)}, ParameterError, "labels are float64"),
        ({"labels": np.full(BATCH, 4)}, ParameterError, "labels from 4 to 4"),
        ({"labels": np.full(BATCH, -1)}, ParameterError, "labels from -1"),
        ({"decode": "loudest"}, ParameterError, "decode = 'loudest' is unknown"),
        ({"steps": STEPS - 1}, ParameterError, "below the 15 steps"),
        ({"inputs": np.zeros((STEPS, BATCH, 9))}, ShapeError, "expected \\(time, batch, 10\\)"),
    ],
)
def test_refused(case, changes, error, message):
    net, fixed, spikes, labels = case
    with pytest.raises(error, match=message):
        sh.compare(net, fixed, **{"inputs": spikes, "labels": labels, **changes})


def test_networks_that_do_not_belong_together(case):
    net, fixed, spikes, labels = case
    with pytest.raises(ParameterError, match="takes a float and a fixed network, not FixedNetwork and Network"):
        sh.compare(fixed, net, spikes, labels)
    with pytest.raises(ParameterError, match=r"\['out'\] and \['hid'\]"):
        sh.compare(net, replace(fixed, outputs=["hid"]), spikes, labels)
