"""SSDP on Lava: windows one round after the other, each from the initial state.

Lava's own learning rules cannot express SSDP (they see spikes, not windows), and its Dense and LIF
cannot be set back to the start between windows: learning runs on our Processes throughout. Windows
of one commit see the same weights and lie side by side; those of the next commit follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.drive import AnyNetwork, Drive
from ssdp_hw.fixed import FixedNetwork, FixedProjection
from ssdp_hw.rules import philox
from ssdp_hw.ssdp import SSDP, FixedSSDP, SilentPairs, SpikeTime
from ssdp_hw.ssdp.rule import Kernel
from ssdp_hw.target import Learned, LearningPlan

from . import fixed, floating
from .blueprint import Blueprint, Function, Node, population_node, port_shape, projection_node, synapse_delays
from .inference import link, source_node
from .session import Job, run_jobs


def unsupported(plan: LearningPlan) -> list[str]:
    """What of a plan is not done here, one sentence each."""
    reasons = [f"projection '{name}': gates from outside" for name in plan.gates]
    for name, rule in plan.rules.items():
        if type(rule) not in (SSDP, FixedSSDP):
            reasons.append(f"projection '{name}': the rule {type(rule).__name__}")
            continue
        found = {
            "a gate of the rule's own": rule.gate is not None,
            "lut_baseline": isinstance(rule, FixedSSDP) and rule.lut_baseline is not None,
            "the exponential kernel": isinstance(rule, SSDP) and rule.kernel is Kernel.EXPONENTIAL,
            "gathered float steps": isinstance(rule, SSDP) and bool(np.any(plan.counters.get(name, 0))),
        }
        reasons += [f"projection '{name}': {what}" for what, here in found.items() if here]
    if plan.windows_per_sample > 1:
        reasons.append("several windows a sample")
    if plan.first_window:
        reasons.append("going on between two commits")
    return reasons


@dataclass(frozen=True)
class Rounds:
    """How the windows of a drive are presented.

    Attributes:
        steps: length of a window.
        width: windows side by side.
        first: number of the first window of each round.
        sizes: number of windows of each round.
        commits: whether a commit ends the round.
    """

    steps: int
    width: int
    first: list[int]
    sizes: list[int]
    commits: list[bool]

    @staticmethod
    def of(drive: Drive, commit_windows: int, widest: int) -> Rounds:
        """Groups of ``commit_windows`` windows, each in rounds of at most ``widest``."""
        width = min(commit_windows, widest, drive.batch)
        rounds = Rounds(drive.steps, width, [], [], [])
        for start in range(0, drive.batch, commit_windows):
            stop = start + commit_windows
            for first in range(start, min(stop, drive.batch), width):
                rounds.first.append(first)
                rounds.sizes.append(min(first + width, stop, drive.batch) - first)
                rounds.commits.append(first + width >= stop <= drive.batch)
        return rounds

    def arranged(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of shape (..., window, n) as (round, ..., width, n), filled up with zeros."""
        out = np.zeros((len(self.first), *values.shape[:-2], self.width, values.shape[-1]), values.dtype)
        for number, (first, size) in enumerate(zip(self.first, self.sizes, strict=True)):
            out[number, ..., :size, :] = values[..., first:first + size, :]
        return out


@dataclass(frozen=True, eq=False)
class LearningTask:
    """One learning run."""

    network: AnyNetwork
    drive: Drive
    plan: LearningPlan


def learn_all(tasks: Sequence[LearningTask], options: Mapping[str, Any]) -> list[Learned]:
    """Run several learning tasks in one worker; in each, weights move at commits only."""
    jobs: list[Job] = []
    owners: list[int] = []  # of each job, the number of its task
    for number, task in enumerate(tasks):
        parts = _jobs(task, int(options["batch_size"]))
        jobs += parts
        owners += [number] * len(parts)
    found: list[dict[str, dict[str, NDArray[Any]]]] = [{} for _ in tasks]
    with run_jobs(jobs, python=options["python"], time_limit=options["time_limit"]) as results:
        for index, (job, number) in enumerate(zip(jobs, owners, strict=True)):
            found[number].update({node: results.arrays(index, node) for node in job.record})
        return [_learned(task, arrays, results.versions) for task, arrays in zip(tasks, found, strict=True)]


def _jobs(task: LearningTask, widest: int) -> list[Job]:
    rounds = Rounds.of(task.drive, task.plan.commit_windows, widest)
    plastic = {projection_node(name) for name in task.plan.rules}
    jobs = []
    for part in _blueprint(task.network, task.drive, task.plan, rounds).components():
        kept: dict[str, list[str]] = {node.name: [] for node in part.nodes if node.name in plastic}
        if kept:  # a part that does not learn need not run
            jobs.append(Job(part, rounds.steps * len(rounds.first), kept))
    return jobs


