"""Graded spikes: payloads times weights, on every target, held to Lava's own Dense and sigma-delta processes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import lava_modules
import numpy as np
import pytest
from declared_models import GRADED_MODELS, Relay, declared_fixed_networks, input_of, pieces_of
from example_counts import examples
from hypothesis import HealthCheck, given, settings, strategies as st
from strategies import not_the_simplest
from test_neuron_models import assert_same, recorded

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.models import registry
from ssdp_hw.running.target_registry import get_target, target_names

SPEC, ENGINE = get_target("spec"), get_target("engine")
GENERATED = settings(suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])


@pytest.fixture(autouse=True)
def test_models(monkeypatch):
    """The models of these tests are known by name."""
    monkeypatch.setattr(registry.KNOWN_MODELS, "registered", {model.name: model for model in GRADED_MODELS})


def chain(*populations, weights, delays=None, exponents=None, payload_bits=0, chip="loihi2", outputs=None, loops=()):
    """An input and populations one after the other, and loops from the last to these."""
    names = ["in", *(p.name for p in populations)]
    pairs = [*pairwise(names), *((names[-1], name) for name in loops)]
    projections = [
        sh.FixedProjection(
            pre=pre,
            post=post,
            weight=w,
            delay=0 if delays is None else delays[k],
            weight_exp=(exponents or {}).get(k, 0),
        )
        for k, ((pre, post), w) in enumerate(zip(pairs, weights, strict=True))
    ]
    source = sh.Input("in", np.shape(weights[0])[1], payload_bits=payload_bits)
    return sh.FixedNetwork([source], populations, projections, outputs or [names[-1]], chip=chip)


def sigma_delta(name, size, vth, payload_bits=10, **values):
    return sh.FixedPopulation(name=name, size=size, model="SigmaDelta", vth=vth, payload_bits=payload_bits, **values)


@examples(200, default=5, base=GENERATED)
@given(declared_fixed_networks(models=GRADED_MODELS), st.integers(0, 1000), st.sampled_from((1, None)))
def test_the_engine_equals_the_specification(network, seed, threads):
    inputs = input_of(network, seed)
    assert_same(recorded(SPEC, network, inputs), recorded(ENGINE, network, inputs, threads=threads))


@pytest.mark.slow
@examples(60, default=4, base=GENERATED)
@given(declared_fixed_networks(models=GRADED_MODELS), st.integers(0, 1000))
def test_a_run_in_pieces_equals_the_whole_run(network, seed):
    inputs = input_of(network, seed, steps=30, batch=1)
    whole = sh.run(network, inputs, "engine", on_overflow="ignore")
    result = sh.stream(network, pieces_of(inputs, 7, 8), target="engine", on_overflow="ignore")
    for name, spikes in whole.spikes.items():
        np.testing.assert_array_equal(result.spike_counts[name], spikes.sum(axis=0))
    assert result.overflow == whole.overflow


@examples(10, default=4, base=GENERATED)
@given(declared_fixed_networks(models=GRADED_MODELS), st.integers(0, 1000))
def test_a_file_keeps_the_network(tmp_path_factory, network, seed):
    path = tmp_path_factory.mktemp("saved") / "network.h5"
    network.save(path)
    read, inputs = sh.load(path), input_of(network, seed, steps=10)
    assert read.inputs == network.inputs
    assert [p.payload_bits for p in read.populations] == [p.payload_bits for p in network.populations]
    assert_same(recorded(SPEC, network, inputs), recorded(SPEC, read, inputs))


def others():
    """Simulators and how they run: Brian2 with its own synapses, Lava with its own Dense where it can."""
    ways = [("brian2", {"batching": "sequence"}), ("lava", {})]
    return [pytest.param(target, options, id=target) for target, options in ways]


@pytest.mark.slow
@pytest.mark.parametrize(("target", "options"), others())
@examples(20, default=1, base=GENERATED)
@given(network=not_the_simplest(declared_fixed_networks(models=GRADED_MODELS)), seed=st.integers(0, 1000))
def test_simulators_equal_the_specification(target, options, network, seed):
    if not get_target(target).availability().installed:
        pytest.skip(f"{target} is not installed")
    chosen, inputs = get_target(target), input_of(network, seed, steps=20)
    theirs = recorded(chosen, network, inputs, **options)
    ours = recorded(SPEC, network, inputs)
    if theirs.overflow is None:  # Lava counts where every population runs by its declaration
        ours = type(ours)(ours.spikes, ours.v, ours.u, None, ours.info, ours.states)
    assert_same(ours, theirs)


@pytest.fixture(scope="module")
def lava():
    """Lava's process models by name."""
    lava_modules.importable()
    from lava.proc.dense import models as dense
    from lava.proc.sdn import models as sdn, process

    return {"Dense": dense.PyDenseModelBitAcc, "sdn": sdn, "ActivationMode": process.ActivationMode}


