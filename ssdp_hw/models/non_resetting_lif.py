"""Leaky integrate and fire without a reset: it fires in every step in which its voltage is above the threshold."""

from __future__ import annotations

from ssdp_hw.models.base import NeuronModel
from ssdp_hw.models.cuba_lif import CubaLIFModel
from ssdp_hw.operations.base import Operations, Value, Values


class NonResettingLIF(NeuronModel):
    """CUBA LIF that a spike does not change; frameworks call it ``reset="none"``.

    ``u <- wrap(decay(u, du) + arriving)``, ``v <- saturate(decay(v, dv) + u + bias)``, a spike at ``vth``.
    """

    name = "NonResettingLIF"
    states = CubaLIFModel.states
    parameters = CubaLIFModel.parameters
    source = "snnTorch 1.0.0, snntorch.Leaky with reset_mechanism='none', in the integers of lava-nc's LIF"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Advance current and voltage, and compare."""
        u = op.wrap(op.decay(s.u, p.du) + arriving, "u")
        v = op.saturate(op.decay(s.v, p.dv) + u + p.bias, "v")
        return {"u": u, "v": v}, op.fires(v, p.vth)


MODEL = NonResettingLIF()
