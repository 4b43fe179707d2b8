"""Every declared model: its step on integers against its graph on the same integers, printed widths, and options."""

from __future__ import annotations

import numpy as np
import pytest
from declared_models import register_values
from example_counts import examples
from graph_evaluator import evaluate
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw.chips import load_chip
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.form import ARRIVING, StepForm, _leaves, without_effect
from ssdp_hw.models.registry import model_names, neuron_model
from ssdp_hw.network.fixed_parts import FIELDS
from ssdp_hw.operations.base import Values

CHIP = load_chip("loihi2")
NEURONS = 64


def forms(name):
    model = neuron_model(name)
    options = st.fixed_dictionaries(
        {"spiking": st.sampled_from([True, True, True, False]), "at_least": st.booleans(), "subtract": st.booleans()}
    )
    ports = st.sampled_from([(), model.ports])
    return st.builds(lambda o, p, wide: StepForm(model, CHIP, **o, ports=p, wide=wide), options, ports, st.booleans())


def drawn(rng, low, high):
    """Integers from low to high: at the ends, near 0, and of every magnitude between."""
    magnitude = 2.0 ** rng.uniform(0, 24, NEURONS) * rng.choice([-1, 1], NEURONS)
    values = np.choose(rng.integers(0, 4, NEURONS), [magnitude, rng.uniform(low, high, NEURONS), low, high])
    return np.clip(np.rint(values), low, high).astype(np.int64)


@pytest.mark.parametrize("name", model_names())
@examples(60, default=4)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1), word=st.sampled_from([32, 64]))
def test_the_graph_of_a_step_is_the_step(name, data, seed, word):
    form, rng = data.draw(forms(name)), np.random.default_rng(seed)
    made = form.graph(word=word)
    states, parameters, arriving = _leaves(form, ideal=False)
    leaves = {n: drawn(rng, int(x.low), int(x.high)) for n, x in {**states, **parameters, ARRIVING: arriving}.items()}
    op = form.exact()
    op.counts = dict.fromkeys(form.count_names, 0)
    new, fired = form.model.advance(
        op, Values({n: leaves[n] for n in states}), Values({n: leaves[n] for n in parameters}), leaves[ARRIVING]
    )
    *values, raster = evaluate([*made.states.values(), made.fired], leaves)
    for state, value in zip(made.states, values, strict=True):
        assert np.array_equal(np.broadcast_to(new[state], NEURONS), np.broadcast_to(value, NEURONS)), state
    assert np.array_equal(np.broadcast_to(fired, NEURONS), np.broadcast_to(raster, NEURONS))
    counts = evaluate(list(made.counts.values()), leaves)
    assert op.counts == {
        n: int(np.count_nonzero(np.broadcast_to(c, NEURONS))) for n, c in zip(made.counts, counts, strict=True)
    }
    for node in made.nodes:
        assert -(2 ** (made.bits - 1)) <= node.low
        assert node.high < 2 ** (made.bits - 1)


def registers_of(model):
    return {q.name: 1 for q in model.parameters if q.name not in FIELDS}


@pytest.mark.parametrize("name", model_names())
def test_options_that_a_model_does_not_know_are_refused(name):
    model = neuron_model(name)
    payload = {"payload_bits": 8} if model.payload else {}
    own_reset = name in {"ALIF", "RF", "RF_IZ", "ADRF", "ADRF_IZ", "BRF", "NonResettingLIF", "HomeostaticLIF"}
    own_reset |= name in {"FewSpikes", "StochasticOscillator"}
    neither = name in {"Delta", "Sigma", "SigmaDelta", "XyloLIF"}
    assert without_effect(model) == ({"reset", "threshold"} if neither else {"reset"} if own_reset else set())
    values = {"name": "p", "size": 1, "model": model, "parameters": registers_of(model), "reset": "subtract", **payload}
    neuron = sh.neuron(model, 1, **{q.float_name: 1.0 for q in model.parameters})
    for make in (
        lambda: sh.FixedPopulation(**values),
        lambda: sh.Population(name="p", neuron=neuron, reset="subtract"),
    ):
        if own_reset or neither:
            with pytest.raises(ParameterError, match=f"reset is given, but the step of .*{name}"):
                make()
        else:
            make()


@pytest.mark.parametrize("name", model_names())
def test_a_model_says_what_it_is(name):
    model = neuron_model(name)
    assert model.name == name
    assert model.source
    assert model.__doc__
    assert model.voltage in [s.name for s in model.states]
    assert StepForm(model, CHIP, ports=model.ports).graph().bits <= 64
    assert StepForm(model, CHIP, ports=model.ports).graph(ideal=True).fired.condition


def test_every_file_of_a_model_declares_it():
    assert {"ADRF", "ADRF_IZ", "ALIF", "AdaptiveLIF", "BRF", "CubaLIF", "EFAdLIF", "FractionalLIF"} <= {*model_names()}


@pytest.mark.slow
@pytest.mark.parametrize("target", ["engine", "brian2"])
@pytest.mark.parametrize("name", model_names())
def test_a_target_runs_the_model_as_the_specification_does(name, target):
    """One neuron after the other with registers of every size, spikes fed back: spikes, states and overflow counts."""
    model, rng = neuron_model(name), np.random.default_rng(11)
    registers = register_values(rng, model, NEURONS)
    own = {field: registers.pop(field) for field in FIELDS if field in registers}
    if model.payload:
        own["payload_bits"] = 6
    population = sh.FixedPopulation(name="p", size=NEURONS, model=model, parameters=registers, **own)
    weights = {"in": 2 * rng.integers(-80, 127, (NEURONS, 8)), "p": 2 * rng.integers(-40, 40, (NEURONS, NEURONS))}
    if not population.spiking:  # a readout has nothing to feed back
        del weights["p"]
    projections = [sh.FixedProjection(pre=pre, post="p", weight=w, weight_exp=2) for pre, w in weights.items()]
    network = sh.FixedNetwork([sh.Input("in", 8)], [population], projections, ["p"], chip=CHIP)
    spikes = rng.random((100, 2, 8)) < 0.2
    record = ("spikes", *population.state_names)
    ours, theirs = (sh.run(network, spikes, t, record=record, on_overflow="ignore") for t in ("spec", target))
    assert ours.spikes["p"].any() == population.spiking
    assert np.array_equal(ours.spikes["p"], theirs.spikes["p"])
    for state in population.state_names:
        a, b = (getattr(r, state, None) or r.states[state] for r in (ours, theirs))
        assert np.array_equal(a["p"], b["p"]), state
    assert ours.overflow["p"].counts == theirs.overflow["p"].counts
