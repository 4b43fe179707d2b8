"""Sigma-delta networks of lava-dl (SDNN): their files held to lava-nc's own processes, and what cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from test_graded_spikes import dense_all, lava, sdn_steps  # noqa: F401  # lava is a fixture
from test_lava_dl import write

import ssdp_hw as sh
from ssdp_hw.errors import UnsupportedError

STEPS = 20


def neuron(vth, **more):
    return {"type": b"SDNN", "activation": b"relu", "vThMant": vth, **more}


def layers(rng):
    """Pixels 2 x 4 x 4, a convolution, two dense layers, of which the last adds up."""
    even = lambda *shape, most=20: 2.0 * rng.integers(-most, most + 1, shape)  # noqa: E731
    kernel = {"stride": [1, 1], "padding": [1, 0], "dilation": [1, 1], "groups": 1, "kernelSize": [3, 2]}
    return [
        {"type": [b"input"], "shape": [2, 4, 4], "neuron": neuron(int(rng.integers(0, 3)))},
        {
            "type": [b"conv"],
            "shape": [3, 4, 3],
            "neuron": neuron(int(rng.integers(0, 20))),
            "weight": even(3, 2, 3, 2),
            "bias": even(3),
            "inChannels": 2,
            "outChannels": 3,
            **kernel,
        },
        {"type": [b"flatten"], "shape": [36, 1, 1]},
        {
            "type": [b"dense"],
            "shape": [5],
            "neuron": neuron(int(rng.integers(0, 20))),
            "weight": even(5, 36),
            "bias": even(5, most=60),
            "delay": rng.integers(0, 3, 5).astype(float),
            "inFeatures": 36,
            "outFeatures": 5,
        },
        {
            "type": [b"dense"],
            "shape": [2],
            "neuron": neuron(6, sigma_output=True),
            "weight": even(2, 5),
            "inFeatures": 5,
            "outFeatures": 2,
        },
    ]


@examples(60, default=4)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_file_is_lavas_network_whose_input_comes_a_step_later(lava, tmp_path_factory, seed):  # noqa: F811
    rng = np.random.default_rng(seed)
    content = layers(rng)
    network = sh.from_lava_dl(write(tmp_path_factory.mktemp("sdnn") / "a.net", content))
    values = rng.integers(-64, 65, (STEPS, 1, 32)) * (rng.random((STEPS, 1, 32)) < 0.7)
    states = ("message", "sigma", "act", "residue")
    result = sh.run(network, values, "spec", record=("spikes", *states), on_overflow="error")

    # netx: the input reaches Delta in its step, Dense and Conv send a step later; lava-nc's processes say the rest.
    late = np.vstack([np.zeros((1, 32), np.int64), values[:-1, 0]])
    arriving, sent, source, delay = late, late, "", np.zeros(32, np.int64)
    places = [(0, "Delta"), (1, "SigmaDelta"), (3, "SigmaDelta")]
    for index, kind in places:
        layer, p = content[index], network.population(f"layer{index}")
        if index:
            arriving = brought(lava, network.projection(f"{source}->layer{index}"), sent, delay)
        bias = np.repeat(layer["bias"], p.size // len(layer["bias"])) if "bias" in layer else np.zeros(p.size)
        theirs = sdn_steps(lava, kind, arriving, layer["neuron"]["vThMant"], bias.astype(np.int64))
        for state in states:
            if state != "sigma" or index:
                np.testing.assert_array_equal(result.states[state][p.name][:, 0], theirs[state], err_msg=f"{p} {state}")
        sent, source = theirs["message"], p.name
        delay = np.asarray(layer.get("delay", np.zeros(p.size)), np.int64)
    total = np.cumsum(brought(lava, network.projection("layer3->layer4"), sent, delay), axis=0)
    np.testing.assert_array_equal(result.states["sigma"]["layer4"][:, 0], total)
    assert np.any(total)


def brought(lava, projection, messages, delay):  # noqa: F811
    """What lava's Dense brings of messages, a step and the delay of each axon later."""
    weight = projection.matrix.toarray() if projection.is_convolution else np.asarray(projection.matrix)
    found = np.zeros((STEPS, len(weight)), np.int64)
    for d in np.unique(delay).tolist():
        those = dense_all(lava, weight, np.where(delay == d, messages, 0))
        found[1 + d :] += those[: STEPS - 1 - d]
    return found


# Sigma-delta networks run on every target by default, too: test_graded_spikes.py.
@pytest.mark.slow
@pytest.mark.parametrize("target", ["engine", "lava", "brian2"])
def test_every_target_computes_the_same(target, tmp_path):
    rng = np.random.default_rng(3)
    network = sh.from_lava_dl(write(tmp_path / "a.net", layers(rng)))
    values = rng.integers(-64, 65, (10, 2, 32))
    wanted = sh.run(network, values, "spec", record=("sigma",)).states["sigma"]["layer4"]
    found = sh.run(network, values, target, record=("sigma",)).states["sigma"]["layer4"]
    np.testing.assert_array_equal(found, wanted)


def test_payloads_that_the_chip_cannot_add_up_have_fewer_bits(tmp_path):
    """36 synapses of 254 times 2**17 - 1 fit 31 bits, times 2**18 - 1 they do not."""
    content = layers(np.random.default_rng(0))
    content[3]["weight"] = np.full((5, 36), 254.0)
    network = sh.from_lava_dl(write(tmp_path / "a.net", content))
    assert [sender.payload_bits for sender in network.senders] == [16, 16, 16, 16, 0]
    content[1]["neuron"]["messageBits"] = 24
    network = sh.from_lava_dl(write(tmp_path / "b.net", content))
    assert network.population("layer1").payload_bits == 17
    assert "'layer1': payloads have 17 bits in place of 24" in " ".join(network.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c[1]["neuron"].update(activation=b"tanh"), "activation = 'tanh'; only 'relu'"),
        (lambda c: c[0].update(weight=[32.0]), "a weight or bias of an input of sigma-delta neurons"),
        (lambda c: c[4].update(bias=[1.0, 2.0]), "a bias of neurons that only add up"),
        (lambda c: c[1]["neuron"].update(iDecay=7), "the fields 'iDecay' are not known"),
    ],
)
def test_what_cannot_be_expressed(tmp_path, change, message):
    content = layers(np.random.default_rng(0))
    change(content)
    with pytest.raises(UnsupportedError, match=message):
        sh.from_lava_dl(write(tmp_path / "a.net", content))
