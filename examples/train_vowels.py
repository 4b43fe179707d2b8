"""Train a recurrent network to tell nine speakers of JapaneseVowels apart, and write it as NIR.

    make train && .venv/bin/python -m pip install --no-deps aeon==1.6.0
    .venv/bin/python examples/train_vowels.py

120 lines of spikes (see ``studies/japanese_vowels.py``; a step is a frame) -> 64 recurrent LIF -> 9 LIF, of
snnTorch's RLeaky and Leaky: v <- beta v + input, a spike where v > 1, and v = 0 in that same step; a recurrent
spike acts a step later. The class is the output neuron with most spikes.

The script ends by running the file that it wrote with ssdp_hw, in float, and compares every spike of every test
sample with snnTorch's. ``examples/recurrent_vowels.py`` takes it on to the chip.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import nir
import numpy as np
import snntorch
import torch
from numpy.typing import NDArray
from recurrent_vowels import LEVELS, MODEL, VOWELS_DT, read_network
from snntorch import surrogate
from studies.japanese_vowels import SPEAKERS, LevelCoder, load_japanese_vowels
from torch.nn import functional
from train_digits import check_file, lif_node

import ssdp_hw as sh
from ssdp_hw.analysis.statistics import wilson


@dataclass(frozen=True)
class Settings:
    """Everything that the trained weights depend on."""

    seed: int = 0
    epochs: int = 120
    batch: int = 45
    hidden: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 1e-2
    beta_hidden: float = 7 / 8
    beta_readout: float = 15 / 16
    surrogate_slope: float = 10.0
    # Cross-entropy of `count_scale * spike count`.
    count_scale: float = 0.5
    # The mean rate of the hidden layer is pushed below this many spikes a neuron and step.
    hidden_rate: float = 0.15
    hidden_rate_weight: float = 100.0
    # Share of the input spikes that is left out of every sample, drawn anew in every epoch.
    deleted: float = 0.3


class RecurrentNet(torch.nn.Module):
    """Lines -> recurrent LIF -> one LIF a speaker; one forward call is one window from rest."""

    def __init__(self, settings: Settings, lines: int) -> None:
        super().__init__()
        neuron = {
            "threshold": 1.0,
            "reset_mechanism": "zero",
            "reset_delay": False,
            "spike_grad": surrogate.fast_sigmoid(slope=settings.surrogate_slope),
        }
        size = settings.hidden
        self.fc1 = torch.nn.Linear(lines, size, bias=False)
        self.hidden = snntorch.RLeaky(beta=settings.beta_hidden, linear_features=size, **neuron)
        self.hidden.recurrent = torch.nn.Linear(size, size, bias=False)
        torch.nn.init.normal_(self.hidden.recurrent.weight, std=0.5 / np.sqrt(size))
        self.fc2 = torch.nn.Linear(size, SPEAKERS, bias=False)
        self.readout = snntorch.Leaky(beta=settings.beta_readout, **neuron)

    def forward(self, spikes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Spikes of the hidden and the output layer for input spikes; all (time, batch, neuron)."""
        currents = self.fc1(spikes)
        fired, voltage = torch.zeros_like(currents[0]), torch.zeros_like(currents[0])
        readout_voltage = torch.zeros_like(self.fc2(fired))
        hidden, output = [], []
        for current in currents:
            fired, voltage = self.hidden(current, fired, voltage)
            fired = fired.to(voltage.dtype)  # snnTorch's spikes are float32 whatever the voltage is
            answer, readout_voltage = self.readout(self.fc2(fired), readout_voltage)
            hidden.append(fired)
            output.append(answer.to(voltage.dtype))
        return torch.stack(hidden), torch.stack(output)


def train(spikes: NDArray[np.bool_], labels: NDArray[np.int64], settings: Settings) -> RecurrentNet:
    """Train on spikes of shape (time, batch, line), thinned anew in every epoch."""
    torch.manual_seed(settings.seed)
    net = RecurrentNet(settings, spikes.shape[2])
    samples, classes = torch.tensor(spikes), torch.tensor(labels)
    optimizer = torch.optim.AdamW(net.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs)
    for epoch in range(settings.epochs):
        total = 0.0
        for chosen in torch.randperm(len(classes)).split(settings.batch):
            some = samples[:, chosen]
            hidden, output = net((some & (torch.rand(some.shape) >= settings.deleted)).float())
            excess = functional.relu(hidden.mean() - settings.hidden_rate)
            loss = functional.cross_entropy(settings.count_scale * output.sum(0), classes[chosen])
            loss = loss + settings.hidden_rate_weight * excess**2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
        schedule.step()
        if epoch % 20 == 19:
            print(f"epoch {epoch + 1:3d}: training loss {total / len(classes):.4f}", flush=True)
    return net


