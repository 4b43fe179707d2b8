"""Leaky integrate and fire with an adaptation current that the voltage drives too: SE-adLIF and EF-adLIF."""

from __future__ import annotations

import math

from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State, Unit
from ssdp_hw.operations.base import Operations, Value, Values

# Binary places of the coupling; the published models stay below 4.
PLACES = 16


def adaptation(tau_adapt: float, a: float, b: float, q: float = 120.0, dt: float = 1.0) -> dict[str, float]:
    """The parameters coupling and jump of the published a, b and q.

    Args:
        tau_adapt: time constant of the adaptation, in the unit of dt.
        a, b: coupling to the voltage and to the spike, both at least 0.
        q: what the authors scale both by.
        dt: length of a step.

    Raises:
        ParameterError: a time constant that is not above 0, or a negative strength.
    """
    if not tau_adapt > 0 or min(a, b, q) < 0:
        raise ParameterError(
            f"adaptation: tau_adapt = {tau_adapt:g} must be above 0, and a = {a:g}, b = {b:g}, q = {q:g} at least 0"
        )
    lost = -math.expm1(-dt / tau_adapt) * q
    return {"coupling": lost * a, "jump": lost * b}


class EFAdLIF(NeuronModel):
    """Adaptive LIF whose adaptation w follows the voltage and the spike of the step before (Euler forward).

    ``v <- saturate(decay(v, dv) + arriving + bias - (dv / 2**bits) w)``, a spike at ``vth``, reset; and
    ``w <- saturate(decay(w, dw) + coupling v + jump)``, where v is that of the step before and the jump comes only in
    neurons that fired in it.

    In the paper ``v <- beta v + (1 - beta)(I - w)``: with ``beta = 1 - dv / 2**bits`` one register is the leak of v and
    the weight of w, and the weights contain ``(1 - beta) I``. :func:`adaptation` gives coupling and jump.
    """

    name = "EFAdLIF"
    states = (State("v"), State("w"), State("fired", bits=2, unit=Unit.NUMBER, signed=False))
    parameters = (
        Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"),
        Parameter("dw", "tau_adapt", Kind.DECAY),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
        Parameter("coupling", "coupling", Kind.GAIN, bits=18, places=PLACES),
        Parameter("jump", "jump", Kind.LEVEL),
    )
    source = "Baronig et al. 2025, doi 10.1038/s41467-025-60878-z; github.com/IGITUGraz/SE-adlif"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Advance the voltage, compare, reset; advance the adaptation by the voltage and spike of the step before."""
        v, fired = _voltage(op, s, p, arriving)
        w = _adaptation(op, s.w, p, s.v, op.select(s.fired > 0, p.jump, 0))
        return {"v": v, "w": w, "fired": op.select(fired, 1, 0)}, fired


class SEAdLIF(NeuronModel):
    """Adaptive LIF whose adaptation w follows the new voltage and the new spike (symplectic Euler).

    As :class:`EFAdLIF`, but in the adaptation v is the new voltage after its reset, and neurons that fire now jump.
    This order keeps the oscillation of v and w from growing where Euler forward does not.
    """

    name = "SEAdLIF"
    states = (State("v"), State("w"))
    parameters = EFAdLIF.parameters
    source = "Baronig et al. 2025, doi 10.1038/s41467-025-60878-z; github.com/IGITUGraz/SE-adlif"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Advance the voltage, compare, reset; advance the adaptation by what came out."""
        v, fired = _voltage(op, s, p, arriving)
        return {"v": v, "w": _adaptation(op, s.w, p, v, op.select(fired, p.jump, 0))}, fired


def _voltage(op: Operations, s: Values, p: Values, arriving: Value) -> tuple[Value, Value]:
    """The voltage after the reset, and where a neuron fires."""
    v = op.saturate(op.decay(s.v, p.dv) + arriving + p.bias - op.scale(s.w, p.dv, op.decay_bits), "v")
    fired = op.fires(v, p.vth)
    return op.reset(v, fired, p.vth), fired


def _adaptation(op: Operations, w: Value, p: Values, v: Value, jump: Value) -> Value:
    """The adaptation after a step with this voltage and this jump."""
    return op.saturate(op.decay(w, p.dw) + op.scale(v, p.coupling, PLACES) + jump, "w")


MODELS = (SEAdLIF(), EFAdLIF())
