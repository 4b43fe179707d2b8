"""SSDP as a regulariser beside backpropagation, with and without, over several seeds.

    python examples/studies/regularise.py                            # scikit-learn's digits, 10 seeds
    python examples/studies/regularise.py --dataset fashion-mnist    # Debian's dataset-fashion-mnist

needs the extra ``ssdp-hw[train]``. The setting is that of the authors' single-layer script, smaller:
one hidden layer of LIF neurons, a linear readout of its mean rates, cross-entropy and a pull of the
mean rate to 0.1, Adam. A pixel fires with a probability that falls exponentially within the window,
so that bright pixels fire early. SSDP moves the input weights after each optimizer step, from epoch
`start_epoch` on, annealed by a cosine. Each seed trains the same initial network on the same spikes:

    none        backpropagation alone
    ssdp        SSDP with the amplitudes of the authors' code
    da-ssdp     the same with the gate, fitted on all samples of the epochs before `start_epoch`
    ... x10     either with ten times these amplitudes, which the authors' code has for DA-SSDP

Each finished run is added to the results file; started again, the script goes on from there.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import snntorch
import torch
from regularise_table import RULES, table
from snntorch import surrogate
from torch.nn import functional

from ssdp_hw.datasets import FASHION_MNIST_FOLDER, Dataset, load_digits, load_fashion_mnist
from ssdp_hw.errors import SsdpHwError
from ssdp_hw.files.atomic import write_atomically
from ssdp_hw.rules.batch_ssdp import BatchSSDP
from ssdp_hw.rules.torch_ssdp import TorchSSDP

RESULTS = Path(__file__).parent.parent / "results"
CLASSES = 10
CHUNK = 1000  # samples that are evaluated together


@dataclass(frozen=True)
class Settings:
    """Everything that a run depends on beside its rule and its seed."""

    dataset: str
    hidden: int
    epochs: int
    start_epoch: int
    batch: int
    # The first so many of each part; None: all.
    train_samples: int | None = None
    test_samples: int | None = None
    steps: int = 10
    learning_rate: float = 2e-3
    weight_decay: float = 1e-5
    beta: float = 0.8
    surrogate_slope: float = 10.0
    rate_target: float = 0.1
    rate_weight: float = 0.5
    readout_scale: float = 10.0
    # A pixel of brightness x fires in step t with probability min(1, gain * x * exp(-decay * t / (steps - 1))).
    gain: float = 2.0
    decay: float = 5.0
    a_plus: float = 1.5e-4
    a_baseline: float = 5e-5
    sigma: float = 1.0
    # Noise on the test spikes: standard deviation of the jitter in steps; share of the spikes deleted;
    # chance that a silent step of a channel gets a spike.
    jitter: float = 1.0
    deleted: float = 0.2
    added: float = 0.05


SETTINGS = {
    "digits": Settings("digits", hidden=128, epochs=60, start_epoch=10, batch=64),
    # Half a minute a run: 5,000 of the 60,000 training samples, 128 hidden neurons.
    "fashion-mnist": Settings(
        "fashion-mnist", hidden=128, epochs=12, start_epoch=2, batch=64, train_samples=5000, test_samples=5000
    ),
}


class HiddenLayerNet(torch.nn.Module):
    """Inputs -> hidden LIF -> linear readout of the mean rates; one call is one window from rest."""

    def __init__(self, settings: Settings, channels: int) -> None:
        super().__init__()
        self.fc1 = torch.nn.Linear(channels, settings.hidden, bias=False)
        self.neurons = snntorch.Leaky(
            beta=settings.beta,
            threshold=1.0,
            reset_mechanism="subtract",
            spike_grad=surrogate.fast_sigmoid(slope=settings.surrogate_slope),
        )
        self.fc2 = torch.nn.Linear(settings.hidden, CLASSES)
        self.readout_scale = settings.readout_scale

    def forward(self, spikes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden spikes (time, batch, neuron) and class scores (batch, class) for input spikes."""
        currents = self.fc1(spikes)
        voltage, fired = torch.zeros_like(currents[0]), []
        for current in currents:
            now, voltage = self.neurons(current, voltage)
            fired.append(now)
        hidden = torch.stack(fired)
        return hidden, self.fc2(self.readout_scale * hidden.mean(dim=0))


