"""TESS: hidden neurons learn from their own voltages and from an error that their own layer makes of its spikes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssdp_hw.errors import ParameterError
from ssdp_hw.operations.base import Operations, Rounding, Value, Values
from ssdp_hw.rules.model import RuleFactor, RuleKind, RuleModel, RuleParameter, RuleVariable, StateRead, faded

_CLASSES_MAX = 64


@dataclass(frozen=True, repr=False)
class TESS(RuleModel):
    """In every step t the weight from neuron j to neuron i changes by

        m_i(t-1) (a_pre psi_i(t) x_j(t) + a_post q_i(t) s_j(t))

    with what arrives in that step, s_j(t), which j sent in the step before; its trace ``x(t) = l_pre x(t-1) + s(t)``;
    the surrogate ``psi(t) = max(0, 1 - |z(t)| / width)`` of how far the voltage is from the threshold before the reset,
    ``z = v - v_threshold``; its trace over earlier steps ``q(t) = l_post q(t-1) + psi(t-1)``; and the learning signal

        m_i(t) = sum_c B_ci (y_c - p_c(t)),   p = softmax(B n(t) / T)

    of the layer's own spikes. There n is how often each of its neurons has fired in the window so far, y is the label's
    row of the unit matrix, and B is a fixed matrix of classes by neurons with entries from -1 to 1. A neuron finds the
    signal of the step before; in the first step there is none. With ``pre_trace="arrives"``
    s_j counts from the arrival through a delay of the synapse, too. The factor ``label`` is the class of the sample.

    A neuron whose voltage stays further than ``width`` from its threshold does not learn, and may be silent for good:
    the default is four thresholds of 1. Where a reset subtracts, psi is that of before the reset; where it is to zero,
    a neuron that fires counts as at its threshold.
    The code of the authors has the step's spikes in place of n (``counts=False``), a psi that falls with the square of
    the distance or, for hardware, as a triangle, and Adam in place of a plain sum; :func:`ssdp_hw.tess` makes a rule.

    Attributes:
        classes: number of classes, 2 to 64.
        counts: whether the signal is of the spikes of the window so far; else of those of the step.
        rounding: how decayed traces are rounded.
    """

    classes: int = 10
    counts: bool = True
    rounding: Rounding = Rounding.STOCHASTIC

    name = "TESS"
    reads = (StateRead("v"),)
    pre = (RuleVariable("sent", 8), RuleVariable("s", 8), RuleVariable("trace", 9), RuleVariable("x", 9))
    post = (
        RuleVariable("psi", 8),
        RuleVariable("q", 10),
        RuleVariable("m", 11, signed=True),
        RuleVariable("n", 16),
    )
    parameters = (
        RuleParameter("a_pre", RuleKind.AMPLITUDE, signed=True, units=("one", "psi_one", "impulse")),
        RuleParameter("a_post", RuleKind.AMPLITUDE, signed=True, default=0.0, units=("one", "psi_one", "impulse")),
        RuleParameter("decay_x", RuleKind.DECAY, float_name="tau_pre", default=1.4426950408889634),
        RuleParameter("decay_q", RuleKind.DECAY, float_name="tau_post", default=0.6213349345596119),
        RuleParameter("threshold", RuleKind.LEVEL, bits=23, float_name="v_threshold", default=1.0),
        RuleParameter("width", RuleKind.LEVEL, bits=23, default=4.0),
        RuleParameter("signs", RuleKind.TABLE, bits=1, signed=True),
        RuleParameter("exponential", RuleKind.TABLE, bits=8, units=("table_one",)),
        RuleParameter("one", RuleKind.UNIT, bits=8, default=255),
        RuleParameter("table_one", RuleKind.UNIT, bits=8, default=255),
        RuleParameter("psi_one", RuleKind.UNIT, bits=8, default=255),
        RuleParameter("impulse", RuleKind.UNIT, bits=8, default=128),
        RuleParameter("x_max", RuleKind.LIMIT, bits=9, default=511),
        RuleParameter("q_max", RuleKind.LIMIT, bits=10, default=1023),
        RuleParameter("m_max", RuleKind.LIMIT, bits=10, default=1023),
        RuleParameter("n_max", RuleKind.LIMIT, bits=16, default=(1 << 16) - 1),
        RuleParameter("dw_shift", RuleKind.SHIFT),
    )
    source = "M. P. E. Apolinario, K. Roy, C. Frenkel, TESS, arXiv:2502.01837, 2025"

    def __post_init__(self) -> None:
        if not isinstance(self.classes, int) or not 2 <= self.classes <= _CLASSES_MAX:
            raise ParameterError(f"TESS: classes = {self.classes!r} is outside 2 .. {_CLASSES_MAX}")
        object.__setattr__(self, "rounding", Rounding(self.rounding))

    @property
    def group(self) -> tuple[RuleVariable, ...]:  # type: ignore[override]
        """The error of each class, which is positive where the layer should say it more."""
        return tuple(RuleVariable(f"e{c}", 9, signed=True) for c in range(self.classes))

    @property
    def factors(self) -> tuple[RuleFactor, ...]:  # type: ignore[override]
        """The label."""
        return (RuleFactor("label", "group", bits=6, signed=False),)

    def pre_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """What arrives in this step, which the neuron sent in the one before, and the trace of it."""
        sent = op.select(n.spike, p.impulse, 0)
        trace = op.minimum(faded(op, n.trace, p.decay_x, self.rounding) + sent, p.x_max)
        return {"sent": sent, "s": n.sent, "trace": trace, "x": n.trace}

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The surrogate and its trace, the neuron's part of the error, and its spikes so far."""
        z = n.v + op.select(n.spike, p.threshold, 0) - p.threshold
        near = op.maximum(p.width - op.absolute(z), 0)
        width = op.select(p.width > 0, op.maximum(p.width, op.lsb), 1)  # in real numbers lsb is 0
        signal = op.lookup(p.signs, n.index * self.classes) * n.group.e0
        for c in range(1, self.classes):
            signal = signal + op.lookup(p.signs, n.index * self.classes + c) * getattr(n.group, f"e{c}")
        return {
            "psi": op.minimum(op.divide(p.psi_one * near, width), p.psi_one),
            "q": op.minimum(faded(op, n.q, p.decay_q, self.rounding) + n.psi, p.q_max),
            "m": op.clip(signal, 0 - p.m_max, p.m_max),
            "n": op.minimum(n.n + op.select(n.spike, 1, 0), p.n_max),
        }

    def post_sum(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The neuron's part of what the layer says for each class."""
        fired = op.select(n.spike, 1, 0)
        spikes = fired + n.n if self.counts else fired
        return {f"z{c}": op.lookup(p.signs, n.index * self.classes + c) * spikes for c in range(self.classes)}

    def group_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """The label less the softmax of what the layer says."""
        said = [getattr(n.sums, f"z{c}") for c in range(self.classes)]
        most = said[0]
        for z in said[1:]:
            most = op.maximum(most, z)
        shares = [op.lookup(p.exponential, most - z) for z in said]
        total = shares[0]
        for share in shares[1:]:
            total = total + share
        total = op.maximum(total, op.lsb)
        wanted = [op.select(n.label == c, p.one, 0) for c in range(self.classes)]
        return {
            f"e{c}": wanted[c] - op.minimum(op.divide(p.one * share, total), p.one) for c, share in enumerate(shares)
        }

    def each_step(self, op: Operations, at: Values, p: Values) -> Value:
        """The change of the step before, whose variables are complete now."""
        return self._change(op, at, p)

    def window_end(self, op: Operations, at: Values, p: Values) -> Value:
        """The change of the last step."""
        return self._change(op, at, p)

    def _change(self, op: Operations, at: Values, p: Values) -> Value:
        eligible = p.a_pre * at.post.psi * at.pre.x + p.a_post * at.post.q * at.pre.s
        return op.shift_right(at.post.m * eligible, p.dw_shift, "nearest")


RULE = TESS()
