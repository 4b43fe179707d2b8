"""Sigma-delta neurons, which send how much their activation changed: lava-nc's Sigma, Delta and SigmaDelta.

Synaptic input adds up to sigma, so that what arrives are changes and sigma is the value itself. The activation
``max(sigma + bias, 0)`` is compared with what was sent of it so far; where the difference reaches the threshold, it is
sent as the payload of a spike.

States are on the scale of weights times payloads, as in lava-nc, and payloads drop ``activation_shift`` bits, which are
lava-nc's ``state_exp``. lava-nc's vth and bias are shifted left by ``spike_exp + state_exp`` there, so that ``vth``
here is lava-nc's times ``2**spike_exp``. lava-nc's states have no registers; these saturate.
"""

from __future__ import annotations

from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State
from ssdp_hw.operations.base import Operations, Value, Values

SOURCE = "lava-nc 0.10.0, lava/proc/sdn/models.py; lava-dl 0.6.0, slayer/neuron/sigma_delta.py and slayer/axon/delta.py"
THRESHOLD = Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0)
MESSAGE = State("message")
ENCODER = (State("act"), State("residue"), MESSAGE)


def encoded(op: Operations, s: Values, p: Values, activation: Value) -> tuple[dict[str, Value], Value]:
    """States of the delta encoder after a step, and where it sends.

    ``delta = activation - act + residue`` is sent where its magnitude is at least vth, else it is kept as residue.
    """
    act = op.saturate(activation, "act")
    delta = act - s.act + s.residue
    sends = op.absolute(delta) >= p.vth
    message = op.saturate(op.select(sends, op.unshifted(delta), 0), "message")
    residue = op.saturate(op.select(sends, 0, delta), "residue")
    return {"act": act, "residue": residue, "message": message}, op.sends(message)


class Delta(NeuronModel):
    """Encodes its input of every step, ``activation = arriving + bias``: the first layer of a sigma-delta network."""

    name = "Delta"
    states = ENCODER
    parameters = (THRESHOLD,)
    voltage = "act"
    payload = "message"
    source = SOURCE

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Send what changed, where it is enough."""
        return encoded(op, s, p, arriving + p.bias)


class SigmaDelta(NeuronModel):
    """``sigma <- saturate(sigma + arriving)``, and the delta encoder of ``max(sigma + bias, 0)``."""

    name = "SigmaDelta"
    states = (State("sigma"), *ENCODER)
    parameters = (THRESHOLD,)
    voltage = "sigma"
    payload = "message"
    source = SOURCE

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Add up, rectify, and send what changed, where it is enough."""
        sigma = op.saturate(s.sigma + op.unshifted(arriving), "sigma")
        states, fired = encoded(op, s, p, op.maximum(sigma + p.bias, 0))
        return {"sigma": sigma, **states}, fired


class Sigma(NeuronModel):
    """``sigma <- saturate(sigma + arriving)``: decodes changes into the value; a readout, which sends nothing."""

    name = "Sigma"
    states = (State("sigma"),)
    parameters = ()
    voltage = "sigma"
    source = SOURCE

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Add up."""
        return {"sigma": op.saturate(s.sigma + op.unshifted(arriving) + p.bias, "sigma")}, op.never()


MODELS = (Delta(), Sigma(), SigmaDelta())
