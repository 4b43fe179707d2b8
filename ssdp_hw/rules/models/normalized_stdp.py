"""Homeostatic normalisation: a neuron pulls the sum of its incoming weights to a target, beside pair STDP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.rules.model import RuleKind, RuleParameter
from ssdp_hw.rules.models.stdp import PairSTDP

# Bits of the register of the target, in weight LSBs, and of the share that the sum is away from it.
_SUM_BITS, _SHARE_BITS = 24, 12


@dataclass(frozen=True, repr=False)
class NormalizedSTDP(PairSTDP):
    """Pair STDP, and at the end of a window ``dw = pull w (target - S) / S``.

    S is the sum of all weights of the projection that end at the neuron. It goes the share ``pull`` of its way to the
    target in every window, while the ratios of the weights stay. Without STDP it is after n weight updates, one a
    window,

        S(n) = target + (1 - pull)^n (S(0) - target)

    With ``pull=1`` that is the normalisation after each sample that Diehl and Cook have. ``(target - S) / S`` counts as
    1 where it is more, so that a weight at most doubles in a window, and where S is not above 0 there is no pull. In
    integers S and w are the stored weights in LSB, a larger w than the register ``w_max`` pulls as that does, and the
    share has 12 binary places.
    """

    name = "NormalizedSTDP"
    parameters = (
        *PairSTDP.parameters,
        RuleParameter("pull", RuleKind.AMPLITUDE, weights=1, default=0.1),
        RuleParameter("target", RuleKind.WEIGHT, bits=_SUM_BITS, default=1.0),
        RuleParameter("w_max", RuleKind.LIMIT, bits=16, default=256),
    )
    reads_weight = True
    reads_weight_sums = True
    source = "P. U. Diehl, M. Cook, Front. Comput. Neurosci. 9, 2015, with a pull in place of a division"

    def window_end(self, op: Operations, at: Values, p: Values) -> Mapping[str, Value]:
        """The pull on each weight."""
        total, w = at.post.weight_sum, at.synapse.weight
        far = p.target - total
        divisor = op.select(total > 0, op.maximum(total, op.lsb), 1)  # in real numbers lsb is 0
        ratio = op.divide(op.shift_left(op.absolute(far), _SHARE_BITS), divisor)
        share = op.minimum(ratio, 1 << _SHARE_BITS)
        product = op.shift_right(p.pull * op.minimum(op.absolute(w), p.w_max) * share, _SHARE_BITS, "nearest")
        size = op.shift_right(product, p.dw_shift, "nearest")
        falls = ((w < 0) & (far > 0)) | ((w > 0) & (far < 0))
        return {"weight": op.select(total > 0, op.select(falls, 0 - size, size), 0)}


RULE = NormalizedSTDP()
