"""Leaky integrate and fire whose threshold follows the mean and the spread of its own voltage (MPATH)."""

from __future__ import annotations

import math

from scipy.optimize import brentq

from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State
from ssdp_hw.operations.base import Operations, Value, Values

PLACES = 12


def threshold_in_deviations(tau: float) -> float:
    """How many mean absolute deviations above the mean MPATH fires, for a normally distributed voltage.

    MPATH fires where ``tanh(z) >= exp(-a z)`` with ``a = 10 / (tau + 1)``, and z the distance from the mean in standard
    deviations. Since ``tanh(z) - exp(-a z)`` grows with z, that is where z reaches its root; a standard deviation is
    ``sqrt(pi / 2)`` mean absolute deviations.

    Args:
        tau: time constant of the statistics in steps.

    Raises:
        ParameterError: a tau that is not finite and above 0.
    """
    if not 0 < tau < math.inf:
        raise ParameterError(f"threshold_in_deviations: tau = {tau:g} steps must be finite and above 0")
    rate = 10 / (tau + 1)
    return float(brentq(lambda z: math.tanh(z) - math.exp(-rate * z), 0, 100)) * math.sqrt(math.pi / 2)


class HomeostaticLIF(NeuronModel):
    """LIF that fires where its voltage is unusually high for it.

    ``v <- saturate(decay(v, dv) + arriving + bias)``, ``mean <- mean + rate (v - mean)``,
    ``spread <- spread + rate (|v - mean| - spread)`` with the old mean; a spike where ``v - mean`` exceeds
    ``kappa spread``; then v is 0. Multiplying the input by a number leaves the spikes as they are.

    The published neuron compares squared deviations with a variance, and lets v = 0 follow; the mean absolute deviation
    stands for it, since a variance needs twice the bits of a state.
    """

    name = "HomeostaticLIF"
    states = (State("v"), State("mean"), State("spread"))
    parameters = (
        Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"),
        Parameter("rate", "tau_statistics", Kind.DECAY),
        Parameter("kappa", "kappa", Kind.GAIN, bits=14, places=PLACES),
    )
    source = "Hadjiivanov 2021, MPATH (github.com/cantordust/mpath, layer.py)"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Advance the voltage and its statistics, compare, set the voltage to 0 after a spike."""
        v = op.saturate(op.decay(s.v, p.dv) + arriving + p.bias, "v")
        distance = v - s.mean
        mean = op.saturate(s.mean + op.scale(distance, p.rate, op.decay_bits), "mean")
        change = op.scale(op.absolute(distance) - s.spread, p.rate, op.decay_bits)
        spread = op.saturate(s.spread + change, "spread")
        fired = op.fires(v - mean, op.scale(spread, p.kappa, PLACES)) & (v > mean)
        return {"v": op.select(fired, 0, v), "mean": mean, "spread": spread}, fired


MODEL = HomeostaticLIF()
