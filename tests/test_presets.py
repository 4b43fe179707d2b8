"""Presets against recordings of the frameworks themselves, made by record_frameworks.py; no framework is needed."""

import json

import frameworks
import nir
import numpy as np
import pytest
from typer.testing import CliRunner

from ssdp_hw.cli.main import app
from ssdp_hw.conversion.alignment import Timing, aligned, lags
from ssdp_hw.conversion.nir import from_nir, to_nir
from ssdp_hw.conversion.nir.presets import PRESETS
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.network.float_network import Network, Population, Projection, Semantics
from ssdp_hw.network.graph import Input
from ssdp_hw.network.neurons import LIF, CubaLIF
from ssdp_hw.running.run import run

CASES = {case.name: case for case in frameworks.cases()}
# Some frameworks hold decays in float32, and recordings are float32.
TOLERANCE = {"lava-dl": frameworks.SLAYER_ROUNDING}


@pytest.fixture(scope="module")
def recorded():
    with np.load(frameworks.RECORDED) as arrays:
        return dict(arrays)


def bits(array, shape):
    return np.unpackbits(array, count=int(np.prod(shape))).reshape(shape).astype(bool)


@pytest.mark.parametrize("name", CASES)
def test_recorded_spikes_and_voltages(name, recorded, tmp_path):
    case = CASES[name]
    path = tmp_path / "case.nir"
    path.write_bytes(recorded[f"{name}/graph"].tobytes())
    assert np.array_equal(bits(recorded[f"{name}/spikes"], case.spikes.shape), case.spikes)
    theirs = {}
    for neuron, *_ in case.layers:
        v = recorded[f"{name}/{neuron}/v"].astype(np.float64)
        theirs[neuron] = bits(recorded[f"{name}/{neuron}/spikes"], v.shape), v
        assert 0.01 < theirs[neuron][0].mean() < 0.99
    spikes, voltage = frameworks.disagreement(case, frameworks.ours(case, path), theirs)
    assert spikes == 0
    assert voltage < TOLERANCE.get(case.preset, 5e-6)


def test_every_preset_was_run():
    assert {case.preset for case in CASES.values()} == {name for name, p in PRESETS.items() if p.evidence == "run"}


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.preset not in ("lava-dl", "norse")])
def test_without_the_preset_the_network_is_another(name):
    case = CASES[name]
    plain = from_nir(case.graph, dt=case.dt if case.preset in ("snntorch", "rockpool", "spikingjelly") else 1.0)
    there = frameworks.ours(case, case.graph)
    result = run(plain, case.spikes, "spec", steps=len(case.spikes) + 2)
    assert any(
        not np.array_equal(result.spikes[n][k + 1 : k + 1 + len(case.spikes)], there[n][0]) for k, n in enumerate(there)
    )


def test_explicit_arguments_override_the_preset():
    graph = CASES["snntorch-lif"].graph
    net = from_nir(
        graph,
        2e-4,
        preset="snntorch",
        reset="subtract",
        threshold=">=",
        discretization="exponential",
        timing="projections",
    )
    assert net.semantics.dt == 2e-4
    assert net.semantics.discretization == "exponential"
    assert {(p.reset, p.threshold) for p in net.populations} == {("subtract", ">=")}
    assert net.population_names == ("n0", "n1")
    assert any("snnTorch 1.0.0" in note for note in net.notes)


def test_steps_are_turned_into_seconds():
    graph = CASES["sinabs-lif"].graph
    steps, seconds = (from_nir(graph, 1e-3, tau_unit=unit) for unit in ("steps", "seconds"))
    assert np.allclose(steps.population("n0").neuron.tau_mem, 9e-3)
    assert np.allclose(seconds.population("n0").neuron.tau_mem, 9.0)
    assert any("tau_unit='steps'" in note for note in seconds.notes)
    assert not any("tau_unit='steps'" in note for note in steps.notes)
    rate = from_nir(CASES["sinabs-if"].graph, 1e-3, tau_unit="steps").coefficients("n0")
    assert np.allclose(rate.gain_v, 1.0)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("preset", "torch"),
        ("preset", 3),
        ("timing", "now"),
        ("tau_unit", "minutes"),
    ],
)
def test_unknown_names_are_refused(argument, value):
    with pytest.raises(ParameterError, match=r"there are: "):
        from_nir(CASES["norse-lif"].graph, 1e-3, **{argument: value})


