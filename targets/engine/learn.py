"""Learning in the engine: from a plan to the arrays of the kernels and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.drive import AnyNetwork, Drive
from ssdp_hw.fixed import FixedNetwork
from ssdp_hw.result import OverflowCount
from ssdp_hw.target import Learned, LearningPlan

from .learn_kernels import learn_groups, present
from .plastic import Ends, Plastic, plastic
from .program import Program, bias_table, compile_program, input_raster
from .run import share, thread_count


def learn(
    network: AnyNetwork, drive: Drive, plan: LearningPlan, threads: object, info: Mapping[str, Any], *, lazy: bool
) -> Learned:
    """Present the drive's samples and let the plan's projections learn; see :meth:`ssdp_hw.target.Target.learn`.

    The samples of one commit run on several threads if they are enough to be worth it.

    Args:
        network, drive, plan: as the target has them.
        threads: the option.
        info: for the result.
        lazy: whether synapses that a window does not touch are changed through the base of their row.
    """
    program = compile_program(network, plastic=tuple(plan.rules))
    groups = np.array(plan.groups(drive.batch), np.int64).reshape(-1, 3)
    largest = int((groups[:, 1] - groups[:, 0]).max(initial=0))
    count = thread_count(threads, largest * drive.steps * program.start(-1))
    keep, columns = _columns(network, plan)
    spikes = np.zeros((drive.steps, drive.batch, columns), bool)
    windows, length = plan.windows_per_sample, drive.steps // plan.windows_per_sample
    raster = input_raster(network, drive)
    plastics = tuple(
        plastic(network, program, plan, name, _ends(network, program, name, keep), drive.batch, length, lazy=lazy)
        for name in plan.rules
    )
    fixed = isinstance(network, FixedNetwork)
    bias = bias_table(network, drive, program.layout.zero.dtype)
    no_trace = np.zeros((0, 0, 0), np.int64 if fixed else np.float64)
    overflow = np.zeros((drive.batch, len(network.populations), 3), np.int64)
    first = np.empty((largest * windows, program.start(-1)), np.int64)
    presenting = (
        program.layout, program.wiring, program.neurons, raster, bias, keep, spikes, no_trace, overflow, first,
        np.empty_like(first),
    )
    tallies = np.zeros((len(plastics), 3), np.int64)
    done = plan.first_commit
    if count == 1:
        learn_groups(*presenting, plastics, windows, groups, done, False, tallies)
    else:
        def work(begin: int, end: int) -> None:
            present(*presenting, windows, begin, end)

        for k, (begin, end, commits) in enumerate(groups.tolist()):
            share(work, count, begin, end)
            learn_groups(*presenting, plastics, windows, groups[k:k + 1], done, True, tallies)
            done += commits
    moved = {
        name: program.wiring.weights[p.at[p.first[:-1]] if len(p.first) else p.at]
        for name, p in zip(plan.rules, plastics, strict=True)
    }
    held = {name: _held(network, drive, plan, name, p, spikes) for name, p in zip(plan.rules, plastics, strict=True)}
    counters = {name: _counters(p) for name, p in zip(plan.rules, plastics, strict=True)}
    if not fixed:
        return Learned(moved, counters, held, info=info)
    cut = dict(zip(plan.rules, tallies.tolist(), strict=True))
    totals = dict(zip(network.population_names, overflow.sum(axis=0).tolist(), strict=True))
    return Learned(
        {name: w.astype(np.int64) for name, w in moved.items()}, counters, held,
        {name: weights for name, (_, weights, _) in cut.items()}, {name: full for name, (full, _, _) in cut.items()},
        {name: OverflowCount(*total) for name, total in totals.items()}, info,
    )


def _columns(network: AnyNetwork, plan: LearningPlan) -> tuple[NDArray[np.int64], int]:
    """For spikes, v, u and each population the first column of its trace, or -1; and how many columns there are.

    Only the spikes of the ends of rules by trains are kept.
    """
    projections = [network.projection(name) for name, rule in plan.rules.items() if rule.keeps_raster]
    ends = {end for p in projections for end in (p.source, p.target)}
    keep, total = np.full((3, len(network.populations)), -1, np.int64), 0
    for k, name in enumerate(network.population_names):
        if name in ends:
            keep[0, k] = total
            total += network.size_of(name)
    return keep, total


def _ends(network: AnyNetwork, program: Program, name: str, keep: NDArray[np.int64]) -> Ends:
    p = network.projection(name)
    groups, inputs = [*network.input_names, *network.population_names], len(network.inputs)
    pre, post = groups.index(p.source), groups.index(p.target)
    column = program.layout.channel_start[pre] if pre < inputs else keep[0, pre - inputs]
    return Ends(
        program.start(pre), program.start(post), pre < inputs, int(column), int(keep[0, post - inputs]),
        network.size_of(p.source), network.size_of(p.target),
    )


def _held(
    network: AnyNetwork, drive: Drive, plan: LearningPlan, name: str, p: Plastic, spikes: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """What the rule of a projection holds of its ends: registers, or the spikes of all windows."""
    ends, per_sample = p.ends, plan.windows_per_sample
    if not plan.rules[name].keeps_raster:
        return p.pre, p.post
    source = network.projection(name).source
    pre = drive.spikes[source] if ends.pre_input else spikes[:, :, ends.pre_column:ends.pre_column + ends.pre_size]
    post = spikes[:, :, ends.post_column:ends.post_column + ends.post_size]
    return _windows(pre, per_sample), _windows(post, per_sample)


def _windows(raster: NDArray[np.bool_], per_sample: int) -> NDArray[np.bool_]:
    """Spikes of samples (time, sample, n) as windows (time, window, n)."""
    time, samples, n = raster.shape
    cut = raster.reshape(per_sample, time // per_sample, samples, n)
    return cut.transpose(1, 2, 0, 3).reshape(time // per_sample, samples * per_sample, n)


def _counters(p: Plastic) -> NDArray[Any]:
    """Counters with the bases of their rows."""
    value: NDArray[Any] = p.value
    if np.issubdtype(value.dtype, np.floating):
        return value
    return np.asarray(value + (0 if p.shared else np.repeat(p.rows[:, 0], np.diff(p.row_start))), np.int64)
