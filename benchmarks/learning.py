"""Who learns how fast: one plastic layer, window after window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from measure import Contender, Timing, measure
from numpy.typing import NDArray
from peer_process import PeerProcess
from workloads import BATCH, LEAK, THRESHOLD, WINDOW, LearningTask, float_learning_task, learning_tasks

import ssdp_hw as sh
from ssdp_hw.rules import FixedSTDP
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.learning_plan import Learned, LearningPlan
from ssdp_hw.running.target_registry import get_target

ENGINE = "engine"
LEARNING_DENSE = "Lava, LearningDense"
ENGINES: dict[str, dict[str, int]] = {
    ENGINE: {},
    f"{ENGINE}, 1 thread": {"threads": 1},
    f"{ENGINE}, 2 threads": {"threads": 2},
}
# The rule as any user's: its declaration, without the loops that were written for it.
DECLARED = f"{ENGINE}, declared rule, 1 thread"
SIZES = (100, 1000)
Installed = Callable[[str], bool]


class Learner:
    """One target on the first windows of a learning task.

    Attributes:
        learned: the last result.
    """

    def __init__(self, task: LearningTask, windows: int, target: str, **options: Any) -> None:
        self._task, self._target = task, get_target(target)
        self._drive = make_drive(task.network, task.spikes[:, :windows])
        self._options = self._target.resolve(options)
        self.learned: Learned | None = None

    def __call__(self) -> NDArray[Any]:
        """Weights and counters after these windows, shape (1, 2, synapses)."""
        plan, name = LearningPlan({self._task.projection: self._task.rule}), self._task.projection
        self.learned = self._target.learn(self._task.network, self._drive, plan, self._options)
        return np.array([[self.learned.weights[name], self.learned.counters[name]]])

    def seconds(self) -> float:
        """Those of the steps of the last run, without starting or building the simulator."""
        assert self.learned is not None
        return float(self.learned.info["steps_seconds"])


def contenders(task: LearningTask, installed: Installed, compiled: bool) -> Iterator[Contender]:
    """The targets; the slow ones get fewer windows. Each gives whether it equals the specification."""

    @cache
    def expected(windows: int) -> NDArray[Any]:
        return Learner(task, windows, "spec")()

    def contender(name: str, windows: int, target: str, rounds: int, **options: Any) -> Contender:
        learner = Learner(task, windows, target, **options)

        def agrees() -> NDArray[np.bool_]:
            return np.array([np.array_equal(learner(), expected(windows))])

        return Contender(
            name, agrees, windows, rounds=rounds, seconds=learner.seconds if target in ("brian2", "lava") else None
        )

    small = task.network.size_of("output") == SIZES[0]
    many, some, few = (200, 20, 5) if small else (100, 20, 2)
    for name, options in ENGINES.items():
        yield contender(name, many, "engine", 9, **options)
    yield contender(DECLARED, many, "engine", 9, threads=1, fast_paths=False)
    yield contender("spec", some, "spec", 0)
    if installed("brian2"):
        yield contender("Brian2, NumPy", few, "brian2", 1)
        if compiled:
            yield contender("Brian2, Cython", some, "brian2", 0, codegen="cython")
            yield contender("Brian2, C++ standalone", some, "brian2", 0, device="cpp_standalone")
    if installed("lava"):
        yield contender("Lava, our process", few, "lava", 0)
        yield Contender(f"{LEARNING_DENSE}, {_loihi_rule(task)[0]}", *_learning_dense(task, 2 if small else 1))


def _loihi_rule(task: LearningTask) -> tuple[str, dict[str, Any]]:
    """What comes nearest to a learning task's rule in Loihi's microcode, and arguments of Lava's rule."""
    if task.name.startswith("STDP"):
        # Lava's STDPLoihi, written out.
        traces = {f"{trace}_{key}": value for trace in ("x1", "y1") for key, value in (("impulse", 16), ("tau", 20.0))}
        return "STDPLoihi", {"dw": "1*2^-4*y0*x1 - 1*2^-4*x0*y1", "t_epoch": 1, "rng_seed": 1, **traces}
    silent = task.rule.silent_pairs
    rule = sh.SSDP(a_plus=0.04, a_baseline=0.01, silent_pairs=silent)
    return "SSDP as microcode", sh.compile_microcode(rule, window=WINDOW, scale=100.0).lava_arguments()


