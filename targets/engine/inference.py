"""Inference in the engine: from a drive to the arrays of the compiled loops, and from these to a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.result import CUBA_LIF_COUNTS, OverflowCount, Record, Recording
from ssdp_hw.running.target import Session

from .generated import state_slots
from .listening import is_long
from .packed import packed
from .program import Program
from .program_input import analog_input, input_raster
from .program_neurons import fed_ports
from .run import ThreadGroup, alone, share, thread_count, thread_group_size, together
from .segments import Array, aligned
from .simulation import Registers, Simulation
from .types import Int64Array

_NO_REGISTERS = packed(Registers(np.zeros((0, 0), np.int64), np.zeros((0, 0), np.int64)))


class State:
    """The state of samples from one step to the next.

    Attributes:
        origin: number of steps that were run so far.
        arrays: currents, voltages, the ring of arriving input and further states, each with one row per sample.
        packed: the same as compiled functions take them.
    """

    def __init__(self, program: Program, rows: int) -> None:
        n, dtype = len(program.neurons.v_init), program.layout.zero.dtype
        self.origin = 0
        further = program.further_states
        every = aligned(rows * (2 + program.layout.slots + further) * n, dtype)
        voltages, ring, rest = rows * n, 2 * rows * n, (2 + program.layout.slots) * rows * n
        parts = every[:voltages], every[voltages:ring], every[ring:rest], every[rest:]
        self.arrays = tuple(part.reshape(rows, part.size // rows) for part in parts)
        self.packed = packed(self.arrays)


class EngineSession(Session):
    """A run whose steps are given piece by piece; its state is carried from one piece to the next."""

    def __init__(self, program: Program, network: AnyNetwork, threads: object, info: Mapping[str, object]) -> None:
        self._arguments = program, network, threads, info
        self._state: State | None = None

    def advance(self, drive: Drive, record: Record) -> Recording:
        """Run the steps of ``drive``."""
        program, network, threads, info = self._arguments
        if self._state is None:
            self._state = State(program, drive.batch)
        recording = run_program(program, network, drive, record, threads, info, self._state)
        self._state.origin += drive.steps
        return recording


def _loops(*, layered: bool) -> tuple[Callable[..., None], Callable[[Program, ThreadGroup], tuple[Any, ...]]]:
    """The loops over all samples, and what allocates a thread's memory for them."""
    # These imports are not at the top, since they load the compiled functions.
    if layered:
        from .layer_loops import make_layer_scratch, simulate_layers

        return simulate_layers, lambda program, group: make_layer_scratch(program.layout, program.neurons, group)
    from .step_loops import make_scratch, simulate_steps

    return simulate_steps, lambda program, group: make_scratch(program.layout, program.neurons, group)


