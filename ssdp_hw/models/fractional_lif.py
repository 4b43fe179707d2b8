"""Leaky integrate and fire of fractional order: memory of a power law, held in three exponentials."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize, nnls

from ssdp_hw.arrays import Real
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State
from ssdp_hw.operations.base import Operations, Value, Values

TERMS = 3


def fractional_memory(order: float, steps: int) -> dict[str, float]:
    """The parameters keep1 .. gain3 whose exponentials are nearest to the memory of a derivative of that order.

    The Grunwald-Letnikov derivative of order alpha has the memory ``k_j = -c_j``, with ``c_0 = 1`` and
    ``c_j = (1 - (1 + alpha) / j) c_{j-1}``; fitted are ``k_j ~ sum_i gain_i keep_i^(j-1)`` by least squares over j = 1
    to ``steps``, each j weighted by ``j**0.75``: the answers to a spike and to a constant input are then about as near.

    Args:
        order: alpha, above 0 and at most 1; at 1 there is no memory beyond the last voltage.
        steps: number of past steps that the fit counts.

    Raises:
        ParameterError: an order or a number of steps outside these.
    """
    if not 0 < order <= 1 or steps < TERMS:
        raise ParameterError(
            f"fractional_memory: order = {order:g} must be above 0 and at most 1, steps = {steps} at least {TERMS}"
        )
    lags = np.arange(1, steps + 1)
    kernel = -np.cumprod(1 - (1 + order) / lags)
    weight = lags**0.75

    def fitted(logits: Real) -> tuple[Real, Real, float]:
        keep = 1 / (1 + np.exp(-logits))
        gains, loss = nnls(keep[None, :] ** (lags[:, None] - 1) * weight[:, None], kernel * weight)
        return keep, gains, loss

    start = np.log(np.expm1(1 / np.geomspace(1, max(steps / 3, 2), TERMS)))
    best = minimize(lambda x: fitted(x)[2], -start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-9})
    keep, gains, _ = fitted(best.x)
    if order == 1:
        keep, gains = np.zeros(TERMS), np.eye(TERMS)[0]
    order_of_terms = np.argsort(keep, kind="stable")
    named = zip(range(1, TERMS + 1), keep[order_of_terms].tolist(), gains[order_of_terms].tolist(), strict=True)
    return {name: value for i, k, g in named for name, value in ((f"keep{i}", k), (f"gain{i}", g))}


class FractionalLIF(NeuronModel):
    """LIF whose voltage obeys a derivative of fractional order alpha.

    ``m_i <- saturate(keep_i m_i + gain_i v)`` holds past voltages; the change that a LIF makes in a step is added to
    them: ``v <- saturate(m1 + m2 + m3 + decay(v, dv) - v + arriving + bias)``, a spike at ``vth``, reset. At alpha = 1
    the memory is v itself, which makes it a LIF. :func:`fractional_memory` gives keep and gain.
    """

    name = "FractionalLIF"
    states = (State("v"), State("m1"), State("m2"), State("m3"))
    parameters = (
        Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
        *(Parameter(f"keep{i}", f"keep{i}", Kind.GAIN) for i in range(1, TERMS + 1)),
        # One bit more than a decay, so that a gain of 1 fits.
        *(Parameter(f"gain{i}", f"gain{i}", Kind.GAIN, bits=13, places=12) for i in range(1, TERMS + 1)),
    )
    source = "LIFNeuronFDE of spikeDE (github.com/PhysAGI/spikeDE) with a step of 1; arXiv 2507.16937"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Advance the memory by the old voltage, add the LIF's change, compare, reset."""
        m1 = _remembered(op, s.m1, s.v, p.keep1, p.gain1, "m1")
        m2 = _remembered(op, s.m2, s.v, p.keep2, p.gain2, "m2")
        m3 = _remembered(op, s.m3, s.v, p.keep3, p.gain3, "m3")
        v = op.saturate(m1 + m2 + m3 + op.decay(s.v, p.dv) - s.v + arriving + p.bias, "v")
        fired = op.fires(v, p.vth)
        return {"v": op.reset(v, fired, p.vth), "m1": m1, "m2": m2, "m3": m3}, fired


def _remembered(op: Operations, m: Value, v: Value, keep: Value, gain: Value, name: str) -> Value:
    return op.saturate(op.scale(m, keep, op.decay_bits) + op.scale(v, gain, 12), name)


MODEL = FractionalLIF()
