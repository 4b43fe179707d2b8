"""Pair STDP in the trace form; see :mod:`ssdp_hw.rules.stdp` for its equations and their sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ssdp_hw.operations.base import Operations, Rounding, Value, Values
from ssdp_hw.rules.model import RuleKind, RuleModel, RuleParameter, RuleVariable, faded


@dataclass(frozen=True, repr=False)
class PairSTDP(RuleModel):
    """A spike reads the trace of the other neuron, and raises that of its own, which acts from the next step on.

    Attributes:
        nearest: whether a spike sets the trace instead of adding to it.
        rounding: how decayed traces are rounded.
    """

    nearest: bool = False
    rounding: Rounding = Rounding.STOCHASTIC

    name = "STDP"
    pre = (RuleVariable("x"),)
    post = (RuleVariable("y"),)
    parameters: ClassVar[tuple[RuleParameter, ...]] = (
        RuleParameter("a_plus", RuleKind.AMPLITUDE, units=("impulse",)),
        RuleParameter("a_minus", RuleKind.AMPLITUDE, units=("impulse",)),
        RuleParameter("decay_plus", RuleKind.DECAY, float_name="tau_plus", default=20.0),
        RuleParameter("decay_minus", RuleKind.DECAY, float_name="tau_minus", default=20.0),
        RuleParameter("impulse", RuleKind.UNIT, default=31),
        RuleParameter("trace_max", RuleKind.LIMIT, default=127),
        RuleParameter("dw_shift", RuleKind.SHIFT),
    )
    source = "Song, Miller and Abbott 2000; Davies et al., IEEE Micro 2018, for the trace form"

    def pre_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """Raise and decay the trace of the presynaptic neuron."""
        return {"x": faded(op, self._raised(op, n.x, n.spike, p), p.decay_plus, self.rounding)}

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """Raise and decay the trace of the postsynaptic neuron."""
        return {"y": faded(op, self._raised(op, n.y, n.spike, p), p.decay_minus, self.rounding)}

    def _raised(self, op: Operations, trace: Value, spike: Value, p: Values) -> Value:
        return op.select(spike, p.impulse if self.nearest else op.minimum(trace + p.impulse, p.trace_max), trace)

    def pre_spike(self, op: Operations, at: Values, p: Values) -> Value:
        """Depress by the postsynaptic trace."""
        return 0 - op.shift_right(p.a_minus * at.post.y, p.dw_shift, "nearest")

    def post_spike(self, op: Operations, at: Values, p: Values) -> Value:
        """Potentiate by the presynaptic trace."""
        return op.shift_right(p.a_plus * at.pre.x, p.dw_shift, "nearest")


RULE = PairSTDP()