def encode(values: torch.Tensor, settings: Settings, generator: torch.Generator) -> torch.Tensor:
    """Random spikes (time, batch, channel) whose probability falls within the window."""
    fall = torch.exp(-settings.decay * torch.arange(settings.steps) / (settings.steps - 1))
    chance = settings.gain * values * fall[:, None, None]
    return (torch.rand(chance.shape, generator=generator) < chance).float()


def jittered(spikes: torch.Tensor, settings: Settings, generator: torch.Generator) -> torch.Tensor:
    """Each spike moved by a rounded normal number of steps, at most to the ends of the window."""
    when, sample, channel = spikes.nonzero(as_tuple=True)
    move = torch.randn(len(when), generator=generator) * settings.jitter
    moved = torch.zeros_like(spikes)
    moved[(when + move.round().long()).clamp(0, len(spikes) - 1), sample, channel] = 1.0
    return moved


def deleted_and_added(spikes: torch.Tensor, settings: Settings, generator: torch.Generator) -> torch.Tensor:
    """Some spikes taken away, and some put where there was none."""
    draw = torch.rand(spikes.shape, generator=generator)
    return torch.where(spikes > 0, draw >= settings.deleted, draw < settings.added).float()


def make_rule(name: str, settings: Settings, samples: int) -> TorchSSDP | None:
    """The rule of that name; None is backpropagation alone."""
    if name == "none":
        return None
    rule = BatchSSDP(
        a_plus=settings.a_plus,
        a_baseline=settings.a_baseline,
        sigma=settings.sigma,
        schedule="cosine",
        start_epoch=settings.start_epoch,
        epochs=settings.epochs,
    )
    if name.endswith("x10"):
        rule = replace(rule, a_plus=10 * rule.a_plus, a_baseline=10 * rule.a_baseline)
    return TorchSSDP(rule, warmup_samples=settings.start_epoch * samples if name.startswith("da") else 0)


