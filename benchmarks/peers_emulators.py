"""Emulators of Loihi in Python: NengoLoihi's and Brian2Loihi's, in integers.

They simulate one chip, so samples come one after the other; building the network is not timed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

Run = Callable[[], Any]
STATE_MAX = 2**23 - 1


class Chip:
    """A chain of dense layers of LIF neurons without current decay, in Loihi's integers."""

    def __init__(self, path: str) -> None:
        with np.load(path) as file:
            self.weights = [file[f"weight{k}"] for k in range(2)]
            self.spikes = file["spikes"]
            self.leak, self.threshold = int(file["leak"]), int(file["threshold"])


def nengo_loihi(chip: Chip) -> tuple[Run, Run]:
    """Blocks in integers, as its own builder would have discretized them."""
    from nengo_loihi.block import Axon, LoihiBlock, Synapse
    from nengo_loihi.builder.builder import Model
    from nengo_loihi.emulator.interface import EmulatorInterface
    from nengo_loihi.inputs import SpikeInput
    from nengo_loihi.probe import LoihiProbe

    model = Model()
    source = SpikeInput(chip.weights[0].shape[1])
    model.inputs[source] = 0
    sender: Any = source
    for number, weight in enumerate(chip.weights):
        block = LoihiBlock(len(weight))
        c = block.compartment
        for name, value in (
            ("decay_u", 4095),
            ("decay_v", chip.leak),
            ("vth", chip.threshold << 6),
            ("bias", 0),
            ("refract_delay", 1),
        ):
            setattr(c, name, np.full(c.n_compartments, value, np.int32))
        c.scale_u = c.scale_v = False
        c.vmin, c.vmax = -STATE_MAX, STATE_MAX
        synapse = Synapse(weight.shape[1])
        synapse._set_weights_indices(weight.T[:, None] << 6, weight_dtype=np.int32, compression=3)
        block.add_synapse(synapse)
        axon = Axon(weight.shape[1])
        axon.target = synapse
        axon.set_compartment_axon_map(np.arange(weight.shape[1]))
        sender.add_axon(axon)
        model.blocks[block] = number
        sender = block
    probe = LoihiProbe(target=sender, key="spiked")
    model.probes.append(probe)

    def run() -> Any:
        out = []
        for sample in chip.spikes.swapaxes(0, 1):
            # Inputs arrive a step after they are sent, as everything else; steps count from 1.
            source.spikes = {t + 1: np.flatnonzero(row) for t, row in enumerate(sample)}
            with EmulatorInterface(model, seed=0) as emulator:
                emulator.run_steps(len(sample))
                out.append(np.array(emulator.collect_probe_output(probe)) > 0)
        return np.stack(out, axis=1)

    return run, run


def brian2_loihi(chip: Chip) -> tuple[Run, Run]:
    """Its groups and synapses in Brian2's NumPy code; its spikes are a step earlier for every projection."""
    import brian2
    import brian2_loihi as loihi

    brian2.prefs.codegen.target = "numpy"
    logging.getLogger("brian2").setLevel(logging.ERROR)
    neuron = {"refractory": 1, "threshold_v_mant": chip.threshold, "decay_v": chip.leak, "decay_I": 4096}
    source = loihi.LoihiSpikeGeneratorGroup(chip.weights[0].shape[1], np.zeros(0, int), np.zeros(0, int))
    groups: list[Any] = [source]
    synapses = []
    for weight in chip.weights:
        groups.append(loihi.LoihiNeuronGroup(len(weight), **neuron))
        synapse = loihi.LoihiSynapses(groups[-2], groups[-1], sign_mode=loihi.synapse_sign_mode.MIXED)
        synapse.connect()
        synapse.w = weight.T.reshape(-1)
        synapses.append(synapse)
    monitor = loihi.LoihiSpikeMonitor(groups[-1])
    network = loihi.LoihiNetwork(*groups, *synapses, monitor)
    network.store()

    def run() -> Any:
        steps = len(chip.spikes)
        out = np.zeros((steps, chip.spikes.shape[1], len(chip.weights[-1])), bool)
        for k, sample in enumerate(chip.spikes.swapaxes(0, 1)):
            network.restore()
            times, neurons = np.nonzero(sample)
            source.set_spikes(neurons, times * brian2.ms)
            network.run(steps)
            out[np.rint(1000 * np.asarray(monitor.t_)).astype(int), k, np.asarray(monitor.i)] = True
        return out

    def check() -> Any:
        early = run()
        late = np.zeros_like(early)
        late[SHIFT:] = early[:-SHIFT]
        return late

    return run, check


SHIFT = 1

PEERS = {"NengoLoihi, emulator": ("nengo-loihi", nengo_loihi), "Brian2Loihi": ("brian2-loihi", brian2_loihi)}