def dense_steps(lava, weight, exponent, payloads):
    """What Lava's Dense sends in every step for graded spikes, shape (time, post)."""
    model = lava["Dense"]({"weight_exp": exponent, "num_weight_bits": 8, "sign_mode": None})
    model.weights, model.num_message_bits = weight.astype(np.int32), np.array([24])
    model.a_buff = np.zeros(len(weight), np.int32)
    model.s_in, model.a_out = Port(payloads), Port()
    for _ in payloads:
        model.run_spk()
    return np.array(model.a_out.sent, np.int64)


@examples(100, default=15)
@given(seed=st.integers(0, 2**32 - 1), exponent=st.integers(-4, 3), bits=st.integers(1, 6))
def test_graded_synapses_are_lavas_dense(lava, seed, exponent, bits):
    """A population that adds up what arrives, behind an input whose payloads Lava's Dense gets too."""
    rng, step = np.random.default_rng(seed), max(2, 1 << max(-exponent, 0))
    weight = step * rng.integers(-254 // step, 254 // step + 1, (7, 5))
    weight.flat[:2] = -step, step  # so that the signs are mixed, whose weights have steps of 2
    payloads = rng.integers(1 - (1 << bits), 1 << bits, (12, 5)) * (rng.random((12, 5)) < 0.6)
    population = sh.FixedPopulation(name="sum", size=7, model="Sigma")
    network = chain(population, weights=[weight], exponents={0: exponent}, payload_bits=bits)
    ours = sh.run(network, payloads[:, None], "spec", record=("sigma",)).states["sigma"]["sum"][:, 0]
    np.testing.assert_array_equal(ours, np.cumsum(dense_steps(lava, weight, exponent, payloads), axis=0))


class Port:
    """A port of Lava that has one value for each step, or keeps what is sent."""

    def __init__(self, values=()):
        self.values, self.sent = iter(values), []

    def recv(self):
        return next(self.values)

    def send(self, value):
        self.sent.append(np.array(value))


SPIKE_EXP, STATE_EXP = 6, 6


def sdn_steps(lava, kind, arriving, vth, bias, *, unit=False):
    """Messages and states of a process model of lava-nc, outside its runtime, in every step."""
    sdn = lava["sdn"]
    model = {"SigmaDelta": sdn.PySigmaDeltaModelFixed, "Delta": sdn.PyDeltaModelFixed}[kind]
    mode = lava["ActivationMode"].UNIT if unit else lava["ActivationMode"].RELU
    m = model({"act_mode": mode})
    zero, scale = np.zeros(arriving.shape[1], np.int64), 1 << (SPIKE_EXP + STATE_EXP)
    m.sigma, m.act, m.residue, m.error = zero, zero, zero, zero
    m.vth, m.bias, m.cum_error = vth * scale, bias * scale, False
    m.spike_exp, m.state_exp, m.a_in, m.s_out = SPIKE_EXP, STATE_EXP, Port(arriving), Port()
    found = {name: [] for name in ("sigma", "act", "residue")}
    for _ in arriving:
        m.run_spk()
        for name, values in found.items():
            values.append(np.array(getattr(m, name)))
    return {"message": np.array(m.s_out.sent), **{name: np.array(values) for name, values in found.items()}}


@examples(100, default=12)
@given(seed=st.integers(0, 2**32 - 1), delay=st.integers(0, 3))
def test_sigma_delta_networks_are_lavas(lava, seed, delay):
    """Delta, SigmaDelta and SigmaDelta with a loop against lava-nc's Delta, Dense and SigmaDelta, step by step."""
    rng, sizes, steps = np.random.default_rng(seed), (4, 6, 5), 40
    vths = [int(rng.integers(0, 3)) for _ in range(3)]
    bias = rng.integers(-5, 6, sizes[1])
    weights = [64 * np.eye(4, dtype=int)] + [2 * rng.integers(-12, 13, (b, a)) for a, b in pairwise(sizes)]
    back = 2 * rng.integers(-3, 4, (sizes[1], sizes[2]))
    populations = [
        sh.FixedPopulation(
            name=f"p{k}",
            size=size,
            model="SigmaDelta" if k else "Delta",
            vth=vth << SPIKE_EXP,
            payload_bits=12,
            bias_mant=(bias << 5) if k == 1 else 0,
            bias_exp=7 if k == 1 else 0,
        )
        for k, (size, vth) in enumerate(zip(sizes, vths, strict=True))
    ]
    network = chain(*populations, weights=[*weights, back], delays=[0, 0, delay, delay], payload_bits=6, loops=["p1"])
    values = rng.integers(-9, 10, (steps, 1, 4)) * (rng.random((steps, 1, 4)) < 0.7)
    result = sh.run(
        network, values, "spec", record=("spikes", "message", "sigma", "act", "residue"), on_overflow="error"
    )
    sent = [result.states["message"][p.name][:, 0] for p in populations]

    def brought(weight, messages, late):
        return np.vstack([np.zeros((1 + late, len(weight)), np.int64), dense_all(lava, weight, messages)])[:steps]

    arriving = [
        brought(np.eye(4, dtype=int), values[:, 0], 0),
        brought(weights[1], sent[0], 0) + brought(back, sent[2], delay),
        brought(weights[2], sent[1], delay),
    ]
    for k, p in enumerate(populations):
        theirs = sdn_steps(lava, p.model.name, arriving[k], vths[k], bias if k == 1 else np.zeros(p.size, int))
        np.testing.assert_array_equal(sent[k], theirs["message"])
        np.testing.assert_array_equal(result.spikes[p.name][:, 0], theirs["message"] != 0)
        for state in ("act", "residue", *(["sigma"] if k else [])):
            np.testing.assert_array_equal(result.states[state][p.name][:, 0], theirs[state], err_msg=state)
    assert result.spikes["p0"].any()


def dense_all(lava, weight, messages):
    """The activations of Dense, each in the step of its spikes: Dense sends them a step later."""
    held = dense_steps(lava, weight, 0, [*messages, np.zeros_like(messages[0])])
    return held[1:]


def float_chain(loop_delay=1):
    rng = np.random.default_rng(2)
    kinds = [("Delta", 3), ("SigmaDelta", 5), ("SigmaDelta", 4)]
    populations = [
        sh.Population(name=f"p{k}", neuron=sh.neuron(name, size, v_threshold=0.3), bias=0.1 * k)
        for k, (name, size) in enumerate(kinds)
    ]
    sizes = [3, *(size for _, size in kinds)]
    names = ["in", *(p.name for p in populations)]
    projections = [
        sh.Projection(pre=a, post=b, weight=rng.normal(0, 0.5, (n, m)), delay=k)
        for k, (a, b, m, n) in enumerate(zip(names, names[1:], sizes, sizes[1:], strict=False))
    ]
    projections.append(sh.Projection(pre="p2", post="p1", weight=rng.normal(0, 0.2, (5, 4)), delay=loop_delay))
    return sh.Network([sh.Input("in", 3)], populations, projections, ["p2"], sh.Semantics(1e-3))


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("target", "options"), [("engine", {}), *others()])
def test_float_networks_agree(target, options):
    if not get_target(target).availability().installed:
        pytest.skip(f"{target} is not installed")
    network, record = float_chain(), ("spikes", "message", "sigma")
    inputs = np.random.default_rng(0).random((30, 2, 3)) < 0.4
    ours, theirs = (sh.run(network, inputs, t, record=record, options=o) for t, o in (("spec", {}), (target, options)))
    assert len(np.unique(ours.states["message"]["p2"])) > 20
    for name, raster in ours.spikes.items():
        np.testing.assert_array_equal(theirs.spikes[name], raster)
    for variable in ("message", "sigma"):
        for name, values in ours.states[variable].items():
            np.testing.assert_allclose(theirs.states[variable][name], values, rtol=0, atol=1e-12)


