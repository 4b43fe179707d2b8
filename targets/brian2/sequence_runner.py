"""Inference with one sample after the other; see :mod:`.sequence`."""

from __future__ import annotations

import numpy as np
from brian2 import SpikeMonitor, StateMonitor
from numpy.typing import NDArray

from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.result import Record, Recording

from .sequence import SampleSequence, by_sample
from .session import Session


def run_sequence(
    network: AnyNetwork, drive: Drive, record: Record, session: Session, *, fast_paths: bool = True
) -> Recording:
    """Run every sample of the drive from the initial state, one after the other."""
    sequence = SampleSequence(network, drive, fast_paths=fast_paths)
    spikes: dict[str, SpikeMonitor] = {}
    states: dict[str, dict[str, tuple[StateMonitor, str]]] = {state: {} for state in record.state_names}
    for index, (name, made) in enumerate(sequence.neurons.items()):
        if record.wants("spikes", name) and network.population(name).spiking:
            spikes[name] = SpikeMonitor(made.sender, name=f"spikes_{index}")
        for state, (group, variable) in made.states.items():
            if record.wants(state, name):
                monitor = StateMonitor(
                    group, variable, record=True, when="end", clock=sequence.clock, name=f"{variable}_of_{index}"
                )
                states[state][name] = monitor, variable
    sequence.objects += [*spikes.values(), *(m for found in states.values() for m, _ in found.values())]
    total = drive.steps * drive.batch
    seconds = sequence.simulate(session, total)

    def raster(name: str) -> NDArray[np.bool_]:
        silent = np.zeros((total, network.size_of(name)), bool)
        return sequence.raster(spikes[name], total) if name in spikes else silent

    traces = {
        state: {
            name: by_sample(np.asarray(getattr(monitor, f"{variable}_")).T, drive.steps)
            for name, (monitor, variable) in found.items()
        }
        for state, found in states.items()
    }
    return Recording.of(
        {name: by_sample(raster(name), drive.steps) for name in sequence.neurons if record.wants("spikes", name)},
        traces,
        {n: made.overflow() for n, made in sequence.neurons.items()} if isinstance(network, FixedNetwork) else None,
        {"steps_seconds": seconds},
    )
