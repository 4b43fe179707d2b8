"""SSDP by spike-time registers; see :mod:`ssdp_hw.rules.fixed_ssdp` for its equations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.rules.model import RuleKind, RuleModel, RuleParameter, RuleVariable

_TIME_BITS = 21


@dataclass(frozen=True, repr=False)
class WindowSSDP(RuleModel):
    """At the end of a window the weights of synchronous pairs grow by the table ``plus`` of the distance of their
    spikes in ticks, and all others shrink by ``minus``.

    Attributes:
        last: whether the last spike of a window stands for a neuron instead of the first.
        skip_silent: whether pairs in which neither neuron fired keep their weight.
    """

    last: bool = False
    skip_silent: bool = False

    name = "SSDP"
    pre = (RuleVariable("time", _TIME_BITS, start="silent"),)
    post = (RuleVariable("time", _TIME_BITS, start="silent"),)
    parameters = (
        RuleParameter("plus", RuleKind.TABLE, bits=33),
        RuleParameter("minus", RuleKind.TABLE, bits=33),
        RuleParameter("silent", bits=_TIME_BITS),
        RuleParameter("time_shift", RuleKind.SHIFT),
    )
    source = "arXiv 2505.14841"

    def pre_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """Note the tick of a spike."""
        tick = op.shift_right(n.step, p.time_shift)
        noted = n.spike if self.last else n.spike & (n.time == p.silent)
        return {"time": op.select(noted, tick, n.time)}

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """Note the tick of a spike."""
        return self.pre_step(op, n, p)

    def window_end(self, op: Operations, at: Values, p: Values) -> Value:
        """The entry of the pair's distance."""
        distance = op.absolute(at.post.time - at.pre.time)
        fired = (at.pre.time < p.silent) & (at.post.time < p.silent)
        change = op.select(fired, op.lookup(p.plus, distance), 0 - op.lookup(p.minus, distance))
        if not self.skip_silent:
            return change
        neither = (at.pre.time == p.silent) & (at.post.time == p.silent)
        return op.select(neither, 0, change)


RULE = WindowSSDP()
