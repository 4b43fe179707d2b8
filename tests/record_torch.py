"""Record what generated torch modules do: tests/data/torch.npz, which tests/test_torch_recordings.py reads.

    python tests/record_torch.py

Needs torch, snnTorch, Sinabs and SpikingJelly. Of each module of torch_generator.py the file has the network that
from_torch made of it, an input, and of each layer spikes and voltages after the reset, of a run in float64.
"""

import importlib.metadata
import tempfile
from pathlib import Path

import numpy as np

from ssdp_hw.analysis.verification import verify
from ssdp_hw.conversion import from_torch
from ssdp_hw.network.network_file import save

RECORDED = Path(__file__).parent / "data" / "torch.npz"
SEEDS = range(16)
STEPS, BATCH = 24, 2


def spikes_of(seed, width):
    """The input of a module, shape (time, batch, width)."""
    return np.random.default_rng([seed, 3]).random((STEPS, BATCH, width)) < 0.4


def layers_of(module, spikes):
    """Spikes and voltages of each layer in float64, by name, each of shape (time, batch, n)."""
    from ssdp_hw.conversion.torch.recording import record

    found = record(module, spikes, None).exact_layers()
    assert found, "the module cannot be run in float64"
    return found


def packed(seed):
    """A module and its recording as arrays by name."""
    from torch_generator import Generated

    module = Generated(seed).eval()
    network = from_torch(module, module.sample())
    spikes = spikes_of(seed, module.width)
    with tempfile.TemporaryDirectory() as folder:
        save(network, path := Path(folder) / "network.h5")
        arrays = {"network": np.frombuffer(path.read_bytes(), np.uint8), "spikes": np.packbits(spikes)}
    arrays["width"] = np.array(module.width)
    lags = {layer.layer: layer.lag for layer in verify(module, network, spikes).layers}
    for name, (fired, voltages) in layers_of(module, spikes).items():
        arrays[f"layers/{name}/spikes"] = np.packbits(fired)
        arrays[f"layers/{name}/v"] = voltages.astype(np.float32)
        arrays[f"layers/{name}/lag"] = np.array(lags[name])
    return {f"{seed}/{key}": value for key, value in arrays.items()}


def main():
    """Record all of them."""
    found = {"versions": np.array([f"{d} {importlib.metadata.version(d)}" for d in ("torch", "snntorch", "sinabs")])}
    for seed in SEEDS:
        found |= packed(seed)
    np.savez_compressed(RECORDED, **found)
    print(f"{RECORDED.name}: {len(SEEDS)} modules, {RECORDED.stat().st_size} bytes")


if __name__ == "__main__":
    main()
