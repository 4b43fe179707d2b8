"""A run: one job for each component of a network and each batch, and their recordings joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.result import CUBA_LIF_COUNTS, OverflowCount, Record, Recording

from . import declared, fixed, floating
from .blueprint import (
    Blueprint,
    Node,
    analog_node,
    input_node,
    population_node,
    port_shape,
    projection_node,
    synaptic_input,
)
from .floating import Scaling
from .session import Job, run_jobs

# Names under which a process of declared neurons has a state and, where they are wanted, its overflow counts so far.
STATE, COUNTS = "state_", "overflow_counts"

# For each variable and population the recordings of all batches, in order.
Traces = dict[str, dict[str, list[Numbers]]]


@dataclass
class Plan:
    """A network as a blueprint, and the scaling of its variables.

    Attributes:
        blueprint: all nodes, of one or several connected components.
        scaling: for each population of a float network its scaling; empty for a fixed network.
        declared: populations that run by the declaration of their model.
        counts: for each population of a fixed network its overflow counts; empty where a population runs on Lava's own
            LIF, which does not count.
    """

    blueprint: Blueprint
    scaling: dict[str, Scaling]
    declared: set[str] = field(default_factory=set)
    counts: dict[str, tuple[str, ...]] = field(default_factory=dict)


def source_node(name: str, spikes: NDArray[np.bool_]) -> Node:
    """The node that sends spikes of shape (time, batch, channels)."""
    steps, batch, size = spikes.shape
    packed = np.packbits(spikes.reshape(steps, -1), axis=1)
    return Node(input_node(name), "SpikeSource", {"shape": port_shape(batch, size), "packed": packed})


def add_analog(
    blueprint: Blueprint,
    currents: Mapping[str, tuple[Numbers, NDArray[np.int64]]],
    gain: Mapping[str, NDArray[np.float64] | float],
) -> None:
    """Sources of the synaptic input of analog inputs, linked to their populations.

    Args:
        blueprint: it is added to.
        currents: by population the frames, shape (frame, batch, n), and for each step the number of its frame.
        gain: by population what its incoming weights are multiplied by; 1 where it is missing.
    """
    for name, (frames, of_step) in currents.items():
        shape = port_shape(*frames.shape[1:])
        scaled = frames * gain[name] if name in gain else frames
        node = Node(
            analog_node(name),
            "AnalogSource",
            {"shape": shape, "frames": scaled.reshape(-1, *shape), "of_step": of_step},
        )
        blueprint.nodes.append(node)
        blueprint.links.append((node.name, "a_out", population_node(name), "a_in"))


def link(blueprint: Blueprint, network: AnyNetwork) -> None:
    """Connect sources, projections and populations."""
    for q in network.projections:
        name = projection_node(q.name)
        source = (input_node if q.pre in network.input_names else population_node)(q.pre)
        blueprint.links.append((source, "s_out", name, "s_in"))
        blueprint.links.append((name, "a_out", population_node(q.post), synaptic_input(q.port)))


def plan_run(network: AnyNetwork, drive: Drive, *, own: bool, fast_paths: bool = True) -> Plan:
    """The network with the spikes of a drive as its sources.

    Lava's own processes are used where they compute the same, unless ``own``; without ``fast_paths`` the CUBA LIF of a
    fixed network runs by its declaration.
    """
    is_fixed = isinstance(network, FixedNetwork)
    blueprint = Blueprint("fixed_pt" if is_fixed else "floating_pt")
    blueprint.nodes += [source_node(name, spikes) for name, spikes in drive.spikes.items()]
    names = [n for n in network.population_names if declared.runs_declaration(network, n, fast_paths=fast_paths)]
    blueprint.nodes += [declared.population(network, name, batch=drive.batch) for name in names]
    scaling: dict[str, Scaling] = {}
    if isinstance(network, FixedNetwork):
        by_hand = [p for p in network.populations if p.name not in names]
        blueprint.nodes += [fixed.population(network, p, drive, own=own) for p in by_hand]
        payload_bits = {p.name: p.payload_bits for p in network.populations if p.payload}
        blueprint.nodes += [
            fixed.projection(q, batch=drive.batch, own=own, payload_bits=payload_bits.get(q.pre, 0))
            for q in network.projections
        ]
    else:
        scaling |= dict.fromkeys(names, Scaling())
        graded = {p.name for p in network.populations if p.payload}
        for p in (p for p in network.populations if p.name not in names):
            node, scaling[p.name] = floating.population(network, p, drive, own=own)
            blueprint.nodes.append(node)
        blueprint.nodes += [
            floating.projection(q, scaling[q.post].gain, batch=drive.batch, own=own, graded=q.pre in graded)
            for q in network.projections
        ]
    link(blueprint, network)
    currents = {name: (frames, drive.currents.of_step) for name, frames in drive.currents.frames.items()}
    add_analog(blueprint, currents, {name: scale.gain for name, scale in scaling.items()})
    counts: dict[str, tuple[str, ...]] = {}
    if isinstance(network, FixedNetwork) and not any(node.kind == "LIF" for node in blueprint.nodes):
        by_declaration = {name: network.step_form(name).count_names for name in names}
        counts = {name: by_declaration.get(name, CUBA_LIF_COUNTS) for name in network.population_names}
    return Plan(blueprint, scaling, set(names), counts)


@dataclass(frozen=True, eq=False)
class Task:
    """One run: every sample of the drive from the initial state."""

    network: AnyNetwork
    drive: Drive
    record: Record


def run_all(tasks: Sequence[Task], options: Mapping[str, Any]) -> list[Recording]:
    """Run several tasks in one worker, each in batches of ``batch_size`` samples side by side."""
    jobs: list[Job] = []
    origins: list[tuple[int, Plan]] = []  # for each job the number of its task, and its plan
    on_lava: list[list[str]] = []
    for number, task in enumerate(tasks):
        plans = _plans(task, options)
        on_lava.append(plans[0].blueprint.on_lava())
        for plan in plans:
            parts = _jobs(task, plan)
            jobs += parts
            origins += [(number, plan)] * len(parts)
    collected = [Collected(task) for task in tasks]
    infos: list[dict[str, Any]] = [{"on_lava": names, "steps_seconds": 0.0} for names in on_lava]
    if jobs:
        with run_jobs(jobs, python=options["python"], time_limit=options["time_limit"]) as results:
            for index, (number, plan) in enumerate(origins):
                infos[number].update(results.versions)
                infos[number]["steps_seconds"] += results.seconds[index]
                collected[number].add(jobs[index], plan, partial(results.arrays, index))
    return [found.recording(info) for found, info in zip(collected, infos, strict=True)]


def _plans(task: Task, options: Mapping[str, Any]) -> list[Plan]:
    size = int(options["batch_size"])
    return [
        plan_run(
            task.network,
            task.drive.select(start, start + size),
            own=options["processes"] == "own",
            fast_paths=options["fast_paths"],
        )
        for start in range(0, task.drive.batch, size)
    ]


def _jobs(task: Task, plan: Plan) -> list[Job]:
    wanted = {population_node(p.name): _wanted(task.record, p.name, plan) for p in task.network.populations}
    jobs = []
    for part in plan.blueprint.components():
        recorded = {node.name: wanted[node.name] for node in part.nodes if wanted.get(node.name)}
        if recorded:  # a component of which nothing is recorded need not run
            jobs.append(Job(part, task.drive.steps, recorded))
    return jobs


def _wanted(record: Record, name: str, plan: Plan) -> list[str]:
    """What the process of a population records, by its own names."""
    states = [state for state in record.state_names if record.wants(state, name)]
    spikes = ["spikes"] if record.wants("spikes", name) else []
    counts = [COUNTS] if plan.counts.get(name) else []
    if name not in plan.declared:
        return [*spikes, *states, *counts]
    return [*spikes, *(STATE + state for state in states), *counts]


class Collected:
    """What the jobs of a task recorded."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._traces: Traces = {variable: {} for variable in ("spikes", *task.record.state_names)}
        self._overflow: dict[str, OverflowCount] | None = {}

    def add(self, job: Job, plan: Plan, arrays: Callable[[str], dict[str, Numbers]]) -> None:
        """Take what one job recorded."""
        if not plan.counts:
            self._overflow = None
        for p in self._task.network.populations:
            if population_node(p.name) not in job.record:
                continue
            for variable, values in arrays(population_node(p.name)).items():
                if variable == COUNTS:
                    self._count(p.name, dict(zip(plan.counts[p.name], values[-1].tolist(), strict=True)))
                    continue
                state = variable.removeprefix(STATE) if p.name in plan.declared else variable
                trace = _meant(values.reshape(job.steps, -1, p.size), state, plan.scaling.get(p.name))
                self._traces[state].setdefault(p.name, []).append(trace)

    def _count(self, name: str, counts: Mapping[str, int]) -> None:
        if self._overflow is not None:
            self._overflow[name] = self._overflow.get(name, OverflowCount()) + OverflowCount.of(counts)

    def recording(self, info: Mapping[str, Any]) -> Recording:
        """All batches together."""
        joined = {
            variable: {name: np.concatenate(parts, axis=1) for name, parts in found.items()}
            for variable, found in self._traces.items()
        }
        spikes = joined.pop("spikes")
        return Recording.of(spikes, joined, self._overflow, info)


def _meant(values: Numbers, variable: str, scaling: Scaling | None) -> Numbers:
    """A variable of the network from Lava's, shape (time, batch, n); ``scaling`` is None in a fixed network."""
    if variable == "spikes":
        return values.astype(bool)
    if scaling is None:
        return values.astype(np.int64)
    return np.asarray(values * scaling.u_scale + scaling.u_offset if variable == "u" else values, np.float64)
