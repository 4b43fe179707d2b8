"""Variables of neurons that spikes write and learning rules read, with one value for each neuron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from ssdp_hw.rules.spike_times import SpikeTime, silent_time

INTEGER, REAL, BOOLEAN = "integer", "1", "boolean"
TYPES = MappingProxyType({INTEGER: np.int64, REAL: np.float64, BOOLEAN: np.bool_})


@dataclass(frozen=True)
class Memory:
    """A variable of every neuron of a population.

    Attributes:
        name: name of the variable.
        start: its value at the start of a window.
        keep: code for a neuron that fires; it runs after the synapses' code for that spike.
        fade: code for the end of every step.
        kind: type of the variable in Brian2's equations, one of :data:`TYPES`.
        namespace: constants and functions of that code; the same for all memories of one name.
    """

    name: str
    start: int | float
    keep: str = ""
    fade: str = ""
    kind: str = INTEGER
    namespace: Mapping[str, object] = field(default_factory=dict, compare=False)


# Whether a neuron fires in the present step, from its threshold on.
FIRES = Memory("fires_now", False, kind=BOOLEAN)


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
    return "".join(f"{m.name} : {m.kind}{flag}\n" for m in memories)


def types(memories: Sequence[Memory]) -> dict[str, Any]:
    """The type of each variable."""
    return {m.name: TYPES[m.kind] for m in memories}


def namespace(memories: Sequence[Memory]) -> dict[str, object]:
    """What the code of all variables needs."""
    return {name: value for m in memories for name, value in m.namespace.items()}


def start(memories: Sequence[Memory]) -> str:
    """Code for the start of a window."""
    return "".join(f"{m.name} = {m.start}\n" for m in memories)


def keep(memories: Sequence[Memory]) -> str:
    """Code for a neuron that fires."""
    return "".join(m.keep for m in memories)


def fade(memories: Sequence[Memory]) -> str:
    """Code for the end of a step."""
    return "".join(m.fade for m in memories)
