"""What is timed: networks with their input, and what is to be learned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import nir
import numpy as np
from numpy.typing import NDArray

import ssdp_hw as sh
from ssdp_hw.datasets import DIGITS_DT, DIGITS_MODEL, DIGITS_STEPS, load_digits
from ssdp_hw.network.float_network import Network, Population, Projection, Semantics
from ssdp_hw.network.neurons import LIF
from ssdp_hw.rules import SSDP, FixedSSDP, FixedSTDP

STEPS = 100
LEAK = 256  # of 4096 a step
THRESHOLD = 2000
# The same in float: v <- v (1 - dt/tau) + dt/tau r S, with dt/tau = LEAK / 4096 and r its inverse.
NEURON = {"tau_mem": 1e-3 * 4096 / LEAK, "r": 4096 / LEAK, "v_threshold": float(THRESHOLD)}


@dataclass(frozen=True, eq=False)
class Workload:
    """A network in chip integers and in float, and spikes of shape (time, batch, channels).

    Attributes:
        dense: two layers of all synapses each, which the plain loops run.
        integers: the float network has the fixed network's integers as its parameters.
    """

    name: str
    fixed: sh.FixedNetwork
    float: Network
    spikes: NDArray[np.bool_]
    dense: bool = True
    integers: bool = False


def digits(batch: int) -> Workload:
    """The demo's trained network on its own input."""
    network = sh.from_nir(DIGITS_MODEL, dt=DIGITS_DT)
    data = load_digits()
    fixed = sh.quantize(
        network,
        chip="loihi",
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
        [sh.FixedProjection(pre=a, post=b, weight=w) for (a, b), w in weights.items()],
        ["output"],
    )
    real = Network(
        [sh.Input("input", 784)],
        [Population(name=n, neuron=LIF(size=sizes[n], **NEURON)) for n in ("hidden", "output")],
        [Projection(pre=a, post=b, weight=w.astype(float)) for (a, b), w in weights.items()],
        ["output"],
        Semantics(1e-3),
    )
    spikes = np.random.default_rng(batch).random((STEPS, batch, 784)) < rate
    return Workload(f"784-{hidden}-10 at {rate:.0%}", fixed, real, spikes, integers=True)


def convolutional(batch: int) -> Workload:
    """The N-MNIST network of the NIR paper (see nmnist.py) with random weights, on random events.

    Events are as many as in N-MNIST, about 4,000 in 300 steps of 1 ms; here are the first 100.
    """
    rng = np.random.default_rng(0)

    def conv(c_in: int, c_out: int, size: int, stride: int) -> nir.Conv2d:
        weight = rng.normal(0.3 / (c_in * size), 1.5 / np.sqrt(c_in * size * size), (c_out, c_in, size, size))
        return nir.Conv2d(None, weight, stride, 1, 1, 1, np.zeros(c_out))

    def dense(n_in: int, n_out: int) -> nir.Affine:
        return nir.Affine(rng.normal(0, 0.4 / n_in**0.5, (n_out, n_in)), np.zeros(n_out))

    def neurons(*shape: int) -> nir.IF:
        return nir.IF(np.ones(shape), np.ones(shape), np.zeros(shape))

    def pool() -> nir.SumPool2d:
        return nir.SumPool2d(*(np.array([k, k]) for k in (2, 2, 0)))

    chain = [
        nir.Input({"input": np.array([2, 34, 34])}),
        conv(2, 16, 5, 2),
        neurons(16, 16, 16),
        conv(16, 16, 3, 1),
        neurons(16, 16, 16),
        pool(),
        conv(16, 8, 3, 1),
        neurons(8, 8, 8),
        pool(),
        nir.Flatten({"input": np.array([8, 4, 4])}, 0),
        dense(128, 256),
        neurons(256),
        dense(256, 10),
        neurons(10),
        nir.Output({"output": np.array([10])}),
    ]
    nodes = {str(k): node for k, node in enumerate(chain)}
    graph = nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False)
    network = sh.from_nir(graph, 1.0, reset="subtract", threshold=">=")
    spikes = np.random.default_rng(batch).random((STEPS, batch, 2 * 34 * 34)) < 4000 / (300 * 2 * 34 * 34)
    fixed = sh.quantize(network, chip="loihi", calibration=spikes[:, :1])
    return Workload("N-MNIST convolutional", fixed, network, spikes, dense=False)


