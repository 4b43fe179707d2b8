"""Train with lava-dl's SLAYER, export with its own exporter, and run the file on Lava and here.

    pip install 'ssdp-hw[slayer]'
    pip install --no-deps --ignore-requires-python lava-nc==0.10.0 lava-dl==0.6.0
    python examples/slayer.py

A network of 64 inputs, 96 and 10 CUBA neurons learns scikit-learn's digits, a pixel firing in each of 32
steps with the probability of its brightness. SLAYER writes ``.cache/slayer-digits.net``. Then

* ``ssdp_hw.from_lava_dl`` reads it, and ``spec`` and ``engine`` run all test samples, whose output spikes
  are compared with SLAYER's own forward pass;
* netx, lava-dl's reader, builds Lava processes of it, and Lava runs the first samples in fixed point, in a
  process of its own. Their output spikes are compared with ours.

The script ends with an error if a spike differs on the way from netx to here. What it printed is in
``examples/results/slayer.json``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ssdp_hw as sh
from ssdp_hw.analysis.statistics import wilson
from ssdp_hw.datasets import load_digits

STEPS, HIDDEN, CLASSES = 32, 96, 10
NEURON = {"threshold": 1.25, "current_decay": 0.25, "voltage_decay": 0.05, "requires_grad": False}


def import_slayer() -> Any:
    """SLAYER without its object detection, which wants OpenCV and torchvision."""
    sys.modules.setdefault("lava.lib.dl.slayer.object_detection", ModuleType("object_detection"))
    from lava.lib.dl import slayer

    return slayer


def build(slayer: Any) -> Any:
    """64 -> 96 -> 10 CUBA neurons; weights are rounded to the chip's in every forward pass."""
    import torch

    kind = {"weight_scale": 2, "weight_norm": True}
    return torch.nn.ModuleList(
        [
            slayer.block.cuba.Dense(NEURON, 64, HIDDEN, **kind),
            slayer.block.cuba.Dense(NEURON, HIDDEN, CLASSES, **kind),
        ]
    )


def forward(blocks: Any, spikes: Any) -> Any:
    """Output spikes (batch, neuron, time) for input spikes of the same layout."""
    for block in blocks:
        spikes = block(spikes)
    return spikes


def train(slayer: Any, values: NDArray[Any], labels: NDArray[Any], epochs: int, seed: int) -> Any:
    """Train on fresh spikes in each epoch towards a rate of 0.5 of the labelled neuron and 0.05 of the others."""
    import torch

    torch.manual_seed(seed)
    blocks = build(slayer)
    optimizer = torch.optim.Adam(blocks.parameters(), lr=0.01)
    error = slayer.loss.SpikeRate(true_rate=0.5, false_rate=0.05, reduction="sum")
    brightness, targets = torch.tensor(values, dtype=torch.float32), torch.tensor(labels)
    for epoch in range(epochs):
        total = 0.0
        for chosen in torch.randperm(len(values)).split(64):
            spikes = (torch.rand(len(chosen), 64, STEPS) < brightness[chosen][..., None]).float()
            loss = error(forward(blocks, spikes), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: loss {total / len(values):.3f}", flush=True)
    return blocks.eval()


def export(blocks: Any, path: Path) -> None:
    """By SLAYER's own exporter."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        layers = file.create_group("layer")
        for index, block in enumerate(blocks):
            block.export_hdf5(layers.create_group(str(index)))


def run_netx(path: Path, samples: Path, out: Path) -> None:
    """Each sample (time, channel) through netx's processes on Lava; output spikes (sample, time, neuron) to a file."""
    from ssdp_hw.targets.lava.worker import compat

    compat.enable()  # lava-nc on Python 3.11 and later
    import_slayer()
    from lava.lib.dl import netx
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    found = []
    for spikes in np.load(samples):
        network = netx.hdf5.Network(net_config=str(path), input_shape=(spikes.shape[1],))
        source, sink = Source(data=spikes.T.astype(int)), Sink(shape=network.out.shape, buffer=len(spikes))
        source.s_out.connect(network.inp)
        network.out.connect(sink.a_in)
        network.run(condition=RunSteps(num_steps=len(spikes)), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        found.append(sink.data.get().T)
        network.stop()
    np.save(out, np.array(found))


def compare(name: str, expected: NDArray[np.bool_], found: NDArray[np.bool_]) -> int:
    """Number of output spikes that differ, printed."""
    different = int(np.count_nonzero(expected != found))
    print(f"{name}: {int(found.sum())} output spikes of {found.shape[1]} samples, {different} differ", flush=True)
    return different


def main() -> None:
    """Train, export, compare."""
    parser = argparse.ArgumentParser(description="Train with SLAYER, export, run on netx, Lava and here.")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lava-samples", type=int, default=5, help="samples that are run through netx on Lava")
    parser.add_argument("--net", type=Path, default=Path(".cache/slayer-digits.net"), help="file to write")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    parser.add_argument("--netx", nargs=2, type=Path, metavar=("SAMPLES", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.netx:  # the process of Lava
        run_netx(arguments.net, *arguments.netx)
        return
    slayer = import_slayer()
    import torch

    data = load_digits()
    start = time.perf_counter()
    blocks = train(slayer, data.train_values, data.train_labels, arguments.epochs, arguments.seed)
    seconds = time.perf_counter() - start
    export(blocks, arguments.net)
    network = sh.from_lava_dl(arguments.net)
    print(f"trained in {seconds:.0f} s; wrote {arguments.net}")

    spikes = sh.encode(data.test_values, "rate", steps=STEPS, seed=0)
    with torch.no_grad():
        outputs = forward(blocks, torch.tensor(spikes.transpose(1, 2, 0), dtype=torch.float32))
    expected = outputs.numpy().transpose(2, 0, 1) != 0
    correct = int((expected.sum(0).argmax(1) == data.test_labels).sum())
    print(
        f"SLAYER: {correct} of {len(data.test_labels)} test samples right, "
        f"{wilson(correct, len(data.test_labels)).percent()}; {int(expected.sum())} output spikes"
    )
    different = {}
    for target in ("spec", "engine"):
        result = sh.run(network, spikes, target)
        different[target] = compare(f"{target} against SLAYER", expected, result.spikes[result.output])
    count = arguments.lava_samples
    samples, out = (arguments.net.with_suffix(suffix) for suffix in (".in.npy", ".out.npy"))
    np.save(samples, spikes[:, :count].transpose(1, 0, 2))
    subprocess.run(
        [sys.executable, __file__, "--net", arguments.net, "--netx", samples, out],
        check=True,
        timeout=600,
    )
    lava = np.load(out).transpose(1, 0, 2) != 0
    different["netx on Lava"] = compare("netx on Lava against SLAYER", expected[:, :count], lava)
    if arguments.out:
        arguments.out.write_text(
            json.dumps(
                {
                    "lava_dl": "0.6.0",
                    "torch": torch.__version__,
                    "seed": arguments.seed,
                    "epochs": arguments.epochs,
                    "test_samples": len(data.test_labels),
                    "test_correct": correct,
                    "output_spikes": int(expected.sum()),
                    "lava_samples": count,
                    "lava_output_spikes": int(lava.sum()),
                    "different_output_spikes": different,
                },
                indent=2,
            )
            + "\n"
        )
    sys.exit("a spike differs" if any(different.values()) else 0)


if __name__ == "__main__":
    main()
