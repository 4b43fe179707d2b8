"""Leaky integrate and fire that rests for a number of steps after every spike."""

from __future__ import annotations

from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State, Unit
from ssdp_hw.operations.base import Operations, Value, Values


class RefractoryLIF(NeuronModel):
    """CUBA LIF whose voltage stands still for ``period`` steps after the step of a spike.

    The current goes on; ``rest`` counts down from ``period``. While it is above 0, the voltage stays as the reset left
    it, and the neuron does not fire even where a subtracting reset left it above the threshold.
    """

    name = "RefractoryLIF"
    states = (State("u"), State("v"), State("rest", bits=9, unit=Unit.NUMBER, signed=False))
    parameters = (
        Parameter("du", "tau_syn", Kind.DECAY, offset="current"),
        Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
        Parameter("period", "refractory_period", Kind.NUMBER, bits=8),
    )
    source = "lava-nc 0.10.0, lava/proc/lif/models.py, PyLifRefractoryModelFloat, in the integers of its LIF"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Advance the current, and the voltage of neurons that do not rest; compare, reset, count down."""
        u = op.wrap(op.decay(s.u, p.du) + arriving, "u")
        rests = s.rest > 0
        v = op.select(rests, s.v, op.saturate(op.decay(s.v, p.dv) + u + p.bias, "v"))
        fired = op.fires(v, p.vth) & ~rests
        rest = op.select(fired, p.period, op.maximum(s.rest - 1, 0))
        return {"u": u, "v": op.reset(v, fired, p.vth), "rest": rest}, fired


MODEL = RefractoryLIF()
