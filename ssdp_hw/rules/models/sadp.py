"""SADP by spike counts; see :mod:`ssdp_hw.rules.sadp` for its equations."""

from __future__ import annotations

from collections.abc import Mapping

from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.rules.model import RuleKind, RuleModel, RuleParameter, RuleVariable

_COUNT_BITS = 21


class AgreementSADP(RuleModel):
    """At the end of a window a pair changes by Cohen's kappa of its two spike trains."""

    name = "SADP"
    pre = (RuleVariable("count", _COUNT_BITS),)
    post = (RuleVariable("count", _COUNT_BITS),)
    synapse = (RuleVariable("together", _COUNT_BITS),)
    parameters = (
        RuleParameter("a_plus", RuleKind.AMPLITUDE, units=("one",)),
        RuleParameter("a_minus", RuleKind.AMPLITUDE, units=("one",)),
        RuleParameter("one", RuleKind.UNIT, default=256),
        RuleParameter("dw_shift", RuleKind.SHIFT),
    )
    source = "arXiv 2508.16216"

    def pre_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """Count a spike."""
        return {"count": op.minimum(n.count + op.select(n.spike, 1, 0), p.steps)}

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """Count a spike."""
        return self.pre_step(op, n, p)

    def pre_spike(self, op: Operations, at: Values, p: Values) -> Mapping[str, Value]:
        """Count a step in which both fire."""
        both = at.synapse.together + op.select(at.post.spike, 1, 0)
        return {"together": op.minimum(both, p.steps)}

    def window_end(self, op: Operations, at: Values, p: Values) -> Value:
        """Kappa, cut to the unit ``one``, times an amplitude."""
        product = at.pre.count * at.post.count
        excess = 2 * (p.steps * at.synapse.together - product)
        most = p.steps * (at.pre.count + at.post.count) - 2 * product  # 0 only where the excess is 0 too
        kappa = op.minimum(op.divide(op.absolute(excess) * p.one, op.maximum(most, 1)), p.one)
        plus = op.shift_right(p.a_plus * kappa, p.dw_shift, "nearest")
        return op.select(excess > 0, plus, 0 - op.shift_right(p.a_minus * kappa, p.dw_shift, "nearest"))


RULE = AgreementSADP()
