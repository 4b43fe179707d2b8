"""Synchrony counters: how integer rules learn below one weight LSB.

Weight changes smaller than one weight LSB gather in a counter of each synapse until they make a whole LSB.
At the end of a window the step e of the rule passes its gate, if there is one, and is added:

    e = sign(e * g) * ((|e| * |g| + half) >> gate_bits)      with a gate g
    c = saturate(c + e)

Synapses that share a stored weight, as those of a convolution do, share its counter: the sum of their
steps of a window is e. Every ``windows_per_update`` windows the counter moves the
stored weight integer w, with k = lsb_shift:

    carry        q = c / 2**k toward zero; w += q; c -= q * 2**k
    stochastic   w += (c + r) >> k with r uniform in [0, 2**k), drawn for each synapse; c = 0
    nearest      w += sign(c) * ((|c| + 2**(k-1)) >> k); c = 0

and w is clipped to its range.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from ssdp_hw.arrays import Int, Numbers
from ssdp_hw.checks import check_exact
from ssdp_hw.deprecation import renamed
from ssdp_hw.errors import ParameterError
from ssdp_hw.operations.philox import synapse_random
from ssdp_hw.rules.fixed_gate import FixedGate
from ssdp_hw.rules.gate import GATE_MAX
from ssdp_hw.rules.intervals import Extent
from ssdp_hw.rules.local import (
    WINDOWS_PER_UPDATE_MAX,
    Float,
    Gates,
    LocalRule,
    Observed,
    PreTrace,
    Values,
    WeightRounding,
    check_integers,
)

_COUNTER_BITS_MAX = 32


@renamed(commit_windows="windows_per_update")
@dataclass(frozen=True, kw_only=True)
class CounterRule(LocalRule):
    """The parameters that all integer rules have: those of the synchrony counter and of the gate.

    Attributes:
        lsb_shift: one weight LSB is 2**lsb_shift counter units.
        counter_bits: width of the signed, saturating counter.
        windows_per_update: windows between two weight updates.
        rounding: how a weight update rounds the counter to whole weight LSBs.
        gate: third factor, computed by the rule from the group synchrony counters of each window.
        gate_bits: fraction bits of a gate that the caller gives; a rule with ``gate`` takes those of the gate.
        pre_trace: in which step it sees a presynaptic spike, ``fires`` or ``arrives``; see :class:`.local.PreTrace`.
    """

    lsb_shift: int
    counter_bits: int = 16
    windows_per_update: int = 1
    rounding: WeightRounding = WeightRounding.CARRY
    gate: FixedGate | None = None
    gate_bits: int = 8
    pre_trace: PreTrace = PreTrace.FIRES

    def check_counter(self, largest: int) -> None:
        """Raise unless the counter's values are in range and hold ``largest`` units of one weight change.

        Raises:
            ParameterError: they are not.
        """
        kind = type(self).__name__
        object.__setattr__(self, "rounding", WeightRounding(self.rounding))
        object.__setattr__(self, "pre_trace", PreTrace(self.pre_trace))
        check_integers(
            self,
            (
                ("counter_bits", 4, _COUNTER_BITS_MAX),
                ("windows_per_update", 1, WINDOWS_PER_UPDATE_MAX),
                ("lsb_shift", 0, 30),
                ("gate_bits", 1, 15),
            ),
        )
        if self.gate is not None:
            check_exact(self.gate, (FixedGate,), f"{kind}: gate", "give a FixedGate itself, or gates from outside")
            object.__setattr__(self, "gate_bits", self.gate.gate_bits)
        self.check_change(largest, kind, "smaller amplitudes")
        if 1 << self.lsb_shift > self.counter_max:
            raise ParameterError(
                f"{kind}: one weight LSB is {1 << self.lsb_shift} counter units, above the {self.counter_max} of a "
                f"counter of {self.counter_bits} bits; use more counter_bits or a smaller lsb_shift"
            )

    def check_change(self, largest: int, owner: str, remedy: str) -> None:
        """Raise unless the counter holds ``largest`` units of one weight change, with the rule's own gate.

        Raises:
            ParameterError: it does not; the message begins with ``owner`` and ends with ``remedy``.
        """
        largest = self._by_own_gate(largest)
        if largest > self.counter_max:
            doubled = "" if self.gate is None else f", {int(GATE_MAX)} times that of the rule by its gate"
            wider = (
                f"more counter_bits (up to {_COUNTER_BITS_MAX}) or " if self.counter_bits < _COUNTER_BITS_MAX else ""
            )
            raise ParameterError(
                f"{owner}: one weight change is {largest} counter units{doubled}, above the {self.counter_max} of a "
                f"counter of {self.counter_bits} bits; give {wider}{remedy}"
            )

    def _by_own_gate(self, largest: int) -> int:
        """The largest weight change once the rule's own gate, if it has one, has raised it."""
        return largest * (1 if self.gate is None else int(GATE_MAX))

    def largest_step_in(self, extent: Extent, owner: str) -> int:
        """Largest weight change that one event can bring a synapse of a projection, before the gate.

        Args:
            extent: of the projection.
            owner: what messages call it.

        Raises:
            ParameterError: the counter does not hold it.
        """
        return self.largest_step

    @property
    def counter_max(self) -> int:
        """Largest value of the counter."""
        return (1 << (self.counter_bits - 1)) - 1

    @property
    def counter_min(self) -> int:
        """Smallest value of the counter."""
        return -(1 << (self.counter_bits - 1))

    @property
    @abstractmethod
    def largest_step(self) -> int:
        """Largest weight change that one event can bring, before the gate, in counter units."""

    @abstractmethod
    def unrounded(self, observed: Observed, window: int, rows: Int, cols: Int) -> Float:
        """The step before it was rounded to counter units, in weight LSBs; otherwise as ``step``."""

    def gate_of(self, observed: Observed, window: int) -> int | None:
        return None if self.gate is None else self.gate(*observed.counts(window))

    def gated(self, step: Values, gate: Gates | None) -> Int:
        if gate is None:
            return np.asarray(step, np.int64)
        half = (1 << self.gate_bits) >> 1
        size = (np.abs(step) * np.abs(gate) + half) >> self.gate_bits
        return np.asarray(np.sign(step) * np.sign(gate) * size, np.int64)


