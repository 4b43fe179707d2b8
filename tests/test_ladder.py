"""The loss ladder: its ends are the two networks themselves, its rungs are what they say."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from strategies import drives_for, float_networks

import ssdp_hw as sh
from ssdp_hw import display
from ssdp_hw.analysis.ladder import Step, climb, rungs
from ssdp_hw.analysis.ladder.step import ALONE, PARAMETERS
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.network.neurons import UpdateOrder

CUMULATIVE = (Step.FLOAT, Step.TIMING, *PARAMETERS, Step.STATE, Step.OVERFLOW)


@pytest.fixture(scope="module")
def case():
    """A recurrent network of current-based neurons with biases and a readout, its input and labels."""
    rng = np.random.default_rng(4)
    hidden = sh.Population(
        name="hidden",
        bias=rng.normal(0.05, 0.1, 20),
        neuron=sh.CubaLIF(size=20, tau_mem=8e-3, tau_syn=4e-3, v_threshold=rng.uniform(0.2, 0.5, 20), v_reset=-0.05),
    )
    net = sh.Network(
        [sh.Input("in", 12)],
        [hidden, sh.Population(name="out", neuron=sh.LIF(size=4, tau_mem=5e-3, v_threshold=0.4))],
        [
            sh.Projection(pre="in", post="hidden", weight=rng.normal(0.1, 0.8, (20, 12))),
            sh.Projection(pre="hidden", post="hidden", weight=rng.normal(0.0, 0.3, (20, 20))),
            sh.Projection(pre="hidden", post="out", weight=rng.normal(0.1, 0.8, (4, 20))),
        ],
        ["out"],
        sh.Semantics(1e-3, update_order="voltage_first"),
    )
    spikes = rng.random((30, 16, 12)) < 0.3
    return net, sh.quantize(net, calibration=spikes, weight_bits=4), spikes, rng.integers(0, 4, 16)


def seen_by(monkeypatch):
    """What every rung runs, in order: (network, spikes by population)."""
    found = []

    def spy(network, *args, **kwargs):
        result = sh.run(network, *args, **kwargs)
        found.append((network, result.spikes))
        return result

    monkeypatch.setattr(climb, "run", spy)
    return found


@pytest.mark.parametrize("target", ["spec", "engine"])
def test_the_ends_are_the_two_networks(case, target, monkeypatch):
    net, fixed, spikes, labels = case
    found = seen_by(monkeypatch)
    ladder = sh.loss_ladder(net, spikes, labels, fixed, target=target)
    for network, step in ((net, Step.FLOAT), (fixed, Step.OVERFLOW)):
        own = sh.run(network, spikes, target, steps=len(spikes) + net.latency, on_overflow="ignore")
        (ran,) = [s for n, s in found if n is network]
        for name in net.population_names:
            np.testing.assert_array_equal(ran[name], own.spikes[name])
        rung = ladder.rung(step)
        assert rung.accuracy.value == np.mean(own.predict() == labels)
        assert {a.population: a.spikes for a in rung.layers} == {
            n: np.count_nonzero(own.spikes[n]) for n in net.population_names
        }
    assert tuple(r.step for r in ladder.cumulative) == CUMULATIVE
    assert tuple(r.step for r in ladder.alone) == ALONE


def test_every_rung_is_the_same_on_spec_and_engine(case):
    """In the chip's units all rounded values are exact in float64, so that no order of additions matters."""
    net, fixed, spikes, labels = case
    left, right = (sh.loss_ladder(net, spikes, labels, fixed, target=t) for t in ("spec", "engine"))
    assert left.rung(Step.THRESHOLDS) == right.rung(Step.THRESHOLDS)
    assert [r.accuracy for r in left.rows] == [r.accuracy for r in right.rows]


