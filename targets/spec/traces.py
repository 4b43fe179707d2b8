"""Recordings of a run, filled step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.result import OverflowCount, Record, Recording


class Traces:
    """Arrays (time, batch, n) for every population and variable that a record names."""

    def __init__(self, network: AnyNetwork, drive: Drive, record: Record, dtype: DTypeLike) -> None:
        def arrays(variable: str, kind: DTypeLike) -> dict[str, NDArray[Any]]:
            return {
                p.name: np.zeros((drive.steps, drive.batch, p.size), kind)
                for p in network.populations
                if record.wants(variable, p.name)
            }

        self.spikes, self.v, self.u = arrays("spikes", bool), arrays("v", dtype), arrays("u", dtype)

    def keep(self, step: int, name: str, fired: NDArray[np.bool_], v: NDArray[Any], u: NDArray[Any]) -> None:
        """Store the spikes, v and u of one population at the end of a step."""
        for store, value in ((self.spikes, fired), (self.v, v), (self.u, u)):
            if name in store:
                store[name][step] = value

    def recording(self, overflow: Mapping[str, OverflowCount] | None = None) -> Recording:
        """The recording of all stored steps."""
        return Recording(self.spikes, self.v, self.u, overflow)
