"""``stream``: runs of any length, whose input comes and whose recording goes in pieces."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.checks import as_mapping, as_path, iterates
from ssdp_hw.display import Table, count, shown
from ssdp_hw.errors import ParameterError, ShapeError, TimeLimitError
from ssdp_hw.files.atomic import write_atomically
from ssdp_hw.files.hdf5_writing import new_hdf5
from ssdp_hw.running.decoding import spike_count
from ssdp_hw.running.drive import DEFAULT_MAX_BYTES, AnyNetwork, DirectInput, Drive, make_drive
from ssdp_hw.running.memory import memory_named
from ssdp_hw.running.result import OverflowCount, Record, Recording
from ssdp_hw.running.run import OnOverflow, check_recorded_memory, checked_record, report_overflow, semantics_of
from ssdp_hw.running.target import Session
from ssdp_hw.running.target_registry import choose_target
from ssdp_hw.running.time_limit import STOPS, check_time, limited_time

FORMAT = "ssdp-hw recording"
VERSION = 1

Piece = ArrayLike | Mapping[str, ArrayLike] | DirectInput

_CHUNK_BYTES = 1 << 20  # bytes of a chunk of the HDF5 file, the unit that is compressed


@shown
@dataclass(frozen=True, eq=False)
class StreamResult:
    """A run in pieces: the results that are kept in memory.

    Attributes:
        path: the file with the recording, or None.
        spike_counts: by population, spikes of every neuron in the whole run, shape (batch, n).
        outputs: names of the output populations.
        target: name of the target.
        steps, batch: lengths of time and batch.
        seconds: wall time of the target alone.
        overflow: register overflows by population, or None where the target cannot see them.
        info: semantics, versions and options.
    """

    path: Path | None
    spike_counts: Mapping[str, NDArray[np.int64]]
    outputs: Sequence[str]
    target: str
    steps: int
    batch: int
    seconds: float
    overflow: Mapping[str, OverflowCount] | None
    info: Mapping[str, object]

    def _table(self) -> Table:
        cells = max(self.steps, 1)
        rows = [
            (
                name + (" (output)" if name in self.outputs else ""),
                str(counts.shape[1]),
                f"{counts.sum() / max(cells * counts.size, 1):.4f}",
                "not seen" if self.overflow is None else str(self.overflow.get(name, OverflowCount())),
            )
            for name, counts in self.spike_counts.items()
        ]
        where = "" if self.path is None else f", recorded in {self.path}"
        size = f"{count(self.steps, 'step')}, {count(self.batch, 'sample')}"
        title = f"stream on {self.target}: {size}, {self.seconds:.2f} s{where}"
        return Table(title, ("population", "neurons", "spikes per neuron and step", "overflows"), rows)

    def predict(self, population: str | None = None) -> NDArray[np.int64]:
        """The class whose neuron fired most often, shape (batch,); see :func:`ssdp_hw.running.decoding.decode`.

        Raises:
            ParameterError: the population was not recorded, is a readout that never fires, or is not named although
                there are several outputs.
        """
        name = self.outputs[0] if population is None and len(self.outputs) == 1 else population
        if name is None or name not in self.spike_counts:
            raise ParameterError(f"name one of the recorded populations: {', '.join(self.spike_counts)}; not {name!r}")
        firing: Any = self.info.get("threshold", (name,))
        if name not in firing:
            raise ParameterError(
                f"'{name}' is a readout that never fires, and a stream counts spikes: record its voltage in a file, "
                "stream(..., path, record=('v',)), or give the samples to run"
            )
        return spike_count(self.spike_counts[name][None])


def stream(
    network: AnyNetwork,
    pieces: Iterable[Piece],
    path: str | os.PathLike[str] | None = None,
    target: str | None = None,
    *,
    record: Sequence[str] = ("spikes",),
    populations: Sequence[str] | None = None,
    on_overflow: OnOverflow = "warn",
    max_bytes: int = DEFAULT_MAX_BYTES,
    options: Mapping[str, object] | None = None,
    time_limit: float | None = None,
) -> StreamResult:
    """Run a network on input that comes piece by piece; memory is that of one piece, however many there are.

    The recording is the one that :func:`ssdp_hw.run` would make of all pieces at once, bit for bit: the
    state of every sample is carried from piece to piece.

    Args:
        network: :class:`~ssdp_hw.Network` or :class:`~ssdp_hw.FixedNetwork`.
        pieces: input of the steps one after the other, each piece as ``run`` takes it, all of one
            batch; a generator keeps the input out of memory too.
        path: HDF5 file for the recording, complete or not there at all: a dataset
            ``<variable>/<population>`` each of shape (time, batch, n). Ctrl-C and a limit of time keep the pieces that
            are written, with the attribute ``complete`` False. Without a path spikes are counted only.
        target: name of a target that can run in pieces; default the fastest that can.
        record: variables to keep: ``spikes``, ``v`` (after the reset), ``u``; without a path ``spikes`` only.
        populations: populations to keep them of; default all.
        on_overflow: see ``run``; reported at the end.
        max_bytes: limit of what the input and the recordings of one piece may each occupy in memory.
        options: options of the target.
        time_limit: seconds after which it ends; default none.

    Raises:
        ShapeError: pieces of different batches.
        ParameterError: no piece; an input that cannot be read; a name that cannot stand in the file.
        UnsupportedError: the target cannot run in pieces.
        FileFormatError: the file cannot be written.
        KeyboardInterrupt, TimeLimitError: Ctrl-C, or over the time limit; it says how many steps the file holds.
        SsdpHwError: whatever ``run`` raises.
    """
    kept = checked_record(network, record, populations, on_overflow)
    if path is not None:
        as_path(path, "stream: path")
    if not iterates(pieces):
        raise ParameterError(
            f"stream: pieces is a {type(pieces).__name__}; give a list or generator of pieces of input"
        )
    if path is None and set(kept.variables) - {"spikes"}:
        raise ParameterError("without a path spikes are counted, and nothing else can be recorded: give a path")
    for name in kept.populations:
        if path is not None and ("/" in name or name in (".", "..")):
            raise ParameterError(f"population {name!r} cannot be the name of a dataset; leave it out or rename it")
    chosen = choose_target(target, network, in_pieces=True)
    resolved = chosen.resolve(as_mapping(options, "options"))
    run = _Run(network, chosen.start(network, resolved), kept, max_bytes)
    with limited_time(time_limit):
        if path is None:
            run.all(pieces)
        else:
            write_atomically(path, lambda partial: run.all_to_file(pieces, partial))
    if run.stop is not None:
        held = f"{path}: holds the first {run.steps} steps, and its attribute 'complete' is False"
        if isinstance(run.stop, TimeLimitError):
            raise TimeLimitError(f"{run.stop}; {held}")
        raise KeyboardInterrupt(held)
    result = StreamResult(
        None if path is None else Path(path),
        run.counts,
        tuple(network.outputs),
        chosen.name,
        run.steps,
        run.batch,
        run.seconds,
        run.overflow,
        {"options": resolved, **semantics_of(network), **run.info},
    )
    report_overflow(network, result.overflow, result.steps, result.batch, on_overflow)
    return result


class _Run:
    """A run in pieces while it goes on: the counts so far."""

    def __init__(self, network: AnyNetwork, session: Session, record: Record, max_bytes: int) -> None:
        self.network, self.session, self.record, self.max_bytes = network, session, record, max_bytes
        self.steps = self.batch = 0
        self.stop: BaseException | None = None
        self.seconds = 0.0
        self.counts: dict[str, NDArray[np.int64]] = {}
        self.overflow: dict[str, OverflowCount] | None = None
        self.info: Mapping[str, object] = {}

    def all(self, pieces: Iterable[Piece]) -> None:
        """Run every piece and count its spikes."""
        for _ in self._recordings(pieces):
            pass

    def all_to_file(self, pieces: Iterable[Piece], path: Path) -> None:
        """Run every piece and write its recording; Ctrl-C or a limit ends the run with the piece that is written.

        Raises:
            OSError: the recording cannot be written.
            KeyboardInterrupt, TimeLimitError: it was stopped before the first piece was written.
        """
        with new_hdf5(path) as new:
            with new.writing() as file:
                file.attrs["format"], file.attrs["version"], file.attrs["complete"] = FORMAT, VERSION, True
            written = 0
            try:
                for recording in self._recordings(pieces):
                    with new.writing() as file:
                        _append(file, recording, written)
                        written = self.steps
            except STOPS as stop:
                if not written:
                    raise
                self.stop = stop
                self.steps = written
                with new.writing() as file:
                    file.attrs["complete"] = False

    def _recordings(self, pieces: Iterable[Piece]) -> Iterator[Recording]:
        for drive in self._drives(pieces):
            check_time()
            start = time.perf_counter()
            with memory_named(f"a piece of {drive.steps} steps and {drive.batch} samples"):
                recording = self.session.advance(drive, self.record)
            self.seconds += time.perf_counter() - start
            self._add(recording)
            self.steps += drive.steps
            yield recording
        if not self.steps:
            raise ParameterError("there is no piece of input; at least one is needed")

    def _drives(self, pieces: Iterable[Piece]) -> Iterator[Drive]:
        iterator, last = iter(pieces), None
        while True:
            try:
                piece = next(iterator)
            except StopIteration:
                return
            except OSError as error:  # write_atomically takes any other exception for a failure to write the file
                raise ParameterError(f"the input from step {self.steps} on cannot be read ({error})") from error
            drive = make_drive(self.network, piece, max_bytes=self.max_bytes, after=last)
            if self.steps and drive.batch != self.batch:
                raise ShapeError(f"the input from step {self.steps} on has {drive.batch} samples; before {self.batch}")
            self.batch, last = drive.batch, drive
            check_recorded_memory(self.network, self.record, drive, self.max_bytes)
            yield drive

    def _add(self, recording: Recording) -> None:
        self.info = recording.info
        for name, spikes in recording.spikes.items():
            counts = spikes.sum(axis=0, dtype=np.int64)
            self.counts[name] = self.counts[name] + counts if name in self.counts else counts
        if recording.overflow is not None:
            before = self.overflow or {}
            self.overflow = {n: before.get(n, OverflowCount()) + count for n, count in recording.overflow.items()}


def _append(file: h5py.File, recording: Recording, start: int) -> None:
    recorded = {"spikes": recording.spikes, "v": recording.v, "u": recording.u, **recording.states}
    for variable, traces in recorded.items():
        for name, trace in traces.items():
            _, batch, n = trace.shape
            if not start:
                steps = max(1, _CHUNK_BYTES // (batch * n * trace.itemsize))
                chunk = (steps, batch, n) if steps > 1 else (1, 1, min(n, _CHUNK_BYTES))
                file.create_dataset(
                    f"{variable}/{name}",
                    (0, batch, n),
                    trace.dtype,
                    maxshape=(None, batch, n),
                    chunks=chunk,
                    compression="gzip",
                    compression_opts=1,
                    track_times=False,
                )
            dataset = file[f"{variable}/{name}"]
            dataset.resize(start + len(trace), axis=0)
            dataset[start:] = trace
