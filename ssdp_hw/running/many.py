"""``run_many``: runs any number of samples and keeps predictions and spike counts, but no recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import as_int
from ssdp_hw.running.batches import BATCH_BYTES, batch_size, batches, stopped
from ssdp_hw.running.decoding import decoding_rules, required_record
from ssdp_hw.running.drive import AnyNetwork, Inputs, make_drive
from ssdp_hw.running.progress import progress as show_progress
from ssdp_hw.running.result import OverflowCount, RunResult
from ssdp_hw.running.run import OnOverflow, report_overflow, run
from ssdp_hw.running.time_limit import STOPS, limited_time, with_result


@dataclass(frozen=True, eq=False)
class ManyResult:
    """Predictions and spike counts of a run of many samples.

    Attributes:
        predictions: for each output population the class of every sample, shape (batch,).
        spike_counts: for each population the number of spikes of all its neurons, in all steps and samples.
        cells: for each population its neurons times steps times samples.
        target, steps, batch, seconds, overflow, info: as in :class:`~ssdp_hw.running.result.RunResult`.
    """

    predictions: Mapping[str, NDArray[np.int64]]
    spike_counts: Mapping[str, int]
    cells: Mapping[str, int]
    target: str
    steps: int
    batch: int
    seconds: float
    overflow: Mapping[str, OverflowCount] | None
    info: Mapping[str, Any]

    def spike_rate(self, population: str) -> float:
        """Spikes per neuron and step of a population."""
        return self.spike_counts[population] / self.cells[population] if self.cells[population] else 0.0


def run_many(
    network: AnyNetwork,
    inputs: Inputs,
    target: str | None = None,
    *,
    decode: str | None = None,
    steps: int | None = None,
    on_overflow: OnOverflow = "warn",
    options: Mapping[str, object] | None = None,
    max_batch_bytes: int = BATCH_BYTES,
    progress: bool | None = None,
    time_limit: float | None = None,
) -> ManyResult:
    """Run all samples in batches and decode every output.

    Args:
        network, inputs, target, on_overflow, options: as for :func:`ssdp_hw.run`.
        decode: rule by which outputs become classes; default ``spike_count``, of a readout ``max_membrane``.
        steps: length of the run; default that of the input plus ``network.latency``.
        max_batch_bytes: what the recording of one batch may occupy in memory.
        progress: as for :func:`ssdp_hw.run`.
        time_limit: seconds after which it ends; default none.

    Raises:
        Interrupted, TimeLimitError: Ctrl-C, or over the time limit, after at least one batch of samples: its ``result``
            is that of those.
        SsdpHwError: as :func:`ssdp_hw.run`.
    """
    record = tuple(dict.fromkeys(("spikes", *map(required_record, decoding_rules(decode, network).values()))))
    drive = make_drive(network, inputs)
    samples, length = drive.batch, drive.steps + network.latency if steps is None else as_int(steps, "steps")
    size = batch_size(network, length, record, max_batch_bytes)
    told = show_progress(f"running {samples} samples", samples if size < samples else None, progress)
    sums = _Sums()
    try:
        with limited_time(time_limit), told as advance:
            for _, chosen in batches(inputs, samples, size):
                one = run(network, chosen, target, record=record, steps=length, on_overflow="ignore", options=options)
                sums = sums.with_batch(one, decode)
                advance(one.batch)
    except STOPS as stop:
        if sums.last is None:
            raise
        raise with_result(stop, stopped(sums.samples, samples, "the result"), sums.result(length)) from None
    report_overflow(network, sums.overflow, length, samples, on_overflow)
    return sums.result(length)


@dataclass(frozen=True, eq=False)
class _Sums:
    """The sums over the batches so far; immutable, so that Ctrl-C leaves those of whole batches."""

    predictions: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    spike_counts: Mapping[str, int] = field(default_factory=dict)
    cells: Mapping[str, int] = field(default_factory=dict)
    overflow: Mapping[str, OverflowCount] | None = field(default_factory=dict)
    samples: int = 0
    seconds: float = 0.0
    last: RunResult | None = None

    def with_batch(self, one: RunResult, decode: str | None) -> _Sums:
        counts = {name: int(np.count_nonzero(raster)) for name, raster in one.spikes.items()}
        cells = {name: raster.size for name, raster in one.spikes.items()}
        predicted = {name: one.predict(decode, name) for name in one.outputs}
        before, overflow = self.predictions, None
        if one.overflow is not None:
            seen = self.overflow or {}
            overflow = {name: seen.get(name, OverflowCount()) + count for name, count in one.overflow.items()}
        return _Sums(
            {name: np.concatenate([before[name], new]) if before else new for name, new in predicted.items()},
            {name: self.spike_counts.get(name, 0) + count for name, count in counts.items()},
            {name: self.cells.get(name, 0) + count for name, count in cells.items()},
            overflow,
            self.samples + one.batch,
            self.seconds + one.seconds,
            one,
        )

    def result(self, steps: int) -> ManyResult:
        assert self.last is not None  # there is at least one batch
        return ManyResult(
            self.predictions,
            self.spike_counts,
            self.cells,
            self.last.target,
            steps,
            self.samples,
            self.seconds,
            self.overflow,
            self.last.info,
        )
