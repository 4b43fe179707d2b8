"""Learning, window by window: each rule observes spikes, its changes are added to counters, these move the weights.

What a rule computes is in :mod:`ssdp_hw.rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.rules import CounterRule, FloatRule, LocalRule
from ssdp_hw.rules.arrivals import SENT, seen_spikes, seen_synapses, sent_after
from ssdp_hw.rules.counter import accumulate, update_weights
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.rules.local import Observed
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.learning_plan import Learned, LearningPlan
from ssdp_hw.running.result import OverflowCount, Record, Recording
from ssdp_hw.running.time_limit import check_time

from .carried import Carried
from .run_fixed import run_fixed
from .run_float import run_float

Overflow = dict[str, OverflowCount]
T = TypeVar("T", bound=np.generic)


class _Observer:
    """What the rules have observed of every window so far, by projection."""

    def __init__(self, network: AnyNetwork, plan: LearningPlan) -> None:
        self.network, self.plan = network, plan
        self.windows = dict.fromkeys(plan.rules, 0)  # observed so far
        self.lasting = {name: plan.first_lasting(network, name) for name in plan.rules}
        self.observations: dict[str, tuple[list[Numbers], list[Numbers]]] = {name: ([], []) for name in plan.rules}
        self.states: dict[str, list[dict[str, Numbers]]] = {name: [] for name in plan.rules}

    def observe(self, name: str, rule: LocalRule, part: Drive, run: Recording) -> Observed:
        """What a rule observes of these samples, which were run."""
        rasters = {**part.spikes, **run.spikes}
        p = self.network.projection(name)
        sent = self.lasting[name].get(SENT)
        seen = seen_spikes(rule, p, rasters[p.pre], sent), rasters[p.post]
        if sent is not None:
            self.lasting[name][SENT] = sent_after(rasters[p.pre], sent)
        ends = [windows(raster, self.plan.windows_per_sample) for raster in seen]
        observed = rule.observe(*ends)
        key = self.plan.random_key(self.network, name)
        key = replace(key, first_window=key.first_window + self.windows[name])
        first, count = self.windows[name], ends[0].shape[1]
        factors = {n: values[first : first + count] for n, values in self.plan.factors_of(name).items()}
        states = self._read(rule, p, run)
        self.states[name].append(states)
        observed = replace(observed, key=key, lasting=self.lasting[name], factors={**factors, **states})
        self.windows[name] += count
        for observations, raster, group in zip(
            self.observations[name], ends, (observed.pre, observed.post), strict=True
        ):
            observations.append(raster if rule.keeps_raster else group.time)
        return observed

    def _read(self, rule: LocalRule, p: BaseProjection, run: Recording) -> dict[str, Numbers]:
        """The states that a rule reads, shape (window, step, n), in the registers in which it reads them."""
        found = {}
        for read in rule.reads:
            values = run.state(read.state)[p.pre if read.home == "pre" else p.post]
            if isinstance(self.network, FixedNetwork):
                values = np.clip(values, *read.limits)
            found[leaf_name(read.home, read.name)] = windows(values, self.plan.windows_per_sample).transpose(1, 0, 2)
        return found

    def read_states(self) -> dict[str, dict[str, Numbers]]:
        """All states that rules have read, by projection."""
        return {
            name: {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
            for name, parts in self.states.items()
            if parts
        }

    def joined(self) -> dict[str, tuple[Numbers, Numbers]]:
        """All windows together."""
        axis = {name: 1 if rule.keeps_raster else 0 for name, rule in self.plan.rules.items()}
        return {
            name: (np.concatenate(pre, axis[name]), np.concatenate(post, axis[name]))
            for name, (pre, post) in self.observations.items()
        }


def _with_weights(observed: Observed, rule: LocalRule, p: BaseProjection, stored: Numbers) -> Observed:
    """The observation with the weight of every synapse, where the rule reads it."""
    if not rule.reads_weight:
        return observed
    return replace(observed, weight=p.of_synapses(stored))


def windows(raster: NDArray[T], per_sample: int) -> NDArray[T]:
    """Cut the spikes or states (time, sample, n) of samples into windows (time, window, n), in order."""
    time, samples, n = raster.shape
    cut = raster.reshape(per_sample, time // per_sample, samples, n)
    return cut.transpose(1, 2, 0, 3).reshape(time // per_sample, samples * per_sample, n)


def _ends(network: AnyNetwork, plan: LearningPlan) -> set[str]:
    projections = [network.projection(name) for name in plan.rules]
    return {end for p in projections for end in (p.pre, p.post)}


def _record(network: AnyNetwork, plan: LearningPlan) -> Record:
    """The spikes of both ends of every plastic projection, and the states that rules read."""
    ends = tuple(n for n in _ends(network, plan) if n not in network.input_names)
    wanted = {
        (read.state, p.pre if read.home == "pre" else p.post)
        for p, rule in ((network.projection(name), rule) for name, rule in plan.rules.items())
        for read in rule.reads
    }
    states = tuple(sorted({state for state, _ in wanted}))
    missing = frozenset((s, n) for s in states for n in ends if (s, n) not in wanted)
    return Record(("spikes", *states), ends, missing)


N = TypeVar("N", FixedNetwork, Network)


def _present(
    run: Callable[[N, Drive, Record, Carried | None], Recording],
    network: N,
    drive: Drive,
    record: Record,
    carried: Carried | None,
) -> Recording:
    """Run all samples side by side from the initial state, or one after the other from a state that is carried."""
    if carried is None:
        return run(network, drive, record, None)
    runs = [run(network, drive.select(k, k + 1), record, carried) for k in range(drive.batch)]
    spikes = {name: np.concatenate([r.spikes[name] for r in runs], axis=1) for name in runs[0].spikes}
    states = {
        s: {name: np.concatenate([r.state(s)[name] for r in runs], axis=1) for name in runs[0].state(s)}
        for s in record.state_names
    }
    overflow: Overflow = {}
    for one in runs:
        _add_overflow(overflow, one)
    return Recording.of(spikes, states, None if runs[0].overflow is None else overflow)


def _add_overflow(overflow: Overflow, run: Recording) -> None:
    """Add the overflow counts of a run to those by population."""
    for name, count in (run.overflow or {}).items():
        overflow[name] = overflow.get(name, OverflowCount()) + count


def _neurons(carried: Carried | None) -> dict[str, dict[str, Numbers]]:
    return {} if carried is None else carried.neurons


def learn_fixed(network: FixedNetwork, drive: Drive, plan: LearningPlan) -> Learned:
    """An integer rule on every plastic projection."""
    rules = {name: cast(CounterRule, rule) for name, rule in plan.rules.items()}
    projections = {name: network.projection(name) for name in rules}
    record = _record(network, plan)
    weights = {name: p.mantissa.astype(np.int64) for name, p in projections.items()}
    counters = {
        name: np.asarray(plan.counters.get(name, np.zeros(w.size)), np.int64).copy() for name, w in weights.items()
    }
    clipped, full = dict.fromkeys(rules, 0), dict.fromkeys(rules, 0)
    overflow: Overflow = {}
    observer, carried = _Observer(network, plan), None if plan.restart else Carried(plan)
    updates = plan.first_update
    for start, stop, updates_now in plan.groups(drive.batch):
        part = drive.select(start, stop)
        run = _present(run_fixed, network.with_mantissas(weights), part, record, carried)
        _add_overflow(overflow, run)
        first = start * plan.windows_per_sample
        for name, rule in rules.items():
            p, gates = projections[name], plan.gates.get(name)
            observed = _with_weights(observer.observe(name, rule, part, run), rule, p, weights[name])
            outside = None if gates is None else gates[first:]
            rows, cols = seen_synapses(rule, p)
            for window in range((stop - start) * plan.windows_per_sample):
                check_time()
                e = rule.weight_change(observed, window, rows, cols, outside)
                counters[name], saturated = accumulate(rule, counters[name], p.sum_shared(e))
                full[name] += saturated
            if updates_now:  # windows after the last full group stay in the counters
                weights[name], counters[name], cut = update_weights(
                    rule,
                    weights[name],
                    counters[name],
                    p.format.mantissa_min,
                    p.format.mantissa_max,
                    seed=plan.seed,
                    layer=network.layer(name),
                    index=updates,
                )
                clipped[name] += cut
        updates += updates_now
    return Learned(
        weights,
        counters,
        observer.joined(),
        weight_saturations=clipped,
        counter_saturations=full,
        overflow=overflow,
        lasting=observer.lasting,
        neurons=_neurons(carried),
        states=observer.read_states(),
    )


def learn_float(network: Network, drive: Drive, plan: LearningPlan) -> Learned:
    """A float rule on every plastic projection."""
    rules = {name: cast(FloatRule, rule) for name, rule in plan.rules.items()}
    projections = {name: network.projection(name) for name in rules}
    record = _record(network, plan)
    weights: dict[str, Numbers] = {n: p.stored_weights.astype(np.float64) for n, p in projections.items()}
    gathered: dict[str, Numbers] = {
        name: np.array(plan.counters.get(name, np.zeros(w.size)), np.float64) for name, w in weights.items()
    }
    observer, carried = _Observer(network, plan), None if plan.restart else Carried(plan)
    for start, stop, updates_now in plan.groups(drive.batch):
        part = drive.select(start, stop)
        current = {n: p.stored.with_values(weights[n]) for n, p in projections.items()}
        run = _present(run_float, network.with_weights(current), part, record, carried)
        first = start * plan.windows_per_sample
        for name, rule in rules.items():
            observed = _with_weights(observer.observe(name, rule, part, run), rule, projections[name], weights[name])
            outside = None if name not in plan.gates else plan.gates[name][first:]
            p = projections[name]
            rows, cols = seen_synapses(rule, p)
            for window in range((stop - start) * plan.windows_per_sample):
                check_time()
                gathered[name] = gathered[name] + p.sum_shared(
                    rule.weight_change(observed, window, rows, cols, outside)
                )
            if updates_now:
                weights[name] = weights[name] + gathered[name]
                gathered[name] = np.zeros_like(gathered[name])
    return Learned(
        weights,
        gathered,
        observer.joined(),
        lasting=observer.lasting,
        neurons=_neurons(carried),
        states=observer.read_states(),
    )
