"""Record what lava-dl's SLAYER does with adaptive and resonating neurons: tests/data/slayer.npz.

    python tests/record_slayer.py

It needs torch and lava-dl. For each type of neurons a network of two dense layers with axonal delays: its ``.net`` file
as SLAYER exports it, its input, and for each layer the spikes that its neurons make and their states before the reset
or the raise of a spike, in the integers of the chip, shape (neuron, time).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import sys
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np

RECORDED = Path(__file__).parent / "data" / "slayer.npz"
INPUTS, HIDDEN, OUTPUTS, STEPS = 24, 20, 10, 100
STATES = {
    "alif": ("current", "voltage", "threshold", "refractory"),
    "rf": ("real", "imag"),
    "rf_iz": ("real", "imag"),
    "adrf": ("real", "imag", "threshold", "refractory"),
    "adrf_iz": ("real", "imag", "threshold", "refractory"),
}
ADAPTATION = {"threshold_step": 0.4, "threshold_decay": 0.1, "refractory_decay": 0.35}
RESONATOR = {"threshold": 1.1, "period": 9.3, "decay": 0.06}
NEURONS = {
    "alif": {"threshold": 1.25, "current_decay": 0.3, "voltage_decay": 0.04, **ADAPTATION},
    "rf": RESONATOR,
    "rf_iz": RESONATOR,
    "adrf": {**RESONATOR, **ADAPTATION},
    "adrf_iz": {**RESONATOR, **ADAPTATION},
}
# The same with a value of its own for every neuron.
SPREAD = {
    "current_decay": (0.1, 0.9),
    "voltage_decay": (0.01, 0.3),
    "threshold_decay": (0.02, 0.4),
    "refractory_decay": (0.1, 0.6),
    "period": (4.5, 40.0),
    "decay": (0.01, 0.2),
}


def import_slayer():
    """SLAYER without its object detection, which needs OpenCV."""
    sys.modules.setdefault("lava.lib.dl.slayer.object_detection", ModuleType("object_detection"))
    slayer = importlib.import_module("lava.lib.dl.slayer")

    # In 0.6.0 the forward pass of this neuron calls its own spike function with an argument too few.
    neuron = slayer.neuron.adrf_iz.Neuron
    neuron.forward = lambda self, x: self.spike(*self.dynamics(x))
    return slayer


def spread(values):
    """The parameters with a range in the place of each that may differ from neuron to neuron."""
    return {name: SPREAD.get(name, value) for name, value in values.items()} | {"shared_param": False}


def blocks(slayer, kind):
    """Two dense layers; neurons of the first differ, those of the second are alike."""
    dense = getattr(slayer.block, kind).Dense
    first = dense(spread(NEURONS[kind]), INPUTS, HIDDEN, weight_scale=3, delay=True)
    second = dense(NEURONS[kind], HIDDEN, OUTPUTS, weight_scale=5)
    return first, second


def record(slayer, torch, kind, seed):
    """Arrays by name."""
    torch.manual_seed(seed)
    layers = blocks(slayer, kind)
    x = (torch.rand(1, INPUTS, STEPS) < 0.15).float()
    arrays = {"input": np.packbits(x[0].numpy() > 0)}
    layers[0](x)  # makes the shapes, and the parameters that are drawn
    layers[0].delay.delay.data = torch.randint(0, 6, layers[0].delay.delay.shape).float()
    for k, layer in enumerate(layers):
        z = layer.synapse(x)
        spikes = layer.neuron(z)
        arrays[f"{k}/spikes"] = np.packbits(spikes[0].numpy() > 0)
        for name, state in zip(STATES[kind], layer.neuron.dynamics(z), strict=True):
            arrays[f"{k}/{name}"] = np.rint(state[0].numpy().astype(np.float64) * layer.neuron.s_scale).astype(np.int32)
        print(f"{kind} {k}: {float(spikes.mean()):.3f} spikes a step")
        x = layer(x)
    return arrays | {"net": exported(layers)}


def record_recurrent(slayer, torch, seed):
    """One recurrent layer of ALIF neurons; its spikes alone, since the block does not show its states."""
    torch.manual_seed(seed)
    x = (torch.rand(1, INPUTS, STEPS) < 0.15).float()
    layer = slayer.block.alif.Recurrent(spread(NEURONS["alif"]), INPUTS, HIDDEN, weight_scale=3, delay_shift=False)
    spikes = layer(x)
    print(f"recurrent alif: {float(spikes.mean()):.3f} spikes a step")
    made = {"input": x, "0/spikes": spikes}
    return {name: np.packbits(value[0].numpy() > 0) for name, value in made.items()} | {"net": exported([layer])}


def exported(layers):
    """The bytes of the .net file of these layers."""
    file = io.BytesIO()
    with h5py.File(file, "w") as net:
        for k, layer in enumerate(layers):
            layer.export_hdf5(net.create_group(f"layer/{k}"))
    return np.frombuffer(file.getvalue(), np.uint8)


def record_all(slayer, torch):
    """All arrays by name."""
    with torch.no_grad():
        found = {kind: record(slayer, torch, kind, seed) for seed, kind in enumerate(NEURONS)}
        found["recurrent"] = record_recurrent(slayer, torch, len(NEURONS))
    return {f"{case}/{name}": value for case, arrays in found.items() for name, value in arrays.items()}


def main():
    """Record all."""
    import torch

    slayer = import_slayer()
    found = {"version": np.array(importlib.metadata.version("lava-dl")), **record_all(slayer, torch)}
    np.savez_compressed(RECORDED, **found)
    print(f"{RECORDED}: {RECORDED.stat().st_size} bytes")


if __name__ == "__main__":
    main()
