"""Balanced resonate and fire: its damping keeps the rotation from growing, and a spike damps it further."""

from __future__ import annotations

import math

from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State, Unit
from ssdp_hw.models.resonate_and_fire import RESONATOR, RESONATOR_PARAMETERS
from ssdp_hw.operations.base import Operations, Value, Values

# Binary places of q, which counts spikes that fade; and of the damping by one of them.
ONE_SPIKE, DAMPING_PLACES = 12, 16


def balanced_resonator(omega: float, damping: float, dt: float = 0.01) -> dict[str, float]:
    """The parameters cos, sin and spike_damping of a BRF neuron of Higuchi et al.

    Args:
        omega: angular frequency, in radians per unit of the paper's time.
        damping: b_offset, at least 0.
        dt: step in the paper's unit.

    Raises:
        ParameterError: ``dt * omega`` beyond 1, where no damping keeps the neuron stable; or a negative damping.
    """
    if not 0 <= dt * omega <= 1 or damping < 0:
        raise ParameterError(
            f"balanced_resonator: dt * omega = {dt * omega:g} must be in 0 .. 1 and damping = {damping:g} at least 0"
        )
    return {"cos": math.sqrt(1 - (dt * omega) ** 2) - dt * damping, "sin": dt * omega, "spike_damping": dt}


class BRF(NeuronModel):
    """Resonate and fire with a divergence boundary, a refractory threshold and damping by its own spikes; no reset.

    ``c = cos - spike_damping q``, ``real <- saturate(c real - sin imag + arriving + bias)``,
    ``imag <- saturate(sin real + c imag)``, both from the old values; a spike where real exceeds ``vth + jump q``; then
    ``q <- decay(q, dq) + 1`` in neurons that fired and ``decay(q, dq)`` in others. In registers q is in 1/4096.
    ``cos = sqrt(1 - sin^2) - dt b`` (:func:`balanced_resonator`), so that without b the rotation has modulus 1.
    """

    name = "BRF"
    states = (*RESONATOR, State("q", unit=Unit.NUMBER, signed=False))
    parameters = (
        *RESONATOR_PARAMETERS,
        Parameter("damping", "spike_damping", Kind.GAIN, bits=16, places=DAMPING_PLACES),
        Parameter("dq", "tau_ref", Kind.DECAY),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
        Parameter("jump", "jump", Kind.LEVEL, default=1.0),
    )
    voltage = "real"
    source = "Higuchi et al. 2024 (arXiv 2402.14603); github.com/AdaptiveAILab/brf-neurons"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Turn with the damping of past spikes, compare with the raised threshold, count the spike."""
        bits = op.decay_bits
        damped = p.cos - op.scale(s.q, p.damping, ONE_SPIKE + DAMPING_PLACES - bits)
        real = op.scale(s.real, damped, bits) - op.scale(s.imag, p.sin, bits) + arriving + p.bias
        imag = op.scale(s.real, p.sin, bits) + op.scale(s.imag, damped, bits)
        real, imag = op.saturate(real, "real"), op.saturate(imag, "imag")
        fired = op.fires(real, p.vth + op.scale(s.q, p.jump, ONE_SPIKE))
        q = op.saturate(op.decay(s.q, p.dq) + op.select(fired, 1 << ONE_SPIKE, 0), "q")
        return {"real": real, "imag": imag, "q": q}, fired


MODEL = BRF()
