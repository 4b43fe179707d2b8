"""STDP that prunes: a synapse whose weight stays small dies."""

from __future__ import annotations

from collections.abc import Mapping

from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.rules.model import AliveBit, RuleKind, RuleParameter, RuleVariable
from ssdp_hw.rules.pair_moments import PairMoments


class PruningSTDP(PairMoments):
    """Pair STDP; a synapse dies once ``|w| < least`` at the ends of ``patience`` windows in a row.

    A spike of the target adds ``a_plus x`` and one of the source takes ``a_minus y``, with the traces x and y of the
    other neuron. So synapses whose neurons fire together are kept, and those of uncorrelated neurons die.
    """

    name = "PruningSTDP"
    pre = (RuleVariable("x", 9),)
    post = (RuleVariable("y", 9),)
    synapse = (RuleVariable("weak", 10, lasts=True), AliveBit("alive"))
    parameters = (
        RuleParameter("grow", RuleKind.AMPLITUDE, float_name="a_plus", units=("unit",)),
        RuleParameter("shrink", RuleKind.AMPLITUDE, float_name="a_minus", units=("unit",)),
        RuleParameter("least", RuleKind.WEIGHT),
        RuleParameter("patience", bits=10, default=10),
        RuleParameter("decay_x", RuleKind.DECAY, float_name="tau_x", default=20.0),
        RuleParameter("decay_y", RuleKind.DECAY, float_name="tau_y", default=20.0),
        RuleParameter("unit", RuleKind.UNIT, bits=7, default=63),
        RuleParameter("top", RuleKind.LIMIT, bits=9, default=255),
        RuleParameter("dw_shift", RuleKind.SHIFT),
    )
    reads_weight = True
    source = (
        "N. Rathi, P. Panda, K. Roy, arXiv 1710.04734: weights below a threshold are pruned at intervals while STDP "
        "learns; there a power law of the weight, here pair STDP, and patience"
    )

    def window_end(self, op: Operations, at: Values, p: Values) -> Mapping[str, Value]:
        """How many windows the weight has been small, and whether it still may be."""
        small = op.absolute(at.synapse.weight) < p.least
        weak = op.select(small, op.minimum(at.synapse.weak + 1, 1023), 0)
        return {"weak": weak, "alive": op.select(weak < p.patience, 1, 0)}


RULE = PruningSTDP()
