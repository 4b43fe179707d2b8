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
from ssdp_hw.targets.engine.run import available_threads, share
from workloads import LEAK, THRESHOLD

import ssdp_hw as sh

ROUNDS = 5
RATE = 0.05


def dense(inputs: int, neurons: int) -> sh.FixedNetwork:
    """One dense layer."""
    weight = 2 * np.random.default_rng(neurons).integers(-60, 64, (neurons, inputs))
    return sh.FixedNetwork(
        [sh.Input("input", inputs)], [sh.FixedPopulation(name="cells", size=neurons, dv=LEAK, vth=THRESHOLD)],
        [sh.FixedProjection(source="input", target="cells", weight=weight)], ["cells"],
    )


def sparse(inputs: int, neurons: int, per_neuron: int) -> sh.FixedNetwork:
    """One sparse layer."""
    return sh.FixedNetwork(
        [sh.Input("input", inputs)], [sh.FixedPopulation(name="cells", size=neurons, dv=LEAK, vth=THRESHOLD)],
        [sh.FixedProjection(source="input", target="cells", weight=sparse_weight(neurons, inputs, per_neuron, 0))],
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


def threads() -> dict[str, Any]:
    """What threads bring, and why a single sample has one: a step is shorter than to hand a part of it over."""
    wide, counts = dense(784, 1000), range(1, available_threads() + 1)
    batches = measured([run(wide, 50, 64, threads=k) for k in counts], time.perf_counter)
    few, many = measured([run(wide, 100), run(wide, 1100)])
    handing = measured([lambda: share(lambda *_: None, 2, 0, 2)] * 20, time.perf_counter)
    return {
        "seconds_of_64_samples": dict(zip(counts, batches, strict=True)),
        "seconds_of_a_step": (many - few) / 1000, "seconds_to_hand_over": min(handing),
    }


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
    t = result["threads"]
    samples = ", ".join(f"{1e3 * s:.1f} ms on {k}" for k, s in t["seconds_of_64_samples"].items())
    return [
        *rows, "", f"* 64 samples of 784-1000, 50 steps, by threads: {samples}",
        f"* a single sample runs on one thread: a step takes {1e6 * t['seconds_of_a_step']:.1f} us, to hand a part of "
        f"it to another thread and wait for it at least {1e6 * t['seconds_to_hand_over']:.0f} us",
    ]


def main() -> None:
    """Measure and print."""
    print("\n".join(lines(scaling())))


if __name__ == "__main__":
    main()
