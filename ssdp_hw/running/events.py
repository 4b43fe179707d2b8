"""Events of a sensor as spikes: data sets of tonic, or any samples of events with labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import as_array, as_int, as_size, check_memory, iterates, real_vector
from ssdp_hw.display import Table, count, shown
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.running.drive import DEFAULT_MAX_BYTES


@shown
@dataclass(frozen=True, eq=False)
class EventSpikes:
    """Spikes that were made of events.

    Attributes:
        spikes: bool, shape (time, batch, channels); the channels are those of the sensor in the order (p, y, x).
        labels: the label of every sample, shape (batch,).
        shape: (polarities, height, width) of the sensor.
        events: number of events of all samples.
        merged: number of events that made no spike of their own, as another one had the same step and channel.
        late: number of events after the last step, which are left out.
    """

    spikes: NDArray[np.bool_]
    labels: NDArray[np.int64]
    shape: tuple[int, int, int]
    events: int
    merged: int
    late: int

    def _table(self) -> Table:
        steps, samples, channels = self.spikes.shape
        size = f"{count(samples, 'sample')} of {count(steps, 'step')} and {count(channels, 'channel')}"
        title = f"{size}, from {count(self.events, 'event')}"
        share = max(1, self.events)
        rows = [("merged into one spike", str(self.merged), f"{self.merged / share:.1%}"),
                ("after the last step", str(self.late), f"{self.late / share:.1%}")]  # fmt: skip
        return Table(title, ("events", "number", "share"), rows)


def from_events(
    samples: Iterable[tuple[Any, Any]],
    *,
    dt: float,
    steps: int,
    sensor_size: Sequence[int] | None = None,
    time_unit: float = 1e-6,
    start: str = "first",
    count: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> EventSpikes:
    """Spikes from events: a channel fires in a step in which it has an event, however many.

    Args:
        samples: pairs of events and a label, such as a data set of tonic; events are a structured array with the fields
            ``t``, ``x`` and perhaps ``y`` and ``p``.
        dt: length of a step in seconds.
        steps: of a sample; later events are left out and counted.
        sensor_size: (width, height, polarities), as tonic has it; default ``samples.sensor_size``.
        time_unit: seconds of a unit of ``t``; tonic's are microseconds.
        start: when step 0 begins: with the ``first`` event of a sample, as in tonic's ``ToFrame``, or at time ``zero``.
        count: how many of the samples are taken, from the first on; default all.
        max_bytes: limit of what the spikes may occupy.

    Raises:
        ParameterError: an event outside the sensor, a negative time, fields that are missing, labels that are no
            integers, or too many bytes.
        ShapeError: a sample that is no pair, or events of more than one axis.
    """
    known: Any = samples
    if not iterates(known):
        raise ParameterError(f"samples is a {type(samples).__name__}, no data set of events")
    size = _sensor_size(samples, sensor_size)
    width, height, polarities = size
    seconds, unit = (float(real_vector(x, 1, n)[0]) for n, x in (("dt", dt), ("time_unit", time_unit)))
    length = as_size(steps, "steps")
    if seconds <= 0 or unit <= 0:
        raise ParameterError(f"dt = {seconds:g} s and time_unit = {unit:g} s; both must be above 0")
    # 1e-3 / 1e-6 is not 1000 in floats, and an event at 3000 would fall into the step before its own.
    units = seconds / unit
    units = float(round(units)) if math.isclose(units, round(units), rel_tol=1e-9) else units
    if start not in ("first", "zero"):
        raise ParameterError(f"start = {start!r}; choose first or zero")
    wanted = None if count is None else as_size(count, "count")
    expected = wanted if wanted is not None else len(known) if hasattr(known, "__len__") else 1
    channels = width * height * polarities
    check_memory(expected * length * channels, max_bytes, f"spikes of {expected} samples and {channels} channels")
    rasters: list[NDArray[np.bool_]] = []
    labels: list[int] = []
    events = merged = late = 0
    for number, sample in enumerate(islice(iter(samples), wanted)):
        owner = f"sample {number}"
        try:
            given, label = sample
        except (TypeError, ValueError):
            raise ShapeError(f"{owner} is a {type(sample).__name__}, no pair of events and a label") from None
        when, channel = _read(np.asarray(given), size, owner)
        step = _steps(when, units, start, owner)
        kept = step < length
        raster = np.zeros((length, channels), np.bool_)
        raster[step[kept], channel[kept]] = True
        events += len(step)
        late += int(np.count_nonzero(~kept))
        merged += int(np.count_nonzero(kept)) - int(np.count_nonzero(raster))
        check_memory((number + 1) * raster.size, max_bytes, f"spikes of {number + 1} samples and {channels} channels")
        rasters.append(raster)
        labels.append(as_int(label, f"{owner}: label"))
    if not rasters:
        raise ParameterError("there are no samples of events")
    return EventSpikes(
        np.stack(rasters, axis=1), np.array(labels, np.int64), (polarities, height, width), events, merged, late
    )


def _sensor_size(samples: Any, given: Sequence[int] | None) -> tuple[int, int, int]:
    found = getattr(samples, "sensor_size", None) if given is None else given
    if found is None:
        raise ParameterError("sensor_size is not known; give (width, height, polarities)")
    if as_array(found, "sensor_size").shape != (3,):
        raise ParameterError(f"sensor_size = {found!r}; expected (width, height, polarities)")
    width, height, polarities = (as_size(n, "sensor_size") for n in found)
    return width, height, polarities


def _read(given: NDArray[Any], size: tuple[int, int, int], owner: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Times and channels of events."""
    names = given.dtype.names or ()
    if "t" not in names or "x" not in names:
        raise ParameterError(
            f"{owner}: events have the fields {list(names)}; 't' and 'x' are needed, 'y' and 'p' may be"
        )
    if given.ndim != 1:
        raise ShapeError(f"{owner}: events of shape {given.shape}; expected one axis")
    columns = []
    for name, limit in zip("xyp", size, strict=True):
        column = np.asarray(given[name]).astype(np.int64) if name in names else np.zeros(len(given), np.int64)
        if len(column) and not 0 <= column.min() <= column.max() < limit:
            raise ParameterError(
                f"{owner}: an event has {name} from {column.min()} to {column.max()}; the sensor has 0 .. {limit - 1}"
            )
        columns.append(column)
    x, y, p = columns
    width, height, _ = size
    return np.asarray(given["t"]), (p * height + y) * width + x


def _steps(when: NDArray[Any], units: float, start: str, owner: str) -> NDArray[np.int64]:
    """The step of each event; ``units`` is the length of a step in units of time."""
    if not len(when):
        return np.zeros(0, np.int64)
    if when.min() < 0 or not np.all(np.isfinite(when)):
        raise ParameterError(f"{owner}: an event at time {when.min()}; times must be finite and at least 0")
    first = when.min() if start == "first" else 0
    steps: NDArray[np.int64] = np.floor((when - first) / units).astype(np.int64)
    return steps
