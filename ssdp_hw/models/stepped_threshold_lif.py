"""Leaky integrate and fire whose threshold climbs a step with every spike and comes down a step in silence."""

from __future__ import annotations

from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State, Unit
from ssdp_hw.operations.base import Operations, Value, Values


class SteppedThresholdLIF(NeuronModel):
    """LIF with the thresholds ``vth + level step`` for levels 0 to ``levels``, made for circuits of few bits.

    ``v <- saturate(decay(v, dv) + arriving + bias)``, a spike at the threshold, reset; a spike adds 1 to ``level``, up
    to ``levels``, and ``patience`` steps without a spike take 1 away, down to 0. ``silent`` counts these steps.
    """

    name = "SteppedThresholdLIF"
    states = (
        State("v"),
        State("level", bits=9, unit=Unit.NUMBER, signed=False),
        State("silent", bits=17, unit=Unit.NUMBER, signed=False),
    )
    parameters = (
        Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
        Parameter("step", "step", Kind.LEVEL),
        Parameter("levels", "levels", Kind.NUMBER, bits=8),
        Parameter("patience", "patience", Kind.NUMBER, bits=16),
    )
    source = "Nomura and Nishi 2024, doi 10.3389/fnins.2024.1402646 (the rule for the firing threshold)"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Advance the voltage, compare with the threshold of the level, reset, move the level."""
        v = op.saturate(op.decay(s.v, p.dv) + arriving + p.bias, "v")
        threshold = p.vth + s.level * p.step
        fired = op.fires(v, threshold)
        silent = s.silent + 1
        waited = silent >= p.patience
        down = op.select(waited, op.maximum(s.level - 1, 0), s.level)
        level = op.select(fired, op.minimum(s.level + 1, p.levels), op.minimum(down, p.levels))
        silent = op.select(fired | waited, 0, op.minimum(silent, p.patience))
        return {"v": op.reset(v, fired, threshold), "level": level, "silent": silent}, fired


MODEL = SteppedThresholdLIF()
