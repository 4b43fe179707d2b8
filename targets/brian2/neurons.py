"""Settings from which the groups of one population are made, and the groups themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from brian2 import Clock, NeuronGroup, TimedArray
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.running.result import OverflowCount

from .memory import Memory

# The variable in which synaptic input gathers until the next step reads and clears it.
INBOX = "a"


def inbox_of(port: str = "") -> str:
    """The variable in which the input of a port gathers; that of the first has no name of its own."""
    return f"{INBOX}_of_{port}" if port else INBOX


@dataclass(frozen=True)
class Setup:
    """How the groups of one population are to be made.

    Attributes:
        label: suffix of the groups' names; the user's names need not be identifiers.
        clock: the clock of the steps.
        bias: constant input, shape (n,) or (copies, n), or by time and neuron.
        copies: how often the population is repeated side by side.
        inboxes: for each variable that gathers input the exponent, at most 0, of the power of two by which its
            sum is scaled. Float networks have ``INBOX`` with exponent 0 alone.
        port_inboxes: the same for each synaptic input beside the first that is fed.
        memories: variables of its neurons that learning rules read.
        spikes_seen: whether synapses that end at its neurons run code when these fire.
        counted_steps: number of steps in which overflows are counted.
    """

    label: str
    clock: Clock
    bias: NDArray[np.int64] | NDArray[np.float64] | TimedArray
    copies: int = 1
    inboxes: Mapping[str, int] = field(default_factory=lambda: {INBOX: 0})
    port_inboxes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    memories: Sequence[Memory] = ()
    spikes_seen: bool = False
    counted_steps: int = 2**62

    def repeated(self, values: Numbers) -> Numbers:
        """Values of shape (n,) or (copies, n) for the neurons of all copies, one copy after the other."""
        return np.ascontiguousarray(np.broadcast_to(values, (self.copies, values.shape[-1])).reshape(-1))

    def place_bias(self, receiver: NeuronGroup, convert: str = "") -> str:
        """Set the bias, or return the code that sets it at the start of a sample.

        ``convert`` is the function that turns the numbers of a TimedArray, which are real, into
        those of the bias.
        """
        if isinstance(self.bias, TimedArray):
            receiver.namespace[self.bias.name] = self.bias
            return f"bias = {convert}({self.bias.name}(t, i))\n"
        receiver.bias_ = self.repeated(self.bias)
        return ""

    @property
    def all_inboxes(self) -> list[str]:
        """The variables of all synaptic inputs."""
        return [*self.inboxes, *(inbox for inboxes in self.port_inboxes.values() for inbox in inboxes)]


def arriving(setup: Setup, port: str = "") -> str:
    """The sum of what the inboxes of a synaptic input hold, each scaled by its own power of two, as an expression."""
    inboxes = setup.port_inboxes[port] if port else setup.inboxes
    return " + ".join(a if exponent == 0 else f"{a}//{1 << -exponent}" for a, exponent in inboxes.items())


@dataclass(frozen=True)
class Neurons:
    """The Brian2 groups of one population.

    Attributes:
        receiver: the group with the inboxes and the bias.
        sender: the group with v and the registers, whose threshold makes the spikes.
        states: for each state of the population the group and the name of the variable that has it.
        starts: for each group the code that brings it to its initial state.
        sample_bias: code of the receiver that sets its bias at the start of a sample; empty where all have the same.
        window_start: code for the sender at the start of a window.
        after_reset: for each state the expression, a plain number, of what it is after the reset of this step, for code
            of the sender that runs before it.
        counts: for each overflow count the sender's variable that has it; empty in a float network.
    """

    receiver: NeuronGroup
    sender: NeuronGroup
    states: Mapping[str, tuple[NeuronGroup, str]]
    starts: Sequence[tuple[NeuronGroup, str]]
    sample_bias: str = ""
    window_start: str = ""
    counts: Mapping[str, str] = field(default_factory=dict)
    after_reset: Mapping[str, str] = field(default_factory=dict)

    def overflow(self) -> OverflowCount:
        """The overflow counts of a fixed population so far."""
        return OverflowCount.of(
            {name: int(np.sum(self.sender.state(variable)[:])) for name, variable in self.counts.items()}
        )
