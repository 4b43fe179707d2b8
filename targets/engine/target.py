"""The engine as a target."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import metadata
from types import MappingProxyType
from typing import Any

import numpy as np

from ssdp_hw.drive import AnyNetwork, Drive
from ssdp_hw.errors import ParameterError
from ssdp_hw.fixed import FixedNetwork
from ssdp_hw.result import OverflowCount, Record, Recording
from ssdp_hw.target import Availability, Learned, LearningPlan, Target

from .program import bias_table, compiled_program, input_raster
from .run import share, thread_count


@cache
def _numba_version() -> str:  # reading a package's metadata takes longer than a small run
    return metadata.version("numba")


_PRECISIONS = {"float64": np.float64, "float32": np.float32}


class EngineTarget(Target):
    """Numba kernels; compiled once and cached on disk."""

    name = "engine"
    title = "fast engine: event-driven, batched, in Numba"
    # threads: None for all processors where that pays; precision: of float networks, in inference.
    options: Mapping[str, Any] = MappingProxyType({"threads": None, "precision": "float64"})

    def availability(self) -> Availability:
        """Always: Numba is a dependency of the core."""
        return Availability(True, f"numba {_numba_version()}")

    def unsupported(self, network: AnyNetwork, *, learning: bool = False) -> list[str]:
        """Sums of stored weights that could leave 32 bits."""
        if not isinstance(network, FixedNetwork):
            return []
        return [
            f"projection '{p.name}' has {p.shape[1]} presynaptic neurons, whose weights may add up to more than "
            "32 bits; split it"
            for p in network.projections
            if p.shape[1] * max(-p.format.mantissa_min, p.format.mantissa_max) >= 2**31
        ]

    def run(self, network: AnyNetwork, drive: Drive, record: Record, options: Mapping[str, Any]) -> Recording:
        """Run all samples, each thread its share."""
        from .kernels import simulate

        program = compiled_program(network, _precision(options))
        threads = thread_count(options["threads"], drive.batch * drive.steps * program.start(-1))
        fixed = isinstance(network, FixedNetwork)
        keep, widths = _columns(network, record)
        kinds = (bool, np.int64, np.int64) if fixed else (bool, np.float64, np.float64)
        traces = [
            np.empty((drive.steps, drive.batch, width), kind) for width, kind in zip(widths, kinds, strict=True)
        ]
        overflow = np.zeros((drive.batch, len(network.populations), 3), np.int64)
        none = np.zeros((0, 0), np.int64)
        raster, bias = input_raster(network, drive), bias_table(network, drive, program.layout.zero.dtype)

        def work(begin: int, end: int) -> None:
            simulate(
                program.layout, program.wiring, program.neurons, raster, bias, keep, *traces, overflow, none, none,
                begin, end,
            )

        share(work, threads, 0, drive.batch)
        by_name = [
            {
                name: trace[:, :, row[k]:row[k] + network.size_of(name)]
                for k, name in enumerate(network.population_names) if row[k] >= 0
            }
            for trace, row in zip(traces, keep, strict=True)
        ]
        counts = None
        if fixed:
            totals = overflow.sum(axis=0)
            counts = {n: OverflowCount(*map(int, totals[k])) for k, n in enumerate(network.population_names)}
        return Recording(by_name[0], by_name[1], by_name[2], counts, self._info())

    def learn(self, network: AnyNetwork, drive: Drive, plan: LearningPlan, options: Mapping[str, Any]) -> Learned:
        """Learn window by window."""
        from .learn import learn

        if _precision(options) is not np.float64:
            raise ParameterError("engine: float networks learn with precision = 'float64' only")
        return learn(network, drive, plan, options["threads"], self._info())

    def _info(self) -> dict[str, Any]:
        return {"numba": _numba_version()}


def _precision(options: Mapping[str, Any]) -> Any:
    name = options["precision"]
    if name not in _PRECISIONS:
        raise ParameterError(f"engine: precision = {name!r} is unknown; there are: {', '.join(_PRECISIONS)}")
    return _PRECISIONS[name]


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