def test_sigma_delta_sends_the_whole_value_in_the_end():
    """The sum of what is sent is the value, up to what stays below the threshold: sigma of the decoder follows it."""
    rng, vth = np.random.default_rng(0), 0.25
    encoder = sh.Population(name="encoder", neuron=sh.neuron("Delta", 4, v_threshold=vth))
    decoder = sh.Population(name="decoder", neuron=sh.neuron("Sigma", 4))
    one = np.eye(4)
    network = sh.Network(
        [sh.Input("in", 4)],
        [encoder, decoder],
        [sh.Projection(pre="in", post="encoder", weight=one), sh.Projection(pre="encoder", post="decoder", weight=one)],
        ["decoder"],
        sh.Semantics(1e-3),
    )
    values = np.cumsum(rng.normal(0, 0.1, (200, 1, 4)), axis=0)
    sigma = sh.run(network, values, "spec", record=("sigma",)).states["sigma"]["decoder"]
    assert np.abs(sigma[2:] - values[:-2]).max() < vth
    assert np.abs(values).max() > 4 * vth


def test_chips_without_graded_spikes_refuse():
    weights = [2 * np.eye(2, dtype=int)]
    with pytest.raises(ParameterError, match="population 'p': its spikes carry a payload; those of Intel Loihi 1"):
        chain(sigma_delta("p", 2, 5), weights=weights, chip="loihi")
    with pytest.raises(ParameterError, match=r"input 'in': its spikes carry a payload.*rule 'graded_spikes'"):
        chain(sh.FixedPopulation(name="p", size=2), weights=weights, payload_bits=3, chip="loihi")
    with pytest.raises(ParameterError, match=r"population 'p': payload_bits = 24 is outside 0 \.\. 23"):
        chain(sigma_delta("p", 2, 5, payload_bits=24), weights=weights)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"payload_bits": 0}, "spikes of neuron model SigmaDelta carry 'message': give payload_bits"),
        ({"payload_bits": 40}, "payload_bits"),
        ({"model": "AdaptiveLIF", "parameters": {"da": 1, "jump": 1}}, "spikes of .*AdaptiveLIF carry no payload"),
    ],
)
def test_payload_bits_belong_to_graded_models(changes, message):
    values = {"name": "p", "size": 1, "model": "SigmaDelta", "payload_bits": 4, **changes}
    with pytest.raises(ParameterError, match=f"population 'p': .*{message}"):
        sh.FixedPopulation(**values)


