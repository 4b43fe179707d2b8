"""The step of the chip's CUBA LIF for a block of LANES neurons, as vector operations of LLVM's language.

Numba widens every integer operation to 64 bits, and takes half a second to compile such a step.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.base import BaseContext
from numba.core.types.containers import NamedTuple as NamedTupleType
from numba.core.typing import BaseContext as TypingContext
from numba.core.typing.templates import Signature
from numba.extending import intrinsic

from .segments import LANES
from .vectors import entry_address, load_vector, splat, store_vector

# Order of the overflow counts of the step that is written by hand.
U_WRAPS, U_OUT_OF_RANGE, V_SATURATIONS = 0, 1, 2

_BYTES, _COUNTS = ir.VectorType(ir.IntType(8), LANES), ir.VectorType(ir.IntType(32), LANES)


class Lanes:
    """A vector of signed integers or of truth values, with Python's operators; sums and products may wrap."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder, self.value = builder, value

    def _other(self, other: Any) -> ir.Value:
        if isinstance(other, Lanes):
            return other.value
        return ir.Constant(self.value.type, [other] * LANES)

    def _made(self, operation: Callable[..., ir.Value], other: Any) -> Lanes:
        return Lanes(self.builder, operation(self.value, self._other(other)))

    def _compared(self, sign: str, other: Any) -> Lanes:
        return Lanes(self.builder, self.builder.icmp_signed(sign, self.value, self._other(other)))

    def __add__(self, other: Any) -> Lanes:
        return self._made(self.builder.add, other)

    def __sub__(self, other: Any) -> Lanes:
        return self._made(self.builder.sub, other)

    def __mul__(self, other: Any) -> Lanes:
        return self._made(self.builder.mul, other)

    def __and__(self, other: Any) -> Lanes:
        return self._made(self.builder.and_, other)

    def __or__(self, other: Any) -> Lanes:
        return self._made(self.builder.or_, other)

    def __lshift__(self, other: Any) -> Lanes:
        return self._made(self.builder.shl, other)

    def __rshift__(self, other: Any) -> Lanes:
        return self._made(self.builder.ashr, other)

    def __neg__(self) -> Lanes:
        return Lanes(self.builder, self.builder.neg(self.value))

    def __gt__(self, other: Any) -> Lanes:
        return self._compared(">", other)

    def __lt__(self, other: Any) -> Lanes:
        return self._compared("<", other)

    def differs(self, other: Lanes) -> Lanes:
        """Where the two are not equal."""
        return self._compared("!=", other)

    def choose(self, yes: Lanes, no: Lanes) -> Lanes:
        """``yes`` where a truth value is true, else ``no``."""
        return Lanes(self.builder, self.builder.select(self.value, yes.value, no.value))

    def lesser(self, other: Lanes) -> Lanes:
        """The lesser of two."""
        return (other < self).choose(other, self)

    def greater(self, other: Lanes) -> Lanes:
        """The greater of two."""
        return (other > self).choose(other, self)