def train(data: Dataset, settings: Settings, rule_name: str, seed: int) -> tuple[HiddenLayerNet, TorchSSDP | None]:
    """The trained network, and the rule that was used beside backpropagation."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    values = torch.tensor(data.train_values, dtype=torch.float32)
    labels = torch.tensor(data.train_labels)
    net = HiddenLayerNet(settings, values.shape[1])
    ssdp = make_rule(rule_name, settings, len(values))
    optimizer = torch.optim.Adam(net.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs)
    for _ in range(settings.epochs):
        for chosen in torch.randperm(len(values), generator=generator).split(settings.batch):
            spikes = encode(values[chosen], settings, generator)
            hidden, scores = net(spikes)
            losses = functional.cross_entropy(scores, labels[chosen], reduction="none")
            loss = losses.mean() + settings.rate_weight * (hidden.mean() - settings.rate_target) ** 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if ssdp is not None:
                ssdp.step(spikes, hidden, net.fc1.weight, losses)
        schedule.step()
        if ssdp is not None:
            ssdp.next_epoch()
    return net, ssdp


@torch.no_grad()
def evaluate(
    net: HiddenLayerNet, values: torch.Tensor, labels: torch.Tensor, settings: Settings, seed: int, noise=None
) -> tuple[float, float, float]:
    """Accuracy, mean cross-entropy, and hidden spikes a neuron and step; the spikes depend on the seed alone."""
    generator = torch.Generator().manual_seed(seed)
    correct, loss, fired = 0, 0.0, 0.0
    for chosen in torch.arange(len(values)).split(CHUNK):
        spikes = encode(values[chosen], settings, generator)
        if noise is not None:
            spikes = noise(spikes, settings, generator)
        hidden, scores = net(spikes)
        correct += int((scores.argmax(dim=1) == labels[chosen]).sum())
        loss += float(functional.cross_entropy(scores, labels[chosen], reduction="sum"))
        fired += float(hidden.mean()) * len(chosen)
    return correct / len(values), loss / len(values), fired / len(values)


def run(data: Dataset, settings: Settings, rule_name: str, seed: int) -> dict[str, object]:
    """Train one network and measure it."""
    start = time.perf_counter()
    net, ssdp = train(data, settings, rule_name, seed)
    seconds = time.perf_counter() - start
    parts = [
        (torch.tensor(values, dtype=torch.float32), torch.tensor(labels))
        for values, labels in ((data.train_values, data.train_labels), (data.test_values, data.test_labels))
    ]
    # Spikes other than those of the training, and the same for every rule.
    _, training_loss, _ = evaluate(net, *parts[0], settings, 2**32 + seed)
    test_seed = 2**33 + seed
    accuracy, _, rate = evaluate(net, *parts[1], settings, test_seed)
    jitter, _, _ = evaluate(net, *parts[1], settings, test_seed, jittered)
    events, _, _ = evaluate(net, *parts[1], settings, test_seed, deleted_and_added)
    return {
        "rule": rule_name,
        "seed": seed,
        "accuracy": accuracy,
        "training_loss": training_loss,
        "spike_rate": rate,
        "accuracy_jitter": jitter,
        "accuracy_events": events,
        "gate": None if ssdp is None or ssdp.gate is None else asdict(ssdp.gate),
        "seconds": round(seconds, 1),
    }


def read_runs(path: Path, settings: Settings) -> list[dict[str, object]]:
    """The finished runs of an earlier start with the same settings; anything else ends the script."""
    if not path.exists():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        same, runs = found["settings"] == asdict(settings), found["runs"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"{path}: this is no results file of this script ({error}); move it away or give --output")
    if not same:
        sys.exit(f"{path}: holds runs with other settings; move it away or give --output")
    return runs


def load(settings: Settings, folder: Path) -> Dataset:
    """The samples of the settings."""
    data = load_digits() if settings.dataset == "digits" else load_fashion_mnist(folder)
    train, test = settings.train_samples, settings.test_samples
    return replace(
        data,
        train_values=data.train_values[:train],
        train_labels=data.train_labels[:train],
        test_values=data.test_values[:test],
        test_labels=data.test_labels[:test],
    )


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description="Train with and without SSDP beside backpropagation.")
    parser.add_argument("--dataset", choices=list(SETTINGS), default="digits")
    parser.add_argument("--folder", type=Path, default=FASHION_MNIST_FOLDER, help="of the files of Fashion-MNIST")
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0 to SEEDS - 1 (default: 10)")
    parser.add_argument("--epochs", type=int, help="default: as in the settings of the data set")
    parser.add_argument("--output", type=Path, help="results file (default: examples/results/regularise-DATASET.json)")
    arguments = parser.parse_args()
    settings = SETTINGS[arguments.dataset]
    if arguments.epochs is not None:
        settings = replace(settings, epochs=arguments.epochs)
    if settings.epochs <= settings.start_epoch or arguments.seeds < 2:
        sys.exit(
            f"at least 2 seeds and {settings.start_epoch + 1} epochs are needed: SSDP starts at epoch "
            f"{settings.start_epoch}"
        )
    path = arguments.output or RESULTS / f"regularise-{arguments.dataset}.json"
    # One thread: the tensors are small, and the order of the sums is then fixed.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    runs = read_runs(path, settings)
    done = {(r["rule"], r["seed"]) for r in runs}
    missing = [(s, name) for s in range(arguments.seeds) for name in RULES if (name, s) not in done]
    try:
        data = None
        if missing:
            data = load(settings, arguments.folder)
            path.parent.mkdir(parents=True, exist_ok=True)
        for seed, name in missing:
            runs.append(run(data, settings, name, seed))
            versions = {"torch": torch.__version__.split("+")[0], "snntorch": snntorch.__version__}
            content = json.dumps({"settings": asdict(settings), "versions": versions, "runs": runs}, indent=1)
            write_atomically(path, lambda partial, text=content: partial.write_text(text + "\n", encoding="utf-8"))
            print(
                f"seed {seed}, {name}: accuracy {100 * runs[-1]['accuracy']:.2f} %, {runs[-1]['seconds']:.0f} s",
                flush=True,
            )
    except SsdpHwError as error:
        sys.exit(str(error))
    print(table(runs))


if __name__ == "__main__":
    main()
