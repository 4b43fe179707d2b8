"""Adaptive and resonating neurons of SLAYER: its files, spikes and states as record_slayer.py recorded them."""

from __future__ import annotations

import importlib.util
import io

import h5py
import numpy as np
import pytest
import record_slayer
from record_slayer import INPUTS, NEURONS, RECORDED, STATES, STEPS

import ssdp_hw as sh
from ssdp_hw.errors import FileFormatError, ShapeError, UnsupportedError

# Where our state has another name, or is what a spike changes.
NAMES = {"current": "u", "voltage": "v", "real": "real", "imag": "imag"}


@pytest.fixture(scope="module")
def recorded():
    with np.load(RECORDED) as arrays:
        return dict(arrays)


def bits(packed, *shape):
    return np.unpackbits(packed, count=int(np.prod(shape))).reshape(shape).astype(bool)


def network_of(recorded, kind, tmp_path):
    path = tmp_path / f"{kind}.net"
    path.write_bytes(recorded[f"{kind}/net"].tobytes())
    return sh.from_lava_dl(path)


def after_spike(kind, population, theirs, fired):
    """Our states, which are those after a spike, from SLAYER's before it; (time, neuron)."""
    vth = population.vth * 64
    after = {ours: theirs[name] for name, ours in NAMES.items() if name in theirs}
    if "threshold" in theirs:
        after["a"] = theirs["threshold"] - vth + 64 * population.parameters["jump"] * fired
        after["r"] = theirs["refractory"] + 2 * theirs["threshold"] * fired
    if kind == "rf_iz":
        after["real"] = np.where(fired, 0, after["real"])
        after["imag"] = np.where(fired, vth - 1, after["imag"])
    return after


@pytest.mark.parametrize("kind", NEURONS)
def test_spikes_and_states_of_a_network(kind, recorded, tmp_path):
    network = network_of(recorded, kind, tmp_path)
    assert network.chip.name == "loihi2"
    spikes = bits(recorded[f"{kind}/input"], INPUTS, STEPS).T[:, None]
    names = network.populations[0].state_names
    result = sh.run(network, spikes, "spec", record=("spikes", *names), steps=STEPS + 1)
    assert not any(result.overflow[p.name].counts.get(name) for p in network.populations for name in ("x",))
    traces = {**result.states, "u": result.u, "v": result.v}
    for k, population in enumerate(network.populations):
        # In SLAYER the first layer acts on the input of a step in that step.
        theirs = bits(recorded[f"{kind}/{k}/spikes"], population.size, STEPS).T
        ours = result.spikes[population.name][1:, 0]
        assert 0.02 < theirs.mean() < 0.5
        assert np.count_nonzero(ours != theirs) == 0
        states = {n: recorded[f"{kind}/{k}/{n}"].T.astype(np.int64) for n in STATES[kind]}
        for name, expected in after_spike(kind, population, states, theirs).items():
            assert np.count_nonzero(traces[name][population.name][1:, 0] != expected) == 0, name


@pytest.mark.parametrize("kind", NEURONS)
def test_neurons_of_a_layer_differ(kind, recorded, tmp_path):
    """The recording is worth something only if parameters and delays differ, and both parts of weights are there."""
    network = network_of(recorded, kind, tmp_path)
    first = network.populations[0]
    varied = {"sin", "cos"} if "sin" in first.registers else {"du", "dv"}
    assert all(len(np.unique(first.registers[name])) > 5 for name in varied)
    assert len(np.unique(network.projections[-1].delay)) > 3
    assert [q.port for q in network.projections] == ([""] * 2 if kind == "alif" else ["", "imag_input"] * 2)


def test_spikes_of_a_recurrent_layer(recorded, tmp_path):
    network = network_of(recorded, "recurrent", tmp_path)
    assert [(q.pre, q.post) for q in network.projections] == [("input", "layer0"), ("layer0", "layer0")]
    spikes = bits(recorded["recurrent/input"], INPUTS, STEPS).T[:, None]
    theirs = bits(recorded["recurrent/0/spikes"], network.size_of("layer0"), STEPS).T
    ours = sh.run(network, spikes, "spec", record=("spikes",), steps=STEPS + 1).spikes["layer0"][1:, 0]
    assert 0.02 < theirs.mean() < 0.5
    assert np.count_nonzero(ours != theirs) == 0


