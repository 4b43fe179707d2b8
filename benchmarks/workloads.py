"""What is timed: networks with their input, and what is to be learned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import ssdp_hw as sh
from ssdp_hw.datasets import DIGITS_DT, DIGITS_MODEL, DIGITS_STEPS, load_digits
from ssdp_hw.network import Network, Population, Projection, Semantics
from ssdp_hw.neurons import LIF
from ssdp_hw.ssdp import FixedSSDP

STEPS = 100
LEAK = 256  # of 4096 a step
THRESHOLD = 2000


@dataclass(frozen=True, eq=False)
class Workload:
    """A network in chip integers and in float, and spikes of shape (time, batch, channels)."""

    name: str
    fixed: sh.FixedNetwork
    float: Network
    spikes: NDArray[np.bool_]
    exact_in_float32: bool = False  # weights are integers, so that sums do not depend on their order


def digits(batch: int) -> Workload:
    """The demo's trained network on its own input."""
    network = sh.from_nir(DIGITS_MODEL, dt=DIGITS_DT)
    data = load_digits()
    fixed = sh.quantize(
        network, chip="loihi",
        calibration=sh.encode(data.train_values[:200], "rate", steps=DIGITS_STEPS, seed=1),
    )
    spikes = sh.encode(data.test_values[:batch], "rate", steps=DIGITS_STEPS, seed=0)
    return Workload("64-128-10 (digits)", fixed, network, spikes)


def wide(hidden: int, rate: float, batch: int) -> Workload:
    """784-hidden-10 with random 8-bit weights, a little excitation on average.

    The float network has the same integers as its parameters, so its sums are exact too.
    """
    rng = np.random.default_rng(hidden)
    sizes = {"input": 784, "hidden": hidden, "output": 10}
    pairs = [("input", "hidden"), ("hidden", "output")]
    # Even numbers, as 8 bits of mixed sign are stored.
    weights = {pair: 2 * rng.integers(-60, 68, (sizes[pair[1]], sizes[pair[0]])) for pair in pairs}
    fixed = sh.FixedNetwork(
        [sh.Input("input", 784)],
        [sh.FixedPopulation(name=n, size=sizes[n], dv=LEAK, vth=THRESHOLD) for n in ("hidden", "output")],
        [sh.FixedProjection(source=a, target=b, weight=w) for (a, b), w in weights.items()], ["output"],
    )
    # v <- v (1 - dt/tau) + dt/tau r S, with dt/tau = LEAK / 4096 and r its inverse.
    neuron = {"tau_mem": 1e-3 * 4096 / LEAK, "r": 4096 / LEAK, "v_threshold": float(THRESHOLD)}
    real = Network(
        [sh.Input("input", 784)],
        [Population(name=n, neuron=LIF(size=sizes[n], **neuron)) for n in ("hidden", "output")],
        [Projection(source=a, target=b, weight=w.astype(float)) for (a, b), w in weights.items()], ["output"],
        Semantics(1e-3),
    )
    spikes = np.random.default_rng(batch).random((STEPS, batch, 784)) < rate
    return Workload(f"784-{hidden}-10 at {rate:.0%}", fixed, real, spikes, exact_in_float32=True)


def inference_workloads() -> Iterator[Workload]:
    """Every group of the inference table."""
    for batch in (1, 64):
        yield digits(batch)
        for hidden, rates in ((256, (0.01, 0.02, 0.05, 0.2)), (1000, (0.01, 0.05, 0.2))):
            for rate in rates:
                yield wide(hidden, rate, batch)


@dataclass(frozen=True, eq=False)
class Lesson:
    """A plastic network, spikes of shape (time, window, channels) and its rule."""

    name: str
    network: sh.FixedNetwork
    spikes: NDArray[np.bool_]
    rule: FixedSSDP


def lesson() -> Lesson:
    """784-100, windows of 60 steps at 5 %, a commit after each; a step is about a seventh of a weight LSB."""
    rng = np.random.default_rng(0)
    weight = 2 * rng.integers(-60, 68, (100, 784))
    network = sh.FixedNetwork(
        [sh.Input("input", 784)], [sh.FixedPopulation(name="output", size=100, dv=LEAK, vth=THRESHOLD)],
        [sh.FixedProjection(source="input", target="output", weight=weight)], ["output"],
    )
    lut = tuple(round(255 * float(np.exp(-d * d / 2))) for d in range(5))
    rule = FixedSSDP(a_plus=9, a_baseline=3, lut=lut, lsb_shift=14)
    return Lesson("784-100, 60 steps a window", network, rng.random((60, 200, 784)) < 0.05, rule)
