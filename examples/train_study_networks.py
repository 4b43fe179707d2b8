"""Train the two networks that the studies need beside the demo's, and write them as NIR.

    make train && .venv/bin/python examples/train_study_networks.py [nine-digits] [fashion-mnist]

``nine-digits``: the demo's network, trained on the digits 0 to 8 alone. A tenth output neuron without
weights is added, for a class that is learned on the chip.

``fashion-mnist``: 784 -> 128 LIF -> 10 LIF; every pixel that is not black fires once, the brighter the
earlier. Trained on the first 50,000 training images: the others are for learning on the chip.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path

import nir
import numpy as np
import torch
from studies.tasks import FASHION_MODEL, FASHION_STEPS, FASHION_TRAINED, NINE_DIGITS_MODEL
from train_digits import DIGITS_DT, Settings, TwoLayerNet, check_file, rate_spikes, to_nir, train

import ssdp_hw as sh
from ssdp_hw.analysis.statistics import wilson
from ssdp_hw.datasets import DIGITS_STEPS, Dataset, load_digits, load_fashion_mnist

NEW_CLASS = 9


def latency_spikes(values: torch.Tensor) -> torch.Tensor:
    """Spikes (time, batch, channel) as ``ssdp_hw.encode`` has them for ``latency``."""
    return torch.tensor(sh.encode(values.numpy(), "latency", steps=FASHION_STEPS), dtype=torch.float32)


def nine_digits() -> tuple[Dataset, Settings, TwoLayerNet]:
    """The network of the digits 0 to 8, with an idle tenth output."""
    data = load_digits()
    train_old, test_old = data.train_labels != NEW_CLASS, data.test_labels != NEW_CLASS
    old = replace(
        data,
        train_values=data.train_values[train_old],
        train_labels=data.train_labels[train_old],
        test_values=data.test_values[test_old],
        test_labels=data.test_labels[test_old],
    )
    settings = Settings()
    net = train(old, settings, rate_spikes, NEW_CLASS)
    weights = net.fc2.weight.detach()
    net.fc2 = torch.nn.Linear(weights.shape[1], NEW_CLASS + 1, bias=False)
    net.fc2.weight = torch.nn.Parameter(torch.cat([weights, torch.zeros(1, weights.shape[1])]))
    return old, settings, net


def fashion_mnist() -> tuple[Dataset, Settings, TwoLayerNet]:
    """The network of Fashion-MNIST."""
    data = load_fashion_mnist()
    settings = Settings(epochs=6, batch=128)
    part = replace(
        data, train_values=data.train_values[:FASHION_TRAINED], train_labels=data.train_labels[:FASHION_TRAINED]
    )
    return data, settings, train(part, settings, latency_spikes)


def main() -> None:
    """Train, export, check what was written, and run it."""
    jobs = {
        "nine-digits": (nine_digits, NINE_DIGITS_MODEL, "rate", DIGITS_STEPS),
        "fashion-mnist": (fashion_mnist, FASHION_MODEL, "latency", FASHION_STEPS),
    }
    names = sys.argv[1:] or list(jobs)
    if not set(names) <= set(jobs):
        sys.exit(f"usage: {Path(__file__).name} [{'] ['.join(jobs)}]")
    # One thread: the order of the sums is then fixed.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in names:
        make, path, encoder, steps = jobs[name]
        data, settings, net = make()
        graph = to_nir(
            net,
            {
                "made_by": f"examples/{Path(__file__).name} of ssdp-hw",
                "data": data.name,
                "encoder": encoder,
                "readout": "spike_count",
                "dt": DIGITS_DT,
                "steps": steps,
                "torch": torch.__version__,
                **asdict(settings),
            },
        )
        nir.write(path, graph)
        check_file(graph, path)
        network = sh.from_nir(path, dt=DIGITS_DT)
        spikes = sh.encode(data.test_values, encoder, steps=steps, seed=0)
        result = sh.run(network, spikes, steps=steps + network.latency)
        correct = int(np.count_nonzero(result.predict() == data.test_labels))
        print(
            f"{path.name}, {path.stat().st_size} bytes: {wilson(correct, len(data.test_labels)).percent()}; "
            f"hidden spikes a neuron and step {result.spike_rate('hidden'):.3f}"
        )


if __name__ == "__main__":
    main()
