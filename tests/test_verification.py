"""verify: differences are found where they were put, and named with their cause."""

import frameworks
import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from test_presets import CASES

from ssdp_hw.analysis.verification import verify
from ssdp_hw.conversion.nir import from_nir
from ssdp_hw.conversion.nir.presets import PRESETS
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.network.float_network import Network, Population, Projection, Semantics
from ssdp_hw.network.graph import Input
from ssdp_hw.network.neurons import IF, LIF
from ssdp_hw.quantization import quantize
from ssdp_hw.running.run import run

CASE = CASES["norse-lif"]
T, B = CASE.spikes.shape[:2]


@pytest.fixture(scope="module")
def net():
    return from_nir(CASE.graph, preset="norse")


@pytest.fixture(scope="module")
def recording():
    """Of Norse itself."""
    with np.load(frameworks.RECORDED) as arrays:
        v = {n: arrays[f"{CASE.name}/{n}/v"].astype(np.float64) for n in ("n0", "n1")}
        return {
            n: (np.unpackbits(arrays[f"{CASE.name}/{n}/spikes"], count=k.size).reshape(k.shape) != 0, k)
            for n, k in v.items()
        }


def test_a_recording_of_the_source_agrees(net, recording):
    found = verify(recording, net, CASE.spikes, timing=PRESETS["norse"].timing)
    assert found.equal
    assert found.agrees
    assert [(c.layer, c.lag) for c in found.layers] == [("n0", 1), ("n1", 2)]
    assert all(c.voltage < 1e-6 and c.source_spikes == c.our_spikes > 0 for c in found.layers)
    table = found.to_markdown().splitlines()
    assert len(table) == 4
    assert "| n0 | 1 |" in table[2]
    assert found.to_dict()["layers"][0]["different"] == 0


def test_a_network_equals_itself(net):
    found = verify(net, net, CASE.spikes, target="spec")
    assert found.equal
    assert {c.lag for c in found.layers} == {0}
    assert {c.voltage for c in found.layers} == {0.0}


def test_a_callable_source(net, recording):
    seen = []

    def source(samples):
        seen.append(samples)
        return {name: spikes for name, (spikes, _) in recording.items()}

    found = verify(source, net, CASE.spikes)
    assert found.equal
    assert seen[0] is CASE.spikes
    assert {c.voltage for c in found.layers} == {None}


@pytest.mark.parametrize("source_fires", [False, True])
def test_the_first_difference_is_where_it_was_put(net, recording, source_fires):
    spikes, v = (k.copy() for k in recording["n1"])
    places = np.argwhere(spikes != source_fires)
    step, sample, neuron = places[len(places) // 2]
    spikes[step, sample, neuron] = source_fires
    later = places[-1]
    spikes[tuple(later)] = source_fires
    found = verify({**recording, "n1": (spikes, v)}, net, CASE.spikes)
    assert not found.equal
    assert not found.agrees
    check = found.layers[1]
    first = check.first
    assert check.different == 1 + (tuple(later) != (step, sample, neuron))
    assert (first.step, first.our_step, first.sample, first.neuron) == (step, step + 2, sample, neuron)
    assert first.source_fired is source_fires
    voltages = run(net, CASE.spikes, "spec", record=("v",), steps=T + 2).v["n1"]
    silent = voltages[step + 2] if source_fires else v[step]
    assert np.isclose(first.miss, 1.0 - silent[sample, neuron])
    assert first.follows is None
    assert "rounding does not explain it" in found.to_markdown()


def test_a_miss_within_rounding_is_explained(recording, net):
    spikes, v = (k.copy() for k in recording["n0"])
    step, sample, neuron = np.argwhere(spikes)[3]
    spikes[step, sample, neuron], v[step, sample, neuron] = False, 1.0 - 3e-6
    changed = {**recording, "n0": (spikes, v)}
    found = verify(changed, net, CASE.spikes)
    assert not found.equal
    assert found.agrees
    assert np.isclose(found.layers[0].first.miss, 3e-6)
    assert "float rounding explains it" in found.to_markdown()
    assert not verify(changed, net, CASE.spikes, rounding=1e-6).agrees


def test_what_follows_from_an_earlier_layer_says_so(net):
    weight = np.array(net.projection("w0").weight)
    weight[0] += 2.0
    found = verify(net.with_weights({"w0": weight}), net, CASE.spikes)
    first, second = (c.first for c in found.layers)
    assert first.neuron == 0
    assert first.follows is None
    assert second.follows == "n0"
    assert "follows from 'n0'" in found.to_markdown()


def test_a_fixed_network_against_its_float_one(net):
    fixed = quantize(net, calibration=CASE.spikes)
    found = verify(net, fixed, CASE.spikes)
    assert [c.layer for c in found.layers] == [n for n in net.population_names if n not in net.helpers]
    hidden = found.layers[0]
    assert 0 < hidden.voltage < 0.2
    assert hidden.first is None or not hidden.first.rounding


def single(v_threshold=1.0, name="a"):
    return Network(
        [Input("in", 2)],
        [Population(name=name, neuron=LIF(size=2, tau_mem=5.0, r=5.0, v_threshold=v_threshold))],
        [Projection(pre="in", post=name, weight=np.eye(2))],
        [name],
        Semantics(1.0),
    )


def test_layers_of_other_names_are_taken_in_order_or_by_name():
    spikes = np.ones((6, 1, 2), bool)
    assert verify(single(), single(name="b"), spikes).layers[0].population == "b"
    assert verify(single(), single(name="b"), spikes, names={"a": "b"}).equal


def test_the_miss_is_what_a_higher_threshold_asks_for():
    first = verify(single(1.5), single(2.0), np.ones((6, 1, 2), bool)).layers[0].first
    assert (first.step, first.source_fired) == (2, True)  # v is 1, then 0.8 + 1
    assert np.isclose(first.miss, 0.2)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda r: {}, ParameterError, "no recording"),
        (lambda r: 3, ParameterError, "no recording"),
        (lambda r: {"n0": r["n0"][0]} | {"x": r["n1"][0], "y": r["n1"][0]}, None, ""),
        (lambda r: {"x": r["n1"][0]}, ParameterError, "give names"),
        (lambda r: {"n0": r["n0"][0][:-1]}, ShapeError, "shape"),
        (lambda r: {"n0": r["n1"][0]}, ShapeError, "neurons"),
        (lambda r: {"n0": r["n0"][0] * 2}, ParameterError, "0 or 1"),
        (lambda r: {"n0": (r["n0"][0], r["n0"][1][:-1])}, ShapeError, "voltages"),
    ],
)
def test_recordings_that_do_not_fit(net, recording, change, error, said):
    if error is None:
        assert [c.layer for c in verify(change(recording), net, CASE.spikes).layers] == ["n0"]
        return
    with pytest.raises(error, match=said):
        verify(change(recording), net, CASE.spikes)