@pytest.mark.parametrize(
    ("value", "message"), [(8, r"8 is no payload of 3 bits.*-7 \.\. 7"), (0.5, "0.5 is no payload")]
)
def test_a_graded_input_takes_payloads_alone(value, message):
    network = chain(sigma_delta("p", 2, 5), weights=[2 * np.eye(2, dtype=int)], payload_bits=3)
    for inputs in (np.full((4, 1, 2), value), sh.DirectInput(np.full((1, 2), value), 4)):
        with pytest.raises(ParameterError, match=f"input 'in': {message}"):
            sh.run(network, inputs)


def test_more_than_the_register_of_a_step_is_refused():
    """A sum of 2**31 and more would not fit the simulators' register."""
    weights, small = [2 * np.eye(2, dtype=int), np.full((1, 2), 254)], {"exponents": {1: 7}}
    population = sh.FixedPopulation(name="sum", size=1, model="Sigma")
    chain(sigma_delta("p", 2, 5, payload_bits=14), population, weights=weights, **small)
    with pytest.raises(ParameterError, match=r"neuron 0 can receive .*payload_bits.*'activation_register'"):
        chain(sigma_delta("p", 2, 5, payload_bits=16), population, weights=weights, **small)


def learning_network(graded_input=0):
    rng = np.random.default_rng(3)
    relay = sh.FixedPopulation(name="graded", size=4, model=Relay(), dv=500, vth=1, payload_bits=3)
    populations = [relay, sh.FixedPopulation(name="lif", size=3, dv=300, vth=60)]
    weights = [2 * rng.integers(-3, 40, (4, 4)), 2 * rng.integers(1, 20, (3, 4))]
    network = chain(*populations, weights=weights, payload_bits=graded_input)
    plastic = sh.FixedProjection(pre="in", post="lif", weight=2 * rng.integers(0, 40, (3, 4)), name="plastic")
    projections = [replace(q, scale=100.0) for q in (*network.projections, plastic)]
    return sh.FixedNetwork(network.inputs, network.populations, projections, ["lif"], chip="loihi2")


