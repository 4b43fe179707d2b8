"""Spike-time registers as state of the neurons that fire."""

from __future__ import annotations

from collections.abc import Sequence
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


def equations(registers: Sequence[TimeRegister]) -> str:
    """State variables of the registers."""
    return "".join(f"{register.name} : integer\n" for register in registers)


def clear(registers: Sequence[TimeRegister]) -> str:
    """Code for the start of a window."""
    return "".join(f"{register.name} = {register.silent}\n" for register in registers)


def keep(registers: Sequence[TimeRegister]) -> str:
    """Code for a neuron that fires. The first tick of a window is also its least."""
    code = ""
    for register in registers:
        name, tick = register.name, f"tick_{register.name}"
        code += f"{tick} = (t_in_timesteps % {register.steps})//{1 << register.time_shift}\n"
        if register.spike_time is SpikeTime.LAST:
            code += f"{name} = {tick}\n"
        else:
            code += f"{name} += ({tick} - {name})*int({tick} < {name})\n"
    return code
