"""Networks that from_torch made of generated modules, against recordings of those modules: no torch is needed.

tests/record_torch.py made the recordings; where torch is, the modules are run again and must do what was recorded.
"""

import numpy as np
import pytest
import record_torch
from record_torch import BATCH, RECORDED, SEEDS, STEPS, spikes_of

from ssdp_hw.network.network_file import load
from ssdp_hw.running.run import run

# Recorded voltages are float32.
_VOLTAGE = 2e-6


@pytest.fixture(scope="module")
def recorded():
    with np.load(RECORDED) as arrays:
        return dict(arrays)


def bits(array, shape):
    return np.unpackbits(array, count=int(np.prod(shape))).reshape(shape).astype(bool)


def case(recorded, seed, tmp_path):
    """The network, its input, and by layer spikes, voltages and lag."""
    path = tmp_path / "network.h5"
    path.write_bytes(recorded[f"{seed}/network"].tobytes())
    spikes = bits(recorded[f"{seed}/spikes"], (STEPS, BATCH, int(recorded[f"{seed}/width"])))
    layers = {}
    for key in recorded:
        if key.startswith(f"{seed}/layers/") and key.endswith("/lag"):
            name = key.split("/")[2]
            v = recorded[f"{seed}/layers/{name}/v"].astype(np.float64)
            fired = bits(recorded[f"{seed}/layers/{name}/spikes"], v.shape)
            layers[name] = fired, v, int(recorded[key])
    return load(path), spikes, layers


def differences(network, spikes, layers, target):
    """By layer, how many spikes and voltages are not those of the module."""
    steps = STEPS + max(lag for _, _, lag in layers.values())
    result = run(network, spikes, target, steps=steps, record=("spikes", "v"))
    found = {}
    for name, (fired, v, lag) in layers.items():
        ours = slice(lag, lag + STEPS)
        far = np.abs(result.v[name][ours] - v) > _VOLTAGE * (1 + np.abs(v))
        sent = result.spikes[name][ours] if name in result.spikes else np.zeros_like(fired)
        found[name] = int((sent != fired).sum()), int(far.sum())
    return found


@pytest.mark.parametrize("target", ["spec", "engine"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_network_does_what_the_module_did(seed, target, recorded, tmp_path):
    network, spikes, layers = case(recorded, seed, tmp_path)
    assert np.array_equal(spikes, spikes_of(seed, spikes.shape[2]))
    assert set(layers) <= set(network.population_names)
    assert set(differences(network, spikes, layers, target).values()) == {(0, 0)}


def test_the_recordings_are_of_all_kinds(recorded, tmp_path):
    fired, kinds, names = 0, set(), set()
    for seed in SEEDS:
        network, _, layers = case(recorded, seed, tmp_path)
        fired += sum(int(spikes.sum()) for spikes, _, _ in layers.values())
        kinds |= {(p.neuron.kind, str(p.reset), str(p.threshold)) for p in network.populations}
        names |= {name.split(".")[0] for name in layers}
    assert fired > 2000
    assert {kind for kind, *_ in kinds} == {"LIF", "CubaLIF", "IF"}
    assert {(reset, at) for _, reset, at in kinds} == {(r, a) for r in ("subtract", "zero") for a in (">", ">=")}
    assert "neurons" in names
    assert any(name != "neurons" for name in names)  # a maximum of spikes


@pytest.mark.parametrize("seed", list(SEEDS)[::4])
def test_other_weights_are_seen(seed, recorded, tmp_path):
    network, spikes, layers = case(recorded, seed, tmp_path)
    first = next(p for p in network.projections if p.post.startswith("neurons") and p.pre not in network.helpers)
    weight = first.weight * 1.001
    found = differences(network.with_weights({first.name: weight}), spikes, layers, "spec")
    assert any(count != (0, 0) for count in found.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_modules_do_what_was_recorded(seed, recorded, tmp_path):
    pytest.importorskip("torch")
    for framework in ("snntorch", "sinabs", "spikingjelly"):
        pytest.importorskip(framework)
    from torch_generator import Generated

    _, spikes, layers = case(recorded, seed, tmp_path)
    found = record_torch.layers_of(Generated(seed).eval(), spikes)
    assert list(found) == list(layers)
    for name, (fired, v) in found.items():
        assert np.array_equal(fired, layers[name][0])
        np.testing.assert_allclose(v, layers[name][1], rtol=1e-5, atol=1e-5)
