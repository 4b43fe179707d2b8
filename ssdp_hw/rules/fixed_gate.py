"""The gate of DA-SSDP in integers, from two group counters.

For each window two counters hold how many presynaptic and how many postsynaptic neurons of a projection fired. The
product of the two is the number of synchronous pairs, so that synchrony costs two counters and one multiplication:

    g = clip(offset + ((n_pre * n_post * slope) >> shift), 0, 2 << gate_bits)

in units of ``2**-gate_bits``, with an arithmetic shift. See :mod:`ssdp_hw.rules.gate` for the float form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError
from ssdp_hw.rules.gate import GATE_MAX, Gate
from ssdp_hw.rules.local import check_integers

_SLOPE_MAX = 2**15 - 1
_SHIFT_MAX = 62


@shown
@dataclass(frozen=True, kw_only=True)
class FixedGate:
    """A gate in fixed point.

    Attributes:
        offset, slope, shift: see the equation.
        gate_bits: fraction bits; 1.0 is ``1 << gate_bits``.

    Raises:
        ParameterError: a value out of range.
    """

    offset: int
    slope: int
    shift: int
    gate_bits: int = 8

    def __post_init__(self) -> None:
        check_integers(
            self,
            (
                ("gate_bits", 1, 15),
                ("offset", -(2**31), 2**31 - 1),
                ("slope", -_SLOPE_MAX, _SLOPE_MAX),
                ("shift", 0, _SHIFT_MAX),
            ),
        )

    def check_sizes(self, pre: int, post: int) -> None:
        """Raise if the product does not fit 63 bits for populations of these sizes.

        Raises:
            ParameterError: it does not.
        """
        if pre * post * abs(self.slope) >= 2**62:
            raise ParameterError(
                f"FixedGate: slope = {self.slope} times {pre} x {post} pairs exceeds 62 bits; use a smaller slope "
                "with a smaller shift"
            )

    def __call__(self, n_pre: int, n_post: int) -> int:
        """The gate from the numbers of neurons that fired."""
        g = self.offset + ((n_pre * n_post * self.slope) >> self.shift)
        return max(0, min(g, int(GATE_MAX) << self.gate_bits))


def fixed_gate(gate: Gate, pre: int, post: int, gate_bits: int = 8) -> FixedGate:
    """The integer gate nearest to a float one, for populations of ``pre`` and ``post`` neurons."""
    one = 1 << gate_bits
    per_pair = one * gate.k / (gate.deviation * pre * post)
    # Values are limited before they are rounded, since a gate of any float may overflow to infinity here.
    offset = round(max(-(2.0**31), min(one * (1.0 - gate.k * gate.mean / gate.deviation), 2.0**31 - 1)))
    if per_pair == 0:
        return FixedGate(offset=offset, slope=0, shift=0, gate_bits=gate_bits)
    # The largest slope whose products fit, so that it is rounded least.
    largest = min(_SLOPE_MAX, (2**62 - 1) // (pre * post))
    shift = math.floor(math.log2(max(1.0, min(largest / abs(per_pair), 2.0**_SHIFT_MAX))))
    slope = round(max(-largest, min(per_pair * 2.0**shift, largest)))
    return FixedGate(offset=offset, slope=slope, shift=shift, gate_bits=gate_bits)
