"""``run_many``: runs any number of samples and keeps predictions and spike counts, but no recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import as_int
from ssdp_hw.running.batches import BATCH_BYTES, batch_size, batches
from ssdp_hw.running.decoding import required_record
from ssdp_hw.running.drive import AnyNetwork, Inputs, make_drive
from ssdp_hw.running.progress import progress as show_progress
from ssdp_hw.running.result import OverflowCount
from ssdp_hw.running.run import OnOverflow, report_overflow, run


@dataclass(frozen=True, eq=False)
class ManyResult:
    """What is kept of a run of many samples.

    Attributes:
        predictions: by output population one class a sample, shape (batch,).
        spike_counts: by population the spikes of all its neurons, steps and samples.
        cells: by population neurons times steps times samples.
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
    decode: str = "spike_count",
    steps: int | None = None,
    on_overflow: OnOverflow = "warn",
    options: Mapping[str, object] | None = None,
    max_batch_bytes: int = BATCH_BYTES,
    progress: bool | None = None,
) -> ManyResult:
    """Run all samples in batches and decode every output.

    Args:
        network, inputs, target, on_overflow, options: as for :func:`ssdp_hw.run`.
        decode: rule by which outputs become classes.
        steps: length of the run; default that of the input plus ``network.latency``.
        max_batch_bytes: what the recording of one batch may occupy in memory.
        progress: as for :func:`ssdp_hw.run`.

    Raises:
        SsdpHwError: as :func:`ssdp_hw.run`.
    """
    variable = required_record(decode)
    record = tuple(dict.fromkeys(("spikes", variable)))
    drive = make_drive(network, inputs)
    samples, length = drive.batch, drive.steps + network.latency if steps is None else as_int(steps, "steps")
    predictions: dict[str, list[NDArray[np.int64]]] = {name: [] for name in network.outputs}
    counts: dict[str, int] = {}
    cells: dict[str, int] = {}
    overflow: dict[str, OverflowCount] = {}
    seconds, last = 0.0, None
    size = batch_size(network, length, record, max_batch_bytes)
    with show_progress(f"running {samples} samples", samples if size < samples else None, progress) as advance:
        for _, chosen in batches(inputs, samples, size):
            last = run(network, chosen, target, record=record, steps=length, on_overflow="ignore", options=options)
            seconds += last.seconds
            for name in network.outputs:
                predictions[name].append(last.predict(decode, name))
            for name, raster in last.spikes.items():
                counts[name] = counts.get(name, 0) + int(np.count_nonzero(raster))
                cells[name] = cells.get(name, 0) + raster.size
            for name, count in (last.overflow or {}).items():
                overflow[name] = overflow.get(name, OverflowCount()) + count
            advance(last.batch)
    assert last is not None  # as there is at least one sample
    seen = None if last.overflow is None else overflow
    report_overflow(seen, length, samples, on_overflow)
    return ManyResult(
        {name: np.concatenate(parts) for name, parts in predictions.items()},
        counts,
        cells,
        last.target,
        length,
        samples,
        seconds,
        seen,
        last.info,
    )
