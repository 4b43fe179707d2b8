"""Recurrent networks that read Braille by touch, from the NIR paper: what rounding them to a chip costs.

    python benchmarks/braille.py braille.nir [--reset subtract] [--samples 2000]

The networks (12 taxels -> 38 or more recurrent CubaLIF -> 7 CubaLIF, one a letter; trained in snnTorch) are those
of Pedersen et al., Nature Communications 15 (2024); NIR's repository on GitHub has them in ``paper/03_rnn``:
``braille_noDelay_bias_zero.nir``, and with ``--reset subtract`` ``braille_noDelay_noBias_subtract.nir``. A network
with biases is run without them, too.

The recordings of a robot's fingertip are not at hand here. Input is random, of the recordings' size: 256 steps, in
which each of 12 taxels spikes in up to three bursts. A sample's label is what the float network says, so accuracy
is agreement with it. That is harder than real letters: random input has none in it, and many samples are decided
by a spike or two; the script says how many, and how agreement is among the others.

For each timing (see ``ssdp_hw.conversion.alignment``) it prints the ladder of the chip's 8-bit weights as ``quantize``
has them, and once more with every weight split over two synapses and a scale that lets v saturate.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ssdp_hw as sh
from ssdp_hw.conversion.alignment import Timing

STEPS, TAXELS, BURSTS = 256, 12, 3
CALIBRATION = 200  # samples of their own that the scale is chosen on
CLOSE = 2  # spikes: a sample whose first two classes are no further apart is close

CHOICES: dict[str, dict[str, Any]] = {
    "8-bit weights": {},
    "weights split over two synapses, headroom 1/8": {"split": 2, "headroom": 0.125},
}


def touches(samples: int, seed: int) -> NDArray[np.bool_]:
    """Random tactile-like spikes (time, batch, taxel): bursts of some length and rate at some time."""
    rng = np.random.default_rng(seed)
    shape = BURSTS, samples, TAXELS
    when, width = rng.uniform(0, STEPS, shape), rng.uniform(5, 25, shape)
    rate = rng.uniform(0, 0.5, shape) * (rng.random(shape) < 0.6)
    steps = np.arange(STEPS)[:, None, None]
    together = sum(r * np.exp(-(((steps - t) / w) ** 2) / 2) for r, t, w in zip(rate, when, width, strict=True))
    return rng.random((STEPS, samples, TAXELS)) < together


def without_biases(path: Path, **semantics: Any) -> sh.Network:
    """The network with all biases zero; nothing is then left to align but the lag of the populations."""
    network = sh.from_nir(path, preset="snntorch", timing="projections", **semantics)
    return replace(network, populations=[replace(p, bias=0.0) for p in network.populations])


def report(title: str, network: sh.Network, spikes: NDArray[np.bool_], ladders: bool) -> None:
    """Print what each way to quantise loses, against labels by the float network."""
    calibration = touches(CALIBRATION, 1)
    steps = STEPS + network.latency
    result = sh.run(network, spikes, "engine", steps=steps)
    counts = np.sort(result.spikes[result.output].sum(axis=0), axis=1)
    labels = result.predict("spike_count")
    close = counts[:, -1] - counts[:, -2] <= CLOSE
    print(
        f"\n## {title}\n\n{len(labels)} samples, {np.count_nonzero(close)} of them close; labels "
        f"{np.bincount(labels[labels >= 0], minlength=counts.shape[1]).tolist()}"
    )
    for name, options in CHOICES.items():
        fixed = sh.quantize(network, chip="loihi", calibration=calibration, **options)
        ladder = sh.loss_ladder(network, spikes, labels, fixed, alone=False)
        chip = sh.run(fixed, spikes, "engine", steps=steps, on_overflow="ignore")
        same = chip.predict("spike_count") == labels
        last = ladder.cumulative[-1]
        print(
            f"\n{name}: {last.accuracy.percent()}, loss {ladder.loss:.1f} points; of the samples that are not close "
            f"{100 * np.mean(same[~close]):.1f} %; {last.spike_rate:.4f} spikes a neuron and step"
        )
        if ladders:
            print(f"\n{ladder.to_markdown()}", flush=True)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description="Braille networks of the NIR paper: the loss to 8 bits, taken apart")
    parser.add_argument("network", type=Path, help="the .nir file")
    parser.add_argument("--reset", choices=("zero", "subtract"), default="zero", help="as the network was trained")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=2, help="of the samples; the headroom was chosen on seed 0")
    parser.add_argument("--summary", action="store_true", help="no tables of steps")
    given = parser.parse_args()
    spikes = touches(given.samples, given.seed)
    bare = without_biases(given.network, reset=given.reset)
    for timing in Timing:
        network = sh.from_nir(given.network, preset="snntorch", reset=given.reset, timing=timing)
        if any(np.any(p.bias) for p in network.populations):
            report(f"with biases, timing '{timing.value}'", network, spikes, not given.summary)
    report("without biases, any timing", bare, spikes, not given.summary)


if __name__ == "__main__":
    main()
