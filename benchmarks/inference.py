"""Who runs a network how fast: the same network and the same spikes for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from baselines import NumbaEventLoop, NumpyMatmul
from goals import ENGINE, LIMITS, STEPS
from limit import Limit
from measure import Contender
from numpy.typing import NDArray
from peer_process import PeerProcess
from ssdp_hw.targets.engine.run import available_threads
from workloads import LEAK, THRESHOLD, Workload

import ssdp_hw as sh

Installed = Callable[[str], bool]


class Runner:
    """A run on a target that keeps the output's spikes alone."""

    def __init__(self, network: Any, spikes: NDArray[np.bool_], target: str, **options: Any) -> None:
        self._network, self._spikes, self._target, self._options = network, spikes, target, options
        self._info: Any = {}

    def __call__(self) -> NDArray[np.bool_]:
        """Output spikes, shape (time, batch, n)."""
        result = sh.run(
            self._network,
            self._spikes,
            target=self._target,
            populations=tuple(self._network.outputs),
            on_overflow="ignore",
            options=self._options,
        )
        self._info = result.info
        return result.spikes[result.output]

    def seconds(self) -> float:
        """Those of the steps of the last run, without starting or building the simulator."""
        return float(self._info["steps_seconds"])


def fixed_contenders(w: Workload, installed: Installed, compiled: bool) -> Iterator[Contender]:
    """Everyone here who runs the fixed network."""
    batch = w.spikes.shape[1]

    def simulator(name: str, target: str, samples: int, rounds: int, **options: Any) -> Contender:
        run = Runner(w.fixed, w.spikes[:, :samples], target, **options)
        return Contender(name, run, samples, rounds=rounds, seconds=run.seconds)

    yield Contender(ENGINE, Runner(w.fixed, w.spikes, "engine"), batch)
    if batch > 1:
        yield Contender("engine, fixed, 1 thread", Runner(w.fixed, w.spikes, "engine", threads=1), batch)
    if w.dense:
        spikes, threads = sources(w), available_threads() if batch > 1 else 1
        for name, neurons in zip(LIMITS, (False, True), strict=True):
            limit = Limit(w.fixed.projections, spikes, neurons)  # each with arrays of its own, as cold as the engine's
            yield Contender(name, lambda limit=limit: limit(threads), batch)
        loop, matmul = NumbaEventLoop(w.fixed), NumpyMatmul(w.fixed)
        yield Contender("plain Numba event loop", lambda: loop(w.spikes), batch)
        yield Contender("NumPy float32 matmul loop", lambda: matmul(w.spikes), batch)
    yield Contender("spec, fixed", Runner(w.fixed, w.spikes, "spec"), batch, rounds=0)
    if installed("brian2"):
        yield simulator("Brian2, NumPy", "brian2", batch, 3)
        if compiled and batch > 1 and w.dense:
            yield simulator("Brian2, Cython", "brian2", batch, 1, codegen="cython", batching="sequence")
            yield simulator("Brian2, C++ standalone", "brian2", batch, 0, device="cpp_standalone")
    if installed("lava"):
        # One sample at a time runs on Lava's own Dense and LIF, as its users have it.
        few = min(batch, 4) if w.dense else 1
        yield simulator("Lava, stock, one sample after the other", "lava", few, 0, batch_size=1)
        if batch > 1 and w.dense:
            yield simulator("Lava, our target, batched", "lava", batch, 0)


def step_contenders(network: sh.FixedNetwork, spikes: NDArray[np.bool_]) -> Iterator[Contender]:
    """The general step of the chip's neuron, written by hand, and the one made from its declaration, on one thread."""
    for name, fast_paths in zip(STEPS, (True, False), strict=True):
        run = Runner(network, spikes, "engine", threads=1, fast_paths=fast_paths)
        yield Contender(name, run, spikes.shape[1])


def emulators(w: Workload, peers: PeerProcess) -> Iterator[Contender]:
    """Loihi's emulators, which have integers of their own and one sample after the other."""
    if w.integers and "784-256" in w.name:
        few = w.spikes[:, :4]
        weights = {f"weight{k}": p.weight for k, p in enumerate(w.fixed.projections)}
        yield from peers.contenders(
            "emulators", {"spikes": few, "leak": LEAK, "threshold": THRESHOLD, **weights}, few.shape[1], exact=True
        )


def float_contenders(w: Workload) -> Iterator[Contender]:
    """The targets on the float network; float32 rounds otherwise, so its spikes may differ."""
    batch = w.spikes.shape[1]
    yield Contender("engine, float64", Runner(w.float, w.spikes, "engine"), batch)
    yield Contender("engine, float32", Runner(w.float, w.spikes, "engine", precision="float32"), batch, exact=False)
    yield Contender("spec, float64", Runner(w.float, w.spikes, "spec"), batch, rounds=0)


def float_peers(w: Workload, peers: PeerProcess) -> Iterator[Contender]:
    """Torch-based simulators on the float network whose parameters are integers."""
    if w.integers:
        weights = {f"weight{k}": p.weight for k, p in enumerate(w.float.projections)}
        given = {"spikes": w.spikes, "keep": 1 - LEAK / 4096, "threshold": float(THRESHOLD), **weights}
        yield from peers.contenders("inference", given, w.spikes.shape[1])


def sources(w: Workload) -> dict[str, NDArray[np.bool_]]:
    """Spikes of the input and of all populations, shape (time, batch, n)."""
    return {**sh.run(w.fixed, w.spikes, on_overflow="ignore").spikes, w.fixed.inputs[0].name: w.spikes}


def additions(w: Workload) -> float:
    """Synaptic additions of one sample."""
    spikes = sources(w)
    return sum(_synapses_used(p, spikes[p.pre]) for p in w.fixed.projections) / w.spikes.shape[1]


def _synapses_used(p: Any, spikes: NDArray[np.bool_]) -> int:
    counts = np.count_nonzero(spikes, axis=(0, 1))
    fan_out = np.full(p.shape[1], p.shape[0])
    if p.is_convolution:
        fan_out = np.bincount(p.weight.unrolled().indices, minlength=p.shape[1])
    return int(counts @ fan_out)
