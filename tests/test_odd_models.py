"""Neuron models as readers of docs/models.md write them: equal on all targets, and named rightly where they err."""

from __future__ import annotations

import numpy as np
import pytest
from odd_models import OUTSIDERS, Cascade, Clock, OnOff, Shunted

import ssdp_hw as sh
from ssdp_hw.analysis.ladder import rungs
from ssdp_hw.analysis.ladder.step import Step
from ssdp_hw.chips import load_chip
from ssdp_hw.errors import ParameterError, StateOverflowError, UnsupportedError
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State, Unit
from ssdp_hw.models.form import StepForm
from ssdp_hw.models.registry import neuron_model
from ssdp_hw.running.target_registry import choose_target
from ssdp_hw.testing import check_neuron_model, conformance, generation


@pytest.mark.slow
@pytest.mark.parametrize("model", OUTSIDERS, ids=lambda m: m.name)
def test_an_outsiders_model_is_equal_on_every_target(model):
    """Inference, fast paths on and off, states, overflow counts, and what its synapses learn."""
    check_neuron_model(model, networks=2)


@pytest.mark.slow
def test_nine_kinds_of_overflow_are_counted():
    """Beside a population of the chip's neurons, which counts three kinds, in samples of a batch."""
    network = generation.fixed_network(Cascade(), 0)
    assert len(network.step_form("first").count_names) == 9
    spikes = np.ones_like(generation.spikes(0, steps=200, batch=3))
    found, expected = (sh.run(network, spikes, t, on_overflow="ignore").overflow for t in ("engine", "spec"))
    assert found == expected
    assert sum(count > 0 for count in expected["first"].counts.values()) > 3


def test_targets_that_learn_without_graded_spikes_are_not_asked_to(monkeypatch):
    """One that runs graded neurons, and learns, but not both at once, says so to who asks."""
    graded, plain = (generation.fixed_network(neuron_model(name), 0) for name in ("SigmaDelta", "AdaptiveLIF"))
    target = choose_target("engine", graded)
    assert conformance._learns(target, graded)
    monkeypatch.setattr(type(target), "graded_spikes", frozenset({"inference"}))
    assert conformance._learns(target, plain)
    assert not conformance._learns(target, graded)
    with pytest.raises(UnsupportedError, match=r"its spikes carry 'message', .*in learning; .*'spec'"):
        choose_target("engine", graded, learning=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [pytest.param(m, id=m.name) for m in OUTSIDERS if not m.payload],
)
def test_the_ladder_takes_products_of_voltages(model):
    """Finer registers than the chip's leave the step within 64 bits, or the rung out."""
    network = generation.float_network(model, 1)
    spikes = generation.spikes(1, steps=10, batch=2)
    fixed = sh.quantize(network, chip="loihi2", calibration=spikes)
    timed = rungs.in_chip_timing(network)
    for step in (Step.STATE, Step.OVERFLOW):
        made = rungs.exact_parameters(timed, fixed, step)
        own = [q.bits for q in model.states if q.unit is Unit.VOLTAGE and q.bits is not None]
        if own and step is Step.OVERFLOW:  # finer units would not fit these
            assert made is None
            continue
        assert made is not None
        bits = made.limits.state_bits
        assert fixed.limits.state_bits <= bits
        for p in made.populations:
            assert made.step_form(p.name).graph().bits <= 64
        if model == Shunted():  # one bit more does not fit
            finer = rungs._on_finer_chip(timed, fixed, bits + 1, 0 if step is Step.STATE else bits + 1 - 24)
            with pytest.raises(ParameterError, match="64 are held"):
                finer.step_form("first").graph()


