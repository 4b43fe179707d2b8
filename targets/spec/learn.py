"""SSDP, window by window, by the operations of :mod:`ssdp_hw.ssdp`."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import with_synapse_values
from ssdp_hw.drive import AnyNetwork, Drive
from ssdp_hw.fixed import FixedNetwork
from ssdp_hw.network import Network
from ssdp_hw.result import Record
from ssdp_hw.ssdp import SSDP, FixedSSDP
from ssdp_hw.ssdp.fixed_rule import accumulate, commit, evidence
from ssdp_hw.ssdp.registers import Registers, spike_registers
from ssdp_hw.ssdp.rule import pair_update
from ssdp_hw.target import Learned, LearningPlan

from .run_fixed import run_fixed
from .run_float import run_float

Int = NDArray[np.int64]
Times = dict[str, tuple[list[Int], list[Int]]]


def _raster(network: AnyNetwork, drive: Drive, names: set[str]) -> dict[str, NDArray[np.bool_]]:
    record = Record(("spikes",), tuple(n for n in names if n not in network.input_names))
    if isinstance(network, FixedNetwork):
        run = run_fixed(network, drive, record)
    else:
        run = run_float(network, drive, record)
    return {name: run.spikes[name] if name in run.spikes else drive.spikes[name] for name in names}


def _registers(
    network: AnyNetwork, name: str, rule: FixedSSDP | SSDP, rasters: dict[str, NDArray[np.bool_]]
) -> tuple[Registers, Registers]:
    time_shift = rule.time_shift if isinstance(rule, FixedSSDP) else 0
    p = network.projection(name)
    pre = spike_registers(rasters[p.source], rule.spike_time, time_shift)
    return pre, spike_registers(rasters[p.target], rule.spike_time, time_shift)


def learn_fixed(network: FixedNetwork, drive: Drive, plan: LearningPlan) -> Learned:
    """Integer SSDP on every plastic projection."""
    rules = {name: cast(FixedSSDP, rule) for name, rule in plan.rules.items()}
    projections = {name: network.projection(name) for name in rules}
    ends = {end for p in projections.values() for end in (p.source, p.target)}
    weights = {name: p.mantissa.astype(np.int64) for name, p in projections.items()}
    counters = {
        name: np.asarray(plan.counters.get(name, np.zeros(w.size)), np.int64).copy() for name, w in weights.items()
    }
    clipped, full = dict.fromkeys(rules, 0), dict.fromkeys(rules, 0)
    times: Times = {name: ([], []) for name in rules}
    size = plan.commit_windows
    for start in range(0, drive.batch, size):
        windows = drive.select(start, start + size)
        rasters = _raster(network.with_mantissas(weights), windows, ends)
        for name, rule in rules.items():
            p = projections[name]
            pre, post = _registers(network, name, rule, rasters)
            times[name][0].append(pre.time)
            times[name][1].append(post.time)
            rows, cols = p.synapse_indices
            for window in range(windows.batch):
                e = evidence(rule, pre, post, window, rows, cols)
                counters[name], saturated = accumulate(rule, counters[name], e)
                full[name] += saturated
            if windows.batch == size:  # windows after the last full group stay in the counters
                weights[name], counters[name], cut = commit(
                    rule, weights[name], counters[name], p.format.mantissa_min, p.format.mantissa_max,
                    seed=plan.seed, layer=network.layer(name), index=plan.first_commit + start // size,
                )
                clipped[name] += cut
    return Learned(weights, counters, _joined(times), clipped, full)


def learn_float(network: Network, drive: Drive, plan: LearningPlan) -> Learned:
    """Float SSDP on every plastic projection."""
    rules = {name: cast(SSDP, rule) for name, rule in plan.rules.items()}
    projections = {name: network.projection(name) for name in rules}
    ends = {end for p in projections.values() for end in (p.source, p.target)}
    weights: dict[str, NDArray[Any]] = {n: p.synapse_weights.astype(np.float64) for n, p in projections.items()}
    times: Times = {name: ([], []) for name in rules}
    size = plan.commit_windows
    for start in range(0, drive.batch, size):
        windows = drive.select(start, start + size)
        current = {n: with_synapse_values(p.weight, weights[n]) for n, p in projections.items()}
        rasters = _raster(network.with_weights(current), windows, ends)
        for name, rule in rules.items():
            p = projections[name]
            pre, post = _registers(network, name, rule, rasters)
            times[name][0].append(pre.time)
            times[name][1].append(post.time)
            if windows.batch < size:
                continue
            rows, cols = p.synapse_indices
            for window in range(size):
                weights[name] = weights[name] + pair_update(rule, pre, post, window)[rows, cols]
    return Learned(weights, {}, _joined(times))


def _joined(times: Times) -> dict[str, tuple[Int, Int]]:
    return {name: (np.concatenate(pre), np.concatenate(post)) for name, (pre, post) in times.items()}
