"""The operations that a neuron model or a learning rule may use, each defined once.

A model's step gets an object ``op`` of this class. Beside its methods, values of a step know the operators
``+ - *``, the comparisons ``< <= > >=``, and ``& | ~`` of conditions; ``//``, ``%``, ``if`` and ``while`` they do not
know: a step has no branches, only :meth:`Operations.select`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from ssdp_hw.checks import Choice
from ssdp_hw.errors import ParameterError

# A value of a step: int64 arrays, float64 arrays, or symbols; which of them, only the caller of the step knows.
Value = Any


# What real numbers divide by in the place of 0: of a NaN targets make different minima, and of an infinity a warning.
LEAST_DIVISOR = 2.0**-900


class Values:
    """Values by name as attributes: states ``s.v``, parameters ``p.dv``, ends of a synapse ``at.pre``."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: Value) -> None:
        raise AttributeError(f"a step changes nothing that it is given: return '{name}' instead of setting it")

    def __getitem__(self, name: object) -> Value:
        raise AttributeError(f"what a step is given are attributes: write s.v or p.dv, not [{name!r}]")

    def __setitem__(self, name: object, value: Value) -> None:
        raise AttributeError(f"a step changes nothing that it is given: return {name!r} instead of setting it")

    def __getattr__(self, name: str) -> Value:
        there = ", ".join(self.__dict__) or "none"
        raise AttributeError(f"the model declares no '{name}'; there are: {there}", name=name)


class Rounding(Choice):
    """How a product is rounded when its low bits are dropped."""

    ZERO = "zero"  # toward zero, as the chip's decay
    FLOOR = "floor"  # down, as an arithmetic right shift
    NEAREST = "nearest"  # to the nearest integer, halves up
    STOCHASTIC = "stochastic"  # up with a probability of the dropped fraction; where there are random numbers


