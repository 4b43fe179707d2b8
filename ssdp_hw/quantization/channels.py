"""One scale for each neuron, on chips that have a threshold register for each neuron."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ssdp_hw.arrays import Real
from ssdp_hw.models.base import Kind
from ssdp_hw.quantization.normal_form import NormalPopulation

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
        largest = q.weight.row_maxima()
        if largest.any():
            room = np.max(largest) / np.where(largest > 0, largest, np.inf)
            factors = np.where(largest > 0, np.minimum(factors, room), factors)
    # The thresholds must fit their register, too.
    return np.maximum(1.0, np.minimum(factors, np.max(p.threshold) / p.threshold * LARGEST_FACTOR))


def _in_own_unit(p: NormalPopulation, name: str, factors: Real) -> Real:
    """A parameter of a declared model with every neuron's voltage multiplied by its factor."""
    assert p.model is not None
    parameter = p.model.parameter(name)
    return p.values[name] * factors if parameter is not None and parameter.kind is Kind.LEVEL else p.values[name]


def in_own_units(p: NormalPopulation, factors: Real) -> NormalPopulation:
    """The population with every neuron's voltage multiplied by its factor, which changes no spike."""
    return replace(
        p,
        bias=p.bias * factors,
        drift=p.drift * factors,
        v_init=p.v_init * factors,
        threshold=None if p.threshold is None else p.threshold * factors,
        values={name: _in_own_unit(p, name, factors) for name in p.values},
        constant_current=p.constant_current * factors,
        incoming=tuple(replace(q, weight=q.weight.times_rows(factors), gain=q.gain * factors) for q in p.incoming),
    )