def test_a_preset_is_refused_where_the_graph_states_its_own_meaning():
    written = to_nir(from_nir(CASES["norse-lif"].graph, preset="norse"))
    with pytest.raises(ParameterError, match="other tools"):
        from_nir(written, preset="norse")
    with pytest.raises(ParameterError, match="other tools"):
        from_nir(written, timing="same_step")


def test_the_graph_that_was_given_stays_as_it_is():
    case = CASES["spyx-lif"]
    before = nir.NIRGraph(dict(case.graph.nodes), list(case.graph.edges), type_check=False)
    values = {name: dict(vars(node)) for name, node in case.graph.nodes.items()}
    from_nir(case.graph, preset="spyx")
    assert case.graph.edges == before.edges
    assert case.graph.nodes.keys() == before.nodes.keys()
    for name, node in case.graph.nodes.items():
        assert all(vars(node)[key] is value for key, value in values[name].items())


def network(projections, *, names=("a", "b", "c"), neuron=None, **population):
    neuron = neuron or LIF(size=3, tau_mem=5.0, r=5.0)
    return Network(
        [Input("in", 3)],
        [Population(name=n, neuron=neuron, **population) for n in names],
        [Projection(pre=s, post=t, weight=np.eye(3)) for s, t in projections],
        [names[-1]],
        Semantics(1.0),
    )


def test_branches_get_equal_lengths():
    net = aligned(network([("in", "a"), ("a", "b"), ("b", "c"), ("a", "c"), ("in", "c"), ("c", "c")]), Timing.SAME_STEP)
    assert lags(net) == {"in": 0, "a": 1, "b": 2, "c": 3}
    assert {p.name: p.delay for p in net.projections} == {
        "in->a": 0,
        "a->b": 0,
        "b->c": 0,
        "a->c": 1,
        "in->c": 2,
        "c->c": 0,
    }


@pytest.mark.parametrize("timing", [Timing.SAME_STEP, Timing.LAYER_STEPS])
def test_biases_begin_with_the_first_input(timing):
    net = network([("in", "a"), ("a", "b"), ("b", "c")], bias=0.3)
    mended = aligned(net, timing)
    result = run(mended, np.zeros((6, 1, 3), bool), "spec", record=("v",))
    for name, lag in lags(net, timing).items():
        if name != "in":
            assert not result.v[name][:lag].any()
            assert np.allclose(result.v[name][lag : lag + 3, 0, 0], [0.3, 0.54, 0.732])


def test_a_leak_voltage_is_a_bias():
    neuron = LIF(size=3, tau_mem=5.0, r=2.0, v_leak=0.6)
    mended = aligned(network([("in", "a")], names=("a",), neuron=neuron), Timing.SAME_STEP)
    assert not mended.population("a").neuron.v_leak.any()
    assert np.allclose(mended.projection("bias->a").weight, 0.3)
    current = CubaLIF(size=3, tau_mem=5.0, tau_syn=5.0, v_leak=0.6)
    kept = aligned(network([("in", "a")], names=("a",), neuron=current), Timing.SAME_STEP)
    assert any("v_leak acts from step 0" in note for note in kept.notes)


def test_a_loop_of_several_populations_has_no_order_within_a_step():
    net = network([("in", "a"), ("a", "b"), ("b", "a")], names=("a", "b"))
    with pytest.raises(UnsupportedError, match="loop"):
        aligned(net, Timing.SAME_STEP)
    assert aligned(net, Timing.LAYER_STEPS).population_names == ("a", "b")
    assert aligned(net, Timing.PROJECTIONS) is net


def test_the_command_line_takes_a_preset(tmp_path):
    path = tmp_path / "case.nir"
    nir.write(path, CASES["norse-lif"].graph)
    shown = CliRunner().invoke(app, ["inspect", str(path), "--preset", "norse", "--json"])
    assert shown.exit_code == 0
    assert json.loads(shown.output)["semantics"]["dt"] == 1e-3
