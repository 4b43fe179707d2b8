"""The soft error of an output population: the label minus the softmax of its spike counts, in integers.

A processor beside the neurons computes it from one counter for each output neuron, by a table and one division:

    e_i = (round(255 exp(-k_i / T)) * 256) // sum of all entries        k_i = largest count - count of i
    g_i = (256 [i is the label] - e_i) / 256

with the temperature T in spikes. The gates g are multiples of 1/256, so that a gate of 8 fraction bits has them
exactly; over the neurons of a sample they add up to 0 but for what the divisions drop, less than one 256th a neuron.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Int
from ssdp_hw.checks import positive_or_none
from ssdp_hw.errors import ParameterError

ONE = 256
_ENTRY = 255


def softmax_table(temperature: float) -> Int:
    """The table of the exponential: entry k is for a count that is k below the largest; it ends with the first 0."""
    checked = positive_or_none(temperature, "temperature")
    if checked is None:
        raise ParameterError("temperature is missing: the number of spikes by which the softmax of counts is scaled")
    last = int(np.ceil(checked * np.log(2 * _ENTRY))) + 1
    if last > 2**20:
        raise ParameterError(f"temperature = {checked:g} is above {2**20 / np.log(2 * _ENTRY):.0f} spikes")
    entries = np.rint(_ENTRY * np.exp(-np.arange(last + 1) / checked)).astype(np.int64)
    return np.asarray(entries[: int(np.argmin(entries)) + 1])


def soft_error(counts: Int, labels: Int, temperature: float) -> NDArray[np.float64]:
    """Gates of every output neuron.

    Args:
        counts: spikes of each output neuron, shape (batch, n).
        labels: class of every sample, shape (batch,).
        temperature: in spikes; a count lower by the temperature has a probability lower by the factor e.

    Returns:
        Shape (batch, n), from -1 to 1.

    Raises:
        ParameterError: no positive temperature.
    """
    table = softmax_table(temperature)
    below = counts.max(axis=1, keepdims=True) - counts
    entries = table[np.minimum(below, table.size - 1)]
    share = entries * ONE // entries.sum(axis=1, keepdims=True)
    wanted = ONE * (labels[:, None] == np.arange(counts.shape[1]))
    return np.asarray((wanted - share) / ONE)