def test_complex_kernels_are_the_dense_weights_that_they_spell(tmp_path):
    """SLAYER 0.6.0 cannot export its complex convolutions: a file that could have been one, against its dense form."""
    rng = np.random.default_rng(8)
    neuron = {"type": b"RF_PHASE", "sinDecay": 1500.0, "cosDecay": 3600.0, "vThMant": 60.0, "gradedSpike": False}
    kernel = {part: 2.0 * rng.integers(-40, 60, (3, 2, 3, 3, 1)) for part in ("real", "imag")}
    pairs = {name: [1.0, 1.0] for name in ("stride", "padding", "dilation")}
    layers = {
        "0": {"type": [b"input"], "shape": [2, 4, 4]},
        "1": {"type": [b"conv"], "shape": [3, 4, 4], "groups": 1, "weight": kernel, "neuron": neuron, **pairs},
    }
    network = written(layers, tmp_path / "conv.net")
    dense = [q.matrix for q in network.projections]
    layers["0"] = {"type": [b"input"], "shape": [32]}
    layers["1"] = {
        "type": [b"dense"],
        "shape": [48],
        "neuron": neuron,
        "weight": {part: w.toarray() * 1.0 for part, w in zip(("real", "imag"), dense, strict=True)},
    }
    spikes = rng.random((50, 1, 32)) < 0.1
    found = [
        sh.run(n, spikes, "spec", record=("spikes", "real", "imag"))
        for n in (network, written(layers, tmp_path / "d.net"))
    ]
    assert found[0].spikes["layer1"].any()
    assert np.array_equal(*(r.spikes["layer1"] for r in found))
    for part in ("real", "imag"):
        assert np.array_equal(*(r.states[part]["layer1"] for r in found))


def written(layers, path):
    """The network of a file with these groups."""

    def fill(group, values):
        for name, value in values.items():
            if isinstance(value, dict):
                fill(group.create_group(name), value)
            else:
                group[name] = value

    with h5py.File(path, "w") as file:
        fill(file, {"layer": layers})
    return sh.from_lava_dl(path)


def changed(recorded, kind, change):
    """The file of a kind, edited."""
    file = io.BytesIO(recorded[f"{kind}/net"].tobytes())
    with h5py.File(file, "r+") as net:
        change(net)
    return file.getvalue()


def replaced(name, value):
    def change(net):
        del net[name]
        if value is not None:
            net[name] = value

    return change


def added(name, value):
    return lambda net: net.create_dataset(name, data=value)


@pytest.mark.parametrize(
    ("kind", "change", "error", "message"),
    [
        ("rf", replaced("layer/0/weight/imag", None), FileFormatError, "no dataset 'weight/imag'"),
        ("rf", replaced("layer/0/weight/imag", np.zeros((3, 3))), ShapeError, "9 weights for 20"),
        ("rf", replaced("layer/0/weight", np.zeros((20, 24))), UnsupportedError, "'weight' is real.*RF_PHASE.*complex"),
        ("rf", replaced("layer/0/neuron/type", b"ALIF"), UnsupportedError, "sinDecay|cosDecay"),
        ("rf", replaced("layer/0/neuron/sinDecay", np.ones(3)), ShapeError, "'sinDecay' has 3 values for 20"),
        ("rf", replaced("layer/0/neuron/gradedSpike", True), UnsupportedError, "gradedSpike = 1; only 0"),
        ("rf", replaced("layer/0/neuron/type", b"RF_OTHER"), UnsupportedError, "'RF_OTHER'; read are"),
        ("alif", replaced("layer/0/neuron/iDecay", 0), UnsupportedError, "iDecay = 0"),
        ("alif", added("layer/0/bias", np.full(20, 2.0)), UnsupportedError, "bias"),
        ("alif", replaced("layer/0/neuron/vThStep", None), FileFormatError, "vThStep"),
    ],
)
def test_what_cannot_be_read(kind, change, error, message, recorded, tmp_path):
    path = tmp_path / "changed.net"
    path.write_bytes(changed(recorded, kind, change))
    with pytest.raises(error, match=message):
        sh.from_lava_dl(path)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_slayer_does_here_what_was_recorded(recorded):
    torch = pytest.importorskip("torch")
    try:
        slayer = record_slayer.import_slayer()
    except ImportError:
        pytest.skip("lava-dl is not installed")
    for name, value in record_slayer.record_all(slayer, torch).items():
        if not name.endswith("/net"):  # HDF5 files hold the time of their making
            assert np.array_equal(value, recorded[name]), name
