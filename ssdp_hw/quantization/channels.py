"""One scale for each neuron, on chips that have a threshold register for each neuron."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ssdp_hw.checks import synapse_indices, synapse_values, with_synapse_values
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.quantization.normal_form import Incoming, NormalPopulation, Real

# A neuron may be scaled up by no more than this, so that a lone small weight does not fill the state.
LARGEST_FACTOR = 16.0


def channel_factors(p: NormalPopulation) -> Real:
    """Factors, shape (n,) and at least 1, by which each neuron's weights, threshold and bias can be multiplied.

    The factor of a neuron makes its largest weight as large as the largest weight of the population. The neurons of
    a channel of a convolution have one factor in common. Those of a population without spikes have factor 1, since
    their voltages are compared with each other.
    """
    size = len(p.bias)
    if p.threshold is None:
        return np.ones(size)
    factors = np.full(size, LARGEST_FACTOR)
    for q in p.incoming:
        largest = _row_maxima(q.weight)
        if largest.any():
            room = np.max(largest) / np.where(largest > 0, largest, np.inf)
            factors = np.where(largest > 0, np.minimum(factors, room), factors)
    # The thresholds must fit their register, too.
    return np.maximum(1.0, np.minimum(factors, np.max(p.threshold) / p.threshold * LARGEST_FACTOR))


def in_own_units(p: NormalPopulation, factors: Real) -> NormalPopulation:
    """The population with every neuron's voltage multiplied by its factor, which changes no spike."""
    return replace(
        p,
        bias=p.bias * factors,
        drift=p.drift * factors,
        v_init=p.v_init * factors,
        threshold=None if p.threshold is None else p.threshold * factors,
        constant_current=p.constant_current * factors,
        incoming=tuple(Incoming(q.name, times_rows(q.weight, factors), q.gain * factors) for q in p.incoming),
    )


def times_rows(weight: Any, factors: Real) -> Any:
    """The weight with row j multiplied by factors[j]; a convolution stays one while each channel shares its factor."""
    if isinstance(weight, ConvWeight):
        scaled = weight.times_outputs(factors)
        if scaled is not None:
            return scaled
        weight = weight.unrolled()
    return with_synapse_values(weight, synapse_values(weight) * factors[synapse_indices(weight)[0]])


def _row_maxima(weight: Any) -> Real:
    """Largest |weight| of every row, shape (post,); of a convolution that of the output's channel."""
    if isinstance(weight, ConvWeight):
        by_channel = np.abs(weight.kernel).reshape(weight.kernel.shape[0], -1).max(axis=1)
        return np.repeat(by_channel, weight.shape[0] // len(by_channel)).astype(np.float64)
    rows, _ = synapse_indices(weight)
    largest = np.zeros(weight.shape[0])
    np.maximum.at(largest, rows, np.abs(synapse_values(weight)))
    return largest
