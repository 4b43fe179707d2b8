"""The integer rule: what the chip computes.

At the end of a window, for each synapse, with d the distance of both spike times in ticks and
``half = 2**(dw_shift - 1)``, or 0:

    e = (a_plus * lut[d] + half) >> dw_shift                      both fired
      = -((a_baseline * lut_baseline[d] + half) >> dw_shift)      otherwise

A silent neuron counts as the end of the window; with ``silent_pairs="skip"`` the change is 0 if neither fired.

The weight change passes the gate, gathers in a synchrony counter and moves the weight as
:mod:`ssdp_hw.rules.counter` says. All is integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Bool, Int
from ssdp_hw.checks import as_array, as_int
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError
from ssdp_hw.rules.counter import CounterRule, rounded_product
from ssdp_hw.rules.local import Float, Observation, Observed, Recorded, check_integers
from ssdp_hw.rules.model import Declaration
from ssdp_hw.rules.models.ssdp import WindowSSDP
from ssdp_hw.rules.spike_times import Registers, SpikeTime, silent_time, spike_registers
from ssdp_hw.rules.ssdp import SilentPairs

N = TypeVar("N", np.int64, np.float64)


@shown
@renamed(evidence_shift="dw_shift", commit_windows="windows_per_update")
@dataclass(frozen=True, kw_only=True)
class FixedSSDP(CounterRule):
    """Integer SSDP of one projection.

    Attributes:
        a_plus, a_baseline: amplitudes, 0 to 2**16 - 1.
        lut: the learning window as an 8-bit table by distance in ticks; 0 beyond its end.
        lut_baseline: the table for pairs in which at most one neuron fired; default ``lut``.
        dw_shift: right shift of amplitude times ``lut``, rounded half up; a larger shift
            allows amplitudes in finer steps.
        time_bits, time_shift: width of the time register; a tick is 2**time_shift steps.
        spike_time, silent_pairs: see :class:`ssdp_hw.SSDP`.
        lsb_shift, counter_bits, windows_per_update, rounding, gate, gate_bits: see
            :class:`ssdp_hw.rules.CounterRule`.

    Raises:
        ParameterError: a value out of range, or a single step that overflows the counter.
    """

    a_plus: int
    a_baseline: int
    lut: tuple[int, ...]
    lut_baseline: tuple[int, ...] | None = None
    dw_shift: int = 0
    time_bits: int = 6
    time_shift: int = 0
    spike_time: SpikeTime = SpikeTime.FIRST
    silent_pairs: SilentPairs = SilentPairs.DEPRESS

    def __post_init__(self) -> None:
        object.__setattr__(self, "spike_time", SpikeTime(self.spike_time))
        object.__setattr__(self, "silent_pairs", SilentPairs(self.silent_pairs))
        check_integers(
            self,
            (
                ("a_plus", 0, 2**16 - 1),
                ("a_baseline", 0, 2**16 - 1),
                ("dw_shift", 0, 24),
                ("time_bits", 1, 16),
                ("time_shift", 0, 16),
            ),
        )
        for name in ("lut", "lut_baseline"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, self._checked_table(name))
        self.check_counter(self.largest_step)

    def _checked_table(self, name: str) -> tuple[int, ...]:
        given = np.atleast_1d(as_array(getattr(self, name), f"FixedSSDP: {name}")).tolist()
        table = tuple(as_int(x, f"FixedSSDP: {name} entry") for x in given)
        if not 1 <= len(table) <= 2**self.time_bits or not all(0 <= x <= 255 for x in table):
            raise ParameterError(
                f"FixedSSDP: the learning window's table {name} needs 1 to {2**self.time_bits} entries (time_bits = "
                f"{self.time_bits}) within 0 .. 255, found {len(table)}"
            )
        return table

    @property
    def max_window(self) -> int:
        """Longest window in steps: its last tick and the tick of a silent neuron fit the time register."""
        return ((1 << self.time_bits) - 1) << self.time_shift

    @property
    def largest_step(self) -> int:
        return int(max(table.max() for table in self.tables))

    @property
    def tables(self) -> tuple[Int, Int]:
        """Weight changes by distance in ticks: of synchronous pairs, and the decrease of all other pairs."""
        plus, baseline = self._padded()
        return (
            rounded_product(self.a_plus, plus, self.dw_shift),
            rounded_product(self.a_baseline, baseline, self.dw_shift),
        )

    def _padded(self) -> tuple[Int, Int]:
        """Both tables of the learning window, with zeros for the distances beyond their ends."""
        baseline = self.lut if self.lut_baseline is None else self.lut_baseline
        padded = np.zeros((2, 2**self.time_bits), np.int64)
        padded[0, : len(self.lut)] = self.lut
        padded[1, : len(baseline)] = baseline
        return padded[0], padded[1]

    def declaration(self, steps: int) -> Declaration:
        """The rule as a declared one, for windows of that many steps."""
        plus, minus = (tuple(int(x) for x in table) for table in self.tables)
        model = WindowSSDP(self.spike_time is SpikeTime.LAST, self.silent_pairs is SilentPairs.SKIP)
        silent = silent_time(steps, self.time_shift)
        return Declaration(model, {"plus": plus, "minus": minus, "silent": silent, "time_shift": self.time_shift})

    def observe(self, pre: Bool, post: Bool) -> Observation[Registers]:
        first, second = (spike_registers(spikes, self.spike_time, self.time_shift) for spikes in (pre, post))
        return Observation(first, second)

    def from_recorded(self, pre: Recorded, post: Recorded, steps: int) -> Observation[Registers]:
        never = silent_time(steps, self.time_shift)
        first, second = (Registers(t != never, np.asarray(t, np.int64), never) for t in (pre, post))
        return Observation(first, second)

    def step(self, observed: Observed, window: int, rows: Int, cols: Int) -> Int:
        return self._by_pair(observed, window, rows, cols, *self.tables)

    def unrounded(self, observed: Observed, window: int, rows: Int, cols: Int) -> Float:
        unit = 2.0 ** -(self.dw_shift + self.lsb_shift)
        plus, baseline = self._padded()
        return self._by_pair(observed, window, rows, cols, self.a_plus * unit * plus, self.a_baseline * unit * baseline)

    def _by_pair(
        self, observed: Observed, window: int, rows: Int, cols: Int, plus: NDArray[N], minus: NDArray[N]
    ) -> NDArray[N]:
        """``plus[d]`` for a synchronous pair, ``-minus[d]`` for another, 0 for a silent pair that is skipped."""
        fired_pre, fired_post = observed.pre.fired[window][cols], observed.post.fired[window][rows]
        distance = np.abs(observed.post.time[window][rows] - observed.pre.time[window][cols])
        step = np.where(fired_pre & fired_post, plus[distance], -minus[distance])
        if self.silent_pairs is SilentPairs.SKIP:
            step[~fired_pre & ~fired_post] = 0
        return step

    def check_window(self, steps: int) -> None:
        super().check_window(steps)
        if steps > self.max_window:
            raise ParameterError(
                f"a window of {steps} steps exceeds the {self.max_window} that a time register of "
                f"{self.time_bits} bits with time_shift = {self.time_shift} can hold; raise time_shift, shorten the "
                "window or use several windows a sample"
            )
