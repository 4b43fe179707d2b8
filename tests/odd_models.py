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


class OnOff(NeuronModel):
    """Two thresholds: a spike above the upper or below minus the lower one; each takes its own level off."""

    name = "OnOff"
    states = (State("v"), State("ups", bits=6, unit=Unit.NUMBER), State("last", bits=2, unit=Unit.NUMBER))
    parameters = (
        Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"),
        Parameter("on", "v_on", Kind.LEVEL, default=1.0),
        Parameter("off", "v_off", Kind.LEVEL, default=0.7),
    )

    def step(self, op: Operations, s: Any, p: Any, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Compare on both sides, and take off what was reached."""
        v = op.saturate(op.decay(s.v, p.dv) + arriving + p.bias, "v")
        up = op.fires(v, p.on)
        down = op.fires(-v, p.off)
        after = op.select(up, op.maximum(v - p.on, 0), op.select(down, op.minimum(v + p.off, 0), v))
        last = op.select(up, 1, op.select(down, -1, s.last))
        ups = op.wrap(s.ups + op.select(up, 3, op.select(down, -5, 0)), "ups")
        return {"v": after, "ups": ups, "last": last}, up | down


class Clock(NeuronModel):
    """A phase that turns around its register; input drives it on, and each turn is a spike."""

    name = "Clock"
    states = (State("phase", bits=8, unit=Unit.NUMBER), State("charge"))
    parameters = (
        Parameter("speed", "speed", Kind.NUMBER, default=7, bits=5),
        Parameter("dc", "tau_charge", Kind.DECAY),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=0.5),
    )
    voltage = "charge"

    def step(self, op: Operations, s: Any, p: Any, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Charge, turn, and fire at the end of the register."""
        charge = op.saturate(op.decay(s.charge, p.dc, rounding="nearest") + arriving + p.bias, "charge")
        kicks = op.divide(op.maximum(charge, 0), op.maximum(p.vth, op.lsb))
        phase = op.wrap(s.phase + p.speed + op.minimum(kicks, 9), "phase")
        return {"phase": phase, "charge": charge}, phase < s.phase


class TableDendrite(NeuronModel):
    """A dendrite whose answer to its own voltage is read from a table with a bump, in sixteenths of the threshold."""

    name = "TableDendrite"
    states = (State("v"), State("d", bits=20))
    parameters = (
        Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"),
        Parameter("dd", "tau_den", Kind.DECAY, bits=8),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
        Parameter("drive", "drive", Kind.GAIN, default=1.5, bits=14, places=12),
    )
    ports = ("dendrite",)
    table = (0, 1, 3, 8, 16, 24, 28, 30, 31, 30, 26, 20, 14, 9, 5, 2, 0, -2, -3, -3)

    def step(self, op: Operations, s: Any, p: Any, arriving: Value) -> tuple[dict[str, Value], Value]:
        """The table by the size of the dendrite's voltage."""
        d = op.saturate(op.decay(s.d, p.dd, bits=8) + p.dendrite, "d")
        place = op.divide(op.shift_left(op.absolute(d), 4), op.maximum(p.vth, op.lsb))
        bump = op.scale(op.shift_right(p.vth * op.lookup(self.table, place), 5), p.drive, 12)
        v = op.saturate(op.decay(s.v, p.dv) + arriving + p.bias + bump, "v")
        fired = op.fires(v, p.vth)
        return {"v": op.reset(v, fired, p.vth), "d": d}, fired


class Shunted(NeuronModel):
    """Shunting inhibition: what arrives is divided by 1 + inhibition."""

    name = "Shunted"
    states = (State("v"), State("g", signed=False))
    parameters = (
        Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"),
        Parameter("dg", "tau_inh", Kind.DECAY),
        Parameter("half", "half", Kind.LEVEL, default=0.5),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
    )
    ports = ("inhibition",)

    def step(self, op: Operations, s: Any, p: Any, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Divide what arrives, keep its sign."""
        g = op.saturate(op.decay(s.g, p.dg) + op.maximum(p.inhibition, 0), "g")
        size = op.clip(op.absolute(arriving + p.bias), 0, op.shift_left(p.half, 8))
        passed = op.divide(size * p.half, op.maximum(p.half + g, op.lsb))
        v = op.saturate(op.decay(s.v, p.dv) + op.select(arriving + p.bias < 0, -passed, passed), "v")
        fired = op.fires(v, p.vth)
        return {"v": op.reset(v, fired, p.vth), "g": op.maximum(g, 0)}, fired


class Softmaxish(NeuronModel):
    """Three traces of three inputs that share a unit of activity; fires when the first has most of it."""

    name = "Softmaxish"
    states = (
        State("a", signed=False),
        State("b", signed=False),
        State("c", signed=False),
        State("share", bits=12, unit=Unit.NUMBER),
    )
    parameters = (
        Parameter("d", "tau", Kind.DECAY),
        Parameter("floor", "floor", Kind.LEVEL, default=0.2),
        Parameter("least", "least", Kind.NUMBER, default=600, bits=10),
    )
    ports = ("second", "third")
    voltage = "a"

    def step(self, op: Operations, s: Any, p: Any, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Trace, share, and fire where the share rises through its bound."""
        a = op.saturate(op.decay(s.a, p.d) + op.maximum(arriving + p.bias, 0), "a")
        b = op.saturate(op.decay(s.b, p.d) + op.maximum(p.second, 0), "b")
        c = op.saturate(op.decay(s.c, p.d) + op.maximum(p.third, 0), "c")
        total = a + b + c + p.floor
        share = op.minimum(op.divide(a * 1024, op.maximum(total, op.lsb)), 1024)
        return {"a": a, "b": b, "c": c, "share": share}, (share >= p.least) & (s.share < p.least)


class Multiplier(NeuronModel):
    """Sends the product of two inputs, in units of a level, where it changed enough: graded, two inputs."""

    name = "Multiplier"
    states = (State("x"), State("y"), State("sent"), State("out", bits=16))
    parameters = (
        Parameter("dx", "tau_x", Kind.DECAY),
        Parameter("dy", "tau_y", Kind.DECAY),
        Parameter("unit", "unit", Kind.LEVEL, default=1.0),
        Parameter("change", "change", Kind.LEVEL, default=0.05),
    )
    ports = ("other",)
    payload = "out"
    voltage = "sent"
    stochastic = True

    def step(self, op: Operations, s: Any, p: Any, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Multiply, and send what changed."""
        x = op.saturate(op.decay(s.x, p.dx, rounding="stochastic") + arriving + p.bias, "x")
        y = op.saturate(op.decay(s.y, p.dy) + p.other, "y")
        size = op.divide(op.absolute(x) * op.absolute(y), op.maximum(p.unit, op.lsb))
        product = op.select((x < 0) & (y > 0) | (x > 0) & (y < 0), -size, size)
        product = op.clip(product, -4 * p.unit, 4 * p.unit)
        far = op.absolute(product - s.sent) > p.change
        out = op.saturate(op.select(far, op.unshifted(product - s.sent), 0), "out")
        return {"x": x, "y": y, "sent": op.saturate(op.select(far, product, s.sent), "sent"), "out": out}, op.sends(out)


class Cascade(NeuronModel):
    """Six compartments in a row, each driven by half of the one before; registers saturate and wrap by turns."""

    name = "Cascade"
    states = tuple(State(f"x{k}") for k in range(6))
    parameters = (Parameter("dv", "tau", Kind.DECAY), Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0))
    voltage = "x5"

    def step(self, op: Operations, s: Any, p: Any, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Drive each compartment by the last step's state of the one before."""
        driven, made = arriving + p.bias, {}
        for k in range(6):
            old, bounded = getattr(s, f"x{k}"), op.wrap if k % 2 else op.saturate
            made[f"x{k}"] = bounded(op.decay(old, p.dv) + driven, f"x{k}")
            driven = op.shift_right(old, 1, rounding="zero")
        fired = op.fires(made["x5"], p.vth)
        return {**made, "x5": op.reset(made["x5"], fired, p.vth)}, fired


MODELS = (Quadratic(), TwoCompartments(), Tabled())
# As from a reader of docs/models.md alone: two thresholds, a wrapping counter, a table, divisions, two graded inputs,
# nine overflow counts.
OUTSIDERS = (OnOff(), Clock(), TableDendrite(), Shunted(), Softmaxish(), Multiplier(), Cascade())
