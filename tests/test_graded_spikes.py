"""Graded spikes: payloads times weights, on every target, held to Lava's own Dense and sigma-delta processes."""

from __future__ import annotations

import numpy as np
import pytest
from example_counts import examples
from hypothesis import HealthCheck, given, settings, strategies as st
from model_examples import GRADED_MODELS, Relay, input_of, model_networks
from test_neuron_models import assert_same, recorded

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.models import registry
from ssdp_hw.running.target import get_target

SPEC, ENGINE = get_target("spec"), get_target("engine")
GENERATED = settings(suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])


@pytest.fixture(autouse=True)
def test_models(monkeypatch):
    """The models of these tests are known by name."""
    monkeypatch.setattr(registry, "_registered", {model.name: model for model in GRADED_MODELS})


def chain(*populations, weights, delays=None, exponents=None, payload_bits=0, chip="loihi2", outputs=None, loops=()):
    """An input and populations one after the other, and loops from the last to these."""
    names = ["in", *(p.name for p in populations)]
    pairs = [*zip(names, names[1:], strict=False), *((names[-1], name) for name in loops)]
    projections = [
        sh.FixedProjection(
            pre=pre, post=post, weight=w, delay=0 if delays is None else delays[k], weight_exp=(exponents or {}).get(k, 0)
        )
        for k, ((pre, post), w) in enumerate(zip(pairs, weights, strict=True))
    ]
    source = sh.Input("in", np.shape(weights[0])[1], payload_bits=payload_bits)
    return sh.FixedNetwork([source], populations, projections, outputs or [names[-1]], chip=chip)


def sigma_delta(name, size, vth, payload_bits=10, **values):
    return sh.FixedPopulation(name=name, size=size, model="SigmaDelta", vth=vth, payload_bits=payload_bits, **values)


@examples(200, default=25, base=GENERATED)
@given(model_networks(GRADED_MODELS), st.integers(0, 1000), st.sampled_from((1, None)))
def test_the_engine_equals_the_specification(network, seed, threads):
    inputs = input_of(network, seed)
    assert_same(recorded(SPEC, network, inputs), recorded(ENGINE, network, inputs, threads=threads))


@examples(60, default=8, base=GENERATED)
@given(model_networks(GRADED_MODELS), st.integers(0, 1000))
def test_a_run_in_pieces_equals_the_whole_run(network, seed):
    inputs = input_of(network, seed, steps=30, batch=1)
    whole = sh.run(network, inputs, "engine", on_overflow="ignore")
    result = sh.stream(network, [inputs[:7], inputs[7:8], inputs[8:]], target="engine", on_overflow="ignore")
    for name, spikes in whole.spikes.items():
        np.testing.assert_array_equal(result.spike_counts[name], spikes.sum(axis=0))
    assert result.overflow == whole.overflow


@settings(GENERATED, max_examples=10)
@given(model_networks(GRADED_MODELS), st.integers(0, 1000))
def test_a_file_keeps_the_network(tmp_path_factory, network, seed):
    path = tmp_path_factory.mktemp("saved") / "network.h5"
    network.save(path)
    read, inputs = sh.load(path), input_of(network, seed, steps=10)
    assert read.inputs == network.inputs
    assert [p.payload_bits for p in read.populations] == [p.payload_bits for p in network.populations]
    assert_same(recorded(SPEC, network, inputs), recorded(SPEC, read, inputs))


def others():
    """The other targets, each in all its ways of running a network, that are installed."""
    ways = [("brian2", {"batching": "copies"}), ("brian2", {"batching": "sequence"})]
    ways += [("lava", {}), ("lava", {"processes": "own"}), ("engine", {"threads": 1})]
    return [pytest.param(n, o, id=f"{n}-{'-'.join(map(str, o.values()))}") for n, o in ways]


@pytest.mark.parametrize(("target", "options"), others())
@examples(20, default=3, base=GENERATED)
@given(network=model_networks(GRADED_MODELS), seed=st.integers(0, 1000))
def test_simulators_equal_the_specification(target, options, network, seed):
    if not get_target(target).availability().installed:
        pytest.skip(f"{target} is not installed")
    chosen, inputs = get_target(target), input_of(network, seed, steps=20)
    theirs = recorded(chosen, network, inputs, **options)
    ours = recorded(SPEC, network, inputs)
    if theirs.overflow is None:  # Lava counts where every population runs by its declaration
        ours = type(ours)(ours.spikes, ours.v, ours.u, None, ours.info, ours.states)
    assert_same(ours, theirs)
