"""Pair STDP by traces with stochastic rounding, for rules that do more than that at the end of a window."""

from __future__ import annotations

from collections.abc import Mapping

from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.rules.model import RuleModel, faded


class PairMoments(RuleModel):
    """The moments of pair STDP: each spike changes a weight by the trace of the other neuron.

    A subclass declares the traces x (pre) and y (post), and the parameters grow, shrink, decay_x, decay_y, unit, top
    and dw_shift.
    """

    def pre_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The trace of the source."""
        raised = op.select(n.spike, op.minimum(n.x + p.unit, p.top), n.x)
        return {"x": faded(op, raised, p.decay_x, "stochastic")}

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The trace of the target."""
        raised = op.select(n.spike, op.minimum(n.y + p.unit, p.top), n.y)
        return {"y": faded(op, raised, p.decay_y, "stochastic")}

    def post_spike(self, op: Operations, at: Values, p: Values) -> Value:
        """Growth by the trace of the source."""
        return op.shift_right(p.grow * at.pre.x, p.dw_shift, "nearest")

    def pre_spike(self, op: Operations, at: Values, p: Values) -> Value:
        """Decline by the trace of the target."""
        return 0 - op.shift_right(p.shrink * at.post.y, p.dw_shift, "nearest")
