"""A damped oscillator that noise drives: underdamped Langevin dynamics of a quadratic potential."""

from __future__ import annotations

import math

from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State
from ssdp_hw.operations.base import Operations, Value, Values

# A normal number is the sum of so many uniform ones of so many bits (its kurtosis is 0.3 too small).
UNIFORM, BITS = 4, 8
# Standard deviation of that sum, as a part of 2**BITS.
DEVIATION = math.sqrt(UNIFORM * (1 - 4.0**-BITS) / 12)


def noise_level(deviation: float) -> float:
    """The parameter ``noise`` for noise of that standard deviation in a step, in volts."""
    return deviation / DEVIATION


class StochasticOscillator(NeuronModel):
    """A position that its velocity moves, and a velocity that the position, friction, input and noise change.

    ``z <- saturate(z + rate velocity)``,
    ``velocity <- saturate(decay(velocity - stiffness z + arriving + bias, dv) + noise)`` with the new z: the symplectic
    order, which keeps an energy where there is no friction. A spike where z rises through the
    threshold; nothing is reset. Noise is normal but for its tails: a sum of four uniform numbers, of standard
    deviation ``noise`` times :data:`DEVIATION` (:func:`noise_level`).
    """

    name = "StochasticOscillator"
    states = (State("z"), State("velocity"))
    parameters = (
        Parameter("dv", "tau_friction", Kind.DECAY),
        Parameter("rate", "rate", Kind.GAIN, default=0.1),
        Parameter("stiffness", "stiffness", Kind.GAIN, default=0.1),
        Parameter("noise", "noise", Kind.LEVEL, default=0.1),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
    )
    voltage = "z"
    stochastic = True
    source = (
        "Song, Keller, Yue, Perona, Welling, LangevinFlow, arXiv 2507.11531: the latent dynamics, force at the new z"
    )

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Move, accelerate, compare."""
        z = op.saturate(s.z + op.scale(s.velocity, p.rate, op.decay_bits), "z")
        pushed = s.velocity - op.scale(z, p.stiffness, op.decay_bits) + arriving + p.bias
        drawn = op.random(BITS) + op.random(BITS) + op.random(BITS) + op.random(BITS)
        # Twice the distance from the mean of the sum, which is no whole number.
        noise = op.scale(p.noise, 2 * drawn - UNIFORM * ((1 << BITS) - 1), BITS + 1)
        velocity = op.saturate(op.decay(pushed, p.dv) + noise, "velocity")
        return {"z": z, "velocity": velocity}, op.fires(z, p.vth) & ~op.fires(s.z, p.vth)


MODEL = StochasticOscillator()
