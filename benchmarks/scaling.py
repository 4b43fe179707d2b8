"""How the engine's time grows: ``python benchmarks/scaling.py``, and a part of ``make bench``.

One quantity grows, all others stay; the exponent is that of a power law fitted to the larger half of the points,
where what every run costs no longer counts. 1 is proportional, 0 is not at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from memory import sparse_weight
from ssdp_hw.targets.engine.run import available_threads
from workloads import LEAK, THRESHOLD

import ssdp_hw as sh

ROUNDS = 5
RATE = 0.05


def dense(inputs: int, neurons: int) -> sh.FixedNetwork:
    """One dense layer."""
    weight = 2 * np.random.default_rng(neurons).integers(-60, 64, (neurons, inputs))
    return sh.FixedNetwork(
        [sh.Input("input", inputs)],
        [sh.FixedPopulation(name="cells", size=neurons, dv=LEAK, vth=THRESHOLD)],
        [sh.FixedProjection(pre="input", post="cells", weight=weight)],
        ["cells"],
    )


def recurrent(neurons: int) -> sh.FixedNetwork:
    """784 inputs to neurons that are joined all to all: steps must follow one another."""
    rng = np.random.default_rng(neurons)
    return sh.FixedNetwork(
        [sh.Input("input", 784)],
        [sh.FixedPopulation(name="cells", size=neurons, dv=LEAK, vth=THRESHOLD)],
        [
            sh.FixedProjection(pre="input", post="cells", weight=2 * rng.integers(-60, 64, (neurons, 784))),
            sh.FixedProjection(
                pre="cells", post="cells", weight=16 * rng.integers(-8, 8, (neurons, neurons)), weight_exp=-4
            ),
        ],
        ["cells"],
    )


def sparse(inputs: int, neurons: int, per_neuron: int) -> sh.FixedNetwork:
    """One sparse layer."""
    return sh.FixedNetwork(
        [sh.Input("input", inputs)],
        [sh.FixedPopulation(name="cells", size=neurons, dv=LEAK, vth=THRESHOLD)],
        [sh.FixedProjection(pre="input", post="cells", weight=sparse_weight(neurons, inputs, per_neuron, 0))],
        ["cells"],
    )


def run(
    network: sh.FixedNetwork, steps: int, batch: int = 1, rate: float = RATE, threads: int = 1
) -> Callable[[], Any]:
    """A run that keeps nothing."""
    spikes = np.random.default_rng(0).random((steps, batch, network.inputs[0].size)) < rate
    return lambda: sh.run(network, spikes, populations=(), on_overflow="ignore", options={"threads": threads})


def curves() -> Iterator[tuple[str, list[float], list[Callable[[], Any]]]]:
    """Name, sizes and runs of every curve."""
    factors = [2**k for k in range(9)]
    wide = dense(784, 1000)
    sizes = [1000 * f for f in factors]
    yield "neurons (no synapse active)", sizes, [run(sparse(10, n, 1), 50, rate=0.0) for n in sizes]
    sizes = [10_000 * f for f in factors]
    yield "synapses (sparse, 1000 inputs)", sizes, [run(sparse(1000, 5000, n // 5000), 50) for n in sizes]
    sizes = [64 * f for f in factors]
    yield "synapses (dense, 1000 neurons)", [1000 * n for n in sizes], [run(dense(n, 1000), 50) for n in sizes]
    sizes = [50 * f for f in factors]
    yield "steps", sizes, [run(wide, n) for n in sizes]
    yield "batch", factors, [run(wide, 50, batch=n) for n in factors]
    rates = [0.64 / f for f in reversed(factors)]
    yield "activity", rates, [run(wide, 100, rate=rate) for rate in rates]


def measured(runs: list[Callable[[], Any]], clock: Callable[[], float] = time.process_time) -> list[float]:
    """The fastest round of each in seconds of the processor, which other programs do not count in; all take turns."""
    best = [float("inf")] * len(runs)
    for turn in range(ROUNDS + 1):
        for k, work in enumerate(runs):
            start = clock()
            work()
            if turn:  # the first makes the program
                best[k] = min(best[k], clock() - start)
    return best


def exponent(sizes: list[float], seconds: list[float]) -> float:
    """Of the power law through the larger half of the points."""
    half = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[half:]), np.log(seconds[half:]), 1)[0])


def threads() -> list[dict[str, Any]]:
    """What threads bring: to samples of their own, and to the neurons of one that they share."""
    counts = range(1, available_threads() + 1)
    wide, loop = dense(784, 1000), recurrent(4000)
    cases = {
        "64 samples of 784-1000, 50 steps": lambda k: run(wide, 50, 64, threads=k),
        "1 sample of 784-1000, 2000 steps": lambda k: run(wide, 2000, threads=k),
        "1 sample of 784-4000 with a loop of all 4000 to all, 200 steps": lambda k: run(loop, 200, threads=k),
    }
    found = []
    for name, make in cases.items():
        seconds = measured([make(k) for k in counts], time.perf_counter)
        found.append({"name": name, "seconds": dict(zip(counts, seconds, strict=True))})
    return found


def scaling() -> dict[str, Any]:
    """Every curve as plain values."""
    found = []
    for name, sizes, runs in curves():
        seconds = measured(runs)
        found.append({"name": name, "sizes": sizes, "seconds": seconds, "exponent": exponent(sizes, seconds)})
    return {"curves": found, "threads": threads()}


def lines(result: dict[str, Any]) -> list[str]:
    """For people, in Markdown."""
    rows = ["| time against | from | to | seconds | exponent |", "| --- | ---: | ---: | --- | ---: |"]
    for c in result["curves"]:
        seconds = " ".join(f"{s:.2g}" for s in c["seconds"])
        rows.append(f"| {c['name']} | {c['sizes'][0]:,g} | {c['sizes'][-1]:,g} | {seconds} | {c['exponent']:.2f} |")
    by_threads = [
        f"* {t['name']}: " + ", ".join(f"{1e3 * s:.1f} ms on {k}" for k, s in t["seconds"].items())
        for t in result["threads"]
    ]
    return [*rows, "", "By threads:", "", *by_threads]


def main() -> None:
    """Measure and print."""
    print("\n".join(lines(scaling())))


if __name__ == "__main__":
    main()
