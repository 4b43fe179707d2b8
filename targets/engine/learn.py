"""Learning in the engine: from a plan to the arrays of the compiled loops and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.rules import CounterRule
from ssdp_hw.rules.arrivals import SENT, arrival_lines, seen_size, sees_arrivals, sent_after
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.rules.model import StateRead
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.learning_plan import Learned, LearningPlan

from .declared_loops import make_scratch as declared_scratch
from .generated import state_slots
from .inference import State, overflow_counts
from .lasting import lasting_row, lasting_variables
from .layer_loops import make_layer_scratch
from .learning_loops import BY_NEURONS, BY_ONE, BY_SAMPLES, learn_groups
from .listening import is_long
from .neuron_states import neurons_of, set_neurons
from .packed import packed
from .plastic import BY_AGREEMENT, BY_DECLARATION, BY_TIME, BY_TRACE, Arrivals, Ends, Plastic
from .plastic_setup import Lesson, needs_trains, plastic
from .program import Program, compile_program
from .program_input import analog_input, input_raster
from .program_neurons import fed_ports
from .run import ThreadGroup, alone, thread_count, thread_group_size, together
from .segments import Array
from .simulation import Registers, Simulation
from .spike_train_loops import make_scratch as train_scratch
from .ssdp_loops import make_scratch as time_scratch
from .step_loops import make_scratch
from .types import NumberArray

T = TypeVar("T", bound=np.generic)

_SYNAPSES = 8  # number of synapses whose weight changes take as long as the update of one neuron
_WORTH_WINDOW = 100_000  # fewest neuron updates in a group of samples for which several threads pay


def learn(
    network: AnyNetwork,
    drive: Drive,
    plan: LearningPlan,
    threads: object,
    info: Mapping[str, object],
    *,
    lazy: bool,
    fast_paths: bool,
) -> Learned:
    """Present the drive's samples and let the plan's projections learn; see :meth:`.Target.learn`.

    The samples between two weight updates run on several threads if there is enough work.

    Args:
        network, drive, plan: as in :meth:`ssdp_hw.running.target.Target.learn`.
        threads: value of the option ``threads``.
        info: ``info`` of the result.
        lazy: whether synapses that share a step may be changed through the base of their row.
        fast_paths: whether rules run in loops of their own where they have some, else by their declaration.
    """
    program = compile_program(network, plastic=tuple(plan.rules))
    groups = np.array(plan.groups(drive.batch), np.int64).reshape(-1, 3)
    largest = int((groups[:, 1] - groups[:, 0]).max(initial=0))
    trace_columns, line_columns, columns, state_columns = _columns(network, plan, fast_paths=fast_paths)
    spikes = np.zeros((drive.steps, drive.batch, columns), bool)
    windows, length = plan.windows_per_sample, drive.steps // plan.windows_per_sample
    raster = input_raster(network, drive)
    row, at_lasting = lasting_row(network, plan, length)
    lesson = Lesson(network, program, plan, drive.batch, length, lazy, fast_paths)
    plastics = tuple(
        plastic(lesson, name, *_ends(network, program, plan, name, trace_columns, line_columns), at_lasting[name])
        for name in plan.rules
    )
    number: DTypeLike = np.int64 if isinstance(network, FixedNetwork) else np.float64
    states = np.empty((drive.steps, drive.batch, state_columns) if state_columns else (0, 0, 0), number)
    kinds = {p.kind for p in plastics}
    registers = packed(_registers(plastics, (largest * windows, program.start(-1))))
    layered = windows == 1 and program.layered and plan.restart
    side_by_side = largest if plan.restart else 1
    way, members = _thread_group(threads, program, raster, plastics, side_by_side, windows)
    overflow = np.zeros((members, drive.batch, trace_columns.shape[1], program.neurons.counts), np.int64)
    tallies = np.zeros((members, len(plastics), 2), np.int64)
    state = State(program, 1)
    if plan.neurons:
        set_neurons(state, program, network, plan.neurons)
    tables = (*program.tables, raster, program.bias, analog_input(network, program, drive), trace_columns)
    declared = [declared_scratch(plastics, length, row) if BY_DECLARATION in kinds else None for _ in range(members)]

    def work(thread_group: ThreadGroup) -> None:
        shared = way == BY_NEURONS or not plan.restart  # without restart and BY_ONE the first member alone runs samples
        own = state if shared else State(program, 1)
        solo = alone(program.layout)._replace(counter=thread_group.counter)
        by = thread_group if way == BY_NEURONS else solo
        own_declared = declared[thread_group.member]
        learn_groups(
            packed(Simulation(own.packed, *tables, spikes, states, overflow[thread_group.member], registers)),
            packed(*plastics),
            windows,
            groups,
            plan.first_update,
            thread_group,
            solo,
            way,
            -1 if plan.restart else plan.first_step,
            packed(make_layer_scratch(program.layout, program.neurons, by)) if layered else None,
            None if layered else packed(make_scratch(program.layout, program.neurons, by)),
            packed(time_scratch(plastics)) if BY_TIME in kinds else None,
            packed(train_scratch(plastics, length)) if kinds & {BY_TRACE, BY_AGREEMENT} else None,
            None if own_declared is None else packed(own_declared),
            tallies[thread_group.member],
        )

    updates = drive.batch * (drive.steps * program.start(-1) + windows * sum(p.value.size for p in plastics))
    together(work, members, program.layout, listening=is_long(updates))
    after = row if declared[0] is None else declared[0].lasting  # the same in every thread
    written = _Written(dict(zip(plan.rules, plastics, strict=True)), spikes, states, overflow, tallies, after)
    neurons = {} if plan.restart else neurons_of(state, program, network)
    return _learned(lesson, drive, written, neurons, info)


class _Written(NamedTuple):
    """What the compiled loops have written."""

    plastics: Mapping[str, Plastic]  # by projection
    spikes: NDArray[np.bool_]  # trace of spikes (time, sample, column)
    states: Array  # trace of the states that rules read (time, sample, column)
    overflow: NDArray[np.int64]  # overflow counts (member, sample, population, kind)
    tallies: NDArray[np.int64]  # saturated counters and saturated weights (member, projection, 2)
    lasting: NumberArray  # variables of neurons and projections that outlast a window, see ``lasting_variables``


def _learned(
    lesson: Lesson,
    drive: Drive,
    written: _Written,
    neurons: Mapping[str, Mapping[str, Numbers]],
    info: Mapping[str, object],
) -> Learned:
    """The result of a lesson, whose neurons end in the states ``neurons`` if it is to be gone on with."""
    network, program, plan, plastics = lesson.network, lesson.program, lesson.plan, written.plastics
    fixed, overflow = False, None
    if isinstance(network, FixedNetwork):
        fixed, overflow = True, overflow_counts(network, written.overflow.sum(axis=(0, 1)))
    weights = {
        name: program.places[name].read(program.wiring.weights, network.projection(name).shape) for name in plastics
    }
    variables = lasting_variables(network, plan, lesson.steps, written.lasting, list(plastics.values()))
    tallies = dict(zip(plastics, written.tallies.sum(axis=0).tolist(), strict=True))
    return Learned(
        {name: w.astype(np.int64) for name, w in weights.items()} if fixed else weights,
        {name: _counters(p) for name, p in plastics.items()},
        {name: _observed(network, drive, plan, name, p, written.spikes) for name, p in plastics.items()},
        weight_saturations={name: cut for name, (_, cut) in tallies.items()} if fixed else None,
        counter_saturations={name: cut for name, (cut, _) in tallies.items()} if fixed else None,
        overflow=overflow,
        info=info,
        lasting={
            name: {**variables[name], **_sent(network, drive, name, p, written.spikes)} for name, p in plastics.items()
        },
        neurons=neurons,
        states={name: _read(plan, name, p.ends, written.states) for name, p in plastics.items()},
    )


def _registers(plastics: Sequence[Plastic], shape: tuple[int, int]) -> Registers:
    """Registers of shape (window of a group, source) for the spikes that the rules of these projections read."""
    last_spike = [p.by_time.last_spike for p in plastics if p.kind == BY_TIME]
    first = np.empty(shape if not all(last_spike) else (0, 0), np.int64)
    last = np.empty(shape if any(last_spike) else (0, 0), np.int64)
    return Registers(first, last)


def _thread_group(
    threads: object, program: Program, raster: Array, plastics: Sequence[Plastic], largest: int, windows: int
) -> tuple[int, int]:
    """The presentation of samples (BY_SAMPLES, BY_NEURONS or BY_ONE), and the number of members.

    Args:
        threads: value of the option ``threads``.
        program, raster, plastics: network, input spikes and projections that learn.
        largest: number of samples of the largest group.
        windows: number of windows of a sample.
    """
    steps, samples, _ = raster.shape
    learning = sum(p.value.size for p in plastics) * windows // _SYNAPSES
    members = thread_count(threads, samples * steps * program.start(-1))
    if threads is None and largest * steps * program.start(-1) + learning < _WORTH_WINDOW:
        members = 1
    if largest >= 2 * members:
        return BY_SAMPLES, members
    layered = windows == 1 and program.layered
    if members > 1 and (layered or thread_group_size(threads, program, raster[:, :1], layered=layered) > 1):
        return BY_NEURONS, members
    return BY_ONE, members


def _columns(
    network: AnyNetwork, plan: LearningPlan, *, fast_paths: bool
) -> tuple[NDArray[np.int64], dict[str, int], int, int]:
    """The columns of the traces of spikes and of states.

    Spikes are read of populations whose projections learn from all spikes of a window, and of the arrival lines of
    projections whose rules see them; states where a rule reads them.

    Returns:
        The first column of each population (columns) in the trace of spikes (row 0) and of states (row 1 + slot), -1
        where nothing reads it; for each projection with arrival lines theirs; and how many columns each trace has.
    """
    rules = {network.projection(name): rule for name, rule in plan.rules.items()}
    ends = {end for p, rule in rules.items() if needs_trains(rule, p, fast_paths=fast_paths) for end in (p.pre, p.post)}
    groups = len(network.populations) + len(fed_ports(network))
    slots = [state_slots(p.state_names) for p in network.populations]
    rows = 1 + max([2, *(1 + slot for own in slots for slot in own.values())])
    trace_columns, total, states = np.full((rows, groups), -1, np.int64), 0, 0
    for k, name in enumerate(network.population_names):
        if name in ends:
            trace_columns[0, k] = total
            total += network.size_of(name)
    lines = {}
    for p, rule in rules.items():
        if sees_arrivals(rule, p):
            lines[p.name] = total
            total += seen_size(rule, p)
    for name, rule in plan.rules.items():
        for read in rule.reads:
            end = _end(network, name, read)
            k = network.population_names.index(end)
            row = 1 + slots[k][read.state]
            if trace_columns[row, k] < 0:
                trace_columns[row, k] = states
                states += network.size_of(end)
    return trace_columns, lines, total, states


def _end(network: AnyNetwork, name: str, read: StateRead) -> str:
    p = network.projection(name)
    return p.pre if read.home == "pre" else p.post


def _ends(
    network: AnyNetwork,
    program: Program,
    plan: LearningPlan,
    name: str,
    trace_columns: NDArray[np.int64],
    line_columns: Mapping[str, int],
) -> tuple[Ends, Arrivals]:
    p = network.projection(name)
    groups, inputs = [*network.input_names, *network.population_names], len(network.inputs)
    pre, post = groups.index(p.pre), groups.index(p.post)
    from_input = pre < inputs
    column = int(program.layout.channel_start[pre] if from_input else trace_columns[0, pre - inputs])
    nobody = np.zeros(0, np.int64)
    arrivals = Arrivals(nobody, nobody, from_input, column, False, np.zeros((0, 0), bool))
    if name in line_columns:
        lines = arrival_lines(p)
        arrivals = arrivals._replace(neurons=lines.neurons, delays=lines.delays)
        sent = plan.first_lasting(network, name).get(SENT)
        if not plan.restart and sent is not None:
            arrivals = arrivals._replace(one_run=True, sent=np.ascontiguousarray(sent, bool))
    ends = Ends(
        program.start(pre),
        program.start(post),
        from_input and name not in line_columns,
        line_columns.get(name, column),
        int(trace_columns[0, post - inputs]),
        seen_size(plan.rules[name], p),
        network.size_of(p.post),
        _reads(network, plan, name, trace_columns),
    )
    return ends, arrivals


# In real numbers registers have no ends; this one is beyond every state.
_ENDLESS = 1 << 62


def _reads(network: AnyNetwork, plan: LearningPlan, name: str, trace_columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """The states that a rule reads, as :class:`.plastic.Ends` has them."""
    rule, found = plan.rules[name], []
    for read in _ordered(rule.reads):
        end = _end(network, name, read)
        row = 1 + state_slots(network.population(end).state_names)[read.state]
        limits = read.limits if isinstance(rule, CounterRule) else (-_ENDLESS, _ENDLESS)
        found.append((trace_columns[row, network.population_names.index(end)], *limits))
    return np.array(found, np.int64).reshape(-1, 3)


def _ordered(reads: Sequence[StateRead]) -> list[StateRead]:
    """Those of presynaptic neurons first."""
    return sorted(reads, key=lambda read: read.home != "pre")


def _read(plan: LearningPlan, name: str, ends: Ends, states: Array) -> dict[str, Array]:
    """The states that a rule has read; see :class:`ssdp_hw.running.learning_plan.Learned`."""
    found = {}
    for read, (column, low, high) in zip(_ordered(plan.rules[name].reads), ends.reads.tolist(), strict=True):
        size = ends.pre_size if read.home == "pre" else ends.post_size
        values = _windows(states[:, :, column : column + size], plan.windows_per_sample)
        found[leaf_name(read.home, read.name)] = np.clip(values, low, high).transpose(1, 0, 2)
    return found


def _observed(
    network: AnyNetwork, drive: Drive, plan: LearningPlan, name: str, p: Plastic, spikes: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The observations of a rule of its pre- and postsynaptic neurons: registers, or the spikes of all windows."""
    ends, per_sample = p.ends, plan.windows_per_sample
    rule = plan.rules[name]
    if p.kind == BY_TIME:
        return p.pre, p.post
    source = network.projection(name).pre
    pre = drive.spikes[source] if ends.pre_input else spikes[:, :, ends.pre_column : ends.pre_column + ends.pre_size]
    post = spikes[:, :, ends.post_column : ends.post_column + ends.post_size]
    trains = _windows(pre, per_sample), _windows(post, per_sample)
    if rule.keeps_raster:
        return trains
    registers = rule.observe(*trains)
    return registers.pre.time, registers.post.time


