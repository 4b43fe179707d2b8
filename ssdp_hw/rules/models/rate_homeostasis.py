"""Homeostasis of firing rates: each neuron moves its threshold until it fires at a rate of its own."""

from __future__ import annotations

from collections.abc import Mapping

from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.rules.model import RuleKind, RuleModel, RuleParameter, WrittenVariable


class RateHomeostasis(RuleModel):
    """``dtheta = rise * (spike - rates[i])`` in every step, for neuron i.

    Where the threshold theta stands still on average, neuron i fires at ``rates[i]`` in spikes a step. Rates that were
    measured before the input drifted (``sh.run(network, spikes).spikes[name].mean(axis=(0, 1))``) give each neuron
    back the share of the layer's spikes that it had, without labels. ``rates`` of one entry are the rate of all
    neurons. Weights stay as they are: name one projection into the population, whose neurons it then moves.
    """

    name = "RateHomeostasis"
    post = (WrittenVariable("theta", shift="theta_shift", least="least"),)
    parameters = (
        RuleParameter("rise", RuleKind.THRESHOLD_CHANGE, default=0.01),
        RuleParameter("rates", RuleKind.TABLE, bits=17, units=("rate_one",)),
        RuleParameter("least", RuleKind.THRESHOLD, bits=17, default=0.05),
        RuleParameter("rate_one", RuleKind.UNIT, bits=17, default=1 << 16),
        RuleParameter("theta_shift", RuleKind.SHIFT),
    )
    source = "P. U. Diehl, M. Cook, Front. Comput. Neurosci. 9, 2015, with a decay by the neuron's own rate"

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The change of the threshold in a step; what it falls is rounded to the nearest unit of the accumulator."""
        one = op.maximum(p.rate_one, 1)
        fall = op.divide(2 * p.rise * op.lookup(p.rates, n.index) + op.lsb * one, 2 * one)
        return {"theta": op.select(n.spike, p.rise, 0) - fall}


RULE = RateHomeostasis()