def to_nir(net: RecurrentNet, metadata: dict[str, object]) -> nir.NIRGraph:
    """The network as a NIR graph, whose forward Euler step of VOWELS_DT is snnTorch's step.

    Built by hand, since snnTorch's own export fixes dt at 1e-4 s.
    """
    lines, size = net.fc1.in_features, net.fc1.out_features
    nodes = {
        "input": nir.Input(input_type=np.array([lines])),
        "fc1": nir.Linear(weight=net.fc1.weight.detach().numpy()),
        "hidden": lif_node(net.hidden, size, VOWELS_DT),
        "recurrent": nir.Linear(weight=net.hidden.recurrent.weight.detach().numpy()),
        "fc2": nir.Linear(weight=net.fc2.weight.detach().numpy()),
        "readout": lif_node(net.readout, SPEAKERS, VOWELS_DT),
        "output": nir.Output(output_type=np.array([SPEAKERS])),
    }
    edges = [
        ("input", "fc1"),
        ("fc1", "hidden"),
        ("hidden", "recurrent"),
        ("recurrent", "hidden"),
        ("hidden", "fc2"),
        ("fc2", "readout"),
        ("readout", "output"),
    ]
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata)


def compare_spikes(net: RecurrentNet, path: Path, spikes: NDArray[np.bool_]) -> None:
    """Run the file in float and compare each layer's spikes with torch's; a difference ends the script.

    Layer k of ssdp_hw is k steps behind torch, where a spike passes all layers in one step. Torch
    runs in float64 here, as ssdp_hw does: in float32 a voltage next to the threshold may differ.
    """
    with torch.no_grad():
        expected = net.double()(torch.tensor(spikes, dtype=torch.float64))
    network = read_network(path)
    result = sh.run(network, spikes, target="engine", steps=len(spikes) + network.latency)
    for behind, (name, torch_spikes) in enumerate(zip(("hidden", "readout"), expected, strict=True), start=1):
        ours = result.spikes[name][behind : behind + len(spikes)]
        different = int(np.count_nonzero((torch_spikes.numpy() != 0) != ours))
        print(f"{name}: {int(torch_spikes.sum())} spikes in torch, {different} differ in ssdp_hw")
        if different:
            sys.exit("the exported network does not do what the trained one did")


def right(net: RecurrentNet, spikes: NDArray[np.bool_], labels: NDArray[np.int64]) -> int:
    """How many samples torch classifies correctly (in float32)."""
    with torch.no_grad():
        _, output = net(torch.tensor(spikes, dtype=torch.float32))
    return int((output.sum(0).argmax(1).numpy() == labels).sum())


def main() -> None:
    """Train, export, check."""
    parser = argparse.ArgumentParser(description="Train a recurrent network on JapaneseVowels and write it as NIR.")
    parser.add_argument("--output", type=Path, default=MODEL, help="file to write (default: the one of this folder)")
    parser.add_argument("--epochs", type=int, default=Settings.epochs)
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument(
        "--hold-out",
        action="store_true",
        help="keep every third training sample back, ask those "
        "instead of the test samples and write nothing: for choosing settings",
    )
    given = parser.parse_args()
    settings = Settings(seed=given.seed, epochs=given.epochs)
    # One thread: the tensors are small, and the order of the sums is then fixed.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    data = load_japanese_vowels()
    coder = LevelCoder.fit(data.train, LEVELS)
    spikes, labels = coder(data.train), data.train_labels
    asked, asked_labels = coder(data.test), data.test_labels
    if given.hold_out:
        kept = np.arange(len(labels)) % 3 == 2
        asked, asked_labels, spikes, labels = spikes[:, kept], labels[kept], spikes[:, ~kept], labels[~kept]
    net = train(spikes, labels, settings)
    for name, some, classes in (("training", spikes, labels), ("asked", asked, asked_labels)):
        count = right(net, some, classes)
        print(f"torch, {name}: {count} of {len(classes)}, {wilson(count, len(classes)).percent()}")
    if given.hold_out:
        return
    graph = to_nir(
        net,
        {
            "made_by": "examples/train_vowels.py of ssdp-hw",
            "data": "JapaneseVowels",
            "encoder": f"{LEVELS} levels",
            "readout": "spike_count",
            "dt": VOWELS_DT,
            "steps": len(spikes),
            "torch": torch.__version__,
            "snntorch": snntorch.__version__,
            "test_samples": len(asked_labels),
            "test_correct": count,
            **asdict(settings),
        },
    )
    nir.write(given.output, graph)
    check_file(graph, given.output)
    print(f"wrote {given.output} ({given.output.stat().st_size} bytes)")
    compare_spikes(net, given.output, asked)


if __name__ == "__main__":
    main()
