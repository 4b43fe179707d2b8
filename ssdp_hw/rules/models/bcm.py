"""The rule of Bienenstock, Cooper and Munro: what strengthens a synapse depends on how active its neuron has been."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssdp_hw.operations.base import Operations, Rounding, Value, Values
from ssdp_hw.rules.model import RuleKind, RuleModel, RuleParameter, RuleVariable, faded


@dataclass(frozen=True, repr=False)
class BCM(RuleModel):
    """``dw = eta x y (y - theta)`` at the end of a window, with traces x and y of the spikes of both neurons.

    The threshold theta slides: in every step it goes by ``1 - exp(-1 / tau_theta)`` of the way to the square of y, so
    that it is the mean of ``y**2`` over the last ``tau_theta`` steps. It outlasts windows; traces do not. A gate is the
    modulation: it multiplies the weight change, and leaves the threshold.

    Attributes:
        rounding: how traces and threshold are rounded.
    """

    rounding: Rounding = Rounding.STOCHASTIC

    name = "BCM"
    pre = (RuleVariable("x", 12),)
    post = (RuleVariable("y", 12), RuleVariable("theta", 12, start="first_theta", lasts=True))
    parameters = (
        RuleParameter("grow", RuleKind.AMPLITUDE, float_name="eta", units=("unit", "unit", "unit")),
        RuleParameter("decay_x", RuleKind.DECAY, float_name="tau_x", default=20.0),
        RuleParameter("decay_y", RuleKind.DECAY, float_name="tau_y", default=20.0),
        RuleParameter("decay_theta", RuleKind.DECAY, float_name="tau_theta", default=1000.0),
        RuleParameter("first_theta", RuleKind.GAIN, bits=10, default=1.0, units=("unit",)),
        RuleParameter("unit", RuleKind.UNIT, bits=10, default=63),
        RuleParameter("top", RuleKind.LIMIT, bits=12, default=255),
        RuleParameter("dw_shift", RuleKind.SHIFT),
    )
    source = "E. L. Bienenstock, L. N. Cooper, P. W. Munro, J. Neuroscience 2, 1982; N. Intrator, L. N. Cooper 1992"

    def pre_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The trace of the source."""
        return {"x": self._traced(op, n.x, n.spike, p.decay_x, p)}

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The trace of the target, and its threshold."""
        square = op.minimum(op.divide(n.y * n.y, op.maximum(p.unit, 1)), p.top)
        slid = square + faded(op, n.theta - square, p.decay_theta, self.rounding)
        return {"y": self._traced(op, n.y, n.spike, p.decay_y, p), "theta": op.clip(slid, 0, 4095)}

    def _traced(self, op: Operations, trace: Value, spike: Value, decay: Value, p: Values) -> Value:
        return faded(op, op.select(spike, op.minimum(trace + p.unit, p.top), trace), decay, self.rounding)

    def window_end(self, op: Operations, at: Values, p: Values) -> Value:
        """Growth of active synapses where the target is above its threshold, decline where it is below."""
        above = at.post.y - op.minimum(at.post.theta, p.top)
        return op.shift_right(p.grow * at.pre.x * at.post.y * above, p.dw_shift, "nearest")


RULE = BCM()
