"""STDP whose depression an astrocyte sets: the rule of NALSM, a liquid state machine with an astrocyte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssdp_hw.operations.base import Operations, Rounding, Value, Values
from ssdp_hw.rules.model import DECAY_BITS, RuleFactor, RuleKind, RuleModel, RuleParameter, RuleVariable, faded

_BITS = 15
# The largest activity; with the default ``rest`` it is one more than the register holds.
_LARGEST = 8
# Of the number of neurons of an input that fire in a step.
_COUNT_BITS = 20


@dataclass(frozen=True, repr=False)
class AstrocyteSTDP(RuleModel):
    """``a_plus x`` at a postsynaptic spike and ``-a_minus A y`` at a presynaptic one, with traces x and y. A is one
    activity for the whole projection: in every step it moves by a part of ``1 + coupling (n_post - n_pre) - A``, where
    n_post and n_pre neurons of its ends fire, and stays within 0 and 8 (in integers ``rest`` stands for 1).

    A population that fires more than its source is depressed more, one that fires less is depressed less: that holds
    it where activity neither grows nor dies. With a coupling of 0 the rule is pair STDP.

    In NALSM one astrocyte of a liquid acts on all synapses. Where ``outside`` is set n_pre is the third factor
    ``input_count`` in place of the projection's own count: with the number of input neurons that fire in each step,
    recurrent synapses and those from the input follow the same activity. An ``inhibitory`` synapse exchanges both
    amplitudes: ``-a_minus A x`` at a postsynaptic spike makes it stronger, ``a_plus y`` at a presynaptic one weaker.

    Attributes:
        rounding: how decayed traces are rounded.
        outside: whether n_pre comes from outside, as the factor ``input_count``.
        inhibitory: whether the synapses are inhibitory.
    """

    rounding: Rounding = Rounding.STOCHASTIC
    outside: bool = False
    inhibitory: bool = False

    name = "AstrocyteSTDP"
    pre = (RuleVariable("x", 7),)
    post = (RuleVariable("y", 7),)
    group = (RuleVariable("activity", _BITS, start="rest"),)
    parameters = (
        RuleParameter("a_plus", RuleKind.AMPLITUDE, units=("impulse",)),
        RuleParameter("a_minus", RuleKind.AMPLITUDE, units=("impulse",)),
        RuleParameter("decay_x", RuleKind.DECAY, float_name="tau_plus", default=10.0),
        RuleParameter("decay_y", RuleKind.DECAY, float_name="tau_minus", default=10.0),
        RuleParameter("rate", RuleKind.DECAY, float_name="tau_astrocyte", default=100.0),
        RuleParameter("coupling", RuleKind.GAIN, default=0.0, units=("rest",)),
        RuleParameter("rest", RuleKind.UNIT, bits=13, default=4096),
        RuleParameter("impulse", RuleKind.UNIT, bits=7, default=31),
        RuleParameter("trace_max", RuleKind.LIMIT, bits=7, default=127),
        RuleParameter("dw_shift", RuleKind.SHIFT),
    )
    source = "V. Ivanov, K. Michmizos, Increasing liquid state machine performance with edge-of-chaos dynamics, 2021"

    @property
    def factors(self) -> tuple[RuleFactor, ...]:  # type: ignore[override]
        """The number of input neurons that fire, where it comes from outside."""
        return (RuleFactor("input_count", bits=_COUNT_BITS, signed=False),) if self.outside else ()

    def pre_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The trace of the source."""
        raised = op.select(n.spike, op.minimum(n.x + p.impulse, p.trace_max), n.x)
        return {"x": faded(op, raised, p.decay_x, self.rounding)}

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The trace of the target."""
        raised = op.select(n.spike, op.minimum(n.y + p.impulse, p.trace_max), n.y)
        return {"y": faded(op, raised, p.decay_y, self.rounding)}

    def group_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The activity of the astrocyte follows the difference of both ends."""
        wanted = p.rest + p.coupling * (n.post_count - (n.input_count if self.outside else n.pre_count))
        moved = n.activity + op.scale(wanted - n.activity, p.rate, DECAY_BITS, "nearest")
        return {"activity": op.minimum(op.clip(moved, 0, _LARGEST * p.rest), (1 << _BITS) - 1)}

    def pre_spike(self, op: Operations, at: Values, p: Values) -> Value:
        """Depress by the trace of the target and the astrocyte's activity; make an inhibitory synapse weaker."""
        return self._raised(op, at.post.y, p) if self.inhibitory else self._lowered(op, at, at.post.y, p)

    def post_spike(self, op: Operations, at: Values, p: Values) -> Value:
        """Potentiate by the trace of the source; make an inhibitory synapse stronger by the astrocyte's activity."""
        return self._lowered(op, at, at.pre.x, p) if self.inhibitory else self._raised(op, at.pre.x, p)

    def _raised(self, op: Operations, trace: Value, p: Values) -> Value:
        return op.shift_right(p.a_plus * trace, p.dw_shift, "nearest")

    def _lowered(self, op: Operations, at: Values, trace: Value, p: Values) -> Value:
        scaled = op.divide(p.a_minus * trace * at.group.activity, op.maximum(p.rest, op.lsb))
        return 0 - op.shift_right(scaled, p.dw_shift, "nearest")


RULE = AstrocyteSTDP()
