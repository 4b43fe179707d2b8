"""The loop over steps, for integers and for floats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Array, Numbers
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.result import Record
from ssdp_hw.running.time_limit import check_time

from .carried import Carried, NeuronStates
from .delay_lines import DelayLines, sent
from .traces import Traces


class Neurons(NeuronStates, Protocol):
    """The neurons of one population for a batch."""

    def step(self, activation: Array, ports: Mapping[str, Array]) -> NDArray[np.bool_]:
        """Advance one step and return the spikes, shape (batch, n); ``ports``: activation of further inputs."""
        ...


def run_steps(
    network: AnyNetwork,
    drive: Drive,
    record: Record,
    neurons: Mapping[str, Neurons],
    delay_lines: DelayLines,
    carried: Carried | None,
) -> Traces:
    """Run every sample of the drive from the initial state, or its only one from a state that is carried.

    Args:
        network, drive, record: the run.
        neurons: those of each population, in their initial states.
        delay_lines: of the network, with nothing in them.
        carried: where the run goes on from; it is taken on to the end of the last step.
    """
    traces = Traces(network, drive, record, delay_lines.dtype)
    before = 0 if carried is None else carried.steps
    if carried is not None:
        carried.begin(neurons, delay_lines)
    for step in range(drive.steps):
        check_time()
        sends: dict[str, Numbers] = {name: s[step] for name, s in drive.spikes.items()}
        for name, population in neurons.items():
            ports = {port: delay_lines.arriving(before + step, name, port) for port in network.ports(name)}
            arriving = delay_lines.arriving(before + step, name) + drive.currents.at(step, name)
            fired = population.step(arriving, ports)
            traces.keep(step, name, fired, population.states)
            sends[name] = sent(network.population(name), fired, population.states)
        delay_lines.send(before + step, sends)
    if carried is not None:
        carried.end(neurons, delay_lines, drive.steps)
    return traces