def test_lost_and_won_account_for_the_accuracy(case):
    net, fixed, spikes, labels = case
    ladder = sh.loss_ladder(net, spikes, labels, fixed, source=np.zeros(16, int))
    rows = ladder.cumulative
    assert [r.step for r in rows[:2]] == [Step.SOURCE, Step.FLOAT]
    assert rows[0].accuracy.value == np.mean(labels == 0)
    assert rows[0].layers == ()
    for before, row in pairwise(rows):
        assert round(16 * (row.accuracy.value - before.accuracy.value)) == row.won - row.lost
    for row in ladder.alone:
        change = row.accuracy.value - ladder.rung(Step.TIMING).accuracy.value
        assert round(16 * change) == row.won - row.lost
    assert ladder.loss == pytest.approx(100 * (rows[1].accuracy.value - rows[-1].accuracy.value))


def test_the_first_difference_is_where_it_says(case):
    net, fixed, spikes, labels = case
    ladder = sh.loss_ladder(net, spikes, labels, fixed)
    steps = len(spikes) + net.latency
    left, right = (sh.run(n, spikes, steps=steps, on_overflow="ignore").spikes["hidden"] for n in (fixed, net))
    layer = next(a for a in ladder.rung("overflow").layers if a.population == "hidden")
    at = np.argwhere(left != right)[0]
    assert (layer.first, layer.sample, layer.neuron) == tuple(at)
    assert layer.different == np.count_nonzero(left != right) > 0
    assert layer.agreement == pytest.approx(np.count_nonzero(left & right) / np.count_nonzero(left | right))


@examples(40, default=8)
@given(st.data(), float_networks())
def test_nothing_rounded_is_the_float_network_in_chip_timing(data, network):
    inputs = data.draw(drives_for(network))
    try:
        fixed = sh.quantize(network)
    except ParameterError:
        return
    timed = rungs.in_chip_timing(network)
    exact = rungs.rounded(timed, fixed)
    steps = min(len(next(iter(inputs.values()))), 6)  # a voltage at its threshold may fall either way
    inputs = {name: spikes[:steps] for name, spikes in inputs.items()}
    a, b = (sh.run(n, inputs, "spec", record=("spikes", "v")) for n in (timed, exact))
    for p in network.populations:
        if all(np.array_equal(a.spikes[n], b.spikes[n]) for n in network.population_names):
            volts = rungs.in_volts(network, exact, fixed, p.name, b.v[p.name])
            np.testing.assert_allclose(volts, a.v[p.name], rtol=1e-9, atol=1e-9 * (1 + np.abs(a.v[p.name]).max()))


@examples(40, default=8)
@given(st.data(), float_networks())
def test_the_rounded_parameters_are_those_of_the_integers(data, network):
    """Without decays to truncate and sums to floor, the last float rung is the fixed network to the bit."""
    try:
        fixed = sh.quantize(network, weight_bits=data.draw(st.integers(2, 8)))
    except ParameterError:
        return
    full = fixed.limits.decay_max
    populations = [replace(p, du=full, dv=data.draw(st.sampled_from((0, full)))) for p in fixed.populations]
    if any(p.weight_exp < 0 for p in fixed.projections) or any(np.any(p.dv) for p in populations):
        populations = [replace(p, dv=0) for p in populations]
    projections = [replace(q, weight_exp=max(q.weight_exp, 0)) for q in fixed.projections]
    try:
        fixed = replace(fixed, populations=populations, projections=projections)
        rungs.check_match(rungs.in_chip_timing(network), fixed)
    except ParameterError:
        return
    endless = rungs.without_overflow(fixed)
    rung = rungs.rounded(rungs.in_chip_timing(network), fixed, *PARAMETERS)
    inputs = data.draw(drives_for(network))
    a, b = (sh.run(n, inputs, "spec", record=("spikes", "v"), on_overflow="ignore") for n in (endless, rung))
    for name in fixed.population_names:
        np.testing.assert_array_equal(a.spikes[name], b.spikes[name])
        np.testing.assert_array_equal(a.v[name], b.v[name])


