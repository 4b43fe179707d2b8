"""Inference on the targets, side by side: ``make bench``.

Each group is one network and input; the numbers in brackets are the ratios to the fastest row. A
target is warmed up first, so compilation is not in the times, and its spikes must equal those of
the specification before it is timed. ``extra_info`` of the JSON report (``--benchmark-json``) has
samples a second.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import ssdp_hw as sh
from ssdp_hw.datasets import DIGITS_DT, DIGITS_MODEL, DIGITS_STEPS, load_digits
from ssdp_hw.result import RunResult, first_divergence

TARGETS = ("spec", "engine")

Workload = tuple[Any, NDArray[np.bool_], int]  # network, spikes, steps


def digits_float() -> Workload:
    """64-128-10 in float, all 599 test digits, 34 steps."""
    network = sh.from_nir(DIGITS_MODEL, dt=DIGITS_DT)
    spikes = sh.encode(load_digits().test_values, "rate", steps=DIGITS_STEPS, seed=0)
    return network, spikes, DIGITS_STEPS + network.latency


def digits_fixed() -> Workload:
    """The same in 8 bits."""
    network, spikes, steps = digits_float()
    calibration = sh.encode(load_digits().train_values[:200], "rate", steps=DIGITS_STEPS, seed=1)
    return sh.quantize(network, chip="loihi", calibration=calibration), spikes, steps


def wide_fixed() -> Workload:
    """784-100-10 with random 8-bit weights, 5 % input spikes, 50 samples of 100 steps."""
    rng = np.random.default_rng(0)

    def dense(source: str, target: str, post: int, pre: int) -> sh.FixedProjection:
        # Even numbers, as 8 bits of mixed sign are stored; a little excitation on average.
        return sh.FixedProjection(source=source, target=target, weight=2 * rng.integers(-60, 68, (post, pre)))

    network = sh.FixedNetwork(
        [sh.Input("input", 784)],
        [
            sh.FixedPopulation(name="hidden", size=100, dv=256, vth=2000),
            sh.FixedPopulation(name="output", size=10, dv=256, vth=2000),
        ],
        [dense("input", "hidden", 100, 784), dense("hidden", "output", 10, 100)],
        ["output"],
    )
    return network, rng.random((100, 50, 784)) < 0.05, 100


@cache
def prepared(make: Callable[[], Workload]) -> tuple[Workload, RunResult]:
    """A workload and what the specification does with it."""
    workload = make()
    network, spikes, steps = workload
    return workload, sh.run(network, spikes, target="spec", steps=steps)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("make", [digits_float, digits_fixed, wide_fixed])
def test_inference(benchmark: Any, make: Callable[[], Workload], target: str) -> None:
    """Time ``sh.run`` with all spikes recorded."""
    (network, spikes, steps), expected = prepared(make)

    def run() -> RunResult:
        return sh.run(network, spikes, target=target, steps=steps)

    assert first_divergence(expected, run()) is None
    benchmark.group = make.__name__
    benchmark.pedantic(run, rounds=5)
    benchmark.extra_info["samples_per_second"] = spikes.shape[1] / benchmark.stats.stats.median
