"""Train the demo's network with snnTorch, write it as NIR and check what was written.

    make train

or, with the extra ``ssdp-hw[train]`` installed, ``python examples/train_digits.py``.

The network is 64 inputs -> 128 LIF -> 10 LIF without biases. A pixel fires in each step with the
probability of its brightness, and the class is the output neuron with most spikes. What a step
means is the same here, in the NIR file and on the chip: v <- beta v + input, a spike where
v > 1, and v = 0 in that same step. With beta = 15/16 the voltage decay is exact in 12 bits too.

The script ends by running the file that it wrote with ssdp_hw, in float, and compares every spike
of every test sample with torch's.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import nir
import numpy as np
import snntorch
import torch
from snntorch import surrogate
from torch.nn import functional

import ssdp_hw as sh
from ssdp_hw.analysis.statistics import wilson
from ssdp_hw.datasets import DIGITS_DT, DIGITS_MODEL, DIGITS_STEPS, Dataset, load_digits
from ssdp_hw.running.result import RunResult

HIDDEN, CLASSES = 128, 10


@dataclass(frozen=True)
class Settings:
    """Everything that the trained weights depend on."""

    seed: int = 0
    epochs: int = 60
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    beta: float = 15 / 16
    surrogate_slope: float = 10.0
    # Cross-entropy of `count_scale * spike count`: 32 steps give counts too large for a softmax.
    count_scale: float = 0.5
    # The mean rate of the hidden layer is pushed below this many spikes a neuron and step.
    hidden_rate: float = 0.1
    hidden_rate_weight: float = 100.0
    # Part of the samples that is moved by up to one pixel.
    shifted: float = 0.5


class TwoLayerNet(torch.nn.Module):
    """Inputs -> 128 LIF -> one LIF a class; one forward call is one window from rest."""

    def __init__(self, settings: Settings, channels: int = 64, classes: int = CLASSES) -> None:
        super().__init__()
        neuron = {
            "beta": settings.beta,
            "threshold": 1.0,
            "reset_mechanism": "zero",
            "reset_delay": False,
            "spike_grad": surrogate.fast_sigmoid(slope=settings.surrogate_slope),
        }
        self.fc1 = torch.nn.Linear(channels, HIDDEN, bias=False)
        self.hidden = snntorch.Leaky(**neuron)
        self.fc2 = torch.nn.Linear(HIDDEN, classes, bias=False)
        self.readout = snntorch.Leaky(**neuron)

    def forward(self, spikes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Spikes of the hidden and the output layer for input spikes; all (time, batch, neuron)."""
        hidden = _unroll(self.hidden, self.fc1(spikes))
        return hidden, _unroll(self.readout, self.fc2(hidden))


def _unroll(neurons: snntorch.Leaky, currents: torch.Tensor) -> torch.Tensor:
    voltage, fired = torch.zeros_like(currents[0]), []
    for current in currents:
        spikes, voltage = neurons(current, voltage)
        fired.append(spikes.to(voltage.dtype))  # snnTorch's spikes are float32 whatever the voltage is
    return torch.stack(fired)


def move_some(values: torch.Tensor, part: float) -> torch.Tensor:
    """A random ``part`` of the 8x8 images moved by up to one pixel each way, zeros moving in."""
    count = len(values)
    padded = functional.pad(values.view(count, 8, 8), (1, 1, 1, 1))
    top, left = torch.randint(0, 3, (2, count))
    stay = torch.rand(count) >= part
    top[stay], left[stay] = 1, 1
    index, side = torch.arange(count)[:, None, None], torch.arange(8)
    rows, columns = (top[:, None] + side)[:, :, None], (left[:, None] + side)[:, None, :]
    return padded[index, rows, columns].view(count, 64)


def rate_spikes(values: torch.Tensor, shifted: float = Settings.shifted) -> torch.Tensor:
    """Fresh rate-coded spikes (time, batch, channel), the part ``shifted`` of the images moved."""
    images = move_some(values, shifted)
    return (torch.rand(DIGITS_STEPS, *images.shape) < images).float()


Encoder = Callable[[torch.Tensor], torch.Tensor]


def train(data: Dataset, settings: Settings, encoder: Encoder = rate_spikes, classes: int = CLASSES) -> TwoLayerNet:
    """Train on the training part, encoded anew in every epoch."""
    torch.manual_seed(settings.seed)
    net = TwoLayerNet(settings, data.train_values.shape[1], classes)
    values = torch.tensor(data.train_values, dtype=torch.float32)
    labels = torch.tensor(data.train_labels)
    optimizer = torch.optim.AdamW(net.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs)
    for epoch in range(settings.epochs):
        total = 0.0
        for chosen in torch.randperm(len(values)).split(settings.batch):
            hidden, output = net(encoder(values[chosen]))
            excess = functional.relu(hidden.mean() - settings.hidden_rate)
            loss = functional.cross_entropy(settings.count_scale * output.sum(0), labels[chosen])
            loss = loss + settings.hidden_rate_weight * excess**2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
        schedule.step()
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1:3d}: training loss {total / len(values):.4f}", flush=True)
    return net


def lif_node(neurons: torch.nn.Module, size: int, dt: float) -> nir.LIF:
    """Neurons of snnTorch as a NIR node.

    With tau = dt / (1 - beta) and r = 1 / (1 - beta) the forward Euler step of ``tau dv/dt = -v + r S`` is
    snnTorch's ``v <- beta v + S``.
    """
    leak = 1.0 - float(neurons.beta)
    return nir.LIF(
        tau=np.full(size, dt / leak),
        r=np.full(size, 1.0 / leak),
        v_leak=np.zeros(size),
        v_threshold=np.full(size, float(neurons.threshold)),
        v_reset=np.zeros(size),
    )


