"""What a graph consists of: the inputs, and what it needs to know of a population."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ssdp_hw.checks import as_size, check_name, int_vector
from ssdp_hw.display import shown
from ssdp_hw.files.json_values import JSON
from ssdp_hw.files.record import Record


@shown
@dataclass(frozen=True)
class Input:
    """A source of spikes from outside.

    Attributes:
        name: unique in the network.
        size: number of channels.
        payload_bits: 0 where spikes carry nothing. Otherwise they are graded: an integer within
            ``-(2**b - 1) .. 2**b - 1`` for every channel and step, several spikes at once among them.
    """

    name: str
    size: int
    payload_bits: int = 0

    def __post_init__(self) -> None:
        check_name(self.name, "input")
        object.__setattr__(self, "size", as_size(self.size, f"input '{self.name}': size"))
        bits = int(int_vector(self.payload_bits, 1, 0, 31, f"input '{self.name}': payload_bits")[0])
        object.__setattr__(self, "payload_bits", bits)

    @property
    def largest_payload(self) -> int:
        """By how much a spike may multiply a weight: 1 where spikes carry nothing."""
        return (1 << self.payload_bits) - 1 if self.payload_bits else 1

    def to_values(self) -> dict[str, JSON]:
        """What a file keeps of the input."""
        graded = {"payload_bits": self.payload_bits} if self.payload_bits else {}
        return {"name": self.name, "size": self.size, **graded}


class PopulationLike(Protocol):
    """What the graph needs to know of a population."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def spiking(self) -> bool: ...
    def to_record(self) -> Record: ...
    @property
    def state_names(self) -> tuple[str, ...]: ...
    @property
    def payload(self) -> str: ...
    @property
    def known_ports(self) -> tuple[str, ...]: ...
    @property
    def used_inputs(self) -> tuple[str, ...]: ...
    @property
    def voltage(self) -> str: ...
