"""Resonate and fire: a damped rotation in the complex plane; with the phase's spike condition and with Izhikevich's.

The integers of lava-nc and of lava-dl are the same, where lava-nc's state_exp is 6 and no register overflows; lava-dl
has no registers.
"""

from __future__ import annotations

import math

from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State
from ssdp_hw.operations.base import Operations, Value, Values

RESONATOR = (State("real"), State("imag"))
RESONATOR_PARAMETERS = (Parameter("cos", "cos", Kind.GAIN), Parameter("sin", "sin", Kind.GAIN))


def resonator(period: float, decay: float) -> dict[str, float]:
    """The parameters cos and sin of a neuron that turns once in so many steps and loses that part of itself a step.

    Args:
        period: in steps, at least 4: within a quarter of a turn a step.
        decay: 0 to 1.

    Raises:
        ParameterError: a period or a decay outside these.
    """
    if not period >= 4 or not 0 <= decay <= 1:
        raise ParameterError(f"resonator: period = {period:g} steps must be at least 4, decay = {decay:g} in 0 .. 1")
    angle = 2 * math.pi / period
    return {"cos": (1 - decay) * math.cos(angle), "sin": (1 - decay) * math.sin(angle)}


def rotated(op: Operations, s: Values, p: Values, arriving: Value) -> tuple[Value, Value]:
    """Real and imaginary part after a step; the input and the bias act on the real part."""
    bits = op.decay_bits
    real = op.scale(s.real, p.cos, bits) - op.scale(s.imag, p.sin, bits) + arriving + p.bias
    imag = op.scale(s.real, p.sin, bits) + op.scale(s.imag, p.cos, bits) + p.imag_input
    return op.saturate(real, "real"), op.saturate(imag, "imag")


def crosses(s: Values, imag: Value) -> Value:
    """Where the phase passes through 0: the imaginary part was negative and is not any more."""
    return (s.imag < 0) & (imag >= 0)


class RF(NeuronModel):
    """Resonate and fire that fires when its phase passes through 0 with a real part at the threshold; no reset.

    ``real <- saturate(cos real - sin imag + arriving + bias)``, ``imag <- saturate(sin real + cos imag)``, both from
    the old values and each product rounded toward zero; cos and sin contain the decay (:func:`resonator`). A
    second synaptic input, ``imag_input``, is added to the imaginary part. The comparison of lava-nc and lava-dl is
    ``>=``.
    """

    name = "RF"
    states = RESONATOR
    parameters = (*RESONATOR_PARAMETERS, Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0))
    voltage = "real"
    ports = ("imag_input",)
    source = "lava-nc 0.10.0, lava/proc/rf/models.py, PyRFModelFixed; lava-dl 0.6.0, slayer/neuron/rf.py"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Turn, and fire at phase 0 with enough amplitude."""
        real, imag = rotated(op, s, p, arriving)
        return {"real": real, "imag": imag}, op.fires(real, p.vth) & crosses(s, imag)


class RFIzhikevich(NeuronModel):
    """Resonate and fire that fires where its imaginary part reaches the threshold, and then points upward just below.

    The rotation of :class:`RF`; after a spike ``real = 0`` and ``imag = vth - 1`` (real numbers: vth).
    """

    name = "RF_IZ"
    states = RESONATOR
    parameters = RF.parameters
    voltage = "imag"
    ports = ("imag_input",)
    source = "lava-nc 0.10.0, lava/proc/rf_iz/models.py, PyRF_IZModelFixed; lava-dl 0.6.0, slayer/neuron/rf_iz.py"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Turn, compare the imaginary part, and set both after a spike."""
        real, imag = rotated(op, s, p, arriving)
        fired = op.fires(imag, p.vth)
        return {"real": op.select(fired, 0, real), "imag": op.select(fired, p.vth - op.lsb, imag)}, fired


MODELS = (RF(), RFIzhikevich())
