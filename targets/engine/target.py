"""The engine as a target."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from types import MappingProxyType
from typing import Any

import numpy as np

from ssdp_hw.drive import AnyNetwork, Drive
from ssdp_hw.errors import ParameterError
from ssdp_hw.fixed import FixedNetwork
from ssdp_hw.result import OverflowCount, Record, Recording
from ssdp_hw.target import Availability, Learned, LearningPlan, Target

from .program import bias_table, compile_program, input_raster


class EngineTarget(Target):
    """Numba kernels; compiled once and cached on disk."""

    name = "engine"
    title = "fast engine: event-driven, batched, in Numba"
    options: Mapping[str, Any] = MappingProxyType({"threads": None})  # None: as many as Numba has

    def availability(self) -> Availability:
        """Always: Numba is a dependency of the core."""
        return Availability(True, f"numba {metadata.version('numba')}")

    def run(self, network: AnyNetwork, drive: Drive, record: Record, options: Mapping[str, Any]) -> Recording:
        """Run all samples in parallel."""
        from .kernels import run_batch

        program = compile_program(network)
        kind = np.int64 if isinstance(network, FixedNetwork) else np.float64
        keep, widths = _columns(network, record)
        traces = [
            np.zeros((drive.steps, drive.batch, width), dtype)
            for width, dtype in zip(widths, (bool, kind, kind), strict=True)
        ]
        overflow = np.zeros((drive.batch, len(network.populations), 3), np.int64)
        none = np.zeros((0, 0), np.int64)
        with threads(options["threads"]):
            run_batch(
                program.layout, program.wiring, program.neurons, program.slots, program.zero,
                input_raster(network, drive), bias_table(network, drive), keep, *traces, overflow, none, none,
            )
        by_name = [
            {
                name: trace[:, :, row[k]:row[k] + network.size_of(name)]
                for k, name in enumerate(network.population_names) if row[k] >= 0
            }
            for trace, row in zip(traces, keep, strict=True)
        ]
        counts = None
        if isinstance(network, FixedNetwork):
            totals = overflow.sum(axis=0)
            counts = {n: OverflowCount(*map(int, totals[k])) for k, n in enumerate(network.population_names)}
        return Recording(by_name[0], by_name[1], by_name[2], counts, self._info())

    def learn(self, network: AnyNetwork, drive: Drive, plan: LearningPlan, options: Mapping[str, Any]) -> Learned:
        """Learn window by window; windows between two commits run in parallel."""
        from .learn import learn

        with threads(options["threads"]):
            return learn(network, drive, plan, self._info())

    def _info(self) -> dict[str, Any]:
        return {"numba": metadata.version("numba")}


class threads:  # noqa: N801 - reads as a statement
    """Number of Numba threads within a block; None leaves it alone."""

    def __init__(self, count: int | None) -> None:
        import numba

        self._count, self._numba = count, numba
        limit = numba.config.NUMBA_NUM_THREADS
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= limit):
            raise ParameterError(f"engine: threads = {count!r} is outside 1 .. {limit} of this machine")

    def __enter__(self) -> None:
        self._before = self._numba.get_num_threads()
        if self._count is not None:
            self._numba.set_num_threads(self._count)

    def __exit__(self, *exc: object) -> None:
        self._numba.set_num_threads(self._before)


def _columns(network: AnyNetwork, record: Record) -> tuple[Any, list[int]]:
    """For spikes, v, u the first trace column of each population (-1: not kept), and the widths."""
    keep = np.full((3, len(network.populations)), -1, np.int64)
    widths = [0, 0, 0]
    for row, variable in enumerate(("spikes", "v", "u")):
        for k, name in enumerate(network.population_names):
            if record.wants(variable, name):
                keep[row, k] = widths[row]
                widths[row] += network.size_of(name)
    return keep, widths


TARGET = EngineTarget()
