"""Oja's rule: Hebbian growth that forgets as much as the neuron's own activity says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssdp_hw.operations.base import Operations, Rounding, Value, Values
from ssdp_hw.rules.model import RuleKind, RuleModel, RuleParameter, RuleVariable, faded


@dataclass(frozen=True, repr=False)
class Oja(RuleModel):
    """``dw = eta y (x - y w)`` at the end of a window, with traces x and y of the spikes of both neurons.

    Where y is proportional to ``sum w x``, the weights of a neuron find the first principal component of x, with a norm
    of 1 in the unit in which ``y = w x``. In integers w is the stored weight in LSB.

    Attributes:
        rounding: how decayed traces are rounded.
    """

    rounding: Rounding = Rounding.STOCHASTIC

    name = "Oja"
    pre = (RuleVariable("x", 12),)
    post = (RuleVariable("y", 12),)
    parameters = (
        RuleParameter("grow", RuleKind.AMPLITUDE, float_name="eta", units=("unit", "unit")),
        RuleParameter("forget", RuleKind.AMPLITUDE, units=("unit", "unit"), weights=1),
        RuleParameter("decay_x", RuleKind.DECAY, float_name="tau_x", default=100.0),
        RuleParameter("decay_y", RuleKind.DECAY, float_name="tau_y", default=100.0),
        RuleParameter("unit", RuleKind.UNIT, bits=10, default=64),
        RuleParameter("top", RuleKind.LIMIT, bits=12, default=4095),
        RuleParameter("dw_shift", RuleKind.SHIFT),
    )
    reads_weight = True
    source = "E. Oja, Simplified neuron model as a principal component analyzer, 1982"

    def pre_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The trace of the source."""
        raised = op.select(n.spike, op.minimum(n.x + p.unit, p.top), n.x)
        return {"x": faded(op, raised, p.decay_x, self.rounding)}

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The trace of the target."""
        raised = op.select(n.spike, op.minimum(n.y + p.unit, p.top), n.y)
        return {"y": faded(op, raised, p.decay_y, self.rounding)}

    def window_end(self, op: Operations, at: Values, p: Values) -> Value:
        """Growth by both traces, and forgetting by the square of the target's."""
        grown = op.shift_right(p.grow * at.pre.x * at.post.y, p.dw_shift, "nearest")
        square = p.forget * at.post.y * at.post.y
        return grown - op.shift_right(square * at.synapse.weight, p.dw_shift, "nearest")


RULE = Oja()