def test_arguments_that_do_not_fit(net, recording):
    with pytest.raises(ShapeError, match="samples"):
        verify(recording, net, CASE.spikes[0])
    with pytest.raises(ParameterError, match="no layer 'z'"):
        verify(recording, net, CASE.spikes, names={"z": "n0"})
    with pytest.raises(ParameterError, match="Timing"):
        verify(recording, net, CASE.spikes, timing="soon")


def test_voltages_before_the_reset_agree_too(net, recording):
    """As some frameworks keep them: steps with a spike are not compared."""
    before = {n: (s, v + s * 7.0) for n, (s, v) in recording.items()}
    assert all(c.voltage < 1e-6 for c in verify(before, net, CASE.spikes).layers)


def test_neurons_that_only_bring_biases_are_no_layers(net):
    """And what they bring shows in those that they drive."""
    (helper,) = net.helpers
    fixed = quantize(net, calibration=CASE.spikes)
    for source in (net, fixed):
        found = verify(source, source, CASE.spikes)
        assert [layer.layer for layer in found.layers] == [n for n in source.population_names if n != helper]
        assert helper not in found.to_markdown()
    name = next(p.name for p in net.projections if p.pre == helper)
    changed = net.with_weights({name: np.asarray(net.projection(name).weight) + 0.5})
    assert not verify(net, changed, CASE.spikes).equal


@examples(100, default=8)
@given(st.integers(0, 10**6), st.booleans())
def test_a_scale_a_channel_gives_voltages_in_the_unit_of_each(seed, lower):
    """The same integrators in integers and, divided by a power of two of their own each, in float: all is exact."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 6))
    unit = 2.0 ** rng.integers(-9, 10, size)  # chip units of a volt
    mantissa, vth = 2 * rng.integers(-20, 60, (size, 4)), rng.integers(60, 200, size)
    source = Network(
        [Input("in", 4)],
        [Population(name="out", neuron=IF(size=size, v_threshold=vth / unit), reset="subtract")],
        [Projection(pre="in", post="out", weight=mantissa / unit[:, None])],
        ["out"],
        Semantics(1.0),
    )
    spikes = rng.random((30, 3, 4)) < 0.4
    wrong = int(rng.integers(size))

    def fixed(vth):
        out = FixedPopulation(
            name="out", size=size, du=4095, dv=0, vth=vth, scale=64 * unit, reset="subtract", threshold=">"
        )
        weight = FixedProjection(pre="in", post="out", weight=mantissa)
        return FixedNetwork([Input("in", 4)], [out], [weight], ["out"], chip="loihi2", dt=1.0)

    found = verify(source, fixed(vth), spikes)
    assert found.equal
    assert found.layers[0].voltage == 0.0
    if not lower:
        return
    early = vth.copy()
    early[wrong] //= 2
    first = verify(source, fixed(early), spikes).layers[0].first
    if first is None:
        return  # it never came so far
    v = run(source, spikes, "spec", record=("v",)).v["out"][first.step, first.sample, wrong]
    assert (first.neuron, first.source_fired) == (wrong, False)
    assert first.miss == early[wrong] / unit[wrong] - v
