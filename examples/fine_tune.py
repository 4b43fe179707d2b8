"""The digits network with weights of 2 and 3 bits, before and after fine-tuning in the chip's own integers.

    python examples/fine_tune.py          # after: make train, which installs torch

For each width the network is quantised by the largest weight and by balanced thresholds; the second is tuned on
the training digits in torch (:mod:`ssdp_hw.quantization.fine_tuning`) with several seeds. The test digits are seen by
no training. Writes ``examples/results/fine_tune.json``.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

import ssdp_hw as sh
from ssdp_hw.analysis.statistics import wilson
from ssdp_hw.datasets import DIGITS_DT, DIGITS_MODEL, DIGITS_STEPS, load_digits
from ssdp_hw.quantization.fine_tuning import fine_tune

BITS, SEEDS, EPOCHS, BATCH, RATE = (2, 3), (0, 1, 2), 8, 128, 0.01
OUT = Path(__file__).parent / "results" / "fine_tune.json"


def main() -> None:
    """Measure, tune, measure again."""
    torch.set_num_threads(1)  # the tensors are small
    data = load_digits()
    train = sh.encode(data.train_values, "rate", steps=DIGITS_STEPS, seed=1)
    test = sh.encode(data.test_values, "rate", steps=DIGITS_STEPS, seed=0)
    net = sh.from_nir(DIGITS_MODEL, dt=DIGITS_DT)
    rows: list[dict[str, Any]] = []

    def measure(network: Any, what: str, **more: Any) -> None:
        result = sh.run(network, test, steps=DIGITS_STEPS + network.latency, on_overflow="ignore")
        accuracy = wilson(int(np.count_nonzero(result.predict() == data.test_labels)), len(data.test_labels))
        rows.append({"what": what, **more, "accuracy": asdict(accuracy), "spike_rate": result.spike_rate()})
        print(what, more, accuracy.percent(), f"{result.spike_rate():.4f} spikes per neuron and step", flush=True)

    measure(net, "float")
    for bits in BITS:
        fixed = {
            method: sh.quantize(net, calibration=train[:, :256], weight_bits=bits, method=method)
            for method in ("max_abs", "threshold_balance")
        }
        for method, network in fixed.items():
            measure(network, "rounded", bits=bits, method=method)
        for seed in SEEDS:
            start = time.perf_counter()
            tuned = fine_tune(
                fixed["threshold_balance"],
                train,
                data.train_labels,
                start=net,
                epochs=EPOCHS,
                batch=BATCH,
                rate=RATE,
                seed=seed,
                say=print,
            )
            measure(tuned, "tuned", bits=bits, seed=seed, seconds=round(time.perf_counter() - start, 1))
    settings = {"epochs": EPOCHS, "batch": BATCH, "rate": RATE, "encoder_seed_train": 1, "encoder_seed_test": 0}
    OUT.write_text(json.dumps({"settings": settings, "rows": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
