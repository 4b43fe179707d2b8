"""Networks on the emulators of Loihi that others wrote: nengo-loihi 1.1.0 and brian2-loihi 0.5.2.

    python tests/loihi_emulators.py NETWORKS.json TRACES.npz

An interpreter runs it that has these two packages (``make bench-peers``) and need not have ours. Each network is a dict
as :mod:`emulator_networks` describes it. ``TRACES.npz`` gets ``<number>/<emulator>/<population>/spikes`` and ``/v``,
both of shape (time, neuron), v after the reset.

Weights are shifted by the emulators' own code (``discretize_weights``, ``calcActualWeights``). nengo-loihi has
no delays: a delay of d steps becomes d populations of relay neurons there. brian2-loihi has no bias, and takes a spike
of its generator a step earlier than one of a neuron.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

STATE_MAX = 2**23 - 1
Traces = dict[str, Any]


def nengo_loihi(net: dict[str, Any]) -> Traces:
    """Blocks in the chip's integers, as its own builder would have discretized them."""
    from nengo_loihi.block import LoihiBlock
    from nengo_loihi.builder.builder import Model
    from nengo_loihi.emulator.interface import EmulatorInterface
    from nengo_loihi.inputs import SpikeInput
    from nengo_loihi.probe import LoihiProbe

    model = Model()
    source = SpikeInput(net["inputs"])
    model.inputs[source] = 0
    senders: dict[str, Any] = {"in": source}

    def block(size: int, du: int, dv: int, vth: int, bias: Any) -> Any:
        made = LoihiBlock(size)
        c = made.compartment
        values = {"decay_u": du, "decay_v": dv, "vth": vth << 6, "bias": bias, "refract_delay": 1}
        for name, value in values.items():
            setattr(c, name, np.broadcast_to(value, size).astype(np.int32))
        c.scale_u = c.scale_v = False
        c.vmin, c.vmax = -STATE_MAX, STATE_MAX
        model.blocks[made] = len(model.blocks)
        return made

    for p in net["populations"]:
        senders[p["name"]] = block(len(p["bias"]), p["du"], p["dv"], p["vth"], p["bias"])
    for q in net["projections"]:
        sender, weight = senders[q["pre"]], np.array(q["weight"])
        for _ in range(q["delay"]):
            relay = block(weight.shape[1], 4095, 4095, 1, 0)
            _connect(sender, relay, 64 * np.eye(weight.shape[1], dtype=int), 0, "mixed")
            sender = relay
        _connect(sender, senders[q["post"]], weight, q["weight_exp"], q["sign_mode"])
    probes = {
        (p["name"], key): LoihiProbe(target=senders[p["name"]], key=key)
        for p in net["populations"]
        for key in ("spiked", "voltage")
    }
    for probe in probes.values():
        model.probes.append(probe)
    spikes = np.array(net["spikes"], bool)
    # A spike of step t arrives in step t + 1, as everywhere; steps count from 1.
    source.spikes = {t + 1: np.flatnonzero(row) for t, row in enumerate(spikes)}
    with EmulatorInterface(model, seed=0) as emulator:
        emulator.run_steps(len(spikes))
        found = {key: np.array(emulator.collect_probe_output(probe)) for key, probe in probes.items()}
    return {f"{name}/{'spikes' if key == 'spiked' else 'v'}": values for (name, key), values in found.items()}


def _connect(sender: Any, receiver: Any, weight: Any, exponent: int, sign_mode: str) -> None:
    from nengo_loihi.block import Axon, Synapse
    from nengo_loihi.builder.discretize import discretize_weights

    synapse = Synapse(weight.shape[1])
    synapse._set_weights_indices(weight.T[:, None], weight_dtype=np.int32, compression=3)
    kind = ("mixed", "excitatory", "inhibitory").index(sign_mode) + 1
    synapse.format(fanout_type=kind, weight_exp=exponent, weight_bits=7)  # code 7: 8 bits
    synapse.weights = [discretize_weights(synapse.synapse_cfg, w, check_result=False) for w in synapse.weights]
    receiver.add_synapse(synapse)
    axon = Axon(weight.shape[1])
    axon.target = synapse
    axon.set_compartment_axon_map(np.arange(weight.shape[1]))
    sender.add_axon(axon)


def brian2_loihi(net: dict[str, Any]) -> Traces:
    """Its groups and synapses in Brian2's NumPy code."""
    import brian2
    import brian2_loihi as loihi

    brian2.prefs.codegen.target = "numpy"
    logging.getLogger("brian2").setLevel(logging.ERROR)
    spikes = np.array(net["spikes"], bool)
    times, neurons = np.nonzero(spikes)
    groups: dict[str, Any] = {
        "in": loihi.LoihiSpikeGeneratorGroup(net["inputs"], neurons, times + 1, name="source"),
    }
    for p in net["populations"]:
        groups[p["name"]] = loihi.LoihiNeuronGroup(
            len(p["bias"]), refractory=1, threshold_v_mant=p["vth"], decay_v=p["dv"], decay_I=p["du"] + 1
        )
    synapses = []
    for q in net["projections"]:
        weight = np.array(q["weight"])
        made = loihi.LoihiSynapses(
            groups[q["pre"]],
            groups[q["post"]],
            delay=q["delay"],
            w_exp=q["weight_exp"],
            sign_mode=getattr(loihi.synapse_sign_mode, q["sign_mode"].upper()),
        )
        made.connect()  # all to all, by presynaptic neuron
        made.w = weight.T.reshape(-1)
        synapses.append(made)
    names = [p["name"] for p in net["populations"]]
    monitors = {name: loihi.LoihiSpikeMonitor(groups[name]) for name in names}
    states = {name: loihi.LoihiStateMonitor(groups[name], "v") for name in names}
    network = loihi.LoihiNetwork(*groups.values(), *synapses, *monitors.values(), *states.values())
    network.run(len(spikes))
    found: Traces = {}
    for name in names:
        raster = np.zeros((len(spikes), groups[name].N), bool)
        raster[np.rint(1000 * np.asarray(monitors[name].t_)).astype(int), np.asarray(monitors[name].i)] = True
        found |= {f"{name}/spikes": raster, f"{name}/v": np.asarray(states[name].v).T}
    return found


EMULATORS = {"nengo-loihi": nengo_loihi, "brian2-loihi": brian2_loihi}


def main(networks: str, traces: str) -> None:
    """Run each network on its emulator."""
    warnings.simplefilter("ignore")
    found: Traces = {}
    for number, net in enumerate(json.loads(Path(networks).read_text())):
        for name, values in EMULATORS[net["emulator"]](net).items():
            whole = np.rint(values).astype(np.int32)
            assert np.array_equal(whole, values), "the emulators compute in integers"
            found[f"{number}/{name}"] = np.packbits(whole.astype(bool)) if name.endswith("spikes") else whole
    np.savez_compressed(traces, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
