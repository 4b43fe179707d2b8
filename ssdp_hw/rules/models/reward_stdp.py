"""STDP whose weight changes wait for a reward: an eligibility trace of each synapse, times a third factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssdp_hw.operations.base import Operations, Rounding, Value, Values
from ssdp_hw.rules.model import RuleFactor, RuleKind, RuleModel, RuleParameter, RuleVariable, faded

_BITS = 24


@dataclass(frozen=True, repr=False)
class RewardSTDP(RuleModel):
    """In every step t a weight changes by ``rate reward(t) e(t)``. The eligibility e of a synapse decays; a spike of
    the target adds ``a_plus x`` to it, one of the source subtracts ``a_minus y``, with the traces of pair STDP.

    A spike acts on the traces and on e from the next step on. With time constants in steps, spikes at steps i
    (presynaptic) and j (postsynaptic), the change of a window is in real numbers

        rate sum_t reward(t) [sum_{i<j<t} a_plus  e^(-(j-i)/tau_plus)  e^(-(t-1-j)/tau_e)
                            - sum_{j<i<t} a_minus e^(-(i-j)/tau_minus) e^(-(t-1-i)/tau_e)]

    Attributes:
        per_neuron: whether each postsynaptic neuron has a reward of its own, instead of one for the projection.
        lasts: whether the eligibility goes on from window to window, for a reward that comes in a later one.
        rounding: how decayed traces are rounded; the eligibility is rounded toward zero.
    """

    per_neuron: bool = False
    lasts: bool = False
    rounding: Rounding = Rounding.STOCHASTIC

    name = "RewardSTDP"
    pre = (RuleVariable("x", 7),)
    post = (RuleVariable("y", 7),)
    parameters = (
        RuleParameter("rate", RuleKind.AMPLITUDE, units=("unit", "one")),
        RuleParameter("a_plus", RuleKind.GAIN, bits=18, default=1.0, units=("unit",)),
        RuleParameter("a_minus", RuleKind.GAIN, bits=18, default=1.0, units=("unit",)),
        RuleParameter("decay_x", RuleKind.DECAY, float_name="tau_plus", default=20.0),
        RuleParameter("decay_y", RuleKind.DECAY, float_name="tau_minus", default=20.0),
        RuleParameter("decay_e", RuleKind.DECAY, float_name="tau_e", default=200.0),
        RuleParameter("unit", RuleKind.UNIT, bits=17, default=65536),
        RuleParameter("one", RuleKind.UNIT, bits=7, default=64),
        RuleParameter("impulse", RuleKind.UNIT, bits=7, default=31),
        RuleParameter("trace_max", RuleKind.LIMIT, bits=7, default=127),
        RuleParameter("e_max", RuleKind.LIMIT, bits=_BITS - 1, default=(1 << (_BITS - 1)) - 1),
        RuleParameter("dw_shift", RuleKind.SHIFT),
    )
    source = "E. M. Izhikevich, Cerebral Cortex 17, 2007; R. V. Florian, Neural Computation 19, 2007"

    @property
    def synapse(self) -> tuple[RuleVariable, ...]:  # type: ignore[override]
        """The eligibility."""
        return (RuleVariable("e", _BITS, signed=True, lasts=self.lasts),)

    @property
    def factors(self) -> tuple[RuleFactor, ...]:  # type: ignore[override]
        """The reward."""
        return (RuleFactor("reward", "post" if self.per_neuron else "group", unit="one"),)

    def pre_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The trace of the source."""
        return {"x": self._traced(op, n.x, n.spike, p.decay_x, p)}

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The trace of the target."""
        return {"y": self._traced(op, n.y, n.spike, p.decay_y, p)}

    def _traced(self, op: Operations, trace: Value, spike: Value, decay: Value, p: Values) -> Value:
        return faded(op, op.select(spike, op.minimum(trace + p.impulse, p.trace_max), trace), decay, self.rounding)

    def each_step(self, op: Operations, at: Values, p: Values) -> Mapping[str, Value]:
        """The weight follows reward and eligibility, which decays."""
        reward = (at.post if self.per_neuron else at.group).reward
        product = p.rate * op.absolute(at.synapse.e) * op.absolute(reward)
        size = op.shift_right(product, p.dw_shift, "nearest")
        negative = ((at.synapse.e < 0) & (reward > 0)) | ((at.synapse.e > 0) & (reward < 0))
        return {"weight": op.select(negative, 0 - size, size), "e": faded(op, at.synapse.e, p.decay_e, "zero")}

    def pre_spike(self, op: Operations, at: Values, p: Values) -> Mapping[str, Value]:
        """The trace of the postsynaptic neuron lowers the eligibility."""
        return {"e": self._moved(op, at.synapse.e, 0 - self._share(op, p.a_minus, at.post.y, p), p)}

    def post_spike(self, op: Operations, at: Values, p: Values) -> Mapping[str, Value]:
        """The trace of the presynaptic neuron raises the eligibility."""
        return {"e": self._moved(op, at.synapse.e, self._share(op, p.a_plus, at.pre.x, p), p)}

    def _share(self, op: Operations, gain: Value, trace: Value, p: Values) -> Value:
        return op.divide(gain * trace, op.maximum(p.impulse, op.lsb))

    def _moved(self, op: Operations, e: Value, by: Value, p: Values) -> Value:
        return op.clip(e + by, 0 - p.e_max, p.e_max)


RULE = RewardSTDP()
