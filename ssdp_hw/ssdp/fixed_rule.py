"""The integer rule: what the chip computes.

Evidence smaller than one weight LSB gathers in a synchrony counter of each synapse until a whole
LSB is due, so learning works below the resolution of the weight. All is integers.

At the end of a window, for each synapse, with d in ticks:

    e = (a_plus * lut[d] + half) >> evidence_shift              both fired
      = -((a_baseline * lut[d] + half) >> evidence_shift)       otherwise (0: silent pair, skip)
    c = saturate(c + e)

Every ``commit_windows`` windows the counter moves the stored weight integer w, k = lsb_shift:

    carry        q = c / 2**k toward zero; w += q; c -= q * 2**k
    stochastic   w += (c + r) >> k with r uniform in [0, 2**k), own to the synapse; c = 0
    nearest      w += sign(c) * ((|c| + 2**(k-1)) >> k); c = 0

and w is clipped to its range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import as_array, as_int
from ssdp_hw.errors import ParameterError
from ssdp_hw.ssdp.philox import synapse_random
from ssdp_hw.ssdp.registers import Registers, SpikeTime
from ssdp_hw.ssdp.rule import SilentPairs, WeightRounding

Int = NDArray[np.int64]
N = TypeVar("N", np.int64, np.float64)


@dataclass(frozen=True, kw_only=True)
class FixedSSDP:
    """Integer SSDP of one projection.

    Attributes:
        a_plus, a_baseline: amplitudes, 0 to 2**16 - 1.
        lut: kernel by distance in ticks, 8-bit; beyond its end the kernel is 0.
        evidence_shift: right shift of amplitude times kernel, rounded half up; 0 is the plain
            product, more gives amplitudes that are no multiple of the kernel's 255.
        lsb_shift: one weight LSB is 2**lsb_shift counter units.
        counter_bits: width of the signed, saturating counter.
        time_bits, time_shift: width of the time register; a tick is 2**time_shift steps.
        commit_windows: windows between two commits.
        rounding, spike_time, silent_pairs: see :class:`ssdp_hw.SSDP`.

    Raises:
        ParameterError: a value out of range, or a single step that overflows the counter.
    """

    a_plus: int
    a_baseline: int
    lut: tuple[int, ...]
    lsb_shift: int
    evidence_shift: int = 0
    counter_bits: int = 16
    time_bits: int = 6
    time_shift: int = 0
    commit_windows: int = 1
    rounding: WeightRounding = WeightRounding.CARRY
    spike_time: SpikeTime = SpikeTime.FIRST
    silent_pairs: SilentPairs = SilentPairs.DEPRESS

    def __post_init__(self) -> None:
        object.__setattr__(self, "rounding", WeightRounding(self.rounding))
        object.__setattr__(self, "spike_time", SpikeTime(self.spike_time))
        object.__setattr__(self, "silent_pairs", SilentPairs(self.silent_pairs))
        lut = np.atleast_1d(as_array(self.lut, "FixedSSDP: lut")).tolist()
        object.__setattr__(self, "lut", tuple(as_int(x, "FixedSSDP: lut entry") for x in lut))
        limits = (
            ("a_plus", 0, 2**16 - 1), ("a_baseline", 0, 2**16 - 1), ("evidence_shift", 0, 24),
            ("counter_bits", 4, 32), ("time_bits", 1, 16), ("time_shift", 0, 16), ("commit_windows", 1, 2**20),
            ("lsb_shift", 0, 30),
        )
        for name, low, high in limits:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
                raise ParameterError(f"FixedSSDP: {name} = {value!r} is outside {low} .. {high}")
        if not 1 <= len(self.lut) <= 2**self.time_bits or not all(0 <= x <= 255 for x in self.lut):
            raise ParameterError(
                f"FixedSSDP: the kernel table needs 1 to {2**self.time_bits} entries (time_bits = "
                f"{self.time_bits}) within 0 .. 255, found {len(self.lut)}"
            )
        largest = max(max(self.table(self.a_plus)), max(self.table(self.a_baseline)))
        for what, value in (("one step of evidence", largest), ("one weight LSB", 1 << self.lsb_shift)):
            if value > self.counter_max:
                raise ParameterError(
                    f"FixedSSDP: {what} is {value} counter units, above the {self.counter_max} of a "
                    f"{self.counter_bits}-bit counter; use more counter_bits or a smaller lsb_shift"
                )

    @property
    def counter_max(self) -> int:
        """Largest value of the counter."""
        return (1 << (self.counter_bits - 1)) - 1

    @property
    def counter_min(self) -> int:
        """Smallest value of the counter."""
        return -(1 << (self.counter_bits - 1))

    @property
    def max_window(self) -> int:
        """Longest window in steps whose ticks, and the silent neuron's, fit the time register."""
        return ((1 << self.time_bits) - 1) << self.time_shift

    def table(self, amplitude: int) -> tuple[int, ...]:
        """Evidence by distance in ticks, for every value of the time register."""
        half = (1 << self.evidence_shift) >> 1
        padded = self.lut + (0,) * (2**self.time_bits - len(self.lut))
        return tuple((amplitude * g + half) >> self.evidence_shift for g in padded)

    def unrounded(self, amplitude: int) -> NDArray[np.float64]:
        """The same table before rounding, in weight LSBs."""
        lut = np.zeros(2**self.time_bits)
        lut[: len(self.lut)] = self.lut
        return amplitude * lut / 2.0 ** (self.evidence_shift + self.lsb_shift)

    def check_window(self, steps: int) -> None:
        """Raise if a window of that many steps does not fit the time register.

        Raises:
            ParameterError: it does not.
        """
        if steps > self.max_window:
            raise ParameterError(
                f"a window of {steps} steps exceeds the {self.max_window} that a {self.time_bits}-bit time "
                f"register with time_shift = {self.time_shift} can hold; raise time_shift or shorten the window"
            )