def test_a_layer_is_rounded_alone_and_all_others_are(case, monkeypatch):
    """Networks put together by hand from the exact and the rounded one, population by population."""
    net, fixed, spikes, labels = case
    timed = rungs.in_chip_timing(net)
    exact, full = rungs.rounded(timed, fixed), rungs.rounded(timed, fixed, *PARAMETERS)

    def right(rounded_layers):
        def pick(kind, layer_of):
            return [
                b if layer_of(a) in rounded_layers else a
                for a, b in zip(getattr(exact, kind), getattr(full, kind), strict=True)
            ]

        mixed = replace(
            exact,
            populations=pick("populations", lambda p: p.name),
            projections=pick("projections", lambda q: q.post),
        )
        return sh.run(mixed, spikes, steps=len(spikes) + net.latency).predict() == labels

    everything = set(timed.population_names)
    ladder = sh.loss_ladder(net, spikes, labels, fixed, max_batch_bytes=20_000)
    assert [layer.population for layer in ladder.by_layer] == list(net.population_names)
    for layer in ladder.by_layer:
        name = layer.population
        before, with_it = right(()), right({name})
        without_it, after = right(everything - {name}), right(everything)
        assert layer.only.value == np.mean(with_it)
        assert layer.others.value == np.mean(without_it)
        assert (layer.only_lost, layer.only_won) == (np.sum(before & ~with_it), np.sum(with_it & ~before))
        assert (layer.others_lost, layer.others_won) == (np.sum(without_it & ~after), np.sum(after & ~without_it))
    assert any(layer.only_lost + layer.only_won for layer in ladder.by_layer)  # rounding to 4 bits is not free here
    (hidden, out) = ladder.layer_cells()
    assert hidden[1] == ladder.by_layer[0].only.percent()
    assert "more" not in str(ladder)  # all rows are there, in cells of one or more lines
    monkeypatch.setattr(display, "line_width", lambda: 200)
    assert "'out' rounded, alone" in str(ladder)
    assert out[0] in ladder.to_markdown().splitlines()[-1]


def test_layers_are_measured_where_there_are_a_few_or_where_asked(case):
    net, fixed, spikes, labels = case
    assert not sh.loss_ladder(net, spikes, labels, fixed, alone=False, by_layer=False).by_layer
    one = sh.Network(
        net.inputs,
        [sh.Population(name="only", neuron=sh.LIF(size=4, tau_mem=5e-3, v_threshold=0.4))],
        [sh.Projection(pre="in", post="only", weight=np.eye(4, 12))],
        ["only"],
        net.semantics,
    )
    assert not sh.loss_ladder(one, spikes, labels, alone=False).by_layer
    (asked,) = sh.loss_ladder(one, spikes, labels, alone=False, by_layer=True).by_layer
    assert asked.others_p_value == asked.only_p_value  # nothing else is there to be rounded


@pytest.mark.slow
def test_endless_registers_and_the_range_alone(case):
    """A scale at which the registers overflow: only the last rung, and the overflow alone, are lost."""
    net, fixed, spikes, labels = case
    narrow = replace(fixed.limits, state_bits=int(fixed.population("hidden").vth.max() << 6).bit_length() + 1)
    tight = replace(fixed, chip=narrow)
    ladder = sh.loss_ladder(net, spikes, labels, tight)
    assert ladder.rung("state").overflow == 0
    assert ladder.rung("overflow").overflow > 0
    assert ladder.rung("overflow", alone=True).overflow > 0
    assert ladder.rung("state", alone=True).overflow == 0
    # Endless registers give what the wide chip gives.
    wide = sh.loss_ladder(net, spikes, labels, fixed)
    assert ladder.rung("state").layers == wide.rung("overflow").layers


