"""Leaky integrate and fire whose threshold rises with every spike and decays back."""

from __future__ import annotations

from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State
from ssdp_hw.operations.base import Operations, Value, Values


class AdaptiveLIF(NeuronModel):
    """CUBA LIF with an adaptation a that is added to the threshold.

    ``u <- wrap(decay(u, du) + arriving)``, ``v <- saturate(decay(v, dv) + u + bias)``, a spike where v exceeds
    ``vth + a``, then ``a <- saturate(decay(a, da) + jump)`` in neurons that fired and ``decay(a, da)`` in others.
    """

    name = "AdaptiveLIF"
    states = (State("u"), State("v"), State("a", signed=False))
    parameters = (
        Parameter("du", "tau_syn", Kind.DECAY, offset="current"),
        Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"),
        Parameter("da", "tau_adapt", Kind.DECAY),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
        Parameter("jump", "jump", Kind.LEVEL),
    )
    source = "Bellec et al. 2018 (arXiv 1803.09574), eq. 4, in the integers of lava-nc's LIF"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Advance current and voltage, compare with the raised threshold, reset, raise the threshold."""
        u = op.wrap(op.decay(s.u, p.du) + arriving, "u")
        v = op.saturate(op.decay(s.v, p.dv) + u + p.bias, "v")
        threshold = p.vth + s.a
        fired = op.fires(v, threshold)
        a = op.saturate(op.decay(s.a, p.da) + op.select(fired, p.jump, 0), "a")
        return {"u": u, "v": op.reset(v, fired, threshold), "a": a}, fired


MODEL = AdaptiveLIF()