def run_program(
    program: Program,
    network: AnyNetwork,
    drive: Drive,
    record: Record,
    threads: object,
    info: Mapping[str, object],
    state: State | None = None,
) -> Recording:
    """Run all samples of a drive on one or several threads.

    Args:
        program: the program of ``network``.
        network, drive, record: see :meth:`ssdp_hw.running.target.Target.run`.
        threads: value of the option ``threads``.
        info: the recording's ``info``.
        state: the state of all samples before the first step, changed; None starts each sample from the initial state.
    """
    layered = state is None and program.layered
    simulate, make_scratch = _loops(layered=layered)
    trace_columns, spike_trace, trace = _traces(network, drive, record)
    overflow = np.zeros((drive.batch, trace_columns.shape[1], program.neurons.counts), np.int64)
    raster = input_raster(network, drive)
    bias, analog = program.bias, analog_input(network, program, drive)
    origin = 0 if state is None else state.origin
    long = is_long(drive.batch * drive.steps * program.start(-1))
    stop = np.zeros(1, np.int64)  # the counter of all threads that run samples of their own, who wait for nobody
    tables = (*program.tables, raster, bias, analog, trace_columns, spike_trace, trace)

    def run(thread_group: ThreadGroup, scratch: tuple[Any, ...], rows: State, counts: Array, taken: Array) -> None:
        simulation = Simulation(rows.packed, *tables, counts, _NO_REGISTERS)
        simulate(origin, packed(simulation), thread_group, scratch, taken)

    def run_samples() -> None:
        # To allocate memory takes as long as a small run. The loops use it for one sample after the other, so that
        # that of an earlier run will do; after an error, or when it was stopped, it is not kept.
        try:
            thread_group, scratch, own = program.spare_memory[layered].pop()
        except IndexError:  # none, or other threads have it
            thread_group = alone(program.layout)
            # Of one row are states that are not given: the samples of a thread use it one after the other.
            scratch, own = packed(make_scratch(program, thread_group)), State(program, 1)
        run(thread_group._replace(counter=stop), scratch, state or own, overflow, taken)
        if stop[0]:
            return
        program.spare_memory[layered].append((thread_group, scratch, own))

    members, taken = thread_group_size(threads, program, raster, layered=layered), np.zeros(1, np.int64)
    if members > 1:
        rows, parts = state or State(program, 1), np.zeros((members, *overflow.shape), np.int64)
        together(
            lambda group: run(group, packed(make_scratch(program, group)), rows, parts[group.member], taken.copy()),
            members,
            program.layout,
            listening=long,
        )
        overflow = parts.sum(axis=0)
    else:
        count = min(thread_count(threads, drive.batch * drive.steps * program.start(-1)), drive.batch)
        share(run_samples, max(count, 1), stop if long else None)
    names = network.population_names

    def recorded(array: Array, row: Int64Array) -> dict[str, Any]:
        return {
            name: array[:, :, column : column + network.size_of(name)]
            for name, column in zip(names, row.tolist(), strict=False)  # ports follow
            if column >= 0
        }

    states: dict[str, dict[str, Any]] = {"v": {}, "u": {}}
    for k, name in enumerate(names):
        for variable, slot in state_slots(network.population(name).state_names).items():
            column = int(trace_columns[1 + slot, k])
            if column >= 0:
                states.setdefault(variable, {})[name] = trace[:, :, column : column + network.size_of(name)]
    counts = overflow_counts(network, overflow.sum(axis=0)) if isinstance(network, FixedNetwork) else None
    return Recording.of(recorded(spike_trace, trace_columns[0]), states, counts, info)


def overflow_counts(network: FixedNetwork, totals: Int64Array) -> dict[str, OverflowCount]:
    """Overflow counts by population, from an array (population, count)."""
    found = {}
    for p, row in zip(network.populations, totals.tolist(), strict=False):  # those of ports follow
        names = CUBA_LIF_COUNTS if p.is_cuba_lif else network.step_form(p.name).count_names
        found[p.name] = OverflowCount.of(dict(zip(names, row, strict=False)))
    return found


def _traces(network: AnyNetwork, drive: Drive, record: Record) -> tuple[Int64Array, Array, Array]:
    """First columns in the traces of spikes (row 0) and of states (row 1 + slot), by population; and both traces.

    A column of -1 says that the population is not recorded.
    """
    slots = [state_slots(p.state_names) for p in network.populations]
    rows = 1 + max([2, *(1 + slot for own in slots for slot in own.values())])
    columns = np.full((rows, len(slots) + len(fed_ports(network))), -1, np.int64)
    widths = [0, 0]
    for k, name in enumerate(network.population_names):
        for variable, row in {"spikes": 0, **{state: 1 + slot for state, slot in slots[k].items()}}.items():
            if record.wants(variable, name):
                columns[row, k] = widths[row > 0]
                widths[row > 0] += network.size_of(name)
    # The loops set the entries of spikes only, but write every entry of states.
    number = np.int64 if isinstance(network, FixedNetwork) else np.float64
    shape = drive.steps, drive.batch
    return columns, np.zeros((*shape, widths[0]), np.bool_), np.empty((*shape, widths[1]), number)
