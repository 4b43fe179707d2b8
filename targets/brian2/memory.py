"""Variables of neurons that spikes write and learning rules read, with one value for each neuron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ssdp_hw.rules.spike_times import SpikeTime, silent_time


@dataclass(frozen=True)
class Memory:
    """A variable of every neuron of a population.

    Attributes:
        name: name of the variable.
        start: its value at the start of a window.
        keep: code for a neuron that fires; it runs after the synapses' code for that spike.
        fade: code for the end of every step.
        real: whether the variable is a float instead of an integer.
    """

    name: str
    start: int
    keep: str = ""
    fade: str = ""
    real: bool = False


def time_register(spike_time: SpikeTime, time_shift: int, steps: int) -> Memory:
    """Tick of the representative spike in a window of that many steps, as
    :mod:`ssdp_hw.rules.spike_times` reads it off a raster; ``silent_time`` if there was none.
    """
    name = f"{spike_time.value}_spike_{time_shift}"
    tick = f"tick_{name}"
    code = f"{tick} = (t_in_timesteps % {steps})//{1 << time_shift}\n"
    if spike_time is SpikeTime.LAST:
        code += f"{name} = {tick}\n"
    else:  # the first tick of a window is also its least
        code += f"{name} += ({tick} - {name})*int({tick} < {name})\n"
    return Memory(name, silent_time(steps, time_shift), code)


def spike_count() -> Memory:
    """A counter of a neuron's spikes in a window."""
    return Memory("spike_count", 0, "spike_count += 1\n")


def equations(memories: Sequence[Memory], flag: str = "") -> str:
    """Brian2 equations that declare the variables."""
    return "".join(f"{m.name} : {'1' if m.real else 'integer'}{flag}\n" for m in memories)


def types(memories: Sequence[Memory]) -> dict[str, type[np.int64] | type[np.float64]]:
    """The type of each variable."""
    return {m.name: np.float64 if m.real else np.int64 for m in memories}


def start(memories: Sequence[Memory]) -> str:
    """Code for the start of a window."""
    return "".join(f"{m.name} = {m.start}\n" for m in memories)


def keep(memories: Sequence[Memory]) -> str:
    """Code for a neuron that fires."""
    return "".join(m.keep for m in memories)


def fade(memories: Sequence[Memory]) -> str:
    """Code for the end of a step."""
    return "".join(m.fade for m in memories)
