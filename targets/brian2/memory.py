"""Variables of neurons that spikes write and learning rules read, with one value for each neuron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from brian2 import NeuronGroup

from ssdp_hw.arrays import Numbers
from ssdp_hw.rules.model import StateRead
from ssdp_hw.rules.spike_times import SpikeTime, silent_time

INTEGER, REAL, BOOLEAN = "integer", "1", "boolean"
TYPES = MappingProxyType({INTEGER: np.int64, REAL: np.float64, BOOLEAN: np.bool_})


@dataclass(frozen=True)
class Memory:
    """A variable of every neuron of a population.

    Attributes:
        name: name of the variable.
        start: its value at the start of a window; of one that lasts, that at the start of the run, one for each neuron.
        keep: code for a neuron that fires; it runs after the synapses' code for that spike.
        fade: code for the end of every step.
        kind: type of the variable in Brian2's equations, one of :data:`TYPES`.
        namespace: constants and functions of that code; the same for all memories of one name.
        lasts: whether it goes on from window to window. At the start of each, what it is is kept in a variable of its
            own, ``kept``, since a run has one step more than its windows.
        received: whether it belongs to the group where synapses end, if that is not the one that fires.
    """

    name: str
    start: int | float | Numbers = field(compare=False)
    keep: str = ""
    fade: str = ""
    kind: str = INTEGER
    namespace: Mapping[str, object] = field(default_factory=dict, compare=False)
    lasts: bool = False
    received: bool = False

    @property
    def kept(self) -> str:
        """The variable that keeps its value at the start of a window."""
        return kept_name(self.name)


def kept_name(variable: str) -> str:
    """The variable that keeps the value of one that lasts."""
    return f"kept_{variable}"


@dataclass(frozen=True)
class SeenState(Memory):
    """A state of the neuron as a learning rule reads it: what it is at the end of the step, after the reset.

    Code of synapses runs before the reset, so that it is computed beforehand.

    Attributes:
        state: name of the state.
        limits: ends of the register in which the rule holds it; None in real numbers.
    """

    state: str = ""
    limits: tuple[int, int] | None = None

    def code(self, after: str) -> str:
        """Code that computes it, where ``after`` is the expression of the state after the reset."""
        if self.limits is None:
            return f"{self.name} = {after}\n"
        low, high = self.limits
        return f"whole_{self.name} = {after}\n{self.name} = clip(whole_{self.name}, {low}, {high})\n"


def seen_state(read: StateRead, *, integers: bool) -> SeenState:
    """What neurons remember for a rule that reads one of their states."""
    name = f"seen_{read.bits}_{'signed' if read.signed else 'unsigned'}_{read.state}"
    kind, limits = (INTEGER, read.limits) if integers else (REAL, None)
    return SeenState(name, 0, kind=kind, state=read.state, limits=limits)


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


def variables(memories: Sequence[Memory]) -> dict[str, str]:
    """The names of all variables with their kind."""
    return {name: m.kind for m in memories for name in (m.name, *([m.kept] if m.lasts else []))}


def equations(memories: Sequence[Memory], flag: str = "") -> str:
    """Brian2 equations that declare the variables."""
    return "".join(f"{name} : {kind}{flag}\n" for name, kind in variables(memories).items())


def types(memories: Sequence[Memory]) -> dict[str, object]:
    """The type of each variable."""
    return {name: TYPES[kind] for name, kind in variables(memories).items()}


def namespace(memories: Sequence[Memory]) -> dict[str, object]:
    """What the code of all variables needs."""
    return {name: value for m in memories for name, value in m.namespace.items()}


def start(memories: Sequence[Memory]) -> str:
    """Code for the start of a window."""
    return "".join(f"{m.kept} = {m.name}\n" if m.lasts else f"{m.name} = {m.start}\n" for m in memories)


def begin(group: NeuronGroup, memories: Sequence[Memory]) -> None:
    """Give the memories that last their values of before the run."""
    for m in memories:
        if m.lasts:
            setattr(group, f"{m.name}_", np.broadcast_to(m.start, len(group)))


def keep(memories: Sequence[Memory]) -> str:
    """Code for a neuron that fires."""
    return "".join(m.keep for m in memories)


def fade(memories: Sequence[Memory]) -> str:
    """Code for the end of a step."""
    return "".join(m.fade for m in memories)