def _learning_dense(task: LearningTask, windows: int) -> tuple[Any, ...]:
    """Lava's own connection with given spikes on both sides, nothing read out: the rest of a Contender.

    Its rule is rounded at random and reads no time from a silent neuron, so its weights are no one else's.
    """
    from ssdp_hw.targets.lava.blueprint import Blueprint, Choice, LearningRule, Node, input_node
    from ssdp_hw.targets.lava.inference import source_node
    from ssdp_hw.targets.lava.session import Job, run_jobs

    name, steps = task.projection, windows * WINDOW
    post = (
        get_target("engine")
        .learn(
            task.network,
            make_drive(task.network, task.spikes[:, :windows]),
            LearningPlan({name: FixedSTDP(a_plus=0, a_minus=0, decay_plus=0, decay_minus=0, lsb_shift=14)}),
            get_target("engine").resolve({}),
        )
        .observed[name][1]
    )
    spikes = {"pre": task.spikes[:, :windows], "post": post}
    nodes = [source_node(side, s.swapaxes(0, 1).reshape(steps, 1, -1)) for side, s in spikes.items()]
    parameters = {
        "weights": task.network.projection(name).weight.astype(np.int32),
        "learning_rule": LearningRule(_loihi_rule(task)[1]),
        "sign_mode": Choice("MIXED"),
    }
    links = [(input_node(side), "s_out", "dense", port) for side, port in (("pre", "s_in"), ("post", "s_in_bap"))]
    job = Job(Blueprint("fixed_pt", [*nodes, Node("dense", "LearningDense", parameters)], links), steps, {})
    taken = [0.0]

    def run() -> None:
        with run_jobs([job], python=None, time_limit=600.0) as results:
            taken[0] = results.seconds[0]

    return run, windows, False, 0, lambda: taken[0]


def float_contenders(task: LearningTask, peers: PeerProcess) -> Iterator[Contender]:
    """Batches in float on the engine, the specification and torch; sums in another order differ by rounding."""
    windows = task.spikes.shape[1]
    expected = Learner(task, windows, "spec")()[0, 0]

    def agrees(found: NDArray[Any]) -> NDArray[np.bool_]:
        return np.array([np.allclose(found, expected, rtol=0, atol=1e-9)])

    for name, options in ENGINES.items():
        learner = Learner(task, windows, "engine", **options)
        yield Contender(name, lambda learner=learner: agrees(learner()[0, 0]), windows)
    spec = Learner(task, windows, "spec")
    yield Contender("spec", lambda: agrees(spec()[0, 0]), windows, rounds=0)
    rule = task.rule
    given = {
        "weight": task.network.projection(task.projection).weight,
        "spikes": task.spikes,
        "keep": 1 - LEAK / 4096,
        "threshold": float(THRESHOLD),
        "batch": BATCH,
        "a_plus": BATCH * rule.a_plus,
        "a_baseline": BATCH * rule.a_baseline,
        "sigma": rule.sigma,
    }
    for peer in peers.contenders("learning", given, windows):
        yield replace(peer, run=lambda run=peer.run: _found(run, agrees), exact=True)


def _found(run: Callable[[], Any], agrees: Callable[[NDArray[Any]], NDArray[np.bool_]]) -> Any:
    result = run()
    return None if result is None else agrees(result.reshape(-1))


def learning_groups(
    only: str, installed: Installed, compiled: bool, peers: PeerProcess
) -> Iterator[tuple[str, list[Timing]]]:
    """Name and timings of every group."""
    for size in SIZES:
        for task in learning_tasks(size):
            if only in task.name:
                yield task.name, measure(list(contenders(task, installed, compiled)), np.array([True]), 0)
        task = float_learning_task(size)
        if only in task.name:
            yield task.name, measure(list(float_contenders(task, peers)), np.array([True]), 0)