class _Block:
    """The arguments of a step, as vectors of a block of neurons.

    Args:
        context, builder, signature, args: as Numba hands them to what makes code.
        names: names of the arguments.
        simple: whether all neurons have the parameters of the one at the argument ``start``.
    """

    def __init__(
        self,
        context: BaseContext,
        builder: ir.IRBuilder,
        signature: Signature,
        args: Sequence[ir.Value],
        names: Sequence[str],
        simple: bool,
    ) -> None:
        self.context, self.builder, self.simple = context, builder, simple
        self.kinds, self.values = dict(zip(names, signature.args, strict=True)), dict(zip(names, args, strict=True))
        self.neurons: Any = self.kinds["neurons"]
        entry = context.get_value_type(self.kinds["v"].dtype)
        self.vector, self.sign_bit = ir.VectorType(entry, LANES), entry.width - 1

    def _field(self, name: str) -> tuple[types.Array, ir.Value]:
        k = self.neurons.fields.index(name)
        return self.neurons.types[k], self.builder.extract_value(self.values["neurons"], k)

    def _place(self, name: str, at: ir.Value) -> ir.Value:
        return entry_address(self.context, self.builder, self.kinds[name], self.values[name], at)

    def at(self, *names: str) -> ir.Value:
        """The sum of integer arguments."""
        found = self.values[names[0]]
        for name in names[1:]:
            found = self.builder.add(found, self.values[name])
        return found

    def number(self, name: str) -> Lanes:
        """A number of the neurons."""
        return Lanes(self.builder, splat(self.builder, self._field(name)[1], LANES))

    def parameter(self, name: str) -> Lanes:
        """A parameter of each neuron."""
        kind, array = self._field(name)
        place = entry_address(self.context, self.builder, kind, array, self.values["start" if self.simple else "first"])
        value = (
            splat(self.builder, self.builder.load(place), LANES)
            if self.simple
            else load_vector(self.builder, place, self.vector)
        )
        return Lanes(self.builder, value)

    def read(self, name: str, at: ir.Value, kind: ir.Type | None = None) -> Lanes:
        """The entries of an array from ``at`` on."""
        return Lanes(self.builder, load_vector(self.builder, self._place(name, at), kind or self.vector))

    def write(self, name: str, at: ir.Value, value: Lanes) -> None:
        """Write the entries of an array from ``at`` on; truth values as bytes."""
        found = value.value
        store_vector(
            self.builder,
            self.builder.zext(found, _BYTES) if found.type.element.width == 1 else found,
            self._place(name, at),
        )

    def count(self, kind: int, condition: Lanes) -> None:
        """Count a kind of overflow in each lane."""
        one = ir.IntType(64)
        row = self.builder.add(self.builder.mul(self.values["population"], self._field("counts")[1]), one(kind))
        at = self.builder.mul(row, one(LANES))
        counts = self.read("lanes", at, _COUNTS)
        self.write("lanes", at, counts + Lanes(self.builder, self.builder.zext(condition.value, _COUNTS)))

    def decayed(self, x: Lanes, factor: Lanes, bits: Lanes) -> Lanes:
        """ssdp_hw.arithmetic.decay: (x * factor) >> bits toward zero, without a product that is wider than the type.

        With x = high * 2**bits + low it is high * factor + ((low * factor + (2**bits - 1 if x < 0)) >> bits).
        """
        below = (Lanes(self.builder, ir.Constant(self.vector, [1] * LANES)) << bits) - 1
        low: Lanes = (x & below) * factor + ((x >> self.sign_bit) & below)
        high: Lanes = x >> bits
        return high * factor + (low >> bits)

    def voltage(self, x: Lanes) -> Lanes:
        """The voltage before saturation, from the current."""
        old, factor = self.read("v", self.at("first")), self.parameter("decay_factor_v")
        decayed = self.decayed(old, factor, self.number("decay_bits"))
        return decayed + x + self.read("bias", self.at("bias_at", "first"))

    def fire(self, y: Lanes) -> None:
        """Reset the voltages of the neurons that fire, and write which do."""
        fires = y > self.parameter("fire_above")
        reset = (y - self.parameter("down")) & self.parameter("reset_mask")
        self.write("v", self.at("first"), fires.choose(reset, y))
        self.write("fired", self.at("offset", "first"), fires)

    def step(self) -> None:
        """A step that counts overflows, writes currents, and sets the synaptic input to zero."""
        half, first, arrived = self.number("state_half"), self.at("first"), self.at("slot", "first")
        raw_u = self.read("ring", arrived) << self.number("activation_shift")
        if not self.simple:  # else nothing is left of a current
            old, factor = self.read("u", first), self.parameter("decay_factor_u")
            raw_u = raw_u + self.decayed(old, factor, self.number("decay_bits"))
        turn, top = half + half, half - 1
        x = (raw_u > half).choose(raw_u - turn, raw_u)
        x = (raw_u > -half).choose(x, x + turn)
        self.count(U_WRAPS, x.differs(raw_u))
        self.count(U_OUT_OF_RANGE, (x > half) | (x < -half))
        raw_v = self.voltage(x)
        y = raw_v.greater(-top).lesser(top)
        self.count(V_SATURATIONS, y.differs(raw_v))
        self.write("u", first, x)
        self.write("ring", arrived, Lanes(self.builder, ir.Constant(self.vector, None)))
        self.fire(y)

    def quick_step(self) -> None:
        """A step of simple neurons that keeps extremes of current and voltage in each lane in place of all that."""
        x = self.read("ring", self.at("slot", "first")) << self.number("activation_shift")
        y = self.voltage(x)
        for k, (value, larger) in enumerate(((x, False), (x, True), (y, False), (y, True))):
            at = ir.IntType(64)(k * LANES)
            old = self.read("extremes", at)
            self.write("extremes", at, old.greater(value) if larger else old.lesser(value))
        self.fire(y)


def block_step(*, simple: bool) -> Callable[..., Any]:
    """An intrinsic that is one step of the neurons ``first`` .. ``first + LANES - 1``, all alike if ``simple``."""

    def step_block(
        typing: TypingContext,
        neurons: NamedTupleType,
        start: types.Type,
        first: types.Type,
        u: types.Array,
        v: types.Array,
        ring: types.Array,
        slot: types.Type,
        bias: types.Array,
        bias_at: types.Type,
        fired: types.Array,
        offset: types.Type,
        lanes: types.Array,
        population: types.Type,
    ) -> tuple[Signature, Callable[..., ir.Value]]:
        """The arguments are those of :func:`.neuron_loops.advance`, and the place of the sample's biases."""

        def codegen(
            context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
        ) -> ir.Value:
            _Block(context, builder, signature, args, names, simple).step()
            return context.get_dummy_value()

        flat = types.int64
        return types.none(neurons, flat, flat, u, v, ring, flat, bias, flat, fired, flat, lanes, flat), codegen

    names = [*inspect.signature(step_block).parameters][1:]
    step_block.__name__ = f"{'simple' if simple else 'general'}_block"
    function: Callable[..., Any] = intrinsic(step_block)
    return function


@intrinsic
def quick_block(
    typing: TypingContext,
    neurons: NamedTupleType,
    start: types.Type,
    first: types.Type,
    v: types.Array,
    ring: types.Array,
    slot: types.Type,
    bias: types.Array,
    bias_at: types.Type,
    fired: types.Array,
    offset: types.Type,
    extremes: types.Array,
) -> tuple[Signature, Callable[..., ir.Value]]:
    """One step of simple neurons as :func:`.quick_neuron_loops.advanced_quickly` tries it."""

    def codegen(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, args: Sequence[ir.Value]
    ) -> ir.Value:
        names = ["neurons", "start", "first", "v", "ring", "slot", "bias", "bias_at", "fired", "offset", "extremes"]
        _Block(context, builder, signature, args, names, True).quick_step()
        return context.get_dummy_value()

    flat = types.int64
    return types.none(neurons, flat, flat, v, ring, flat, bias, flat, fired, flat, extremes), codegen
