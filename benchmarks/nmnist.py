"""The N-MNIST network of the NIR paper, float and in 8 bits: accuracies, spike rates, equality of targets.

    python benchmarks/nmnist.py scnn_mnist.nir events.npz

The network (3 convolutions, 2 affine layers, 5 layers of IF neurons, 2 sum poolings) is that of Pedersen et al.,
Nature Communications 15 (2024); NIR's repository on GitHub has it among the files of the paper. The recordings
(Orchard et al., Frontiers in Neuroscience 9, 2015) are downloaded by the package tonic, ``tonic.datasets.NMNIST``;
the file given here has ``t`` (microseconds), ``x``, ``y`` (0 .. 33) and ``p`` (0, 1) of all events one after the
other, ``offset`` (the events of sample k are ``offset[k]`` to ``offset[k + 1]``) and ``label``.

Events become spikes of shape (time, 2 x 34 x 34) in steps of 1 ms; the few that fall on the same step and pixel
are one spike. The neurons integrate in steps (dt = 1), fire at v >= threshold and subtract it, and the class is
that of most output spikes. The chip's scale is calibrated, without labels, on the first samples.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ssdp_hw as sh
from ssdp_hw.analysis.statistics import wilson
from ssdp_hw.running.decoding import spike_count
from ssdp_hw.running.result import first_divergence

SHAPE = (2, 34, 34)  # polarity, y, x
MICROSECONDS = 1000  # a step
PUBLISHED = "published: 98.47 % in float, 95.40 % on an 8-bit chip, on the whole test set"


class Recordings:
    """Events of N-MNIST as spikes."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as file:
            self._t, self._x, self._y, self._p = (file[k] for k in ("t", "x", "y", "p"))
            self._offset, self.labels = file["offset"], file["label"].astype(np.int64)
        self.steps = int(self._t.max()) // MICROSECONDS + 1

    def spikes(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Samples ``start .. stop - 1``, shape (time, batch, channels)."""
        raster = np.zeros((self.steps, stop - start, *SHAPE), bool)
        for k in range(start, stop):
            events = slice(self._offset[k], self._offset[k + 1])
            step = self._t[events] // MICROSECONDS
            raster[step, k - start, self._p[events], self._y[events], self._x[events]] = True
        return raster.reshape(self.steps, stop - start, -1)


@dataclass
class Outcome:
    """What a network did to all samples so far."""

    classes: list[NDArray[np.int64]] = field(default_factory=list)
    spikes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, result: Any) -> None:
        """Count a chunk of samples."""
        self.classes.append(spike_count(result.spikes[result.output]))
        self.seconds += result.seconds
        for name, raster in result.spikes.items():
            self.spikes[name] = self.spikes.get(name, 0) + int(np.count_nonzero(raster))

    def report(self, title: str, labels: NDArray[np.int64]) -> float:
        """Print the accuracy, speed and spikes; returns the accuracy."""
        right = int(np.count_nonzero(np.concatenate(self.classes) == labels))
        counts = ", ".join(f"{name}: {count / len(labels):.0f}" for name, count in self.spikes.items())
        print(
            f"{title}: {wilson(right, len(labels)).percent()}, {right} of {len(labels)}; "
            f"{len(labels) / self.seconds:.1f} samples a second"
        )
        print(f"  spikes a sample in each population: {counts}")
        return right / len(labels)


def chunks(count: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of chunks of at most ``size`` samples."""
    return ((start, min(start + size, count)) for start in range(0, count, size))


def compare_targets(network: Any, title: str, spikes: NDArray[np.bool_], steps: int, target: str) -> None:
    """Print whether a target gives the spikes of the engine in every population."""
    start = time.perf_counter()
    ours, other = (sh.run(network, spikes, t, steps=steps, on_overflow="ignore") for t in ("engine", target))
    different = [n for n in ours.spikes if not np.array_equal(ours.spikes[n], other.spikes[n])]
    said = "all spikes equal" if not different else f"DIFFERENT in {different}: {first_divergence(ours, other)}"
    seconds = time.perf_counter() - start
    print(f"{title}, {target} against engine, {spikes.shape[1]} samples: {said} ({seconds:.0f} s)", flush=True)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description="N-MNIST network of the NIR paper, float and in 8 bits")
    parser.add_argument("network", type=Path, help="the .nir file")
    parser.add_argument("events", type=Path, help="the .npz file of events")
    parser.add_argument("--samples", type=int, help="only the first so many")
    parser.add_argument("--chunk", type=int, default=20, help="samples at a time")
    parser.add_argument("--calibration", type=int, default=20, help="samples that the chip's scale is chosen on")
    parser.add_argument("--spec-samples", type=int, default=20, help="samples to compare with the specification")
    parser.add_argument("--lava-samples", type=int, default=2, help="samples to compare with Lava")
    given = parser.parse_args()

    network = sh.from_nir(given.network, 1.0, reset="subtract", threshold=">=")
    data = Recordings(given.events)
    count = min(given.samples or len(data.labels), len(data.labels))
    steps = data.steps + network.latency
    print(f"{count} samples of {data.steps} ms and {network.latency} steps more, for the last spikes to arrive")
    fixed = sh.quantize(network, chip="loihi", calibration=data.spikes(0, min(given.calibration, count)))

    outcomes = {"float": Outcome(), "8-bit": Outcome()}
    for start, stop in chunks(count, given.chunk):
        spikes = data.spikes(start, stop)
        for name, each in (("float", network), ("8-bit", fixed)):
            outcomes[name].add(sh.run(each, spikes, "engine", steps=steps))
    labels = data.labels[:count]
    float_accuracy, fixed_accuracy = (outcome.report(name, labels) for name, outcome in outcomes.items())
    changed = sum(int(np.count_nonzero(a != b)) for a, b in zip(*(o.classes for o in outcomes.values()), strict=True))
    print(f"loss by 8 bits: {100 * (float_accuracy - fixed_accuracy):.2f} points; {changed} classes changed")
    print(PUBLISHED, flush=True)
    for name, each in (("float", network), ("8-bit", fixed)):
        compare_targets(each, name, data.spikes(0, min(given.spec_samples, count)), steps, "spec")
    if given.lava_samples:
        compare_targets(fixed, "8-bit", data.spikes(0, given.lava_samples), steps, "lava")


if __name__ == "__main__":
    main()
