"""The forms of SSDP in the code that its authors released, which differ from the paper's equation and from each other.

See :func:`ssdp_hw.rules.released.released_ssdp` for their names and numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.rules.model import RuleKind, RuleModel, RuleParameter, RuleVariable

_TIME_BITS = 21


@dataclass(frozen=True, repr=False)
class ReleasedSSDP(RuleModel):
    """At the end of a window a pair of which both neurons fired changes by ``a_plus plus[d]``, any other pair by
    ``-a_baseline baseline[d]``; d is the distance of their spike times in steps.

    Attributes:
        last: whether the last spike of a window counts instead of the first.
        silent_at_start: whether a silent neuron has the time 0 instead of the end of the window.
        final_step: whether a neuron fired if it did so in the last step of the window, and d is 1 for every pair.
    """

    last: bool = True
    silent_at_start: bool = False
    final_step: bool = False

    name = "ReleasedSSDP"
    pre = (RuleVariable("time", _TIME_BITS, start="silent"),)
    post = (RuleVariable("time", _TIME_BITS, start="silent"),)
    parameters = (
        RuleParameter("a_plus", RuleKind.AMPLITUDE, units=("one",)),
        RuleParameter("a_baseline", RuleKind.AMPLITUDE, units=("one",)),
        RuleParameter("plus", RuleKind.TABLE, bits=10, signed=True, units=("one",)),
        RuleParameter("baseline", RuleKind.TABLE, bits=10, signed=True, units=("one",)),
        RuleParameter("one", RuleKind.UNIT, bits=10, default=1023),
        RuleParameter("silent", bits=_TIME_BITS, default=2**20 + 1),
        RuleParameter("dw_shift", RuleKind.SHIFT),
    )
    source = "NeuroSyd/SSDP and NeuroSyd/DA-SSDP, read in 2026"

    def pre_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """Note the step of a spike."""
        noted = n.spike if self.last or self.final_step else n.spike & (n.time == p.silent)
        return {"time": op.select(noted, n.step, n.time)}

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """Note the step of a spike."""
        return self.pre_step(op, n, p)

    def window_end(self, op: Operations, at: Values, p: Values) -> Value:
        """The change by the distance of the pair."""
        times = at.pre.time, at.post.time
        if self.final_step:
            fired = [time == p.steps - 1 for time in times]
            distance: Value = 1
        else:
            fired = [time < p.silent for time in times]
            end = 0 if self.silent_at_start else p.steps
            first, second = (op.select(f, time, end) for f, time in zip(fired, times, strict=True))
            distance = op.absolute(second - first)
        plus = _rounded(op, p.a_plus, op.lookup(p.plus, distance), p.dw_shift)
        baseline = _rounded(op, p.a_baseline, op.lookup(p.baseline, distance), p.dw_shift)
        return op.select(fired[0] & fired[1], plus, 0 - baseline)


def _rounded(op: Operations, amplitude: Value, entry: Value, shift: Value) -> Value:
    """The product of an amplitude and a table's entry, rounded to the nearest, halves away from 0."""
    size = op.shift_right(amplitude * op.absolute(entry), shift, "nearest")
    return op.select(entry < 0, 0 - size, size)


RULE = ReleasedSSDP()
