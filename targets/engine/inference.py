"""Inference in the engine: from a drive to the arrays of the compiled loops, and from these to a recording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.result import OverflowCount, Record, Recording
from ssdp_hw.running.target import Session

from .program import Program, analog_input, input_raster
from .run import ThreadGroup, alone, share, thread_count, thread_group_size, together
from .segments import Array, aligned
from .types import Int64Array

_NO_REGISTERS = np.zeros((0, 0), np.int64)


class State:
    """The state of samples from one step to the next.

    Attributes:
        origin: number of steps that were run so far.
        arrays: currents, voltages and the ring of arriving input, each with one row per sample.
    """

    def __init__(self, program: Program, rows: int) -> None:
        n, dtype = len(program.neurons.v_init), program.layout.zero.dtype
        self.origin = 0
        every = aligned(rows * (2 + program.layout.slots) * n, dtype)
        parts = every[: rows * n], every[rows * n : 2 * rows * n], every[2 * rows * n :]
        self.arrays = tuple(part.reshape(rows, -1) for part in parts)


class EngineSession(Session):
    """A run whose steps are given piece by piece; its state is carried from one piece to the next."""

    def __init__(self, program: Program, network: AnyNetwork, threads: object, info: Mapping[str, Any]) -> None:
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


def run_program(
    program: Program,
    network: AnyNetwork,
    drive: Drive,
    record: Record,
    threads: object,
    info: Mapping[str, Any],
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
    # These imports are not at the top, since they load the compiled functions.
    layered = state is None and program.layered
    if layered:
        from .layer_loops import simulate_layers as simulate
    else:
        from .step_loops import simulate_steps as simulate

    trace_columns, traces = _traces(network, drive, record)
    spike_trace, v_trace, u_trace = traces
    overflow = np.zeros((drive.batch, len(network.populations), 3), np.int64)
    raster = input_raster(network, drive)
    bias, analog = program.bias, analog_input(network, program, drive)
    origin = 0 if state is None else state.origin

    def run(thread_group: ThreadGroup, rows: State, counts: Array, taken: Array) -> None:
        simulate(
            origin,
            rows.arrays,
            program.layout,
            program.wiring,
            program.neurons,
            raster,
            bias,
            analog,
            trace_columns,
            spike_trace,
            v_trace,
            u_trace,
            counts,
            _NO_REGISTERS,
            _NO_REGISTERS,
            thread_group,
            taken,
        )

    members, taken = thread_group_size(threads, program, raster, layered=layered), np.zeros(1, np.int64)
    if members > 1:
        rows, parts = state or State(program, 1), np.zeros((members, *overflow.shape), np.int64)
        together(
            lambda thread_group: run(thread_group, rows, parts[thread_group.member], taken.copy()),
            members,
            program.layout,
        )
        overflow = parts.sum(axis=0)
    else:
        count = min(thread_count(threads, drive.batch * drive.steps * program.start(-1)), drive.batch)
        # Without a given state each thread has a state of one row, which its samples use one after the other.
        share(lambda: run(alone(program.layout), state or State(program, 1), overflow, taken), max(count, 1))
    names = network.population_names
    spikes, v, u = (
        {
            name: trace[:, :, column : column + network.size_of(name)]
            for name, column in zip(names, row.tolist(), strict=True)
            if column >= 0
        }
        for trace, row in zip(traces, trace_columns, strict=True)
    )
    counts = None
    if isinstance(network, FixedNetwork):
        totals = overflow.sum(axis=0).tolist()
        counts = {name: OverflowCount(*total) for name, total in zip(names, totals, strict=True)}
    return Recording(spikes, v, u, counts, info)


def _traces(network: AnyNetwork, drive: Drive, record: Record) -> tuple[Int64Array, list[Array]]:
    """The first column of each population in the traces of spikes, v and u (-1: not recorded), and the traces."""
    number = np.int64 if isinstance(network, FixedNetwork) else np.float64
    trace_columns, traces = [], []
    for variable, kind in (("spikes", np.bool_), ("v", number), ("u", number)):
        columns, width = [], 0
        for name in network.population_names:
            if record.wants(variable, name):
                columns.append(width)
                width += network.size_of(name)
            else:
                columns.append(-1)
        trace_columns.append(columns)
        # The loops set the entries of spikes only, but write every entry of v and u.
        make = np.zeros if variable == "spikes" else np.empty
        traces.append(make((drive.steps, drive.batch, width), kind))
    return np.array(trace_columns, np.int64), traces
