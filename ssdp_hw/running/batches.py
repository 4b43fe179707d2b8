"""Runs many samples batch by batch, so that any number of samples needs the memory of one batch.

Samples are independent of each other, so a run in batches gives the same bits as one of all samples at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ssdp_hw.checks import as_array, as_int
from ssdp_hw.running.drive import AnyNetwork, DirectInput, Inputs

# Default limit, in bytes, of the recordings of one batch.
BATCH_BYTES = 1 << 29


def batch_size(
    network: AnyNetwork, steps: int, record: Sequence[str] = ("spikes",), max_bytes: int = BATCH_BYTES
) -> int:
    """Samples whose input and recordings stay within ``max_bytes``, at least one.

    Args:
        network: what is run; all populations are counted.
        steps: length of the run.
        record: variables that are kept: spikes take 1 byte a neuron and step, states 8.
        max_bytes: the limit.
    """
    neurons = sum(network.size_of(name) for name in network.population_names)
    channels = sum(i.size for i in network.inputs)
    cell = sum(1 if variable == "spikes" else 8 for variable in record)
    return max(1, as_int(max_bytes, "max_batch_bytes") // max(1, as_int(steps, "steps") * (neurons * cell + channels)))


def batches(inputs: Inputs, samples: int, size: int) -> Iterator[tuple[slice, Inputs]]:
    """Cut the samples of an input into batches of at most ``size``; yields the indices of each batch and its input.

    Args:
        inputs: as for :func:`ssdp_hw.run`.
        samples: number of samples.
        size: largest number of samples of a batch.
    """
    if size >= samples:
        yield slice(0, samples), inputs
        return
    for start in range(0, samples, size):
        part = slice(start, min(start + size, samples))
        yield part, select_samples(inputs, part)


def stopped(done: int, samples: int, what: str) -> str:
    """A message for Ctrl-C or a time limit in the middle of many samples: what the exception's ``result`` holds."""
    return f"after {done} of {samples} samples; {what} of those {done} is the exception's 'result'"


def select_samples(inputs: Inputs, part: slice) -> Inputs:
    """The samples ``part`` of an input of :func:`ssdp_hw.run`, with all their steps."""
    if isinstance(inputs, Mapping):
        return {name: _selected(value, part) for name, value in inputs.items()}
    selected: Inputs = _selected(inputs, part)
    return selected


def _selected(value: Any, part: slice) -> Any:
    if isinstance(value, DirectInput):
        return DirectInput(np.asarray(value.values)[part], value.steps)
    return (value if hasattr(value, "ndim") else as_array(value, "spikes"))[:, part]
