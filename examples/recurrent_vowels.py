"""A recurrent network on JapaneseVowels, from NIR to the chip's integers, with the loss taken apart.

    pip install --no-deps aeon==1.6.0      # has the data; what it depends on is not needed
    python examples/recurrent_vowels.py

The network is that of ``train_vowels.py``: 120 lines of spikes -> 64 recurrent LIF -> 9 LIF. Prints, over all 370
test samples, the accuracy and spike rate in float and fixed, the steps of the loss between them, and whether the
specification gives the engine's bits.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from studies.japanese_vowels import LevelCoder, load_japanese_vowels

import ssdp_hw as sh
from ssdp_hw.running.result import first_divergence

MODEL = Path(__file__).parent / "data" / "vowels.nir"
VOWELS_DT = 1e-3  # snnTorch counts in steps, and so does the data: any dt gives the same spikes
LEVELS = 8
SPEC_SAMPLES = 20


def read_network(path: Path = MODEL) -> sh.Network:
    """The network as snnTorch trained it."""
    return sh.from_nir(path, dt=VOWELS_DT, preset="snntorch")


def main() -> None:
    """The whole path."""
    data = load_japanese_vowels()
    coder = LevelCoder.fit(data.train, LEVELS)
    test, labels = coder(data.test), data.test_labels
    network = read_network()
    fixed = sh.quantize(network, chip="loihi", calibration=coder(data.train))
    print(*network.notes, fixed.report, sep="\n")
    print(f"\n{len(labels)} test samples of {len(test)} steps; spike rates are spikes a neuron and step\n")
    ladder = sh.loss_ladder(network, test, labels, fixed)
    print(ladder.to_markdown())
    print(f"\nloss by 8 bits: {ladder.loss:.2f} points")
    some, steps = test[:, :SPEC_SAMPLES], len(test) + network.latency
    record = ("spikes", "u", "v")
    ours, spec = (sh.run(fixed, some, target, steps=steps, record=record) for target in ("engine", "spec"))
    equal = all(np.array_equal(ours.v[n], spec.v[n]) for n in ours.v) and first_divergence(ours, spec) is None
    print(f"engine and spec, {SPEC_SAMPLES} samples: {'all spikes and voltages equal' if equal else 'DIFFERENT'}")


if __name__ == "__main__":
    main()
