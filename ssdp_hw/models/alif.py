"""lava-dl's adaptive LIF: after a spike the threshold is raised, and a refractory response keeps the neuron silent."""

from __future__ import annotations

from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State
from ssdp_hw.operations.base import Operations, Value, Values

# What the adaptive models of lava-dl have in common: the raised threshold and the refractory response.
ADAPTATION = (State("a", signed=False), State("r", signed=False))
ADAPTATION_PARAMETERS = (
    Parameter("dr", "tau_ref", Kind.DECAY),
    Parameter("da", "tau_adapt", Kind.DECAY),
    Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
    Parameter("jump", "jump", Kind.LEVEL),
)


def decayed(op: Operations, s: Values, p: Values) -> tuple[Value, Value]:
    """Adaptation and refractory response before a spike; the threshold is ``vth + a + r``."""
    return op.decay(s.a, p.da), op.decay(s.r, p.dr)


def raised(op: Operations, a: Value, r: Value, p: Values, fired: Value) -> dict[str, Value]:
    """Both after the step: a spike adds the jump to a, and twice the raised threshold to r."""
    return {
        "a": op.saturate(a + op.select(fired, p.jump, 0), "a"),
        "r": op.saturate(r + op.select(fired, op.shift_left(p.vth + a, 1), 0), "r"),
    }


class ALIF(NeuronModel):
    """CUBA LIF with an adaptation a and a refractory response r instead of a reset.

    ``u <- wrap(decay(u, du) + arriving)``, ``v <- saturate(decay(v, dv) + u + bias)``, ``a <- decay(a, da)``,
    ``r <- decay(r, dr)``, a spike where v reaches ``vth + a + r``; then ``r <- saturate(r + 2 (vth + a))`` and
    ``a <- saturate(a + jump)`` in neurons that fired. lava-dl's threshold state is ``vth + a``, and its comparison is
    ``>=``.
    """

    name = "ALIF"
    states = (State("u"), State("v"), *ADAPTATION)
    parameters = (
        Parameter("du", "tau_syn", Kind.DECAY, offset="current"),
        Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"),
        *ADAPTATION_PARAMETERS,
    )
    source = "lava-dl 0.6.0, slayer/neuron/alif.py and slayer/neuron/dynamics/adaptive_threshold.py"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Advance current and voltage, compare with the raised threshold, raise it further after a spike."""
        u = op.wrap(op.decay(s.u, p.du) + arriving, "u")
        v = op.saturate(op.decay(s.v, p.dv) + u + p.bias, "v")
        a, r = decayed(op, s, p)
        fired = op.fires(v, p.vth + a + r)
        return {"u": u, "v": v, **raised(op, a, r, p, fired)}, fired


MODEL = ALIF()
