"""Where a learning run stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ssdp_hw.arrays import Numbers
from ssdp_hw.checks import as_int
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError


@shown
@renamed(commits="updates")
@dataclass(frozen=True, eq=False)
class LearningState:
    """Where a learning run stopped, beside the network that it returned.

    Random numbers need no further state: they are keyed by seed, projection, synapse and weight update,
    and the order of the samples by seed and epoch.

    Attributes:
        counters: by plastic projection, one value for each synapse in row-major order or for each value of a
            convolution's kernel: synchrony counters in a fixed network, in a float network the steps gathered since the
            last weight update.
        updates: weight updates so far.
        pending: windows gathered since the last weight update.
        epochs: finished epochs so far.
        presented: samples of the next epoch that were presented; 0 between epochs.
        lasting: by plastic projection the variables of its rule that outlast a window, by names such as
            ``post_threshold``; nothing of rules that have none.
        steps, neurons: of a run whose samples are pieces of one run (``Presentation.restart``): how many steps it had,
            and by population the states of the neurons and the input under way. A run whose samples start from the
            initial state does not read them.
        lsb_shifts: by plastic projection of a fixed network, where known: one weight LSB is ``2**lsb_shift`` units of
            its counters. Where a rule has another unit, they are converted, and a note says so.
    """

    counters: Mapping[str, Numbers] = field(default_factory=dict)
    updates: int = 0
    pending: int = 0
    epochs: int = 0
    presented: int = 0
    lasting: Mapping[str, Mapping[str, Numbers]] = field(default_factory=dict)
    steps: int = 0
    neurons: Mapping[str, Mapping[str, Numbers]] = field(default_factory=dict)
    lsb_shifts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.counters, Mapping):
            raise ParameterError(f"counters of type {type(self.counters).__name__}; expected a dict by projection")
        if not isinstance(self.lasting, Mapping) or not all(isinstance(x, Mapping) for x in self.lasting.values()):
            raise ParameterError("lasting variables are a dict by projection of dicts by name")
        if not isinstance(self.neurons, Mapping) or not all(isinstance(x, Mapping) for x in self.neurons.values()):
            raise ParameterError("the states of neurons are a dict by population of dicts by name")
        if not isinstance(self.lsb_shifts, Mapping):
            raise ParameterError("the units of counters, lsb_shifts, are a dict by projection")
        for name, shift in self.lsb_shifts.items():
            if not 0 <= as_int(shift, f"learning state: lsb_shifts of '{name}'") <= 30:
                raise ParameterError(f"learning state: lsb_shifts of '{name}' = {shift} is outside 0 .. 30")
        for name in ("updates", "pending", "epochs", "presented", "steps"):
            value = as_int(getattr(self, name), f"learning state: {name}")
            top = 2**62 if name == "steps" else 2**32
            if not 0 <= value < top:
                raise ParameterError(f"learning state: {name} = {value} is outside 0 .. {top - 1}")
