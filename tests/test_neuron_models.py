"""Declared neuron models: the same integers from the specification and the engine, whatever the model."""

from __future__ import annotations

import numpy as np
import pytest
from declared_models import CHIP, MODELS, Resonator, declared_fixed_networks, input_of, pieces_of
from example_counts import examples
from hypothesis import HealthCheck, given, settings, strategies as st
from strategies import drives_for, fixed_networks

import ssdp_hw as sh
from ssdp_hw.errors import FileFormatError, ParameterError, UnsupportedError
from ssdp_hw.models import registry
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.result import Record
from ssdp_hw.running.target_registry import get_target

SPEC, ENGINE = get_target("spec"), get_target("engine")
GENERATED = settings(suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])


@pytest.fixture(autouse=True)
def test_models(monkeypatch):
    """The models of these tests are known by name."""
    monkeypatch.setattr(registry.KNOWN_MODELS, "registered", {model.name: model for model in MODELS})


def recorded(target, network, inputs, **options):
    """Everything that a target can record, with the overflow counts."""
    names = network.population_names
    states = {s for name in names for s in network.population(name).state_names}
    missing = {(s, name) for s in states for name in names if s not in network.population(name).state_names}
    record = Record(("spikes", *sorted(states)), names, frozenset(missing))
    return target.run(network, make_drive(network, inputs), record, target.resolve(options))


def assert_same(left, right):
    assert left.spikes.keys() == right.spikes.keys()
    for name, spikes in left.spikes.items():
        np.testing.assert_array_equal(right.spikes[name], spikes, err_msg=f"spikes of {name}")
    for variable, ours, theirs in [("v", left.v, right.v), ("u", left.u, right.u)] + [
        (name, traces, right.states[name]) for name, traces in left.states.items()
    ]:
        assert ours.keys() == theirs.keys(), variable
        for name, trace in ours.items():
            np.testing.assert_array_equal(theirs[name], trace, err_msg=f"{variable} of {name}")
    assert left.overflow == right.overflow


@examples(200, default=5, base=GENERATED)
@given(declared_fixed_networks(models=MODELS), st.integers(0, 1000), st.sampled_from((1, None)))
def test_the_engine_equals_the_specification(network, seed, threads):
    inputs = input_of(network, seed)
    assert_same(recorded(SPEC, network, inputs), recorded(ENGINE, network, inputs, threads=threads))


class Runaway(NeuronModel):
    """Its voltage saturates in every step, whatever arrives."""

    name = "Runaway"
    states = (State("v"),)
    parameters = (Parameter("vth", "v_threshold", Kind.LEVEL),)

    def step(self, op, s, p, arriving):
        return {"v": op.saturate(s.v + arriving + 2**40, "v")}, op.fires(s.v, p.vth)


@pytest.mark.parametrize("size", [1, 15, 16, 33])
@pytest.mark.parametrize("spiking", [True, False])
def test_overflows_are_counted_of_neurons_alone(size, spiking):
    """The engine pads populations to whole vectors: what overflows in the padding does not count."""
    populations = [
        sh.FixedPopulation(name="p", size=size, model=Runaway(), vth=100),
        sh.FixedPopulation(name="q", size=3, model=Runaway(), vth=100, spiking=spiking),
    ]
    projections = [
        sh.FixedProjection(pre=a, post=b, weight=np.full((n, m), 2))
        for a, b, n, m in (("in", "p", size, 2), ("p", "q", 3, size))
    ]
    net = sh.FixedNetwork([sh.Input("in", 2)], populations, projections, ["q"], chip=CHIP)
    for target in ("spec", "engine"):
        counts = sh.run(net, np.zeros((7, 5, 2), bool), target, on_overflow="ignore").overflow
        assert [counts[name].counts["v_saturations"] for name in ("p", "q")] == [7 * 5 * size, 7 * 5 * 3]


@pytest.mark.slow
@examples(100, default=5, base=GENERATED)
@given(st.data())
def test_the_cuba_lif_by_its_declaration_equals_the_step_written_by_hand(data):
    network = data.draw(fixed_networks())
    inputs = data.draw(drives_for(network))
    assert_same(recorded(ENGINE, network, inputs), recorded(ENGINE, network, inputs, fast_paths=False))


@pytest.mark.slow
@examples(60, default=5, base=GENERATED)
@given(declared_fixed_networks(models=MODELS), st.integers(0, 1000))
def test_a_run_in_pieces_equals_the_whole_run(network, seed):
    inputs = input_of(network, seed, steps=30, batch=1)
    whole = sh.run(network, inputs, "engine", on_overflow="ignore")
    result = sh.stream(network, pieces_of(inputs, 7, 8), target="engine", on_overflow="ignore")
    for name, spikes in whole.spikes.items():
        np.testing.assert_array_equal(result.spike_counts[name], spikes.sum(axis=0))
    assert result.overflow == whole.overflow


@pytest.mark.slow
@examples(15, default=6, base=GENERATED)
@given(declared_fixed_networks(models=MODELS), st.integers(0, 1000))
def test_a_file_keeps_the_network(tmp_path_factory, network, seed):
    path = tmp_path_factory.mktemp("saved") / "network.h5"
    network.save(path)
    inputs = input_of(network, seed, steps=10)
    assert_same(recorded(ENGINE, network, inputs), recorded(ENGINE, sh.load(path), inputs))


def float_network(model, size=6, **parameters):
    rng = np.random.default_rng(1)
    neuron = sh.neuron(model, size, **parameters)
    weight = rng.normal(0, 1, (size, 4))
    return sh.Network(
        [sh.Input("in", 4)],
        [sh.Population(name="p", neuron=neuron, bias=0.01)],
        [sh.Projection(pre="in", post="p", weight=weight)],
        ["p"],
        sh.Semantics(1e-3),
    )


