"""Adaptive neurons beside plain ones: recurrent networks of SE-adLIF and of LIF on JapaneseVowels, in integers too.

    make train && .venv/bin/python -m pip install --no-deps aeon==1.6.0
    .venv/bin/python examples/adaptive_vowels.py            # tunes, trains, measures: about 25 CPU minutes
    .venv/bin/python examples/adaptive_vowels.py --table    # prints the figures of the results file again

Both networks are 120 lines of spikes -> 64 recurrent neurons -> 9 LIF, as in ``train_vowels.py``; their hidden neurons
are one step in torch, ``v <- B v + input - (1 - B) w``, in which a LIF has w = 0. Time constants are trained in both,
coupling and jump of w in SE-adLIF. Each kind gets the same tuning budget: DRAWS random settings, the parts that both
have drawn alike, are judged on a third of the training samples; the FINALISTS best again with two more seeds; the best
mean is trained on all training samples with SEEDS seeds. Test samples are seen after that only. Each trained network is
rebuilt as a network of the toolkit, held to torch's spikes, and rounded to the chip's integers.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from studies.japanese_vowels import SPEAKERS, LevelCoder, load_japanese_vowels
from torch.nn import functional

import ssdp_hw as sh
from ssdp_hw.analysis.statistics import mean_interval, paired_interval

KINDS = ("LIF", "SEAdLIF")
LEVELS, DT, CHIP = 8, 1e-3, "loihi2"
DRAWS, FINALISTS, SEEDS = 40, 5, 10
EPOCHS, BATCH, HIDDEN = 120, 45, 64
READOUT_DECAY = 15 / 16
# Cross-entropy of COUNT_SCALE * spike count; the mean hidden rate is pushed below RATE, with this strength.
COUNT_SCALE, RATE, RATE_WEIGHT = 0.5, 0.15, 100.0
OUT = Path(__file__).parent / "results" / "adaptive_vowels.json"


@dataclass(frozen=True)
class Settings:
    """What is tuned. Time constants are in steps; the last four are SE-adLIF's alone."""

    learning_rate: float
    slope: float  # of the surrogate gradient, a fast sigmoid's
    deleted: float  # share of the input spikes that every sample loses, drawn anew in every epoch
    tau_mem: tuple[float, float]
    tau_adapt: tuple[float, float]
    coupling: float  # largest
    jump: float  # largest, in thresholds


def drawn_settings(seed: int = 0) -> list[Settings]:
    """The settings that are tried; a LIF tries the same, without what it does not have."""
    rng = np.random.default_rng(seed)

    def pick(choices: list[Any]) -> Any:
        return choices[rng.integers(len(choices))]

    return [
        Settings(
            learning_rate=pick([2e-3, 4e-3, 8e-3]),
            slope=pick([5.0, 10.0, 20.0]),
            deleted=pick([0.2, 0.3, 0.4]),
            tau_mem=pick([(2.0, 10.0), (4.0, 16.0), (5.0, 25.0)]),
            tau_adapt=pick([(5.0, 30.0), (10.0, 60.0), (60.0, 300.0)]),
            coupling=pick([0.05, 0.2, 1.0]),
            jump=pick([0.1, 0.5, 2.0]),
        )
        for _ in range(DRAWS)
    ]


