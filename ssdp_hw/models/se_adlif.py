"""Leaky integrate and fire with an adaptation current that the voltage drives too: SE-adLIF and EF-adLIF."""

from __future__ import annotations

from typing import Any

from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State, Unit
from ssdp_hw.operations.base import Operations, Value

# Binary places of the coupling a: the published models reach 228, which needs 8 bits before the point.
PLACES = 8


class EFAdLIF(NeuronModel):
    """Adaptive LIF whose adaptation w follows the voltage and the spike of the step before (Euler forward).

    ``v <- saturate(decay(v, dv) + arriving + bias - (dv / 2**bits) w)``, a spike at ``vth``, reset; and
    ``w <- saturate(decay(w, dw) + (dw / 2**bits) (a v + b))``, where v is that of the step before and b counts only in
    neurons that fired in it.

    The decay register of the voltage weighs the adaptation too, since one leak filters both: with
    ``beta = 1 - dv / 2**bits``, ``v <- beta v + (1 - beta)(I - w)``, where the weights contain ``(1 - beta) I``. A
    rounded dw changes the time constant of w, but not where w comes to rest, ``a v``. The paper's q is contained
    in a and b.
    """

    name = "EFAdLIF"
    states = (State("v"), State("w"), State("fired", bits=2, unit=Unit.NUMBER, signed=False))
    parameters = (
        Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"),
        Parameter("dw", "tau_adapt", Kind.DECAY),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
        Parameter("a", "a", Kind.GAIN, bits=16, places=PLACES),
        Parameter("b", "b", Kind.LEVEL),
    )
    source = "Baronig et al. 2025, doi 10.1038/s41467-025-60878-z; github.com/IGITUGraz/SE-adlif"

    def step(self, op: Operations, s: Any, p: Any, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Advance the voltage, compare, reset; advance the adaptation by the voltage and spike of the step before."""
        v, fired = _voltage(op, s, p, arriving)
        w = _adaptation(op, s.w, p, s.v, op.select(s.fired > 0, p.b, 0))
        return {"v": v, "w": w, "fired": op.select(fired, 1, 0)}, fired


class SEAdLIF(NeuronModel):
    """Adaptive LIF whose adaptation w follows the new voltage and the new spike (symplectic Euler).

    As :class:`EFAdLIF`, but in the adaptation v is the new voltage after its reset and b counts in neurons that fire
    now. This order keeps the oscillation of v and w stable for every a of at least 0.
    """

    name = "SEAdLIF"
    states = (State("v"), State("w"))
    parameters = EFAdLIF.parameters
    source = "Baronig et al. 2025, doi 10.1038/s41467-025-60878-z; github.com/IGITUGraz/SE-adlif"

    def step(self, op: Operations, s: Any, p: Any, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Advance the voltage, compare, reset; advance the adaptation by what came out."""
        v, fired = _voltage(op, s, p, arriving)
        return {"v": v, "w": _adaptation(op, s.w, p, v, op.select(fired, p.b, 0))}, fired


def _voltage(op: Operations, s: Any, p: Any, arriving: Value) -> tuple[Value, Value]:
    """The voltage after the reset, and where a neuron fires."""
    v = op.saturate(op.decay(s.v, p.dv) + arriving + p.bias - op.scale(s.w, p.dv, op.decay_bits), "v")
    fired = op.fires(v, p.vth)
    return op.reset(v, fired, p.vth), fired


def _adaptation(op: Operations, w: Value, p: Any, v: Value, jump: Value) -> Value:
    """The adaptation after a step with this voltage and this jump."""
    target = op.scale(v, p.a, PLACES) + jump
    return op.saturate(op.decay(w, p.dw) + op.scale(target, p.dw, op.decay_bits), "w")


MODELS = (SEAdLIF(), EFAdLIF())
