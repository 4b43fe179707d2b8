"""The chip's own neuron: a current that decays, a voltage that leaks, a threshold and a reset."""

from __future__ import annotations

from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State
from ssdp_hw.operations.base import Operations, Value, Values


class CubaLIFModel(NeuronModel):
    """Current-based leaky integrate and fire, and with ``du`` at its largest a plain LIF.

    ``u <- wrap(decay(u, du) + arriving)``, ``v <- saturate(decay(v, dv) + u + bias)``, a spike at ``vth``.
    """

    name = "CubaLIF"
    states = (State("u"), State("v"))
    parameters = (
        Parameter("du", "tau_syn", Kind.DECAY, offset="current"),
        Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"),
        Parameter("vth", "v_threshold", Kind.LEVEL),
    )
    source = "lava-nc 0.10.0, lava/proc/lif/models.py, AbstractPyLifModelFixed"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Advance current and voltage, compare, reset."""
        u = op.wrap(op.decay(s.u, p.du) + arriving, "u")
        v = op.saturate(op.decay(s.v, p.dv) + u + p.bias, "v")
        fired = op.fires(v, p.vth)
        return {"u": u, "v": op.reset(v, fired, p.vth)}, fired


MODEL = CubaLIFModel()
