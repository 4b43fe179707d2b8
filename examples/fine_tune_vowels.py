"""Recurrent SE-adLIF networks with weights of 2 and 3 bits on JapaneseVowels, before and after fine-tuning.

    make train && .venv/bin/python -m pip install --no-deps aeon==1.6.0
    .venv/bin/python examples/fine_tune_vowels.py            # trains, tunes, measures: about 4 CPU minutes
    .venv/bin/python examples/fine_tune_vowels.py --table    # prints the figures of the results file again

The networks are those of ``adaptive_vowels.py`` with its chosen settings. Each is quantised with thresholds balanced to
the float spike rates, then its integers are tuned (:mod:`ssdp_hw.quantization.fine_tuning`) on COPIES of the training
samples that lose input spikes at random as in training. The learning rate is chosen on a third of the training
samples, which networks of other seeds have not seen; test samples are asked for after that only.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from adaptive_vowels import CHIP, LEVELS, Settings, to_network, train
from numpy.typing import NDArray
from studies.japanese_vowels import LevelCoder, load_japanese_vowels

import ssdp_hw as sh
from ssdp_hw.analysis.statistics import mean_interval, paired_interval
from ssdp_hw.quantization.fine_tuning import fine_tune

KIND, METHOD, BITS, SEEDS, CHOOSING_SEEDS = "SEAdLIF", "threshold_balance", (2, 3), 10, (100, 101, 102)
RATES, EPOCHS, BATCH, COPIES = (0.001, 0.003, 0.01), 5, 45, 4
HERE = Path(__file__).parent / "results"
OUT = HERE / "fine_tune_vowels.json"

Spikes = NDArray[np.bool_]


def settings() -> Settings:
    """Those that ``adaptive_vowels.py`` chose."""
    stored = json.loads((HERE / "adaptive_vowels.json").read_text(encoding="utf-8"))["settings"][KIND]
    return Settings(**{name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()})


def tuned(fixed: sh.FixedNetwork, network: sh.Network, spikes: Spikes, labels: Any, rate: float, seed: int) -> Any:
    """The fixed network after its tuning on samples that lose input spikes."""
    rng = np.random.default_rng(seed)
    copies = np.concatenate([spikes & (rng.random(spikes.shape) >= settings().deleted) for _ in range(COPIES)], axis=1)
    options: dict[str, Any] = {"epochs": EPOCHS, "batch": BATCH, "rate": rate, "seed": seed, "progress": False}
    return fine_tune(fixed, copies, np.tile(labels, COPIES), start=network, **options)


def measured(network: sh.Network | sh.FixedNetwork, spikes: Spikes, labels: Any) -> dict[str, float]:
    """The share of samples that are right, and spikes a hidden neuron and step."""
    result = sh.run(network, spikes, "engine", steps=len(spikes) + network.latency, on_overflow="ignore")
    rate = result.spikes["hidden"][1 : 1 + len(spikes)].mean()
    return {"accuracy": float(np.mean(result.predict() == labels)), "rate": float(rate)}


def before_and_after(
    seed: int, bits: tuple[int, ...], rates: tuple[float, ...], learned: tuple[Spikes, Any], asked: tuple[Spikes, Any]
) -> dict[str, Any]:
    """Train a network on the samples learned; what it, its roundings and its tunings make of those asked for."""
    network = to_network(train(KIND, settings(), seed, *learned).double())
    row: dict[str, Any] = {"float": measured(network, *asked)}
    for width in bits:
        for method in ("max_abs", METHOD):
            fixed = sh.quantize(network, chip=CHIP, calibration=learned[0], weight_bits=width, method=method)
            row[f"{width} bits, {method}"] = measured(fixed, *asked)
        for rate in rates:
            after = tuned(fixed, network, *learned, rate, seed)
            row[f"{width} bits, tuned, rate {rate:g}"] = measured(after, *asked)
    return row


def table(results: dict[str, Any]) -> str:
    """The figures as text: means over seeds with 95 % t intervals, and the paired differences."""
    runs, rate = results["runs"], results["rate"]
    lines = [f"learning rate {rate:g}, chosen from {', '.join(results['choosing'])} (mean validation accuracy)"]
    for name in runs[0]:
        accuracy = mean_interval([100 * r[name]["accuracy"] for r in runs])
        lines.append(f"{name}: {accuracy} %, {mean_interval([r[name]['rate'] for r in runs])} spikes")
    for width in BITS:
        before, after = f"{width} bits, {METHOD}", f"{width} bits, tuned, rate {rate:g}"
        pairs = paired_interval(*([100 * r[name]["accuracy"] for r in runs] for name in (before, after)))
        lines.append(f"{width} bits: tuned - rounded, seeds in pairs: {pairs} points")
    return "\n".join(lines)


def main() -> None:
    """Choose the rate, measure, store."""
    parser = argparse.ArgumentParser(description="Fine-tuning of recurrent SE-adLIF networks.")
    parser.add_argument("--table", action="store_true", help="print the stored figures and train nothing")
    if parser.parse_args().table:
        print(table(json.loads(OUT.read_text(encoding="utf-8"))))
        return
    torch.set_num_threads(1)  # the tensors are small, and the order of the sums is then fixed
    data = load_japanese_vowels()
    coder = LevelCoder.fit(data.train, LEVELS)
    spikes, labels = coder(data.train), data.train_labels
    kept = np.arange(len(labels)) % 3 == 2
    choosing = [
        before_and_after(seed, BITS[:1], RATES, (spikes[:, ~kept], labels[~kept]), (spikes[:, kept], labels[kept]))
        for seed in CHOOSING_SEEDS
    ]
    names = {rate: f"{BITS[0]} bits, tuned, rate {rate:g}" for rate in RATES}
    means = {rate: float(np.mean([row[name]["accuracy"] for row in choosing])) for rate, name in names.items()}
    best = max(means, key=lambda rate: means[rate])
    results: dict[str, Any] = {"rate": best, "choosing": {f"{rate:g}: {m:.3f}": m for rate, m in means.items()}}
    results["runs"] = runs = []
    for seed in range(SEEDS):
        asked = (coder(data.test), data.test_labels)
        runs.append(before_and_after(seed, BITS, (best,), (spikes, labels), asked))
        print(seed, runs[-1], flush=True)
    OUT.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