RULE = sh.SSDP(a_plus=1e-2, a_baseline=1e-3, sigma=10, silent_pairs="skip", rounding="carry")


def test_learning_refuses_graded_spikes_by_name():
    spikes = np.random.default_rng(0).random((20, 2, 4)) < 0.3
    with pytest.raises(UnsupportedError, match="projection 'graded->lif': the spikes of 'graded' are graded, and no"):
        sh.learn(learning_network(), spikes, None, RULE, plastic="graded->lif", target="spec")
    with pytest.raises(UnsupportedError, match="projection 'plastic': the spikes of 'in' are graded"):
        sh.learn(learning_network(2), spikes, None, RULE, plastic="plastic", target="spec")


def test_nir_refuses_by_name(tmp_path):
    network = chain(sigma_delta("p", 2, 5), weights=[np.eye(2, dtype=int) * 2])
    with pytest.raises(UnsupportedError, match="population 'p'"):
        sh.write_nir(network, tmp_path / "n.nir")
    graded = sh.FixedPopulation(name="lif", size=2, vth=5, scale=64.0)
    with pytest.raises(UnsupportedError, match="input 'in': NIR's inputs do not say"):
        sh.write_nir(chain(graded, weights=[np.eye(2, dtype=int) * 2], payload_bits=3), tmp_path / "n.nir")


@pytest.mark.slow
@pytest.mark.parametrize("target", [t for t in target_names() if t != "spec"])
def test_synapses_learn_beside_graded_spikes_and_onto_neurons_that_send_them(target):
    """In integers to the bit, in real numbers up to rounding."""
    if not get_target(target).availability().installed:
        pytest.skip(f"{target} is not installed")
    spikes = np.random.default_rng(0).random((20, 4, 4)) < 0.3
    fixed, plastic = learning_network(), ["plastic", "in->graded"]
    for network, rule in ((fixed, RULE), (sh.dequantize(fixed), replace(RULE, rounding="nearest"))):
        found, wanted = (
            sh.learn(network, spikes, None, rule, t, plastic=plastic, on_overflow="ignore").network
            for t in (target, "spec")
        )
        for name in plastic:
            np.testing.assert_allclose(
                found.projection(name).weight,
                wanted.projection(name).weight,
                rtol=0,
                atol=0 if network is fixed else 1e-12,
            )
            assert np.any(wanted.projection(name).weight != network.projection(name).weight)


def test_proofs_know_payloads():
    """Adding up has no bound; Relay's voltage, which leaks, is within the geometric sum of the largest payloads."""
    proof = sh.prove(chain(sh.FixedPopulation(name="sum", size=1, model="Sigma"), weights=[[[2]]], payload_bits=2))
    assert not proof.holds
    relay = sh.FixedPopulation(name="p", size=1, model=Relay(), dv=2048, vth=1, payload_bits=8)
    (v,) = [r for r in sh.prove(chain(relay, weights=[[[-2]]], payload_bits=2)).registers if r.count == "v_saturations"]
    assert v.verdict is sh.analysis.proof.Verdict.PROVED
    assert (v.low, v.high) == (1 - 2 * 2 * 3 * 64, 2 * 2 * 3 * 64 - 1)  # a half is lost in every step, rounded to zero


def test_a_stream_records_payloads_by_name(tmp_path):
    import h5py

    network = chain(sigma_delta("p", 2, 3, payload_bits=14), weights=[64 * np.eye(2, dtype=int)], payload_bits=3)
    values = np.random.default_rng(1).integers(-7, 8, (30, 1, 2))
    whole = sh.run(network, values, record=("spikes", "message"))
    assert whole.states["message"]["p"].any()
    streamed = sh.stream(network, [values[:11], values[11:]], tmp_path / "r.h5", record=("spikes", "message"))
    with h5py.File(streamed.path) as file:
        np.testing.assert_array_equal(file["message/p"][:], whole.states["message"]["p"])
