"""``prove``: bounds that hold, are attained, and whose inputs do what they claim."""

from __future__ import annotations

import numpy as np
import pytest
from declared_models import MODELS, declared_fixed_networks
from example_counts import examples
from hypothesis import HealthCheck, given, settings, strategies as st
from strategies import fixed_networks

import ssdp_hw as sh
from ssdp_hw.analysis.proof import Verdict
from ssdp_hw.arithmetic import decay as decay_step
from ssdp_hw.datasets import DIGITS_MODEL, load_digits
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.form import StepForm, without_effect
from ssdp_hw.operations.base import Values
from ssdp_hw.operations.interval import Interval, IntervalOperations, Maybe

GENERATED = settings(suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
CHIP = sh.load_chip("loihi2")


@examples(100, default=2, base=GENERATED)
@given(st.one_of(fixed_networks(), declared_fixed_networks(models=MODELS, graded=False)), st.integers(0, 1000))
def test_no_run_leaves_the_bounds(network, seed):
    """Random inputs and such that stay on or off for long: recorded states within bounds, proved registers silent."""
    proof = sh.prove(network)
    rng = np.random.default_rng(seed)
    inputs = {}
    for i in network.inputs:
        held = np.repeat(rng.random((3, 4, i.size)) < rng.choice([0.1, 0.5, 0.9]), 40, axis=0)
        inputs[i.name] = held | (rng.random(held.shape) < 0.05)
    names = {s for p in network.populations for s in p.state_names}
    result = sh.run(network, inputs, "spec", record=tuple(sorted(names)), on_overflow="ignore")
    for register in proof.registers:
        happened = result.overflow[register.population].counts.get(register.count, 0)
        if register.verdict is Verdict.PROVED:
            assert happened == 0, str(register)
            assert register.register_low <= register.low
            assert register.high <= register.register_high
        state = register.count.rpartition("_")[0]
        trace = result.recorded(state)[register.population]
        # A reset moves v, which was within the bounds before it; a state that wrapped is anywhere in its register.
        if state != "v" and register.verdict is Verdict.PROVED:
            assert max(register.low, register.register_low) <= trace.min()
            assert trace.max() <= min(register.high, register.register_high)
        if register.verdict is Verdict.REACHED:
            again = sh.run(network, register.inputs, "spec", on_overflow="ignore")
            assert again.overflow[register.population].counts[register.count] > 0


def layer(weight, **neuron):
    size = len(weight)
    population = sh.FixedPopulation(name="p", size=size, **neuron)
    projection = sh.FixedProjection(pre="in", post="p", weight=weight)
    return sh.FixedNetwork([sh.Input("in", np.shape(weight)[1])], [population], [projection], ["p"])


def fixed_point(decay, arriving, most=None):
    """Where ``v <- decay(v) + arriving`` comes to rest from 0, the voltage before it held to at most ``most``."""
    v = None
    following = 0
    while following != v:
        v = following
        following = int(decay_step(v if most is None else min(v, most), decay)) + arriving
    return v


@pytest.mark.parametrize("dv", [4095, 400, 37, 2])
def test_the_bound_of_a_layer_is_the_fixed_point_of_its_step(dv):
    """All inhibitory synapses for ever, or all excitatory ones: v comes to the fixed point of its step, and no further.

    A slow leak is extrapolated, for which a part of its bound is allowed.
    """
    weight = np.array([[-40, 20, -2], [-4, 100, 30]])
    proof = sh.prove(layer(weight, dv=dv, vth=1000))
    v = next(r for r in proof.registers if r.count == "v_saturations")
    lowest, highest = fixed_point(dv, -42 << 6), fixed_point(dv, 130 << 6, 1000 << 6)
    assert v.high == highest
    assert v.low <= lowest
    assert v.low >= lowest * (1.0 if dv > 300 else 1.01)
    assert proof.holds


def test_what_is_not_proved_is_reached():
    """A leak that is too slow for the weights: the input that does it is handed over."""
    proof = sh.prove(layer(np.array([[-254, 10], [2, 2]]), dv=2, vth=1000, du=100))
    v = next(r for r in proof.registers if r.count == "v_saturations")
    assert v.verdict is Verdict.REACHED
    assert v.neurons == 1
    assert v.inputs["in"][:, 0, 0].all()
    assert not v.inputs["in"][:, 0, 1].any()
    assert "by an input that was made for it (1 of 2 neurons are not ruled out, at least 1 overflow)" in str(proof)


def test_a_population_behind_another_may_stay_open():
    first = sh.FixedPopulation(name="a", size=1, vth=100_000)  # never fires
    second = sh.FixedPopulation(name="b", size=1, vth=1000, du=1, dv=1)
    projections = [
        sh.FixedProjection(pre="in", post="a", weight=[[2]]),
        sh.FixedProjection(pre="a", post="b", weight=[[-254]]),
    ]
    proof = sh.prove(sh.FixedNetwork([sh.Input("in", 1)], [first, second], projections, ["b"]))
    assert {r.population for r in proof.of("open")} == {"b"}
    assert {r.population for r in proof.of("proved")} >= {"a"}


def test_prove_takes_fixed_networks():
    with pytest.raises(ParameterError, match="prove takes a FixedNetwork, not int"):
        sh.prove(3)


@examples(100, default=35)
@given(st.integers(0, 2**32 - 1), st.sampled_from(MODELS), st.booleans(), st.booleans())
def test_a_step_of_intervals_holds_every_step_within(seed, model, subtract, at_least):
    """Points drawn from intervals of states, parameters and input step to points within the interval step."""
    rng = np.random.default_rng(seed)
    subtract = subtract and "reset" not in without_effect(model)
    form = StepForm(model, CHIP, at_least=at_least, subtract=subtract)
    n, draws = 6, 30

    def interval(low, high):
        ends = np.sort(rng.integers(low, high + 1, (2, n)), axis=0)
        return Interval(*np.where(rng.random(n) < 0.3, ends[:1], ends))

    states = {}
    for s in model.states:
        half = (1 << (s.width(CHIP) - 1)) - 1
        reach = rng.choice([half, max(half >> 8, 1)])
        states[s.name] = interval(-reach if s.signed else 0, reach)
    parameters = {q.name: interval(*(q.acting(c, CHIP) for c in q.code_range(CHIP))) for q in model.parameters}
    parameters |= {key: interval(0, (1 << 24) - 1) for key in model.noise_keys}
    parameters["bias"] = interval(-5000, 5000)
    arriving = interval(-(1 << 20), 1 << 20)
    op = IntervalOperations(
        CHIP.decay_bits, form.registers, spiking=True, at_least=at_least, subtract=subtract
    ).counting()
    wide, fired = model.advance(op, Values(states), Values(parameters), arriving)
    assert isinstance(fired, Maybe)

    def point(x):
        return rng.integers(x.low, x.high + 1, (draws, n))

    exact = form.exact()
    narrow, spikes = model.advance(
        exact,
        Values({k: point(x) for k, x in states.items()}),
        Values({k: point(x) for k, x in parameters.items()}),
        point(arriving),
    )
    for name, value in narrow.items():
        assert np.all(value >= Interval.of(wide[name]).low), name
        assert np.all(value <= Interval.of(wide[name]).high), name
    assert np.all(fired.true | ~spikes)
    assert np.all(fired.false | spikes)


def test_of_the_demos_registers_at_most_one_in_twenty_is_open():
    """Neuron by neuron; what is said to be reached is run on the specification, and the neurons are seen at the end."""
    train = sh.encode(load_digits().train_values[:256], "rate", steps=32, seed=1)
    fixed = sh.quantize(sh.from_nir(DIGITS_MODEL, dt=1e-3), chip="loihi", calibration=train)
    proof = sh.prove(fixed)
    counts = {verdict: proof.neurons_of(verdict) for verdict in ("proved", "reached", "open")}
    assert sum(counts.values()) == 2 * 138
    assert counts["open"] <= 0.05 * 2 * 138
    assert counts["reached"] == 9
    (hidden,) = proof.of("reached")
    again = sh.run(fixed, hidden.inputs, "spec", record=("v",), on_overflow="ignore")
    assert again.overflow["hidden"].counts["v_saturations"] > 0
    assert again.v["hidden"].min() == hidden.register_low


@examples(40, default=3, base=GENERATED)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_neurons_that_are_proved_stay_inside_under_adversarial_input(seed, subtract, recurrent):
    """Slow leaks, large weights, either reset, loops or none: each neuron that is counted as reached was seen to be."""
    rng = np.random.default_rng(seed)
    size = 6
    population = sh.FixedPopulation(
        name="p",
        size=size,
        vth=int(rng.integers(100, 100_000)),
        du=int(rng.choice([4095, 900])),
        dv=int(rng.choice([2, 9, 300])),
        reset="subtract" if subtract else "zero",
    )
    projections = [sh.FixedProjection(pre="in", post="p", weight=2 * rng.integers(-127, 128, (size, 5)))]
    if recurrent:
        weight = 2 * rng.integers(-127, 128, (size, size))
        projections.append(sh.FixedProjection(pre="p", post="p", weight=weight, delay=int(rng.integers(0, 4))))
    network = sh.FixedNetwork([sh.Input("in", 5)], [population], projections, ["p"])
    proof = sh.prove(network)
    assert sum(proof.neurons_of(v) for v in ("proved", "reached", "open")) == 2 * size
    patterns = (np.arange(32)[:, None] >> np.arange(5) & 1).astype(bool)  # all that are constant, held for long
    inputs = np.broadcast_to(patterns, (1500, *patterns.shape))
    result = sh.run(network, inputs, "spec", record=("v",), on_overflow="ignore")
    for r in proof.registers:
        if r.verdict is Verdict.PROVED:
            assert result.overflow["p"].counts[r.count] == 0
        if r.verdict is Verdict.REACHED:
            assert 1 <= r.reached <= r.neurons <= size
            assert sh.run(network, r.inputs, "spec", on_overflow="ignore").overflow["p"].counts[r.count] > 0
        if r.count == "v_saturations":
            at_end = (np.abs(result.v["p"]) == r.register_high).any(axis=(0, 1))
            assert at_end.sum() <= r.neurons