def test_float_networks_agree_on_spec_and_engine():
    network = float_network("AdaptiveLIF", tau_syn=5e-3, tau_mem=20e-3, tau_adapt=50e-3, jump=0.3)
    inputs = np.random.default_rng(0).random((60, 3, 4)) < 0.4
    left, right = (sh.run(network, inputs, t, record=("spikes", "u", "v", "a")) for t in ("spec", "engine"))
    np.testing.assert_array_equal(left.spikes["p"], right.spikes["p"])
    assert left.spikes["p"].any()
    for variable in ("u", "v", "a"):
        np.testing.assert_allclose(left.recorded(variable)["p"], right.recorded(variable)["p"], rtol=0, atol=1e-12)


def test_ideal_adaptation_follows_its_formula():
    """``a(t) = jump * sum over earlier spikes of exp(-(t - t_k) / tau)``."""
    network = float_network("AdaptiveLIF", tau_syn=5e-3, tau_mem=20e-3, tau_adapt=50e-3, jump=0.3)
    network = sh.Network(
        network.inputs, network.populations, network.projections, ["p"], sh.Semantics(1e-3, "exponential")
    )
    inputs = np.random.default_rng(0).random((60, 1, 4)) < 0.4
    result = sh.run(network, inputs, "spec", record=("spikes", "a"))
    time = np.arange(60)
    kernel = np.where(time >= 0, np.exp(-time / 50), 0)
    for neuron in range(6):
        expected = 0.3 * np.convolve(result.spikes["p"][:, 0, neuron], kernel)[:60]
        np.testing.assert_allclose(result.states["a"]["p"][:, 0, neuron], expected, atol=1e-12)


def fixed_population(**changes):
    return sh.FixedPopulation(
        **{"name": "p", "size": 2, "model": "AdaptiveLIF", "parameters": {"da": 60, "jump": 300}, **changes}
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parameters": {"da": 60}}, "population 'p': parameters given: da; neuron model AdaptiveLIF has"),
        ({"parameters": {"da": 60, "jump": 3, "more": 1}}, "parameters given: da, jump, more"),
        ({"parameters": {"da": 60, "jump": 0.5}}, "population 'p': jump is float64, not integers"),
        (
            {"model": "Nothing"},
            "neuron model 'Nothing' is unknown; there are: .*AdaptiveLIF.*; one of your own is registered",
        ),
        ({"model": "TestResonator", "parameters": {"cosine": 1, "sine": 1}, "dv": 3}, "dv is given, but neuron model"),
        (
            {"model": "TestResonator", "parameters": {"cosine": 1, "sine": 1}, "v_init": 3},
            "v_init is given, but neuron model TestResonator has no state v",
        ),
    ],
)
def test_what_does_not_fit_a_model_is_refused(changes, message):
    with pytest.raises(ParameterError, match=message):
        fixed_population(**changes)


def network_of(population, chip="loihi2"):
    weight = np.full((population.size, 2), 100)
    projection = sh.FixedProjection(pre="in", post=population.name, weight=weight)
    return sh.FixedNetwork([sh.Input("in", 2)], [population], [projection], [population.name], chip=chip)


def test_a_chip_without_programs_refuses_other_models():
    with pytest.raises(ParameterError, match="population 'p': neuron model AdaptiveLIF; the neurons of Intel Loihi 1"):
        network_of(fixed_population(), "loihi")


@pytest.mark.parametrize("register", ["da", "jump"])
def test_registers_are_held_to_the_chip(register):
    limit = {"da": CHIP.decay_max, "jump": CHIP.threshold_max}[register]
    network_of(fixed_population(parameters={"da": 60, "jump": 300, register: limit}))
    with pytest.raises(ParameterError, match=f"population 'p': {register} = {limit + 1} is outside 0 .. {limit}"):
        network_of(fixed_population(parameters={"da": 60, "jump": 300, register: limit + 1}))


def test_more_input_than_a_state_holds_is_refused():
    population = fixed_population()
    projection = sh.FixedProjection(pre="in", post="p", weight=np.full((2, 2000), 254), weight_exp=7)
    with pytest.raises(ParameterError, match="activation_register"):
        sh.FixedNetwork([sh.Input("in", 2000)], [population], [projection], ["p"], chip="loihi2")


def test_states_are_recorded_by_name_and_unknown_ones_refused():
    network = network_of(fixed_population(vth=10))
    result = sh.run(network, np.ones((5, 1, 2)), record=("a",))
    assert result.states["a"]["p"].any()
    with pytest.raises(ParameterError, match="cannot record 'w'; there are: spikes, v, u, a"):
        sh.run(network, np.ones((5, 1, 2)), record=("w",))


def test_a_file_of_another_step_is_refused(tmp_path, monkeypatch):
    population = sh.FixedPopulation(
        name="p", size=2, model="TestResonator", vth=5, parameters={"cosine": 4000, "sine": 100}
    )
    network_of(population).save(tmp_path / "n.h5")

    class Changed(Resonator):
        def step(self, op, s, p, arriving):
            states, fired = super().step(op, s, p, arriving)
            return {**states, "re": op.shift_right(states["re"], 1)}, fired

    monkeypatch.setattr(registry.KNOWN_MODELS, "registered", {"TestResonator": Changed()})
    with pytest.raises(FileFormatError, match="'TestResonator' computes another step here"):
        sh.load(tmp_path / "n.h5")


def test_targets_without_a_step_refuse_by_name():
    network = network_of(fixed_population())
    for target in ("lava", "brian2"):
        if "fixed" not in get_target(target).declared_models:
            with pytest.raises(UnsupportedError, match="population 'p': neuron model AdaptiveLIF"):
                sh.run(network, np.ones((5, 1, 2)), target)