def many_neurons(batch: int) -> tuple[str, sh.FixedNetwork, NDArray[np.bool_]]:
    """A name, 64-4096 of CUBA LIF in fixed point, and spikes so few that neurons take all the time.

    No two neurons are alike and their currents last, so that the engine's general step runs them, not the simple one.
    """
    rng = np.random.default_rng(1)
    size = 4096
    registers = {"du": rng.integers(500, 3000, size), "dv": rng.integers(50, 900, size)}
    fixed = sh.FixedNetwork(
        [sh.Input("input", 64)],
        [sh.FixedPopulation(name="output", size=size, vth=rng.integers(500, 4000, size), **registers)],
        [sh.FixedProjection(pre="input", post="output", weight=2 * rng.integers(-60, 120, (size, 64)))],
        ["output"],
    )
    return "64-4096, a step of CUBA LIF", fixed, rng.random((STEPS, batch, 64)) < 0.02


def inference_workloads() -> Iterator[Workload]:
    """Every group of the inference table."""
    for batch in (1, 64):
        yield digits(batch)
        for hidden, rates in ((256, (0.01, 0.02, 0.05, 0.2)), (1000, (0.01, 0.05, 0.2))):
            for rate in rates:
                yield wide(hidden, rate, batch)
        yield convolutional(min(batch, 8))


@dataclass(frozen=True, eq=False)
class LearningTask:
    """A plastic layer, spikes of shape (time, window, channels) and its rule."""

    name: str
    network: sh.FixedNetwork | Network
    spikes: NDArray[np.bool_]
    rule: FixedSSDP | FixedSTDP | SSDP

    @property
    def projection(self) -> str:
        """Name of the plastic projection."""
        return self.network.projections[0].name


WINDOW = 60  # steps
BATCH = 50  # windows between two steps of the weights, where they come in batches


def _layer(size: int) -> tuple[sh.FixedNetwork, Network, NDArray[np.bool_]]:
    """784 to ``size``, in chip integers and in float, and 200 windows at 5 %."""
    rng = np.random.default_rng(0)
    weight = 2 * rng.integers(-60, 68, (size, 784))
    fixed = sh.FixedNetwork(
        [sh.Input("input", 784)],
        [sh.FixedPopulation(name="output", size=size, dv=LEAK, vth=THRESHOLD)],
        [sh.FixedProjection(pre="input", post="output", weight=weight)],
        ["output"],
    )
    real = Network(
        [sh.Input("input", 784)],
        [Population(name="output", neuron=LIF(size=size, **NEURON))],
        [Projection(pre="input", post="output", weight=weight.astype(float))],
        ["output"],
        Semantics(1e-3),
    )
    return fixed, real, rng.random((WINDOW, 200, 784)) < 0.05


def learning_tasks(size: int) -> list[LearningTask]:
    """784-size on the chip with a weight update after each window; a weight change is about a seventh of an LSB."""
    fixed, _, spikes = _layer(size)
    lut = tuple(round(255 * float(np.exp(-d * d / 2))) for d in range(5))
    ssdp = {"a_plus": 9, "a_baseline": 3, "lut": lut, "lsb_shift": 14}
    stdp = FixedSTDP(a_plus=9, a_minus=9, decay_plus=200, decay_minus=200, lsb_shift=14)
    rules = {
        "SSDP": FixedSSDP(**ssdp),
        "SSDP, silent pairs skipped": FixedSSDP(**ssdp, silent_pairs="skip"),
        "STDP": stdp,
    }
    return [LearningTask(f"{name}, 784-{size}", fixed, spikes, rule) for name, rule in rules.items()]


def float_learning_task(size: int) -> LearningTask:
    """784-size in float, with a step after a batch, as beside backpropagation; that of the mean over the batch."""
    _, real, spikes = _layer(size)
    rule = SSDP(a_plus=0.6 / BATCH, a_baseline=0.2 / BATCH, windows_per_update=BATCH)
    return LearningTask(f"SSDP in float, batches of {BATCH}, 784-{size}", real, spikes[:, : 2 * BATCH], rule)
