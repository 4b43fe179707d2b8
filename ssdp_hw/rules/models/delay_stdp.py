"""STDP of delays: a synapse moves its delay by the distance of its neurons' last spikes of a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssdp_hw.checks import Choice
from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.rules.model import Quantity, RuleKind, RuleModel, RuleParameter, RuleVariable, WrittenVariable

_NEVER = 2**21 - 1


class DelaySign(Choice):
    """What a spike that arrives before its target fires does to the delay of its synapse."""

    ALIGN = "align"  # it lengthens it, so that spikes come to arrive when the target fires
    HEBBIAN = "hebbian"  # it shortens it, as published


@dataclass(frozen=True, repr=False)
class DelaySTDP(RuleModel):
    """``dd = s(T) move window[|T|]`` and ``dw = a_plus window[T] for T >= 0, -a_minus window[-T] for T < 0``.

    T is the step of the target's last spike of a window less the step in which the last spike of the source arrives
    through the synapse: a spike of step t arrives in step ``t + 1 + d``. Both act once a window, where both neurons
    fired. The sign s is that of T for ``align``, with ``s(0) = 0``, so that a delay stands still at ``T = 0``; for
    ``hebbian`` it is -1 for ``T >= 0`` and 1 for ``T < 0``. Delays stay within 0 and ``longest``.

    Attributes:
        sign: see :class:`DelaySign`.
    """

    sign: DelaySign = DelaySign.ALIGN

    name = "DelaySTDP"
    pre = (RuleVariable("last", bits=21, start=_NEVER),)
    post = (RuleVariable("last", bits=21, start=_NEVER),)
    synapse = (
        RuleVariable("d", bits=17, lasts=True),
        WrittenVariable("gathered", bits=32, quantity=Quantity.DELAY, shift="delay_shift", most="longest", shows="d"),
    )
    parameters = (
        RuleParameter("move", RuleKind.DELAY_CHANGE, default=1.0, units=("one",)),
        RuleParameter("a_plus", RuleKind.AMPLITUDE, default=0.0, units=("one",)),
        RuleParameter("a_minus", RuleKind.AMPLITUDE, default=0.0, units=("one",)),
        RuleParameter("window", RuleKind.TABLE, bits=8, units=("one",)),
        RuleParameter("one", RuleKind.UNIT, bits=8, default=255),
        RuleParameter("longest", bits=17, default=63),
        RuleParameter("dw_shift", RuleKind.SHIFT),
        RuleParameter("delay_shift", RuleKind.SHIFT),
    )
    source = "M. Dominijanni, A. Ororbia, K. Regan, arXiv 2506.14984: there in every step, here once a window"

    def pre_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The step of the last spike."""
        return {"last": op.select(n.spike, n.step, n.last)}

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The step of the last spike."""
        return {"last": op.select(n.spike, n.step, n.last)}

    def window_end(self, op: Operations, at: Values, p: Values) -> Mapping[str, Value]:
        """Both changes by the distance of the last spikes."""
        both = (at.pre.last < _NEVER) & (at.post.last < _NEVER)
        distance = op.select(both, at.post.last - at.pre.last - 1 - at.synapse.d, 0)
        entry = op.select(both, op.lookup(p.window, op.absolute(distance)), 0)
        move = p.move * entry
        if DelaySign(self.sign) is DelaySign.ALIGN:
            delay = op.select(distance > 0, move, op.select(distance < 0, 0 - move, 0))
        else:
            delay = op.select(distance < 0, move, 0 - move)
        weight = op.select(distance < 0, 0 - p.a_minus * entry, p.a_plus * entry)
        return {"gathered": delay, "weight": op.shift_right(weight, p.dw_shift, "nearest")}


RULE = DelaySTDP()
