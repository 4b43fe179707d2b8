"""The conformance suite for others: it passes what is equal, and finds what is not."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from rule_examples import Hebb

from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import NeuronModel
from ssdp_hw.models.registry import neuron_model
from ssdp_hw.rules.model import RuleModel
from ssdp_hw.running.target_registry import get_target
from ssdp_hw.testing import check_neuron_model, check_rule, conformance


class Altered:
    """The engine, of whose results one number is another."""

    def __init__(self, alter):
        self.engine, self.alter, self.options = get_target("engine"), alter, {}

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


class Idle(RuleModel):
    """A rule that changes nothing."""

    name = "Idle"

    def window_end(self, op, at, p):
        return 0


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
