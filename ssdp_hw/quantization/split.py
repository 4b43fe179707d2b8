"""Weights split over several synapses: each further synapse holds the rounding error of those before it.

A chip may join two neurons by several synapses, whose weights add. The first has the exponent at which the
weights fit; the second that at which the rounding errors of the first fit, about ``bits`` powers of two below.
Two synapses of 8 bits so hold a weight to about 15 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.chips import Chip
from ssdp_hw.network.fixed_network import FixedNetwork, FixedProjection
from ssdp_hw.network.formats import SignMode, WeightFormat
from ssdp_hw.network.weight import Weight
from ssdp_hw.quantization.exponent import weight_exponent
from ssdp_hw.quantization.options import SPLIT_MAX, ProjectionOptions


@dataclass(frozen=True, eq=False)
class Part:
    """One of the synapses of every weight: ``weight * 2**exponent`` units of the activation, in its format."""

    exponent: int
    number: WeightFormat
    weight: NDArray[np.int64]

    @property
    def units(self) -> NDArray[np.float64]:
        """The weights of this part in units of the activation."""
        return self.weight * 2.0**self.exponent


def split_weights(
    values: NDArray[np.float64], options: ProjectionOptions, number: WeightFormat, chip: Chip
) -> Iterator[Part]:
    """Split weights, given in units of the activation, into at most as many parts as the options ask for.

    No further part is made once all that is left rounds to 0. Parts after the first have mixed signs, since rounding
    errors have both.
    """
    left, part_number = values, number
    for k in range(options.split):
        exponent = weight_exponent(left, options, part_number, chip)
        weight, _ = part_number.nearest(left / 2.0**exponent)
        if k and not weight.any():
            return
        part = Part(exponent, part_number, weight)
        yield part
        left, part_number = left - part.units, replace(number, sign_mode=SignMode.MIXED)


def part_name(name: str, k: int) -> str:
    """The name of part ``k`` of a projection, from 0."""
    return name if k == 0 else f"{name}+{k + 1}"


def parts_of(fixed: FixedNetwork, name: str) -> list[FixedProjection]:
    """The projections of a fixed network that hold the weights of projection ``name`` of the float network."""
    by_name = {q.name: q for q in fixed.projections}
    names = (part_name(name, k) for k in range(SPLIT_MAX))
    return [by_name[n] for n in names if n in by_name]


def units_of(fixed: FixedNetwork, name: str) -> Weight:
    """The weights of projection ``name``, summed over its parts, in units of the activation.

    The sum is dense, sparse or a convolution as the first part is.
    """
    parts = parts_of(fixed, name)
    return parts[0].stored.with_values(np.sum([q.stored_weights * 2.0**q.weight_exp for q in parts], axis=0))
