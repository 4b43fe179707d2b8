"""Spike-time registers as state of the neurons that fire."""

from __future__ import annotations

from dataclasses import dataclass

from ssdp_hw.ssdp.registers import SpikeTime, silent_time


@dataclass(frozen=True)
class TimeRegister:
    """Tick of the representative spike of a window, as :mod:`ssdp_hw.ssdp.registers` reads it off a raster.

    Attributes:
        spike_time: which spike counts.
        time_shift: a tick is ``2**time_shift`` steps.
        steps: length of a window.
    """

    spike_time: SpikeTime
    time_shift: int
    steps: int

    @property
    def name(self) -> str:
        """Name of the variable."""
        return f"{self.spike_time.value}_spike_{self.time_shift}"

    @property
    def silent(self) -> int:
        """The tick of a neuron that did not fire: later than any other."""
        return silent_time(self.steps, self.time_shift)

    @property
    def on_start(self) -> str:
        """Code for the start of a window."""
        return f"{self.name} = {self.silent}\n"

    @property
    def on_spike(self) -> str:
        """Code for a neuron that fires; the first tick of a window is also the least."""
        tick = f"tick_{self.name} = (t_in_timesteps % {self.steps})//{1 << self.time_shift}\n"
        if self.spike_time is SpikeTime.LAST:
            return tick + f"{self.name} = tick_{self.name}\n"
        return tick + f"{self.name} += (tick_{self.name} - {self.name})*int(tick_{self.name} < {self.name})\n"
