"""Readout rules: from what the output population did to one class a sample, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.errors import ParameterError

if TYPE_CHECKING:
    from ssdp_hw.running.result import RunResult

READOUTS = ("spike_count", "first_spike", "max_membrane")

# The prediction of a sample in which the readout had nothing to decide on.
UNDECIDED = -1


def spike_count(spikes: NDArray[Any]) -> NDArray[np.int64]:
    """Class of most spikes; of equals the lowest; ``UNDECIDED`` if no neuron fired.

    ``spikes`` has shape (time, batch, n), truth values or already counts; the result shape (batch,).
    """
    counts = spikes.sum(axis=0, dtype=np.int64)
    return np.where(counts.any(axis=1), counts.argmax(axis=1), UNDECIDED)


def first_spike(spikes: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Class that fired first; of equals the lowest; ``UNDECIDED`` if no neuron fired."""
    when = np.where(spikes.any(axis=0), spikes.argmax(axis=0), len(spikes))
    return np.where((when < len(spikes)).any(axis=1), when.argmin(axis=1), UNDECIDED)


def max_membrane(v: NDArray[np.generic]) -> NDArray[np.int64]:
    """Class of the largest voltage at any step (after resets); of equals the lowest.

    ``v`` has shape (time, batch, n).
    """
    return np.asarray(v.max(axis=0).argmax(axis=1), np.int64)


def required_record(rule: str) -> str:
    """The variable that a readout needs recorded.

    Raises:
        ParameterError: no such readout.
    """
    if rule not in READOUTS:
        raise ParameterError(f"readout '{rule}' is unknown; there are: {', '.join(READOUTS)}")
    return "v" if rule == "max_membrane" else "spikes"


def predict(result: RunResult, rule: str, population: str | None = None) -> NDArray[np.int64]:
    """One class a sample, shape (batch,); ``UNDECIDED`` (-1) where there is nothing to decide on.

    Raises:
        ParameterError: no such readout or population, or what it needs was not recorded.
    """
    variable = required_record(rule)
    name = result.output if population is None else population
    traces = result.v if variable == "v" else result.spikes
    if name not in traces:
        raise ParameterError(f"readout '{rule}' needs '{variable}' of population '{name}' recorded")
    if rule == "max_membrane":
        return max_membrane(traces[name])
    return spike_count(traces[name]) if rule == "spike_count" else first_spike(traces[name])
