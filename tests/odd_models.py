"""Neuron models as somebody else might drop them in: several inputs, random numbers, tables, products of voltages."""

from __future__ import annotations

from typing import Any

from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State, Unit
from ssdp_hw.operations.base import Operations, Value


class Quadratic(NeuronModel):
    """Izhikevich-like: v grows by its square, w follows v and every spike."""

    name = "Quadratic"
    states = (State("v"), State("w"))
    parameters = (
        Parameter("dw", "tau_rec", Kind.DECAY),
        Parameter("vth", "v_peak", Kind.LEVEL, default=1.0),
        Parameter("after", "v_after", Kind.LEVEL, default=0.1),
        Parameter("curve", "curve", Kind.GAIN, default=0.1),
        Parameter("b", "b", Kind.GAIN, default=0.02),
        Parameter("d", "d", Kind.LEVEL, default=0.05),
    )
    source = "E. Izhikevich, Simple model of spiking neurons, 2003"

    def step(self, op: Operations, s: Any, p: Any, arriving: Value) -> tuple[dict[str, Value], Value]:
        """The square of v, in units of the peak."""
        size = op.minimum(op.absolute(s.v), op.shift_left(p.vth, 3))
        square = op.divide(size * size, op.maximum(p.vth, op.lsb))
        v = op.saturate(s.v + op.scale(square, p.curve, op.decay_bits) - s.w + arriving + p.bias, "v")
        fired = op.fires(v, p.vth)
        w = op.decay(s.w, p.dw, rounding="floor") + op.scale(v, p.b, op.decay_bits) + op.select(fired, p.d, 0)
        return {"v": op.select(fired, p.after, v), "w": op.saturate(w, "w")}, fired


class TwoCompartments(NeuronModel):
    """A dendrite with inputs of its own, a soma with stochastic rounding, and a random threshold."""

    name = "TwoCompartments"
    states = (State("v"), State("dendrite"), State("count", unit=Unit.NUMBER, bits=10, signed=False))
    parameters = (
        Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"),
        Parameter("dd", "tau_dendrite", Kind.DECAY),
        Parameter("coupling", "coupling", Kind.GAIN, default=0.2),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=0.8),
        Parameter("noise", "noise", Kind.LEVEL, default=0.4),
    )
    ports = ("dendritic", "shunt")
    stochastic = True
    source = "made up"

    def step(self, op: Operations, s: Any, p: Any, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Dendrite, soma, threshold."""
        dendrite = op.wrap(op.decay(s.dendrite, p.dd) + p.dendritic, "dendrite")
        v = op.decay(s.v, p.dv, rounding="stochastic") + op.scale(dendrite, p.coupling, op.decay_bits)
        v = op.saturate(v + arriving + p.bias - op.absolute(p.shunt), "v")
        level = p.vth + op.scale(p.noise, op.random(6), 6)
        fired = op.fires(v, level)
        count = op.saturate(s.count + op.select(fired, 1, 0), "count")
        return {"v": op.reset(v, fired, level), "dendrite": dendrite, "count": op.maximum(count, 0)}, fired


class Tabled(NeuronModel):
    """A table of the voltage in eighths of the threshold shapes what a graded spike carries; a port vetoes it."""

    name = "Tabled"
    states = (State("v"), State("out", unit=Unit.NUMBER))
    parameters = (
        Parameter("dv", "tau_mem", Kind.DECAY),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=0.5),
    )
    ports = ("veto",)
    payload = "out"
    source = "made up"
    table = (0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 6, 8, 11, 15, 20, 31)

    def step(self, op: Operations, s: Any, p: Any, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Send the entry of the table that the voltage reaches."""
        v = op.saturate(op.decay(s.v, p.dv) + arriving + p.bias, "v")
        fired = op.fires(v, p.vth) & (p.veto <= p.vth)
        eighths = op.divide(op.shift_left(op.maximum(v, 0), 3), op.maximum(p.vth, op.lsb))
        out = op.saturate(op.select(fired, op.lookup(self.table, eighths), 0), "out")
        return {"v": op.reset(v, fired, p.vth), "out": out}, fired & (out > 0)


MODELS = (Quadratic(), TwoCompartments(), Tabled())