def _sent(
    network: AnyNetwork, drive: Drive, name: str, p: Plastic, spikes: NDArray[np.bool_]
) -> dict[str, NDArray[np.int64]]:
    """The spikes under way to the rule of a projection, where samples are pieces of one run."""
    arrivals, source = p.arrivals, network.projection(name)
    if not arrivals.one_run:
        return {}
    before = spikes[:, :, arrivals.from_column : arrivals.from_column + source.shape[1]]
    return {SENT: sent_after(drive.spikes[source.pre] if arrivals.from_input else before, arrivals.sent)}


def _windows(raster: NDArray[T], per_sample: int) -> NDArray[T]:
    """Cut the spikes or states (time, sample, n) of samples into windows (time, window, n)."""
    time, samples, n = raster.shape
    cut = raster.reshape(per_sample, time // per_sample, samples, n)
    return cut.transpose(1, 2, 0, 3).reshape(time // per_sample, samples * per_sample, n)


def _counters(p: Plastic) -> NDArray[Any]:
    """The counters of all synapses, with the bases of their rows added."""
    value: NDArray[Any] = p.value
    if np.issubdtype(value.dtype, np.floating):
        return value
    counters = value.astype(np.int64)
    if not p.shared and p.rows[:, 0].any():
        counters += np.repeat(p.rows[:, 0], np.diff(p.row_start))
    return counters