class Spike(torch.autograd.Function):
    """1 where the voltage is above the threshold of 1; backwards the slope of a fast sigmoid."""

    @staticmethod
    def forward(ctx: Any, v: torch.Tensor, slope: float) -> torch.Tensor:
        """The spikes."""
        ctx.save_for_backward(v)
        ctx.slope = slope
        return (v > 1.0).to(v.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        """The gradient of the voltage."""
        (v,) = ctx.saved_tensors
        return gradient / (1.0 + ctx.slope * (v - 1.0).abs()).square(), None


class RecurrentNet(torch.nn.Module):
    """Lines -> recurrent LIF or SE-adLIF -> one LIF a speaker; a recurrent spike acts a step later."""

    def __init__(self, kind: str, settings: Settings, lines: int) -> None:
        super().__init__()
        self.adaptive, self.settings = kind == "SEAdLIF", settings
        self.fc1 = torch.nn.Linear(lines, HIDDEN, bias=False)
        self.recurrent = torch.nn.Linear(HIDDEN, HIDDEN, bias=False)
        self.fc2 = torch.nn.Linear(HIDDEN, SPEAKERS, bias=False)
        torch.nn.init.normal_(self.recurrent.weight, std=0.5 / np.sqrt(HIDDEN))
        # Each trained number goes through a sigmoid to its place between two ends.
        self.places = torch.nn.ParameterDict(
            {
                name: torch.nn.Parameter(torch.logit(0.01 + 0.98 * torch.rand(HIDDEN)))
                for name in ("tau_mem", "tau_adapt", "coupling", "jump")[: 4 if self.adaptive else 1]
            }
        )

    def neuron_parameters(self) -> dict[str, torch.Tensor]:
        """Time constants in steps, coupling and jump, each of shape (HIDDEN,)."""
        s = self.settings
        ends = {"tau_mem": s.tau_mem, "tau_adapt": s.tau_adapt, "coupling": (0.0, s.coupling), "jump": (0.0, s.jump)}
        return {
            name: ends[name][0] + (ends[name][1] - ends[name][0]) * torch.sigmoid(place)
            for name, place in self.places.items()
        }

    def forward(self, spikes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Spikes of the hidden and the output layer for input spikes; all (time, batch, neuron)."""
        p, slope = self.neuron_parameters(), self.settings.slope
        lost = 1.0 / p["tau_mem"]
        lost_w = 1.0 / p["tau_adapt"] if self.adaptive else lost
        currents = self.fc1(spikes)
        v, w, fired = (torch.zeros_like(currents[0]) for _ in range(3))
        out = torch.zeros_like(self.fc2(fired))
        hidden, output = [], []
        for current in currents:
            v = (1.0 - lost) * v + current + self.recurrent(fired)
            if self.adaptive:
                v = v - lost * w
            fired = Spike.apply(v, slope)
            v = v * (1.0 - fired)
            if self.adaptive:
                w = (1.0 - lost_w) * w + p["coupling"] * v + p["jump"] * fired
            out = READOUT_DECAY * out + self.fc2(fired)
            answer = Spike.apply(out, slope)
            out = out * (1.0 - answer)
            hidden.append(fired)
            output.append(answer)
        return torch.stack(hidden), torch.stack(output)


def train(kind: str, settings: Settings, seed: int, spikes: NDArray[np.bool_], labels: NDArray[Any]) -> RecurrentNet:
    """Train on spikes of shape (time, batch, line)."""
    torch.manual_seed(seed)
    net = RecurrentNet(kind, settings, spikes.shape[2])
    samples, classes = torch.tensor(spikes), torch.tensor(labels)
    optimizer = torch.optim.AdamW(net.parameters(), settings.learning_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(classes)).split(BATCH):
            some = samples[:, chosen]
            hidden, output = net((some & (torch.rand(some.shape) >= settings.deleted)).float())
            loss = functional.cross_entropy(COUNT_SCALE * output.sum(0), classes[chosen])
            loss = loss + RATE_WEIGHT * functional.relu(hidden.mean() - RATE) ** 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return net


def share_right(net: RecurrentNet, spikes: NDArray[np.bool_], labels: NDArray[Any]) -> float:
    """The share of samples that torch gets right."""
    with torch.no_grad():
        _, output = net(torch.tensor(spikes, dtype=torch.float32))
    return float((output.sum(0).argmax(1).numpy() == labels).mean())


def to_network(net: RecurrentNet) -> sh.Network:
    """The trained network with the toolkit's neurons, whose step of DT by forward Euler is torch's step."""
    p = {name: value.detach().double().numpy() for name, value in net.neuron_parameters().items()}
    tau = DT * p["tau_mem"]
    if net.adaptive:
        taus = {"tau_mem": tau, "tau_adapt": DT * p["tau_adapt"]}
        neuron = sh.neuron("SEAdLIF", HIDDEN, **taus, coupling=p["coupling"], jump=p["jump"])
    else:
        neuron = sh.LIF(size=HIDDEN, tau_mem=tau, r=tau / DT)
    tau_out = DT / (1.0 - READOUT_DECAY)
    layers = (("input", "hidden", net.fc1), ("hidden", "hidden", net.recurrent), ("hidden", "readout", net.fc2))
    return sh.Network(
        [sh.Input("input", net.fc1.in_features)],
        [
            sh.Population(name="hidden", neuron=neuron),
            sh.Population(name="readout", neuron=sh.LIF(size=SPEAKERS, tau_mem=tau_out, r=tau_out / DT)),
        ],
        [
            sh.Projection(pre=pre, post=post, weight=layer.weight.detach().double().numpy())
            for pre, post, layer in layers
        ],
        ["readout"],
        sh.Semantics(dt=DT),
    )


def measured(
    net: RecurrentNet, calibration: NDArray[np.bool_], spikes: NDArray[np.bool_], labels: Any
) -> dict[str, Any]:
    """Accuracy and spike rate of the hidden neurons in float and in the chip's integers, and what torch says.

    ``differing`` is the number of spikes of both layers that differ between torch in float64 and the toolkit.
    """
    network = to_network(net.double())
    fixed = sh.quantize(network, chip=CHIP, calibration=calibration)
    with torch.no_grad():
        expected = net(torch.tensor(spikes, dtype=torch.float64))
    steps, row = len(spikes) + network.latency, {}
    for name, one in (("float", network), ("fixed", fixed)):
        result = sh.run(one, spikes, "engine", steps=steps, on_overflow="ignore")
        row[name] = float(np.mean(result.predict() == labels))
        row[f"{name}_rate"] = float(result.spikes["hidden"][1 : 1 + len(spikes)].mean())
        if one is network:
            pairs = zip(("hidden", "readout"), expected, strict=True)
            row["differing"] = sum(
                int(np.count_nonzero((torch_spikes.numpy() != 0) != result.spikes[layer][k : k + len(spikes)]))
                for k, (layer, torch_spikes) in enumerate(pairs, start=1)
            )
    return row


def tuned(kind: str, spikes: NDArray[np.bool_], labels: NDArray[Any]) -> tuple[Settings, list[dict[str, Any]]]:
    """The settings with the best mean accuracy on every third training sample, and what each draw reached there."""
    kept = np.arange(len(labels)) % 3 == 2
    rows = []

    def ask(settings: Settings, seed: int) -> float:
        net = train(kind, settings, seed, spikes[:, ~kept], labels[~kept])
        return share_right(net, spikes[:, kept], labels[kept])

    for settings in drawn_settings():
        rows.append({"settings": asdict(settings), "accuracies": [ask(settings, 100)]})
        print(kind, rows[-1], flush=True)
    best = sorted(range(len(rows)), key=lambda k: -rows[k]["accuracies"][0])[:FINALISTS]
    for k in best:
        rows[k]["accuracies"] += [ask(drawn_settings()[k], seed) for seed in (101, 102)]
        print(kind, rows[k], flush=True)
    return drawn_settings()[max(best, key=lambda k: np.mean(rows[k]["accuracies"]))], rows


def table(results: dict[str, Any]) -> str:
    """The figures as text: means over seeds with 95 % t intervals, and the paired differences."""
    lines, runs = [], results["runs"]
    for kind in KINDS:
        for which in ("float", "fixed"):
            accuracy = mean_interval([100 * r[which] for r in runs[kind]])
            rate = mean_interval([r[f"{which}_rate"] for r in runs[kind]])
            lines.append(f"{kind:8} {which}: {accuracy} %, {rate} spikes a hidden neuron and step")
    for which, factor, unit in (("float", 100, "points"), ("fixed", 100, "points"), ("fixed_rate", 1, "spikes")):
        a, b = ([factor * r[which] for r in runs[kind]] for kind in KINDS)
        lines.append(f"SEAdLIF - LIF, {which}, seeds in pairs: {paired_interval(a, b)} {unit}")
    for kind in KINDS:
        a, b = ([100 * r[which] for r in runs[kind]] for which in ("float", "fixed"))
        lines.append(f"{kind}: fixed - float: {paired_interval(a, b)} points")
        lines.append(f"{kind}: spikes that differ from torch's: {sum(r['differing'] for r in runs[kind])}")
        lines.append(f"{kind}: chosen {results['settings'][kind]}")
    return "\n".join(lines)


def main() -> None:
    """Tune, train, measure, store."""
    parser = argparse.ArgumentParser(description="A recurrent network of SE-adLIF beside one of LIF.")
    parser.add_argument("--table", action="store_true", help="print the stored figures and train nothing")
    if parser.parse_args().table:
        print(table(json.loads(OUT.read_text(encoding="utf-8"))))
        return
    torch.set_num_threads(1)  # the tensors are small, and the order of the sums is then fixed
    data = load_japanese_vowels()
    coder = LevelCoder.fit(data.train, LEVELS)
    train_spikes, test_spikes = coder(data.train), coder(data.test)
    results: dict[str, Any] = {"settings": {}, "tuning": {}, "runs": {}, "torch": torch.__version__}
    for kind in KINDS:
        settings, rows = tuned(kind, train_spikes, data.train_labels)
        results["settings"][kind], results["tuning"][kind] = asdict(settings), rows
        results["runs"][kind] = runs = []
        for seed in range(SEEDS):
            net = train(kind, settings, seed, train_spikes, data.train_labels)
            runs.append(measured(net, train_spikes, test_spikes, data.test_labels))
            print(kind, seed, runs[-1], flush=True)
    OUT.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