def test_exact_parameters_come_close_to_the_float_network(case):
    net, fixed, spikes, _ = case
    timed = rungs.in_chip_timing(net)
    fine = rungs.exact_parameters(timed, fixed, Step.OVERFLOW)
    a, b = (sh.run(n, spikes[:5], record=("v",)).v["out"] for n in (timed, fine))
    np.testing.assert_allclose(rungs.in_volts(net, fine, fixed, "out", b), a, atol=1e-5)
    assert timed.semantics.update_order is UpdateOrder.CURRENT_FIRST


def test_readouts_are_compared_in_volts():
    rng = np.random.default_rng(1)
    net = sh.Network(
        [sh.Input("in", 6)],
        [sh.Population(name="out", neuron=sh.LI(size=3, tau_mem=1e-2, v_leak=0.2))],
        [sh.Projection(pre="in", post="out", weight=rng.normal(size=(3, 6)))],
        ["out"],
        sh.Semantics(1e-3),
    )
    spikes = rng.random((20, 5, 6)) < 0.4
    labels = sh.run(net, spikes, record=("v",), steps=21).predict("max_membrane")
    ladder = sh.loss_ladder(net, spikes, labels, calibration=spikes, decode="max_membrane", weight_bits=3)
    assert ladder.rung("float").accuracy.value == 1
    assert ladder.rung("float").layers[0].v_difference == 0
    assert ladder.rung("float").spike_rate is None
    assert 0 < ladder.rung("overflow").layers[0].v_difference < 0.5
    assert "out v within" in ladder.to_markdown()


def test_tables_and_json(case):
    net, fixed, spikes, labels = case
    ladder = sh.loss_ladder(net, spikes, labels, fixed, alone=False, by_layer=False)
    assert ladder.alone == ()
    assert len(ladder.cells()) == len(ladder.rows) == len(CUMULATIVE)
    assert json.loads(ladder.to_json())["cumulative"][2]["step"] == "weights"
    table = ladder.to_markdown().splitlines()
    assert len(table) == len(CUMULATIVE) + 2
    assert {line.count("|") for line in table} == {len(ladder.header) + 1}
    with pytest.raises(ParameterError, match="no rung 'weights' alone"):
        ladder.rung("weights", alone=True)


def test_what_does_not_fit_is_refused(case):
    net, fixed, spikes, labels = case
    other = sh.quantize(net.with_weights({"in->hidden": np.ones((20, 12))}))
    unknown = replace(fixed, populations=[replace(p, scale=None) for p in fixed.populations])
    silent = replace(fixed, populations=[replace(p, vth=0) for p in fixed.populations])
    for call, words in (
        (lambda: sh.loss_ladder(fixed, spikes, labels), "takes a float Network"),
        (lambda: sh.loss_ladder(net, spikes, labels, net), "the fixed network is a Network"),
        (lambda: sh.loss_ladder(net, spikes, labels, fixed, weight_bits=3), "give one of both"),
        (lambda: sh.loss_ladder(net, spikes, labels, fixed, target="lava"), "choose engine or spec"),
        (lambda: sh.loss_ladder(net, spikes, labels, fixed, decode="oracle"), "decode = 'oracle' is unknown"),
        (lambda: sh.loss_ladder(net, spikes, labels[:3], fixed), "one a sample"),
        (lambda: sh.loss_ladder(net, spikes, labels, unknown), "scale of its integers is unknown"),
        (lambda: sh.loss_ladder(net, spikes, labels, silent), "threshold of 0"),
    ):
        with pytest.raises(ParameterError, match=words):
            call()
    with pytest.raises(ShapeError, match="source predictions"):
        sh.loss_ladder(net, spikes, labels, fixed, source=[0.5] * 16)
    plain = replace(net, semantics=sh.Semantics(1e-3), populations=[replace(p, bias=0.0) for p in net.populations])
    with pytest.raises(ParameterError, match="is not this float network's"):
        sh.loss_ladder(plain, spikes, labels, other)