def _learned(task: LearningTask, arrays: Mapping[str, Mapping[str, NDArray[Any]]], info: Mapping[str, Any]) -> Learned:
    found = {name: arrays[projection_node(name)] for name in task.plan.rules}
    times = {name: (a["pre_time"], a["post_time"]) for name, a in found.items()}
    weights = {name: a["weights"] for name, a in found.items()}
    if not isinstance(task.network, FixedNetwork):
        return Learned(weights, {name: np.zeros(w.size) for name, w in weights.items()}, times, info=info)
    return Learned(
        weights, {name: a["counters"] for name, a in found.items()}, times,
        {name: int(a["clipped"]) for name, a in found.items()},
        {name: int(a["full"]) for name, a in found.items()}, info=info,
    )


def _blueprint(network: AnyNetwork, drive: Drive, plan: LearningPlan, rounds: Rounds) -> Blueprint:
    is_fixed = isinstance(network, FixedNetwork)
    blueprint = Blueprint("fixed_pt" if is_fixed else "floating_pt")
    for name, spikes in drive.spikes.items():
        arranged = rounds.arranged(spikes).reshape(-1, rounds.width, spikes.shape[-1])
        blueprint.nodes.append(source_node(name, arranged))
    unbiased = Drive({}, rounds.steps, rounds.width)
    window, batch = rounds.steps, rounds.width
    if isinstance(network, FixedNetwork):
        nodes = [fixed.population(network, p, unbiased, own=True, window=window) for p in network.populations]
        nodes += [fixed.projection(q, batch=batch, own=True, window=window) for q in network.projections]
    else:
        nodes = [floating.population(network, p, unbiased, own=True, window=window)[0] for p in network.populations]
        nodes += [floating.projection(q, 1.0, batch=batch, own=True, window=window) for q in network.projections]
    biased = {population_node(name): name for name in drive.bias}
    plastic = {projection_node(name): name for name in plan.rules}
    for node in nodes:
        if node.name in biased:
            node = _with_bias(node, network, drive, biased[node.name], rounds)
        elif node.name in plastic:
            node = _plastic(node, network, plan, plastic[node.name], rounds)
        blueprint.nodes.append(node)
    link(blueprint, network)
    blueprint.links += [
        (population_node(network.projection(name).target), "s_out", node, "s_in_bap") for node, name in plastic.items()
    ]
    return blueprint


def _with_bias(node: Node, network: AnyNetwork, drive: Drive, name: str, rounds: Rounds) -> Node:
    """A bias of each window's own."""
    varying: str
    bias: NDArray[Any]
    if isinstance(network, FixedNetwork):
        varying, bias = "bias", drive.fixed_bias(network, name)
    else:
        varying, bias = "bias_in", drive.float_bias(network, name)
    arranged = rounds.arranged(bias).reshape(-1, *port_shape(rounds.width, network.size_of(name)))
    return replace(node, parameters={**node.parameters, varying: arranged, "varying": varying})


def _plastic(node: Node, network: AnyNetwork, plan: LearningPlan, name: str, rounds: Rounds) -> Node:
    q, rule = network.projection(name), cast(SSDP | FixedSSDP, plan.rules[name])
    parameters: dict[str, Any] = {
        "weights": node.parameters["weights"], "delays": synapse_delays(q), "batch": rounds.width,
        "window": rounds.steps, "sizes": np.array(rounds.sizes), "commits": np.array(rounds.commits),
        "last": rule.spike_time is SpikeTime.LAST, "skip_silent": rule.silent_pairs is SilentPairs.SKIP,
    }
    if isinstance(network, FixedNetwork):
        parameters |= _fixed_rule(cast(FixedSSDP, rule), cast(FixedProjection, q), plan, network.layer(name))
    else:
        rule = cast(SSDP, rule)
        parameters |= {
            "a_plus": rule.a_plus, "a_baseline": rule.a_baseline, "sigma": rule.sigma, "clip": rule.clip
        }
    return Node(node.name, "PlasticConnection", parameters)


def _fixed_rule(rule: FixedSSDP, q: FixedProjection, plan: LearningPlan, layer: int) -> dict[str, Any]:
    lut = np.zeros(1 << rule.time_bits, np.int64)
    lut[:len(rule.lut)] = rule.lut
    return {
        "weight_exp": q.weight_exp, "time_shift": rule.time_shift, "a_plus": rule.a_plus,
        "a_baseline": rule.a_baseline, "lut": lut, "evidence_shift": rule.evidence_shift,
        "counter_min": rule.counter_min, "counter_max": rule.counter_max,
        "counters": np.asarray(plan.counters.get(q.name, np.zeros(q.synapse_weights.size)), np.int64),
        "lsb_shift": rule.lsb_shift, "weight_shift": q.format.lsb_shift, "stored_min": q.format.mantissa_min,
        "stored_max": q.format.mantissa_max, "rounding": rule.rounding.value,
        "random": Function(str(philox.__file__), philox.synapse_random.__name__),
        "seed": plan.seed, "layer": layer, "first_commit": plan.first_commit,
    }
