"""Learning on Lava: samples one round after the other, each from the initial state or as a piece of one run.

Lava's own learning rules cannot express SSDP (they see spikes, not windows), and its Dense and LIF
cannot be set back to the start between samples: learning runs on our Processes throughout. Samples
of one weight update see the same weights and lie side by side; those of the next weight update follow. Samples that are
pieces of one run (:mod:`.one_run`) follow one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.network.fixed_network import FixedNetwork, FixedProjection
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.operations import philox
from ssdp_hw.rules import CounterRule, FloatRule
from ssdp_hw.rules.arrivals import arrival_lines, sees_arrivals
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.rules.model import StateRead
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.learning_plan import Learned, LearningPlan

from . import declared, fixed, floating, one_run
from .blueprint import Blueprint, Function, Node, population_node, projection_node, synapse_delays
from .inference import STATE, add_analog, link, source_node
from .rules import KNOWN, observes_trains, rule_parameters
from .session import Job, run_jobs

T = TypeVar("T", bound=np.generic)

# The names of arrays of variables that outlast a window begin so, on their way to the worker and back.
_LASTING = "lasting_"
# The names of arrays of third factors begin so.
_FACTOR = "factor_"
# The ports of a projection at which states arrive that its rule reads, and the arrays of these states, begin so.
_READ = "read_"
# The ports at which neurons send states begin so.
_SHOWN = "shown_"


def unsupported(plan: LearningPlan) -> list[str]:
    """What of a plan cannot be done here, one sentence each."""
    known = ", ".join(sorted(kind.__name__ for kind in KNOWN))
    return [
        f"projection '{name}': its rule {type(rule).__name__} is none of {known}"
        for name, rule in plan.rules.items()
        if type(rule) not in KNOWN
    ]


@dataclass(frozen=True)
class Rounds:
    """How the samples of a drive are presented.

    Attributes:
        steps: length of a sample.
        width: samples side by side.
        first: number of the first sample of each round.
        sizes: number of samples of each round.
        updates: whether a weight update ends the round.
    """

    steps: int
    width: int
    first: list[int]
    sizes: list[int]
    updates: list[bool]

    @staticmethod
    def of(drive: Drive, plan: LearningPlan, widest: int) -> Rounds:
        """The samples of each weight update, in rounds of at most ``widest``."""
        groups = plan.groups(drive.batch)
        width = min(widest, max(stop - start for start, stop, _ in groups)) if plan.restart else 1
        rounds = Rounds(drive.steps, width, [], [], [])
        for start, stop, updates in groups:
            for first in range(start, stop, width):
                rounds.first.append(first)
                rounds.sizes.append(min(first + width, stop) - first)
                rounds.updates.append(updates and first + width >= stop)
        return rounds

    def arranged(self, values: NDArray[T]) -> NDArray[T]:
        """Values of shape (..., sample, n) as (round, ..., width, n), filled up with zeros."""
        out = np.zeros((len(self.first), *values.shape[:-2], self.width, values.shape[-1]), values.dtype)
        for number, (first, size) in enumerate(zip(self.first, self.sizes, strict=True)):
            out[number, ..., :size, :] = values[..., first : first + size, :]
        return out


@dataclass(frozen=True, eq=False)
class LearningTask:
    """One learning run."""

    network: AnyNetwork
    drive: Drive
    plan: LearningPlan


def learn_all(tasks: Sequence[LearningTask], options: Mapping[str, Any]) -> list[Learned]:
    """Run several learning tasks in one worker; in each, the weights are updated between rounds only."""
    jobs: list[Job] = []
    owners: list[int] = []  # of each job, the number of its task
    for number, task in enumerate(tasks):
        parts = _jobs(task, int(options["batch_size"]), fast_paths=options["fast_paths"])
        jobs += parts
        owners += [number] * len(parts)
    found: list[dict[str, dict[str, Numbers]]] = [{} for _ in tasks]
    with run_jobs(jobs, python=options["python"], time_limit=options["time_limit"]) as results:
        for index, (job, number) in enumerate(zip(jobs, owners, strict=True)):
            found[number].update({node: results.arrays(index, node) for node in job.record})
        infos: list[dict[str, Any]] = [{**results.versions, "steps_seconds": 0.0} for _ in tasks]
        for seconds, number in zip(results.seconds, owners, strict=True):
            infos[number]["steps_seconds"] += seconds
        return [_learned(*each, fast_paths=options["fast_paths"]) for each in zip(tasks, found, infos, strict=True)]


def _jobs(task: LearningTask, widest: int, *, fast_paths: bool) -> list[Job]:
    rounds = Rounds.of(task.drive, task.plan, widest)
    plastic = {projection_node(name) for name in task.plan.rules}
    jobs = []
    blueprint = _blueprint(task.network, task.drive, task.plan, rounds, fast_paths=fast_paths)
    for part in blueprint.components():
        recorded: dict[str, list[str]] = {node.name: [] for node in part.nodes if node.name in plastic}
        if not task.plan.restart:
            recorded |= one_run.recorded(task.network, part)
        if recorded:  # a component that does not learn need not run
            jobs.append(Job(part, rounds.steps * len(rounds.first), recorded, last=True))
    return jobs


def _learned(
    task: LearningTask,
    arrays: Mapping[str, Mapping[str, Numbers]],
    info: Mapping[str, object],
    *,
    fast_paths: bool,
) -> Learned:
    found = {name: arrays[projection_node(name)] for name in task.plan.rules}
    weights, counters = ({name: a[key] for name, a in found.items()} for key in ("weights", "counters"))
    observed = {
        name: _observed(task.plan.rules[name], a["pre"], a["post"], fast_paths=fast_paths) for name, a in found.items()
    }
    lasting = {
        name: {key.removeprefix(_LASTING): values for key, values in a.items() if key.startswith(_LASTING)}
        for name, a in found.items()
    }
    states = {
        name: {key.removeprefix(_READ): values for key, values in a.items() if key.startswith(_READ)}
        for name, a in found.items()
    }
    neurons = {} if task.plan.restart else one_run.neurons_after(task.network, task.drive, task.plan, arrays)
    if not isinstance(task.network, FixedNetwork):
        return Learned(weights, counters, observed, info=info, lasting=lasting, neurons=neurons, states=states)
    return Learned(
        weights,
        counters,
        observed,
        {name: int(a["clipped"]) for name, a in found.items()},
        {name: int(a["full"]) for name, a in found.items()},
        info=info,
        lasting=lasting,
        neurons=neurons,
        states=states,
    )


def _observed(
    rule: CounterRule | FloatRule, pre: Numbers, post: Numbers, *, fast_paths: bool
) -> tuple[Numbers, Numbers]:
    """The observations of the rule from those of the worker: spikes of all windows, or registers."""
    if rule.keeps_raster or not observes_trains(rule, fast_paths=fast_paths):
        return pre, post
    registers = rule.observe(pre, post)
    return registers.pre.time, registers.post.time


def _blueprint(network: AnyNetwork, drive: Drive, plan: LearningPlan, rounds: Rounds, *, fast_paths: bool) -> Blueprint:
    is_fixed = isinstance(network, FixedNetwork)
    blueprint = Blueprint("fixed_pt" if is_fixed else "floating_pt")
    for name, spikes in drive.spikes.items():
        arranged = rounds.arranged(spikes).reshape(-1, rounds.width, spikes.shape[-1])
        blueprint.nodes.append(source_node(name, arranged))
    unbiased = Drive({}, rounds.steps, rounds.width)
    restart, batch = rounds.steps if plan.restart else 0, rounds.width
    names = [n for n in network.population_names if declared.runs_declaration(network, n, fast_paths=fast_paths)]
    nodes = [declared.population(network, name, batch=batch, restart=restart) for name in names]
    graded = {p.name for p in network.populations if p.payload}
    if isinstance(network, FixedNetwork):
        by_hand = [p for p in network.populations if p.name not in names]
        nodes += [fixed.population(network, p, unbiased, own=True, restart=restart) for p in by_hand]
        payload_bits = {p.name: p.payload_bits for p in network.populations if p.payload}
        nodes += [
            fixed.projection(q, batch=batch, own=True, restart=restart, payload_bits=payload_bits.get(q.pre, 0))
            for q in network.projections
        ]
    else:
        real = [p for p in network.populations if p.name not in names]
        nodes += [floating.population(network, p, unbiased, own=True, restart=restart)[0] for p in real]
        nodes += [
            floating.projection(q, 1.0, batch=batch, own=True, restart=restart, graded=q.pre in graded)
            for q in network.projections
        ]
    plastic = {projection_node(name): name for name in plan.rules}
    shown = _shown(network, plan, names)
    for node in one_run.begun(nodes, network, plan):
        if node.name in shown:
            node = replace(node, parameters={**node.parameters, "shown": sorted({v for v, *_ in shown[node.name]})})
        if node.name in plastic:
            node = _plastic(node, network, plan, plastic[node.name], rounds, fast_paths=fast_paths)
        blueprint.nodes.append(node)
    link(blueprint, network)
    add_analog(blueprint, {name: _analog(drive, name, rounds) for name in drive.currents.frames}, {})
    one_run.add_arriving(blueprint, network, plan)
    for node_name, name in plastic.items():
        post = network.projection(name).post
        port = "fired_out" if post in graded else "s_out"
        blueprint.links.append((population_node(post), port, node_name, "s_in_bap"))
    blueprint.links += [
        (population, f"{_SHOWN}{variable}", projection_node(name), f"{_READ}{leaf_name(read.home, read.name)}")
        for population, reads in shown.items()
        for variable, name, read in reads
    ]
    return blueprint


def _shown(
    network: AnyNetwork, plan: LearningPlan, declared_names: Sequence[str]
) -> dict[str, list[tuple[str, str, StateRead]]]:
    """By node of a population the states that rules read: the variable, the projection, and what its rule declares."""
    found: dict[str, list[tuple[str, str, StateRead]]] = {}
    for name, rule in plan.rules.items():
        q = network.projection(name)
        for read in rule.reads:
            end = q.pre if read.home == "pre" else q.post
            variable = f"{STATE}{read.state}" if end in declared_names else read.state
            found.setdefault(population_node(end), []).append((variable, name, read))
    return found


def _analog(drive: Drive, name: str, rounds: Rounds) -> tuple[Numbers, NDArray[np.int64]]:
    """Frames (frame, width, n) of the analog input of a population in all rounds, and the frame of each step."""
    arranged = rounds.arranged(drive.currents.frames[name])  # (round, frame, width, n)
    count = arranged.shape[1]
    of_step = np.concatenate([number * count + drive.currents.of_step for number in range(len(arranged))])
    return arranged.reshape(-1, *arranged.shape[2:]), of_step


def _plastic(
    node: Node, network: AnyNetwork, plan: LearningPlan, name: str, rounds: Rounds, *, fast_paths: bool
) -> Node:
    q, rule = network.projection(name), plan.rules[name]
    integers = isinstance(rule, CounterRule)
    parameters: dict[str, Any] = {
        "weights": node.parameters["weights"],
        "delays": synapse_delays(q),
        "batch": rounds.width,
        "restart": rounds.steps if plan.restart else 0,
        "round_steps": rounds.steps,
        "windows": plan.windows_per_sample,
        "sizes": np.array(rounds.sizes),
        "updates": np.array(rounds.updates),
        "gates": plan.gates.get(name),
        **_arrivals(rule, q),
        **({"shared": q.stored_weights, "place_of_synapse": q.stored_index} if q.is_convolution else {}),
        "reads": [[leaf_name(r.home, r.name), r.home, *(r.limits if integers else (None, None))] for r in rule.reads],
        **{f"{_LASTING}{key}": values for key, values in plan.first_lasting(network, name).items()},
        **{f"{_FACTOR}{key}": values for key, values in plan.factors_of(name).items()},
        "counters": np.asarray(plan.counters.get(name, np.zeros(q.stored_weights.size))),
        **rule_parameters(rule, rounds.steps // plan.windows_per_sample, fast_paths=fast_paths),
    }
    if isinstance(rule, CounterRule):
        parameters |= _counter(rule, cast(FixedProjection, q), plan, network.layer(name))
    else:
        parameters["clip"] = rule.clip
    return Node(node.name, "PlasticConnection", parameters)


def _arrivals(rule: CounterRule | FloatRule, q: BaseProjection) -> dict[str, Any]:
    """The arrival lines of a rule that sees spikes as they arrive; nothing for other rules."""
    if not sees_arrivals(rule, q):
        return {}
    lines = arrival_lines(q)
    return {"line_neurons": lines.neurons, "line_delays": lines.delays, "line_of_synapse": lines.cols}


def _counter(rule: CounterRule, q: FixedProjection, plan: LearningPlan, layer: int) -> dict[str, Any]:
    return {
        "weight_exp": q.weight_exp,
        "gate_bits": rule.gate_bits,
        "counter_min": rule.counter_min,
        "counter_max": rule.counter_max,
        "lsb_shift": rule.lsb_shift,
        "weight_shift": q.format.lsb_shift,
        "stored_min": q.format.mantissa_min,
        "stored_max": q.format.mantissa_max,
        "rounding": rule.rounding.value,
        "random": Function(str(philox.__file__), philox.synapse_random.__name__),
        "seed": plan.seed,
        "layer": layer,
        "first_update": plan.first_update,
        "first_window": plan.first_update * plan.windows_per_update + plan.first_window,
    }