class Rising(NeuronModel):
    """Fires where its input rises, by a comparison of its own; what it had is divided by a level."""

    name = "Rising"
    states = (State("v"), State("share"))
    parameters = (Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),)

    def step(self, op, s, p, arriving):
        v = op.saturate(arriving + p.bias, "v")
        square = op.divide(op.absolute(s.v) * op.absolute(s.v), op.maximum(p.vth, op.lsb))
        return {"v": v, "share": op.saturate(op.minimum(square, p.vth), "share")}, v > s.v


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fixed", "fires"),
    [
        (True, False),
        (False, True),
        (True, True),
        (False, False),
    ],
)
def test_a_readout_is_silent_by_whatever_its_step_decides_on_every_target(fixed, fires):
    """Also where a level by which it divides is 0, as 0 / 0 in real numbers."""
    weight = np.array([[100], [-50], [30]])
    if fixed:
        population = sh.FixedPopulation(name="p", size=3, model=Rising(), vth=[0, 5, 900], spiking=fires)
        projection = sh.FixedProjection(pre="in", post="p", weight=weight)
        network = sh.FixedNetwork([sh.Input("in", 1)], [population], [projection], ["p"], chip="loihi2")
    else:
        neurons = sh.neuron(Rising(), 3, fires=fires, v_threshold=[0.0, 0.5, 9.0])
        real = sh.Population(name="p", neuron=neurons)
        synapses = sh.Projection(pre="in", post="p", weight=weight / 100)
        network = sh.Network([sh.Input("in", 1)], [real], [synapses], ["p"], sh.Semantics(1e-3))
    spikes = np.array([0, 1, 1, 0, 1, 0, 0, 1], bool).reshape(-1, 1, 1)
    rises = np.zeros((8, 3), bool)
    rises[[2, 5], 0] = rises[[2, 5], 2] = rises[[4, 6], 1] = True
    for target in ("spec", *conformance.installed_targets()):
        result = sh.run(network, spikes, target, record=("spikes", "v", "share"))
        np.testing.assert_array_equal(result.spikes["p"][:, 0], rises & fires, target)
        share = result.states["share"]["p"][:, 0]
        v = result.v["p"][:, 0].astype(float)
        level = np.array([0, 5 * 64, 900 * 64]) if fixed else np.array([0.0, 0.5, 9.0])
        past = np.vstack([np.zeros(3), v[:-1]])
        square = past**2 / np.maximum(level, 1 if fixed else 1e-300)
        np.testing.assert_array_equal(share, np.minimum(np.floor(square) if fixed else square, level), target)


class Careless(OnOff):
    """Takes its threshold off what is within the register, and forgets that this may leave it."""

    name = "Careless"

    def step(self, op, s, p, arriving):
        v = op.saturate(s.v + arriving, "v")
        return {"v": v - p.on, "ups": s.ups, "last": s.last}, op.fires(v, p.on)


class Forgetful(Careless):
    name = "Forgetful"

    def step(self, op, s, p, arriving):
        v = s.v + arriving
        return {"v": v, "ups": s.ups, "last": s.last}, op.fires(v, p.on)


class Advised(Careless):
    name = "Advised"

    def step(self, op, s, p, arriving):
        v = op.saturate(s.v + arriving, "v")
        return {"v": op.maximum(v - p.on, op.minimum(v, 0)), "ups": s.ups, "last": s.last}, op.fires(v, p.on)


def test_a_register_that_is_left_after_its_limit_is_not_to_be_limited_twice():
    chip = load_chip("loihi2")
    with pytest.raises(ParameterError, match=r"limits it, and computes with it further.*op.maximum"):
        StepForm(Careless(), chip).graph()
    with pytest.raises(ParameterError, match=r"limit it in the step with op.saturate"):
        StepForm(Forgetful(), chip).graph()
    assert StepForm(Advised(), chip).graph().bits <= 64


def test_what_to_do_about_a_number_that_overflows_is_no_scale():
    population = sh.FixedPopulation(name="p", size=2, model=Clock(), vth=3000, parameters={"speed": 20, "dc": 400})
    network = sh.FixedNetwork(
        [sh.Input("in", 3)],
        [population],
        [sh.FixedProjection(pre="in", post="p", weight=np.full((2, 3), 254), weight_exp=7)],
        ["p"],
        chip="loihi2",
    )
    silent, loud = np.zeros((40, 1, 3), bool), np.ones((60, 1, 3), bool)
    with pytest.raises(StateOverflowError) as wrapped:
        sh.run(network, silent, "spec", on_overflow="error")
    assert "'p': phase wrapped" in str(wrapped.value)
    assert "phase of neuron model Clock is a number, which no scale changes" in str(wrapped.value)
    assert "lower the population's scale" not in str(wrapped.value)
    with pytest.raises(StateOverflowError) as both:
        sh.run(network, loud, "spec", on_overflow="error")
    assert "charge saturated" in str(both.value)
    assert "lower the population's scale" in str(both.value)
    assert "phase of neuron model Clock is a number" in str(both.value)
