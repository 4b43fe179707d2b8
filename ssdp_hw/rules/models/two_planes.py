"""Two planes of weights: a fast one that learns and fades, and a slow one that takes over what lasts."""

from __future__ import annotations

from collections.abc import Mapping

from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.rules.model import RuleKind, RuleParameter, RuleVariable, faded
from ssdp_hw.rules.pair_moments import PairMoments


class TwoPlanes(PairMoments):
    """STDP of the fast plane f, which fades into the slow plane s; the weight that acts is ``w = s + f``.

    A spike of the target adds ``a_plus x`` and one of the source takes ``a_minus y``, with the traces x and y of the
    other neuron. At the end of each window ``df = -(leak + r) f`` and ``ds = r f`` with ``r = 1 - exp(-1 /
    tau_slow)``, windows being the unit of ``tau_slow``. What came in at once ends as the share ``r / (leak + r)`` of
    itself in the slow plane, and the rest is forgotten. All of the first weight is in the slow plane, which outlasts
    windows and runs. In integers a fast plane stops fading where a window takes less than half a counter unit: give
    ``counter_bits=32``.
    """

    name = "TwoPlanes"
    pre = (RuleVariable("x", 9),)
    post = (RuleVariable("y", 9),)
    synapse = (
        RuleVariable("slow", 26, signed=True, lasts=True),
        RuleVariable("begun", 1, lasts=True),
    )
    parameters = (
        RuleParameter("grow", RuleKind.AMPLITUDE, float_name="a_plus", units=("unit",)),
        RuleParameter("shrink", RuleKind.AMPLITUDE, float_name="a_minus", units=("unit",)),
        RuleParameter("fade", RuleKind.AMPLITUDE, float_name="leak", default=0.01, units=("fine",), weights=1),
        RuleParameter("decay_x", RuleKind.DECAY, float_name="tau_x", default=20.0),
        RuleParameter("decay_y", RuleKind.DECAY, float_name="tau_y", default=20.0),
        RuleParameter("slower", RuleKind.DECAY, float_name="tau_slow", default=100.0),
        RuleParameter("unit", RuleKind.UNIT, bits=7, default=63),
        RuleParameter("top", RuleKind.LIMIT, bits=9, default=255),
        RuleParameter("fine", RuleKind.UNIT, bits=8, default=128),
        RuleParameter("dw_shift", RuleKind.SHIFT),
    )
    reads_weight = True
    source = "S. Fusi, P. J. Drew, L. F. Abbott, Neuron 45, 2005, with two planes that are not discrete"

    def window_end(self, op: Operations, at: Values, p: Values) -> Mapping[str, Value]:
        """The fast plane fades, a part of it into the slow one."""
        whole = at.synapse.weight * p.fine
        slow = op.select(at.synapse.begun == 1, at.synapse.slow, whole)
        fast = whole - slow
        taken = whole - faded(op, fast, p.slower, "nearest")
        return {
            "weight": 0 - op.shift_right(p.fade * fast, p.dw_shift, "nearest"),
            "slow": op.clip(taken, -(2**25) + 1, 2**25 - 1),
            "begun": 1,
        }


RULE = TwoPlanes()
