"""CSDP: a layer learns to be active for samples that are true, and to be quiet for those that are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.rules.model import RuleFactor, RuleKind, RuleModel, RuleParameter, RuleVariable, faded

# Bits of a neuron's trace; its square summed over 2**20 neurons fits the register of the goodness.
_TRACE_BITS = 8


@dataclass(frozen=True, repr=False)
class CSDP(RuleModel):
    """In every step t the weight from neuron j to neuron i changes by

        eta 2 (y - p(t-1)) z_i(t) s_j(t) - w_decay o_i(t) (1 - s_j(t))

    with what arrives in that step, s_j(t), which j sent in the step before; the spikes o_i(t) of the target; its trace
    z, which is 1 at a spike and else fades; and the layer's probability that the sample is true,

        p(t) = sigmoid(G(t) - theta),   G(t) = sum_i z_i(t)**2

    where G is its goodness. The factor ``true`` is y: 1 for a true sample, 0 for another, such as an image with a wrong
    label. The first term is the descent of the cross entropy of p and y along z. A synapse finds p of the step before.
    With ``pre_trace="arrives"`` s_j counts from the arrival through a delay of the synapse, too.

    The parameter ``sigmoid`` is a table of p by G, ``per_unit`` entries a unit of G, on straight lines between them in
    real numbers; :func:`ssdp_hw.csdp` makes a rule. The code of the authors has Adam in place of a plain sum.
    """

    name = "CSDP"
    pre = (RuleVariable("sent", 1), RuleVariable("s", 1))
    post = (RuleVariable("z", _TRACE_BITS), RuleVariable("o", 1))
    group = (RuleVariable("e", 9, signed=True),)
    factors = (RuleFactor("true", "group", bits=1, signed=False),)
    parameters = (
        RuleParameter("rate", RuleKind.AMPLITUDE, float_name="eta", units=("one", "z_one")),
        RuleParameter("leave", RuleKind.AMPLITUDE, bits=30, float_name="w_decay", default=0.0),
        RuleParameter("decay_z", RuleKind.DECAY, float_name="tau_z", default=3.81),
        RuleParameter("sigmoid", RuleKind.TABLE, bits=8, units=("one",)),
        RuleParameter("per_unit", bits=8, default=4),
        RuleParameter("one", RuleKind.UNIT, bits=8, default=255),
        RuleParameter("z_one", RuleKind.UNIT, bits=_TRACE_BITS, default=255),
        RuleParameter("dw_shift", RuleKind.SHIFT),
    )
    source = "A. G. Ororbia, Science Advances 10, eadn6076, 2024 (arXiv:2303.18187)"

    def pre_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """What arrives in this step, which the neuron sent in the one before."""
        return {"sent": op.select(n.spike, 1, 0), "s": n.sent}

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The trace and the spike."""
        z = op.select(n.spike, p.z_one, faded(op, n.z, p.decay_z, "nearest"))
        return {"z": z, "o": op.select(n.spike, 1, 0)}

    def post_sum(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The neuron's part of the goodness."""
        return {"goodness": n.z * n.z}

    def group_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """What the probability of the step before lacks."""
        place = op.divide(n.sums.goodness * p.per_unit, op.maximum(p.z_one * p.z_one, op.lsb))
        return {"e": op.select(n.true > 0, p.one, 0) - op.lookup(p.sigmoid, place)}

    def each_step(self, op: Operations, at: Values, p: Values) -> Value:
        """The change of the step before, whose variables are complete now."""
        return self._change(op, at, p)

    def window_end(self, op: Operations, at: Values, p: Values) -> Value:
        """The change of the last step."""
        return self._change(op, at, p)

    def _change(self, op: Operations, at: Values, p: Values) -> Value:
        pulled = op.shift_right(2 * p.rate * at.group.e * at.post.z, p.dw_shift, "nearest")
        left = op.shift_right(p.leave, p.dw_shift, "nearest")
        arrives = op.select(at.pre.s > 0, pulled, 0)
        return arrives - op.select((at.post.o > 0) & (at.pre.s < 1), left, 0)


RULE = CSDP()