class Operations(ABC):
    """Operations on the values of one step of one population.

    Attributes:
        decay_bits: width of the decay registers of the chip.
        registers: width in bits of every state register, by the name of the state.
        spiking: whether the population fires at all.
        at_least: whether a neuron fires already at its threshold.
        subtract: whether a spike subtracts the threshold from the voltage instead of setting it to 0.
        lsb: the smallest step of a register: 1 in integers, 0 in real numbers.
        activation_shift: by how many bits synaptic input and levels are shifted left to reach the scale of the states.
    """

    lsb: int = 1
    activation_shift: int = 0

    def __init__(
        self, decay_bits: int, registers: Mapping[str, int], *, spiking: bool, at_least: bool, subtract: bool
    ) -> None:
        self.decay_bits, self.registers = decay_bits, registers
        self.spiking, self.at_least, self.subtract = spiking, at_least, subtract

    def __getattr__(self, name: str) -> Value:
        if name.startswith("_"):
            raise AttributeError(name)
        known = [n for n in dir(Operations) if not n.startswith("_") and n != "begin_noise"]
        close = get_close_matches(name, known, 1)
        hint = f"did you mean op.{close[0]}?" if close else f"there are: {', '.join(known)}"
        raise AttributeError(f"there is no operation op.{name}; {hint}")

    @abstractmethod
    def select(self, condition: Value, where_true: Value, where_false: Value) -> Value:
        """``where_true`` where the condition holds, else ``where_false``."""

    @abstractmethod
    def minimum(self, a: Value, b: Value) -> Value:
        """The smaller of two values."""

    @abstractmethod
    def maximum(self, a: Value, b: Value) -> Value:
        """The larger of two values."""

    @abstractmethod
    def shift_left(self, x: Value, bits: int) -> Value:
        """``x * 2**bits``."""

    @abstractmethod
    def shift_right(self, x: Value, bits: Value, rounding: str = "floor") -> Value:
        """``x / 2**bits``, rounded; ``bits`` is a number, or a parameter that counts (of rules: of the kind ``shift``).

        A shift by a parameter rounds down or to the nearest.
        """

    def unshifted(self, x: Value) -> Value:
        """``x`` on the scale of weights and of synaptic input before its shift, rounded down; in real numbers x."""
        return self.shift_right(x, self.activation_shift)

    @abstractmethod
    def scale(self, x: Value, gain: Value, bits: int, rounding: str = "zero") -> Value:
        """``x * gain / 2**bits``, rounded: a product with a number that has ``bits`` binary places."""

    @abstractmethod
    def divide(self, a: Value, b: Value) -> Value:
        """``a / b`` rounded down, of an a that is not negative and a b above 0; in real numbers b may be 0, too.

        Then ``0 / 0`` is 0, and any other a gives a number beyond all others, :data:`LEAST_DIVISOR` in the place of 0.
        """

    @abstractmethod
    def lookup(self, table: Sequence[int], index: Value) -> Value:
        """The entry of a table, of constants or a parameter; an index outside it counts as the nearest inside."""

    def random(self, bits: int) -> Value:
        """A random integer from 0 to ``2**bits - 1``, by a key, so that every target draws the same one.

        In a neuron model it is the same number in real arithmetic; in a rule, which rounds with it, it is 0 there.

        Raises:
            ParameterError: there are none in this place.
        """
        raise ParameterError(
            "its step draws random numbers: of a neuron model say so in its class, stochastic = True; of a rule, the "
            "steps of its neurons have them alone"
        )

    @abstractmethod
    def begin_noise(self, step: Value, low: Value, high: Value) -> None:
        """Let :meth:`random` draw for a step of a neuron model, by :func:`ssdp_hw.operations.philox.neuron_random`.

        Args:
            step: number of the step.
            low, high: the key of each neuron.
        """

    @abstractmethod
    def saturate(self, x: Value, state: str) -> Value:
        """``x`` clipped to ``-(2**(b-1) - 1) .. 2**(b-1) - 1``, with the width b of that state; clips are counted."""

    @abstractmethod
    def wrap(self, x: Value, state: str) -> Value:
        """``x`` after one turn around the register of that state, as in :func:`ssdp_hw.arithmetic.wrap_once`.

        Turns are counted, and so are values that are outside the register even after one turn.
        """

    @abstractmethod
    def never(self) -> Value:
        """A condition that holds nowhere."""

    def decay(self, x: Value, rate: Value, bits: int | None = None, rounding: str = "zero") -> Value:
        """``x * (2**bits - rate) / 2**bits``: rate 0 keeps x, rate ``2**bits`` gives 0; ``bits``: the chip's."""
        width = self.decay_bits if bits is None else bits
        return self.scale(x, (1 << width) - rate, width, rounding)

    def absolute(self, x: Value) -> Value:
        """``|x|``."""
        return self.maximum(x, 0 - x)

    def clip(self, x: Value, low: Value, high: Value) -> Value:
        """``x``, or the nearer of the limits ``low .. high`` where it is outside."""
        return self.minimum(self.maximum(x, low), high)

    def fires(self, v: Value, threshold: Value) -> Value:
        """The spike condition of the population: ``v > threshold`` or ``v >= threshold``; never for a readout."""
        if not self.spiking:
            return self.never()
        return v >= threshold if self.at_least else v > threshold

    def sends(self, payload: Value) -> Value:
        """The spike condition of a graded neuron: its payload is not 0; never for a readout."""
        return payload != 0 if self.spiking else self.never()

    def events(self, v: Value, threshold: Value, most: Value, bits: int) -> tuple[Value, Value]:
        """How often a threshold fits into v, at most ``most`` and ``2**bits - 1`` times, and what is then left of v."""
        count: Value = 0
        for bit in reversed(range(bits)):  # the number in binary, the highest bit first
            some = 1 << bit
            fits = (v >= threshold * some) & (count + some <= most)
            # Where it fits the difference is not below 0; the maximum lets the proof of the register know.
            v = self.select(fits, self.maximum(v - threshold * some, 0), v)
            count = self.select(fits, count + some, count)
        return count, v

    def reset(self, v: Value, fired: Value, threshold: Value) -> Value:
        """The voltage after the population's reset: 0, or ``v - threshold``, in neurons that fired."""
        if not self.spiking:
            return v
        return self.select(fired, v - threshold if self.subtract else 0, v)
