"""SSDP in the engine: windows between two commits run in parallel, then synapses are updated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.drive import AnyNetwork, Drive
from ssdp_hw.fixed import FixedNetwork, FixedProjection
from ssdp_hw.graph import BaseProjection
from ssdp_hw.ssdp import SSDP, FixedSSDP, SilentPairs, SpikeTime, WeightRounding
from ssdp_hw.ssdp.registers import silent_time
from ssdp_hw.target import Learned, LearningPlan

from .kernels import run_batch, run_one
from .learn_kernels import CARRY, NEAREST, STOCHASTIC, commit, fixed_windows, float_windows
from .program import Program, bias_table, compile_program, input_raster

_CODES = {WeightRounding.CARRY: CARRY, WeightRounding.STOCHASTIC: STOCHASTIC, WeightRounding.NEAREST: NEAREST}


class _Plastic(NamedTuple):
    """One plastic projection: where its synapses and the registers of their neurons lie."""

    projection: BaseProjection
    layer: int
    positions: NDArray[np.int64]
    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    pre: slice
    post: slice


def learn(network: AnyNetwork, drive: Drive, plan: LearningPlan, info: Mapping[str, Any]) -> Learned:
    """Present the drive's samples as learning windows; see :meth:`ssdp_hw.target.Target.learn`."""
    program = compile_program(network)
    plastic = {name: _plastic(network, program, name) for name in plan.rules}
    learner: _FixedLearner | _FloatLearner
    if isinstance(network, FixedNetwork):
        learner = _FixedLearner(program, plan, plastic, drive.steps)
    else:
        learner = _FloatLearner(program, plan, plastic, drive.steps)
    times: dict[str, list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = {name: [] for name in plastic}
    size = plan.commit_windows
    for start in range(0, drive.batch, size):
        windows = drive.select(start, start + size)
        first, last = _spike_steps(network, program, windows)
        for name, p in plastic.items():
            steps = first if plan.rules[name].spike_time is SpikeTime.FIRST else last
            pre, post = (np.ascontiguousarray(learner.ticks(name, steps[:, part])) for part in (p.pre, p.post))
            times[name].append((pre, post))
            learner.update(name, pre, post, full=windows.batch == size, index=plan.first_commit + start // size)
    joined = {n: (np.concatenate([a for a, _ in t]), np.concatenate([b for _, b in t])) for n, t in times.items()}
    return learner.learned(joined, info)


def _plastic(network: AnyNetwork, program: Program, name: str) -> _Plastic:
    p = network.projection(name)
    post, pre = p.shape
    if p.is_sparse:
        rows, cols = np.repeat(np.arange(post), np.diff(p.weight.indptr)), p.weight.indices
    else:
        rows, cols = np.divmod(np.arange(post * pre), pre)
    names = [*network.input_names, *network.population_names]
    start = program.layout.source_start

    def sources(end: str) -> slice:
        low = int(start[names.index(end)])
        return slice(low, low + network.size_of(end))

    layer = [q.name for q in network.projections].index(name)
    return _Plastic(
        p, layer, program.positions[name], rows.astype(np.int32), cols.astype(np.int32), sources(p.source),
        sources(p.target),
    )


def _spike_steps(network: AnyNetwork, program: Program, windows: Drive) -> tuple[Any, Any]:
    """Step of the first and the last spike of every source, shape (window, sources); -1 if silent."""
    layout = program.layout
    sources = int(layout.source_size.sum())
    first = np.full((windows.batch, sources), -1, np.int64)
    last = first.copy()
    keep = np.full((3, len(network.populations)), -1, np.int64)
    kind = type(program.zero)
    nothing = [np.zeros((0, 0, 0), t) for t in (bool, np.int64 if kind is np.int32 else np.float64)]
    overflow = np.zeros((windows.batch, len(network.populations), 3), np.int64)
    simulate = run_one if windows.batch == 1 else run_batch
    simulate(
        layout, program.wiring, program.neurons, program.slots, program.zero, input_raster(network, windows),
        bias_table(network, windows), keep, nothing[0], nothing[1], nothing[1], overflow, first, last,
    )
    return first, last


class _FixedLearner:
    """Integer weights (inside the program) and counters."""

    def __init__(self, program: Program, plan: LearningPlan, plastic: Mapping[str, _Plastic], steps: int) -> None:
        self._program, self._plan, self._plastic, self._steps = program, plan, plastic, steps
        self._rules = {n: r for n, r in plan.rules.items() if isinstance(r, FixedSSDP)}
        self._counters = {
            n: np.asarray(plan.counters.get(n, np.zeros(p.rows.size)), np.int64).copy() for n, p in plastic.items()
        }
        self._tables = {
            n: (np.array(r.table(r.a_plus), np.int64), np.array(r.table(r.a_baseline), np.int64))
            for n, r in self._rules.items()
        }
        self._full, self._cut = dict.fromkeys(plastic, 0), dict.fromkeys(plastic, 0)

    def ticks(self, name: str, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        shift = self._rules[name].time_shift
        return np.where(steps < 0, silent_time(self._steps, shift), steps >> shift)

    def update(
        self, name: str, pre: NDArray[np.int64], post: NDArray[np.int64], *, full: bool, index: int
    ) -> None:
        rule, p = self._rules[name], self._plastic[name]
        plus, minus = self._tables[name]
        counter = self._counters[name]
        self._full[name] += fixed_windows(
            counter, p.rows, p.cols, pre, post, plus, minus, silent_time(self._steps, rule.time_shift),
            rule.silent_pairs is SilentPairs.SKIP, rule.counter_min, rule.counter_max,
        )
        if full:
            assert isinstance(p.projection, FixedProjection)
            limits = p.projection.format
            self._cut[name] += commit(
                self._program.wiring.weights, p.positions, counter, rule.lsb_shift, _CODES[rule.rounding],
                limits.mantissa_min, limits.mantissa_max, self._plan.seed & 0xFFFFFFFF, self._plan.seed >> 32,
                p.layer, index,
            )

    def learned(self, times: Any, info: Mapping[str, Any]) -> Learned:
        weights = {
            n: self._program.wiring.weights[p.positions].astype(np.int64) for n, p in self._plastic.items()
        }
        return Learned(weights, self._counters, times, self._cut, self._full, info)


class _FloatLearner:
    """Float weights, inside the program."""

    def __init__(self, program: Program, plan: LearningPlan, plastic: Mapping[str, _Plastic], steps: int) -> None:
        self._program, self._plastic, self._silent = program, plastic, silent_time(steps)
        self._rules = {n: r for n, r in plan.rules.items() if isinstance(r, SSDP)}
        self._kernels = {n: r.kernel(np.arange(self._silent + 1)) for n, r in self._rules.items()}

    def ticks(self, name: str, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(steps < 0, self._silent, steps)

    def update(
        self, name: str, pre: NDArray[np.int64], post: NDArray[np.int64], *, full: bool, index: int
    ) -> None:
        if not full:
            return
        rule, p = self._rules[name], self._plastic[name]
        kernel = self._kernels[name]
        float_windows(
            self._program.wiring.weights, p.positions, p.rows, p.cols, pre, post,
            np.minimum(rule.a_plus * kernel, rule.clip), np.minimum(rule.a_baseline * kernel, rule.clip),
            self._silent, rule.silent_pairs is SilentPairs.SKIP,
        )

    def learned(self, times: Any, info: Mapping[str, Any]) -> Learned:
        weights = {n: self._program.wiring.weights[p.positions].copy() for n, p in self._plastic.items()}
        return Learned(weights, {}, times, info=info)
