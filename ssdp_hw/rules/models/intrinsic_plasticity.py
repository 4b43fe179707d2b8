"""Intrinsic plasticity: a neuron moves its threshold until it fires at a rate of the rule's choice."""

from __future__ import annotations

from collections.abc import Mapping

from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.rules.model import RuleKind, RuleModel, RuleParameter, WrittenVariable


class IntrinsicPlasticity(RuleModel):
    """``dtheta = rise`` at a spike of the neuron, less ``fall`` in every step.

    Where the threshold theta stands still on average, the neuron fires at the rate ``fall / rise`` in spikes a step,
    whatever its input, as long as its threshold stays above ``least``. Weights stay as they are: name one projection
    into the population, whose neurons it then moves.
    """

    name = "IntrinsicPlasticity"
    post = (WrittenVariable("theta", shift="theta_shift", least="least"),)
    parameters = (
        RuleParameter("rise", RuleKind.THRESHOLD_CHANGE, default=0.01),
        RuleParameter("fall", RuleKind.THRESHOLD_CHANGE, default=0.0005),
        RuleParameter("least", RuleKind.THRESHOLD, bits=17, default=0.05),
        RuleParameter("theta_shift", RuleKind.SHIFT),
    )
    source = "P. U. Diehl, M. Cook, Front. Comput. Neurosci. 9, 2015, with a decay that is constant"

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The change of the threshold in a step."""
        return {"theta": op.select(n.spike, p.rise, 0) - p.fall}


RULE = IntrinsicPlasticity()