def rounded_product(amplitude: int, values: Numbers, dw_shift: int) -> Int:
    """``amplitude * values``, both not negative, in counter units: shifted right and rounded half up."""
    half = (1 << dw_shift) >> 1
    return (amplitude * np.asarray(values, np.int64) + half) >> dw_shift


def accumulate(rule: CounterRule, counter: Int, e: Int) -> tuple[Int, int]:
    """Counter after one window, and how many synapses saturated."""
    total = counter + e
    kept = np.clip(total, rule.counter_min, rule.counter_max)
    return kept, int(np.count_nonzero(kept != total))


def whole_part(rounding: WeightRounding, counter: Int, k: int, random: Int) -> tuple[Int, Int]:
    """The whole units of ``2**k`` that counters give away, and what stays in them.

    Args:
        rounding: how to round.
        counter: their values.
        k: see above.
        random: one number of k bits for each counter, for ``stochastic``.
    """
    if rounding is WeightRounding.CARRY:
        move = np.sign(counter) * (np.abs(counter) >> k)
        return move, counter - (move << k)
    if rounding is WeightRounding.STOCHASTIC:
        return (counter + random) >> k, np.zeros_like(counter)
    return np.sign(counter) * ((np.abs(counter) + ((1 << k) >> 1)) >> k), np.zeros_like(counter)


def update_weights(
    rule: CounterRule,
    mantissa: Int,
    counter: Int,
    low: int,
    high: int,
    *,
    seed: int,
    layer: int,
    index: int,
) -> tuple[Int, Int, int]:
    """Stored weight integers and counters after a weight update, and how many weights were clipped.

    Args:
        rule: the rule, for its ``rounding`` and ``lsb_shift``.
        mantissa, counter: one value for each stored weight, in row-major order.
        low, high: range of the stored weight integer.
        seed, layer, index: key of the random numbers: the run's seed, the position of the
            projection in the network, the number of weight updates before this one.
    """
    k, random = rule.lsb_shift, np.zeros_like(counter)
    if rule.rounding is WeightRounding.STOCHASTIC:
        random = synapse_random(seed, layer, np.arange(counter.size), index, k)
    move, rest = whole_part(rule.rounding, counter, k, random)
    moved = mantissa + move
    kept = np.clip(moved, low, high)
    return kept, rest, int(np.count_nonzero(kept != moved))
