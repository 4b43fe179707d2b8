"""The conformance suite for others: it passes what is equal, and finds what is not."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from rule_examples import Hebb, LetsDie

from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import NeuronModel, State, Unit
from ssdp_hw.models.registry import neuron_model
from ssdp_hw.network.delays import delays, with_delays
from ssdp_hw.network.thresholds import thresholds, with_thresholds
from ssdp_hw.rules.model import RuleModel
from ssdp_hw.rules.registry import rule_model
from ssdp_hw.running import target_registry
from ssdp_hw.running.target import Target
from ssdp_hw.running.target_registry import get_target
from ssdp_hw.testing import check_neuron_model, check_rule, conformance


class Altered:
    """The engine, of whose results one number is another."""

    def __init__(self, alter):
        self.engine, self.alter, self.options = get_target("engine"), alter, {}
        self.sees_arrivals = self.engine.sees_arrivals

    def resolve(self, options):
        return self.engine.resolve(options)

    def run(self, network, drive, record, options):
        return self.alter(self.engine.run(network, drive, record, options))

    def learn(self, network, drive, plan, options):
        return self.alter(self.engine.learn(network, drive, plan, options))


def one_more(arrays, name):
    """These arrays, one entry of one of them changed."""
    changed = np.array(arrays[name])
    changed.flat[-1] = not changed.flat[-1] if changed.dtype == bool else changed.flat[-1] + 1
    return {**arrays, name: changed}


@pytest.fixture
def altered(monkeypatch):
    """Let every target be the altered engine."""

    def install(alter):
        monkeypatch.setattr(conformance, "choose_target", lambda *_args, **_options: Altered(alter))

    return install


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (lambda r: replace(r, spikes=one_more(r.spikes, "first")), "spikes of 'first': 1 of"),
        (lambda r: replace(r, v=one_more(r.v, "second")), "v of 'second': 1 of"),
        (lambda r: replace(r, states={**r.states, "a": one_more(r.states["a"], "first")}), "a of 'first': 1 of"),
        (lambda r: replace(r, v={n: v[1:] for n, v in r.v.items()}), "shape"),
        (lambda r: replace(r, overflow={n: c + c for n, c in r.overflow.items()}), "overflow counts"),
    ],
    ids=["a spike", "a voltage", "a state", "a step", "counts"],
)
def test_another_run_is_found(altered, alter, said):
    altered(alter)
    with pytest.raises(AssertionError, match=f"AdaptiveLIF, seed 0, target 'engine'.*{said}"):
        check_neuron_model("AdaptiveLIF", ["engine"], networks=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (lambda r: replace(r, weights=one_more(r.weights, "in->out")), "weights of 'in->out': 1 of"),
        (lambda r: replace(r, counters=one_more(r.counters, "out->out")), "counters of 'out->out': 1 of"),
        (lambda r: replace(r, counter_saturations=dict.fromkeys(r.weights, 10**6)), "counter_saturations"),
    ],
    ids=["a weight", "a counter", "saturations"],
)
def test_another_lesson_is_found(altered, alter, said):
    altered(alter)
    with pytest.raises(AssertionError, match=f"Hebb, seed 0, target 'engine'.*{said}"):
        check_rule(Hebb(), ["engine"], lessons=1)


class Stale(Target):
    """The engine, which learns in a network or from a plan that is not the one that it is asked for now."""

    name, title, declared_models = "stale", "an engine that remembers", frozenset(("fixed", "float"))

    def __init__(self, of_now):
        self.of_now, self.first = of_now, None

    def run(self, network, drive, record, options):
        raise NotImplementedError

    def learn(self, network, drive, plan, options):
        engine = get_target("engine")
        if self.first is None or not (plan.first_update or plan.first_window):  # another lesson begins
            self.first = network
        network, plan = self.of_now(self.first, network, plan)
        return engine.learn(network, drive, plan, engine.resolve({}))


def first_thresholds(first, network, plan):
    """The thresholds of the first lesson."""
    return with_thresholds(network, {"out": thresholds(first, "out")}), plan


def first_delays(first, network, plan):
    """The delays of the first lesson."""
    for name in plan.rules:
        network = with_delays(network, name, delays(first, name))
    return network, plan


def dead_synapses(first, network, plan):
    """Synapses that died transmit as before."""
    dead = []
    for name in plan.rules:
        p, q = first.projection(name), network.projection(name)
        lost = np.array(p.matrix)
        lost[q.synapse_indices] = 0
        if p.synapse_count > q.synapse_count:
            dead.append(replace(p, weight=lost, name=f"dead {name}"))
    return replace(network, projections=[*network.projections, *dead]), plan


@pytest.fixture
def stale(monkeypatch):
    """Registers the target ``stale``."""
    get_target("spec"), get_target("engine")  # loaded through their real entry points

    def register(of_now):
        one, known = Stale(of_now), target_registry._load
        monkeypatch.setattr(target_registry, "_load", lambda name: one if name == "stale" else known(name))
        monkeypatch.setattr(target_registry, "_entry_points", lambda: dict.fromkeys(("spec", "engine", "stale")))

    return register


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "seed", "of_now"),
    [
        ("IntrinsicPlasticity", 0, first_thresholds),
        ("DelaySTDP", 0, first_delays),
        (LetsDie(), 0, dead_synapses),
        ("BCM", 0, lambda _, network, plan: (network, replace(plan, counters={}))),
        ("BCM", 0, lambda _, network, plan: (network, replace(plan, lasting={}))),
        ("BCM", 0, lambda _, network, plan: (network, replace(plan, first_window=0))),
    ],
    ids=["thresholds", "delays", "synapses", "counters", "variables", "windows"],
)
def test_a_target_that_forgets_what_moved_is_found(stale, model, seed, of_now):
    """Asked once it learns as the engine; only what weight updates moved shows the mistake."""
    stale(of_now)
    network, plan = conformance.lesson(rule_model(model), seed, fixed=True)
    once = [conformance.learned(get_target(name), network, plan, seed) for name in ("spec", "stale")]
    conformance._compare_lessons("once", *once, exact=True)
    with pytest.raises(AssertionError, match=f"{model}, seed {seed}, target 'stale', call . of learn, .* differ"):
        check_rule(model, ["stale"], lessons=1, seed=seed)


@pytest.mark.slow
def test_a_target_that_remembers_and_does_as_it_is_asked_passes(stale):
    stale(lambda _, network, plan: (network, plan))
    check_rule("IntrinsicPlasticity", ["stale"])


class Silent(NeuronModel):
    """A neuron that fires where its voltage, which stays 0, is above 1."""

    name = "Silent"
    states = neuron_model("RefractoryLIF").states[1:2]
    parameters = ()

    def step(self, op, s, p, arriving):
        return {"v": op.saturate(s.v, "v")}, s.v > 1


class Still(Silent):
    """A readout whose voltage stays 0."""

    name = "Still"

    def step(self, op, s, p, arriving):
        return {"v": op.saturate(s.v, "v")}, op.never()


class Pacemaker(NeuronModel):
    """It fires in every fifth step, whatever arrives."""

    name = "Pacemaker"
    parameters = ()
    states = (State("count", bits=8, unit=Unit.NUMBER, signed=False),)

    def step(self, op, s, p, arriving):
        fired = s.count >= 4
        return {"count": op.select(fired, 0, op.minimum(s.count + 1, 4))}, fired


class Idle(RuleModel):
    """A rule that waits for what never is."""

    name = "Idle"

    def post_spike(self, op, at, p):
        return op.select(at.pre.spike & ~at.pre.spike, 1, 0)


@pytest.mark.slow
def test_what_never_acts_proves_nothing():
    with pytest.raises(AssertionError, match="no neuron fired"):
        check_neuron_model(Silent(), ["engine"], networks=1)
    with pytest.raises(AssertionError, match="no state moved"):
        check_neuron_model(Still(), ["engine"], networks=1)
    with pytest.raises(AssertionError, match="no weight change"):
        check_rule(Idle(), ["engine"], lessons=1)
    with pytest.raises(ParameterError, match="unknown"):
        check_rule("Nothing", ["engine"])


@pytest.mark.slow
def test_a_model_that_uses_no_input_and_no_bias_is_checked():
    check_neuron_model(Pacemaker(), ["engine"], networks=2)


@pytest.mark.slow
def test_the_suite_takes_names_and_modules():
    """As the docs say it; every target and seed is a test."""
    command = ["-m", "pytest", "-q", "-p", "ssdp_hw.testing.plugin", "-p", "no:cacheprovider", "--pyargs"]
    given = ["--neuron-model", "RefractoryLIF", "--learning-rule", "rule_examples:HEBB", "--target", "engine"]
    result = subprocess.run(
        [sys.executable, *command, "ssdp_hw.testing.suite", *given],
        capture_output=True,
        text=True,
        check=False,
        cwd=__file__.rpartition("/")[0],
    )
    assert "10 passed" in result.stdout, result.stdout + result.stderr