def to_nir(net: TwoLayerNet, metadata: dict[str, object]) -> nir.NIRGraph:
    """The network as a NIR graph whose forward Euler step of DIGITS_DT is snnTorch's step.

    Built by hand, since snnTorch's own export fixes dt at 1e-4 s.
    """
    nodes = {
        "input": nir.Input(input_type=np.array([net.fc1.in_features])),
        "fc1": nir.Linear(weight=net.fc1.weight.detach().numpy()),
        "hidden": lif_node(net.hidden, HIDDEN, DIGITS_DT),
        "fc2": nir.Linear(weight=net.fc2.weight.detach().numpy()),
        "readout": lif_node(net.readout, net.fc2.out_features, DIGITS_DT),
        "output": nir.Output(output_type=np.array([net.fc2.out_features])),
    }
    names = list(nodes)
    return nir.NIRGraph(nodes=nodes, edges=list(itertools.pairwise(names)), metadata=metadata)


def check_file(graph: nir.NIRGraph, path: Path) -> None:
    """Compare every array of the file with what went in; any difference ends the script."""
    read = nir.read(path)
    if set(read.edges) != set(graph.edges) or read.nodes.keys() != graph.nodes.keys():
        sys.exit(f"{path}: the graph read back has other nodes or edges")
    for name, node in graph.nodes.items():
        for key, value in node.to_dict().items():
            back = read.nodes[name].to_dict()[key]
            if isinstance(value, np.ndarray) and (value.dtype != back.dtype or not np.array_equal(value, back)):
                sys.exit(f"{path}: {key} of node '{name}' changed on the way through the file")


def compare_spikes(net: TwoLayerNet, path: Path, spikes: np.ndarray) -> RunResult:
    """Run the file in float and compare each layer's spikes with torch's; a difference ends the script.

    Layer k of ssdp_hw is k steps behind torch, where a spike passes all layers in one step. Torch
    runs in float64 here, as ssdp_hw does: in float32 a voltage next to the threshold may differ.
    """
    with torch.no_grad():
        expected = net.double()(torch.tensor(spikes, dtype=torch.float64))
    network = sh.from_nir(path, dt=DIGITS_DT)
    result = sh.run(network, spikes, target="engine", steps=len(spikes) + network.latency)
    for behind, (name, torch_spikes) in enumerate(zip(("hidden", "readout"), expected, strict=True), start=1):
        aligned = np.zeros_like(result.spikes[name])
        aligned[behind : behind + len(spikes)] = torch_spikes.numpy() != 0
        different = int(np.count_nonzero(aligned != result.spikes[name]))
        print(f"{name}: {int(aligned.sum())} spikes in torch, {different} differ in ssdp_hw")
        if different:
            sys.exit("the exported network does not do what the trained one did")
    return result


def torch_correct(net: TwoLayerNet, data: Dataset, seed: int) -> int:
    """How many test samples torch classifies correctly (in float32), for that seed of the encoder."""
    spikes = sh.encode(data.test_values, "rate", steps=DIGITS_STEPS, seed=seed)
    with torch.no_grad():
        _, output = net(torch.tensor(spikes, dtype=torch.float32))
    guessed = output.sum(0).argmax(1).numpy()
    return int((guessed == data.test_labels).sum())


def main() -> None:
    """Train, export, check."""
    parser = argparse.ArgumentParser(description="Train the demo's network and write it as NIR.")
    parser.add_argument("--output", type=Path, default=DIGITS_MODEL, help="file to write (default: the packaged one)")
    parser.add_argument("--epochs", type=int, default=Settings.epochs)
    parser.add_argument("--seed", type=int, default=Settings.seed)
    arguments = parser.parse_args()
    settings = Settings(seed=arguments.seed, epochs=arguments.epochs)
    # One thread: the tensors are small, and the order of the sums is then fixed.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    data = load_digits()
    net = train(data, settings)
    total = len(data.test_labels)
    by_seed = [torch_correct(net, data, seed) for seed in range(10)]
    print(
        f"torch, {total} test samples, encoder seeds 0 to 9: mean {100 * np.mean(by_seed) / total:.2f} %, "
        f"{100 * min(by_seed) / total:.2f} to {100 * max(by_seed) / total:.2f} %"
    )

    graph = to_nir(
        net,
        {
            "made_by": "examples/train_digits.py of ssdp-hw",
            "data": data.name,
            "encoder": "rate",
            "readout": "spike_count",
            "dt": DIGITS_DT,
            "steps": DIGITS_STEPS,
            "torch": torch.__version__,
            "snntorch": snntorch.__version__,
            "test_samples": total,
            "test_correct": by_seed[0],
            **asdict(settings),
        },
    )
    nir.write(arguments.output, graph)
    check_file(graph, arguments.output)
    print(f"wrote {arguments.output} ({arguments.output.stat().st_size} bytes)")

    spikes = sh.encode(data.test_values, "rate", steps=DIGITS_STEPS, seed=0)
    result = compare_spikes(net, arguments.output, spikes)
    correct = int((result.predict("spike_count") == data.test_labels).sum())
    for name, count in (("torch", by_seed[0]), ("ssdp_hw, float", correct)):
        print(f"{name}, encoder seed 0: {count} of {total}, {wilson(count, total).percent()}")
    print(
        f"spikes a neuron and step: hidden {result.spike_rate('hidden'):.3f}, "
        f"readout {result.spike_rate('readout'):.3f}"
    )


if __name__ == "__main__":
    main()
