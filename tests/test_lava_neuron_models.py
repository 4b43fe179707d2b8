"""Declared models against the process models of lava-nc that they are named after, called step by step."""

from __future__ import annotations

import lava_modules
import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, settings, strategies as st

import ssdp_hw as sh

N, CHANNELS, STEPS = 24, 12, 80


@pytest.fixture(scope="module")
def lava():
    """Lava's modules; importing them takes a second."""
    lava_modules.importable()
    from lava.proc.lif import models as lif
    from lava.proc.rf import models as rf, process as rf_process
    from lava.proc.rf_iz import models as rf_iz

    return {"RF": rf.PyRFModelFixed, "RF_IZ": rf_iz.PyRF_IZModelFixed, "process": rf_process.RF, "lif": lif}


class Port:
    """A port that has one value for each step, or keeps what is sent."""

    def __init__(self, values=()):
        self.values, self.sent = iter(values), []

    def recv(self):
        return next(self.values)

    def send(self, value):
        self.sent.append(np.array(value))


def stepped(model, ports, states, steps, values):
    """The spikes and states that a process model of Lava makes, outside Lava's runtime."""
    m = model.__new__(model)
    for name, value in {**values, **ports, "s_out": Port()}.items():
        setattr(m, name, value)
    made = {name: [] for name in states}
    for step in range(steps):
        m.time_step = step + 1
        m.run_spk()
        for name in states:
            made[name].append(np.array(getattr(m, name)))
    return np.array(m.s_out.sent).astype(bool), {name: np.array(x) for name, x in made.items()}


def random_network(model, rng, *, vth, size, parameters, second=None, **values):
    """One population behind an input, and its input spikes."""
    weight = 2 * rng.integers(-size, size, (N, CHANNELS))
    projections = [sh.FixedProjection(pre="in", post="p", weight=weight)]
    if second is not None:
        imag = 2 * rng.integers(-size, size, (N, CHANNELS))
        projections.append(sh.FixedProjection(pre="in", post="p", weight=imag, name="second", port=second))
    population = sh.FixedPopulation(name="p", size=N, model=model, vth=vth, parameters=parameters, **values)
    network = sh.FixedNetwork([sh.Input("in", CHANNELS)], [population], projections, ["p"], chip="loihi2")
    return network, rng.random((STEPS, 1, CHANNELS)) < rng.uniform(0.05, 0.5)


def arriving(network, k, spikes):
    """What reaches the neurons in every step, before Lava's shift."""
    activation = spikes[:, 0].astype(np.int64) @ network.projections[k].weight.astype(np.int64).T
    return np.vstack([np.zeros((1, N), np.int64), activation[:-1]])


@pytest.mark.parametrize("name", ["RF", "RF_IZ"])
@examples(12, default=5)
@given(seed=st.integers(0, 2**32 - 1), period=st.floats(4, 300), decay=st.floats(0.001, 0.5), loud=st.booleans())
def test_resonate_and_fire(name, lava, seed, period, decay, loud):
    rng = np.random.default_rng(seed)
    vth = int(rng.integers(1, 300))
    # A large weight at a large exponent drives the states into their ends, where they are clipped.
    process = lava["process"](shape=(N,), period=period, alpha=decay, state_exp=6, decay_bits=12, vth=vth)
    gains = {n: int(getattr(process, f"{n}_decay").init) for n in ("cos", "sin")}
    network, spikes = random_network(
        name, rng, vth=vth, size=127, parameters=gains, second="imag_input", threshold=">="
    )
    if loud:
        loud_ones = [sh.FixedProjection(**{**vars_of(q), "weight_exp": 6}) for q in network.projections]
        network = sh.FixedNetwork(network.inputs, network.populations, loud_ones, ["p"], chip="loihi2")
    factor = 64 if loud else 1
    ports = {f"a_{part}_in": Port(factor * arriving(network, k, spikes)) for k, part in enumerate(("real", "imag"))}
    limits = {"neg_voltage_limit": np.int32(1 - 2**23), "pos_voltage_limit": np.int32(2**23 - 1)}
    theirs, states = stepped(
        lava[name],
        ports,
        ("real", "imag"),
        STEPS,
        {
            **{f"{n}_decay": np.int64(g) for n, g in gains.items()},
            **{"state_exp": 6, "decay_bits": 12, "vth": process.vth.init, **limits},
            **{"real": np.zeros(N, np.int32), "imag": np.zeros(N, np.int32)},
        },
    )
    ours = sh.run(network, spikes, "spec", record=("spikes", "real", "imag"), on_overflow="ignore")
    assert theirs.any()
    assert np.array_equal(ours.spikes["p"][:, 0], theirs)
    for part, value in states.items():
        assert np.array_equal(ours.states[part]["p"][:, 0], value)


def vars_of(q):
    return {"pre": q.pre, "post": q.post, "weight": q.weight, "name": q.name, "port": q.port}


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), period=st.integers(0, 12), du=st.floats(0.01, 0.99), dv=st.floats(0.01, 0.99))
def test_refractory_lif(lava, seed, period, du, dv):
    """Lava has it in floats alone."""
    rng = np.random.default_rng(seed)
    weight, spikes = rng.normal(0.4, 0.5, (N, CHANNELS)), rng.random((STEPS, 1, CHANNELS)) < 0.2
    neuron = sh.neuron("RefractoryLIF", N, tau_syn=1 / du, tau_mem=1 / dv, v_threshold=1.0, refractory_period=period)
    network = sh.Network(
        [sh.Input("in", CHANNELS)],
        [sh.Population(name="p", neuron=neuron)],
        [sh.Projection(pre="in", post="p", weight=weight)],
        ["p"],
        sh.Semantics(dt=1.0),
    )
    ours = sh.run(network, spikes, "spec", record=("spikes", "u", "v"))
    activation = np.vstack([np.zeros((1, N)), spikes[:-1, 0] @ weight.T])
    theirs, states = stepped(
        lava["lif"].PyLifRefractoryModelFloat,
        {"a_in": Port(activation)},
        ("u", "v"),
        STEPS,
        {
            **{"u": np.zeros(N), "v": np.zeros(N), "bias_mant": np.zeros(N), "refractory_period_end": np.zeros(N)},
            **{"du": du, "dv": dv, "vth": 1.0, "refractory_period": period},
        },
    )
    assert theirs.any()
    assert np.array_equal(ours.spikes["p"][:, 0], theirs)
    assert np.allclose(ours.u["p"][:, 0], states["u"], rtol=1e-12, atol=1e-12)
    assert np.allclose(ours.v["p"][:, 0], states["v"], rtol=1e-12, atol=1e-12)
