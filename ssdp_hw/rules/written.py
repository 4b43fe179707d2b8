"""How accumulators move what a rule writes beside weights, thresholds and delays.

At a weight update a quantity x takes whole units from its accumulator c, with k = its shift in the rule:

    q, c = the whole part and the rest of c / 2**k, by the rounding of the rule (see :mod:`ssdp_hw.rules.counter`)
    x = clip(x + q, least, most)

In real numbers ``x = clip(x + c, least, most); c = 0``; delays move by the whole part of c, which leaves the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ssdp_hw.arrays import Int, Numbers
from ssdp_hw.operations.philox import neuron_layer, synapse_random
from ssdp_hw.rules.counter import whole_part
from ssdp_hw.rules.local import Float, RandomKey, WeightRounding
from ssdp_hw.rules.model import WrittenVariable

# The draws of a rule within a step have smaller numbers; see neuron_layer.
_DRAW = 500


@dataclass(frozen=True, eq=False)
class Move:
    """What weight updates did to a quantity.

    Attributes:
        updates: number of weight updates.
        clipped: how often a value was clipped to its range.
        full: how often an accumulator was at an end of its register when its value moved.
        lost: of each value what its accumulator gave away and it did not take, by rounding and by its range, in units.
    """

    updates: int
    clipped: int
    full: int
    lost: Float

    def __add__(self, other: Move) -> Move:
        """Both together, where the values are the same."""
        return Move(
            self.updates + other.updates,
            self.clipped + other.clipped,
            self.full + other.full,
            self.lost + other.lost,
        )


def moved_integers(
    rounding: WeightRounding,
    written: WrittenVariable,
    shift: int,
    values: Int,
    gathered: Int,
    limits: tuple[float, float],
    key: RandomKey,
    at: tuple[int, int],
) -> tuple[Int, Int, Move]:
    """Values and accumulators after a weight update.

    Args:
        rounding: of the rule.
        written: the accumulator's declaration.
        shift: one unit is ``2**shift`` of the accumulator.
        values, gathered: of the quantity and of the accumulators, shape (n,).
        limits: least and largest value.
        key: of the random numbers of the projection.
        at: number of weight updates before this one, and number of the accumulator in its rule.
    """
    low, high = written.limits
    full = int(np.count_nonzero((gathered == low) | (gathered == high)))
    layer = neuron_layer(key.layer, 1, _DRAW + at[1])
    random = synapse_random(key.seed, layer, np.arange(gathered.size), at[0], shift)
    move, rest = whole_part(rounding, gathered, shift, random)
    kept = np.clip(values + move, *limits).astype(np.int64)
    lost = (gathered - rest) / (1 << shift) - (kept - values)
    return kept, rest, Move(1, int(np.count_nonzero(kept != values + move)), full, lost)


def moved_numbers(
    values: Numbers, gathered: Numbers, limits: tuple[float, float], *, whole: bool = False
) -> tuple[Float, Float, Move]:
    """Values and accumulators in real numbers after a weight update; see :func:`moved_integers`.

    ``whole``: whether values move by whole units, so that the rest stays in the accumulators.
    """
    move = np.trunc(gathered) if whole else np.asarray(gathered, np.float64)
    wanted = np.asarray(values + move, np.float64)
    kept = np.clip(wanted, *limits)
    lost = wanted - kept
    return kept, gathered - move, Move(1, int(np.count_nonzero(lost)), 0, lost)
