"""SSDP in the engine: from a plan to the arrays of the kernels and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.drive import AnyNetwork, Drive
from ssdp_hw.fixed import FixedProjection
from ssdp_hw.graph import BaseProjection
from ssdp_hw.result import OverflowCount
from ssdp_hw.ssdp import SSDP, FixedSSDP, SilentPairs, SpikeTime, WeightRounding
from ssdp_hw.ssdp.registers import silent_time
from ssdp_hw.target import Learned, LearningPlan

from .kernels import simulate
from .learn_kernels import CARRY, NEAREST, STOCHASTIC, Ends, Plastic, learn_windows
from .program import Program, bias_table, compile_program, input_raster
from .run import share, thread_count

_CODES = {WeightRounding.CARRY: CARRY, WeightRounding.STOCHASTIC: STOCHASTIC, WeightRounding.NEAREST: NEAREST}


def learn(
    network: AnyNetwork, drive: Drive, plan: LearningPlan, threads: object, info: Mapping[str, Any]
) -> Learned:
    """Present the drive's samples as learning windows; see :meth:`ssdp_hw.target.Target.learn`.

    The windows of one commit run on several threads if they are enough to be worth it.
    """
    program = compile_program(network, plastic=tuple(plan.rules))
    names, size = list(plan.rules), plan.commit_windows
    count = thread_count(threads, size * drive.steps * program.start(-1))
    plastics = tuple(_plastic(network, program, plan, name, drive.steps) for name in names)
    ends = tuple(_ends(network, program, plan, name, drive) for name in names)
    # Rows of the registers: one a window of a group.
    first = np.full((min(size, drive.batch), program.start(-1)), -1, np.int64)
    last = first.copy()
    real = np.int64 if np.issubdtype(program.wiring.weights.dtype, np.integer) else np.float64
    arguments = (
        program.layout, program.wiring, program.neurons, input_raster(network, drive),
        bias_table(network, drive, program.layout.zero.dtype), np.full((3, len(network.populations)), -1, np.int64),
        np.zeros((0, 0, 0), bool), np.zeros((0, 0, 0), real),
    )
    overflow = np.zeros((drive.batch, len(network.populations), 3), np.int64)
    saturated = np.zeros((len(names), 2), np.int64)
    done = plan.first_commit
    if count == 1:
        learn_windows(
            *arguments, overflow, first, last, plastics, ends, saturated, 0, drive.batch, size, done, False, True
        )
    else:
        def work(begin: int, end: int) -> None:
            simulate(*arguments, arguments[-1], overflow, first, last, begin, end)

        for start in range(0, drive.batch, size):
            stop = min(start + size, drive.batch)
            share(work, count, start, stop)
            learn_windows(
                *arguments, overflow, first, last, plastics, ends, saturated, start, stop, size, done, False, False
            )
            done += stop - start == size
    weights = program.wiring.weights
    times = {name: (e.pre, e.post) for name, e in zip(names, ends, strict=True)}
    if program.layout.zero.dtype != np.int32:
        zeros = {n: np.zeros(network.projection(n).synapse_weights.size) for n in names}
        return Learned(
            {n: weights[p.positions] for n, p in zip(names, plastics, strict=True)}, zeros, times, info=info
        )
    return Learned(
        {n: weights[p.positions].astype(np.int64) for n, p in zip(names, plastics, strict=True)},
        {n: p.counter for n, p in zip(names, plastics, strict=True)}, times,
        {n: int(cut) for n, cut in zip(names, saturated[:, 1], strict=True)},
        {n: int(full) for n, full in zip(names, saturated[:, 0], strict=True)},
        {
            name: OverflowCount(*(int(n) for n in overflow[:, k].sum(axis=0)))
            for k, name in enumerate(network.population_names)
        }, info,
    )


def _plastic(network: AnyNetwork, program: Program, plan: LearningPlan, name: str, steps: int) -> Plastic:
    p, rule = network.projection(name), cast(SSDP | FixedSSDP, plan.rules[name])
    row_start, cols = _rows(p)
    layer = network.layer(name)
    skip = rule.silent_pairs is SilentPairs.SKIP
    plus: Any
    minus: Any
    synapses = program.positions[name], row_start, cols, not p.is_sparse
    key = layer, plan.seed & 0xFFFFFFFF, plan.seed >> 32
    if isinstance(rule, SSDP):
        kernels = rule.kernels(np.arange(silent_time(steps) + 1))
        amplitudes = rule.a_plus, rule.a_baseline
        plus, minus = (a * k for a, k in zip(amplitudes, kernels, strict=True))
        own = rule.gate
        factors = (0.0, 0.0) if own is None else (1.0 - own.k * own.mean / own.deviation, own.k / own.deviation)
        return Plastic(
            *synapses, np.zeros(0, np.int64), plus, minus, skip, 0, 0, 0, 0, 0, 0, *key,
            np.asarray(plan.gates.get(name, np.zeros((0, 0))), np.float64), 0, own is not None, *factors, 0, rule.clip,
        )
    assert isinstance(p, FixedProjection)
    count = p.synapse_weights.size
    counter = np.array(plan.counters.get(name, np.zeros(count)), np.int64)
    plus, minus = rule.tables
    fixed = rule.gate
    own_gate = (0, 0, 0) if fixed is None else (fixed.offset, fixed.slope, fixed.shift)
    return Plastic(
        *synapses, counter, plus, minus, skip, rule.counter_min, rule.counter_max, rule.lsb_shift,
        _CODES[rule.rounding], p.format.mantissa_min, p.format.mantissa_max, *key,
        np.asarray(plan.gates.get(name, np.zeros((0, 0))), np.int64), rule.gate_bits, fixed is not None, *own_gate, 0.0,
    )


def _rows(p: BaseProjection) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First synapse of each postsynaptic neuron, and the presynaptic neuron of each synapse if sparse."""
    if p.is_sparse:
        return p.weight.indptr.astype(np.int64), p.weight.indices.astype(np.int64)
    post, pre = p.shape
    return np.arange(post + 1) * pre, np.zeros(0, np.int64)


def _ends(network: AnyNetwork, program: Program, plan: LearningPlan, name: str, drive: Drive) -> Ends:
    p, rule = network.projection(name), cast(SSDP | FixedSSDP, plan.rules[name])
    shift = rule.time_shift if isinstance(rule, FixedSSDP) else 0
    groups = [*network.input_names, *network.population_names]
    pre, post = (np.empty((drive.batch, network.size_of(end)), np.int64) for end in (p.source, p.target))
    pre_start, post_start = (program.start(groups.index(end)) for end in (p.source, p.target))
    silent = silent_time(drive.steps, shift)
    return Ends(pre, post, pre_start, post_start, silent, shift, rule.spike_time is SpikeTime.LAST)
