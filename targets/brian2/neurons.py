"""What the runners know of the Brian2 groups that make up one population."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.result import OverflowCount

# The variable in which synaptic input gathers until the next step reads and clears it.
INBOX = "a"


@dataclass(frozen=True)
class Setup:
    """How the groups of one population are to be made.

    Attributes:
        label: suffix of the groups' names; user names need not be identifiers.
        clock: the clock of the steps.
        copies: how often the population is repeated side by side (copy-major).
        inboxes: for each variable that gathers input the power of two that scales its sum; only
            fixed networks have others than ``{INBOX: 0}``.
        registers: names of spike-time registers.
        on_spike: code that keeps them, run for the neurons that fired.
        namespace: constants of that code.
    """

    label: str
    clock: Any
    copies: int = 1
    inboxes: dict[str, int] = field(default_factory=lambda: {INBOX: 0})
    registers: Sequence[str] = ()
    on_spike: str = ""
    namespace: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Neurons:
    """The groups of one population.

    Attributes:
        receiver: the group with the inboxes and the bias.
        sender: the group with v, whose threshold makes the spikes.
        current: group and variable that are the population's u.
        starts: for each group the code that brings it to its initial state.
    """

    receiver: Any
    sender: Any
    current: tuple[Any, str]
    starts: Sequence[tuple[Any, str]]

    def overflow(self) -> OverflowCount:
        """What overflowed so far in a fixed population."""
        totals = (np.sum(self.sender.state(name)[:]) for name in OVERFLOW_COUNTS)
        return OverflowCount(*(int(total) for total in totals))


OVERFLOW_COUNTS = ("u_wraps", "u_out_of_range", "v_saturations")


def register_equations(setup: Setup) -> str:
    """Equations of the spike-time registers."""
    return "".join(f"{name} : integer\n" for name in setup.registers)


def repeated(values: NDArray[Any], copies: int) -> NDArray[Any]:
    """Values of one population, shape (n,) or (copies, n), for copies side by side."""
    return np.ascontiguousarray(np.broadcast_to(values, (copies, values.shape[-1])).reshape(-1))
