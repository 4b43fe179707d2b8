"""Recordings of a run, filled step by step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.result import OverflowCount, Record, Recording


class Traces:
    """Arrays (time, batch, n) for every population and variable that a record names."""

    def __init__(self, network: AnyNetwork, drive: Drive, record: Record, dtype: DTypeLike) -> None:
        def arrays(variable: str, kind: DTypeLike) -> dict[str, Numbers]:
            return {
                p.name: np.zeros((drive.steps, drive.batch, p.size), kind)
                for p in network.populations
                if record.wants(variable, p.name)
            }

        self.spikes = arrays("spikes", bool)
        self.states = {name: arrays(name, dtype) for name in record.state_names}

    def keep(self, step: int, name: str, fired: NDArray[np.bool_], states: Mapping[str, Numbers]) -> None:
        """Store the spikes and the states of one population at the end of a step."""
        if name in self.spikes:
            self.spikes[name][step] = fired
        for state, traces in self.states.items():
            if name in traces:
                traces[name][step] = states[state]

    def recording(self, overflow: Mapping[str, OverflowCount] | None = None) -> Recording:
        """The recording of all stored steps."""
        return Recording.of(self.spikes, self.states, overflow)