def by_pair(
    rule: FixedSSDP, pre: Registers, post: Registers, window: int, rows: Int, cols: Int, plus: NDArray[N],
    minus: NDArray[N],
) -> NDArray[N]:
    """``plus[d]`` for a synchronous pair, ``-minus[d]`` for another, 0 for a silent pair that is skipped.

    One value for each synapse (rows[s], cols[s]), from two tables by distance in ticks.
    """
    fired_pre, fired_post = pre.fired[window][cols], post.fired[window][rows]
    distance = np.abs(post.time[window][rows] - pre.time[window][cols])
    step = np.where(fired_pre & fired_post, plus[distance], -minus[distance])
    if rule.silent_pairs is SilentPairs.SKIP:
        step[~fired_pre & ~fired_post] = 0
    return step


def evidence(rule: FixedSSDP, pre: Registers, post: Registers, window: int, rows: Int, cols: Int) -> Int:
    """Evidence of one window for the synapses (rows[s], cols[s]), shape (synapses,)."""
    plus, minus = (np.asarray(rule.table(a), np.int64) for a in (rule.a_plus, rule.a_baseline))
    return by_pair(rule, pre, post, window, rows, cols, plus, minus)


def accumulate(rule: FixedSSDP, counter: Int, e: Int) -> tuple[Int, int]:
    """Counter after one window, and how many synapses saturated."""
    total = counter + e
    kept = np.clip(total, rule.counter_min, rule.counter_max)
    return kept, int(np.count_nonzero(kept != total))


def commit(
    rule: FixedSSDP, mantissa: Int, counter: Int, low: int, high: int, *, seed: int, layer: int, index: int,
) -> tuple[Int, Int, int]:
    """Stored weight integers and counters after a commit, and how many weights were clipped.

    Args:
        mantissa, counter: one a synapse, in row-major order.
        low, high: range of the stored weight integer.
        seed, layer, index: key of the random numbers: the run's seed, the position of the
            projection in the network, the number of commits before this one.
    """
    k = rule.lsb_shift
    if rule.rounding is WeightRounding.CARRY:
        move = np.sign(counter) * (np.abs(counter) >> k)
        rest = counter - (move << k)
    elif rule.rounding is WeightRounding.STOCHASTIC:
        move = (counter + synapse_random(seed, layer, np.arange(counter.size), index, k)) >> k
        rest = np.zeros_like(counter)
    else:
        move = np.sign(counter) * ((np.abs(counter) + ((1 << k) >> 1)) >> k)
        rest = np.zeros_like(counter)
    moved = mantissa + move
    kept = np.clip(moved, low, high)
    return kept, rest, int(np.count_nonzero(kept != moved))
