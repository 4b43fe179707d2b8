"""Outputs that cannot fire, whatever spikes arrive: the importer takes them for membrane readouts."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.network.float_network import Network, Population
from ssdp_hw.network.neurons import IF, LI, LIF, CubaLI, CubaLIF, I, Neuron

# Room for float rounding: the bound of a voltage adds in another order than the voltage itself.
_ROUNDING = 1e-6
_READOUT: dict[type[Neuron], type[Neuron]] = {LIF: LI, CubaLIF: CubaLI, IF: I}


def with_silent_readouts(network: Network) -> Network:
    """The network with outputs that drive nothing and cannot fire as readouts without spikes, named in its notes.

    The voltage of a leaky neuron is at most ``(gain_v gain_u A / (1 - decay_u) + drift) / (1 - decay_v)``, where A is
    the sum of its excitatory weights and its bias. That holds for spikes: outputs that an input drives, which may be
    analog, are left as they are.
    """
    populations, notes = [], []
    silent: set[str] = set()
    outputs, inputs = frozenset(network.outputs), frozenset(network.input_names)
    for p in network.populations:
        highest = _highest_voltage(network, p, inputs) if p.name in outputs else None
        if highest is not None and np.all(p.neuron.parameter("v_threshold") > highest):
            silent.add(p.name)
            made = _readout(p.neuron)
            threshold = p.neuron.parameter("v_threshold")
            nearest = int(np.argmax(highest / threshold))
            notes.append(
                f"population '{p.name}' cannot fire: its voltage reaches at most {highest[nearest]:.4g} of a threshold "
                f"of {threshold[nearest]:.4g}; it is a membrane readout ({made.kind}), to be decoded by its voltage "
                "(max_membrane)"
            )
            p = replace(p, neuron=made)
        populations.append(p)
    if not silent:
        return network
    projections = [q for q in network.projections if q.pre not in silent]
    return replace(network, populations=populations, projections=projections, notes=[*network.notes, *notes])


def _highest_voltage(network: Network, p: Population, inputs: frozenset[str]) -> NDArray[np.float64] | None:
    """An upper bound of an output's voltage, shape (n,); None for one that drives another or has no bound."""
    incoming = [q for q in network.incoming(p.name) if q.pre != p.name]
    drives = any(q.post != p.name for q in network.outgoing(p.name))
    from_input = any(q.pre in inputs for q in incoming)
    if type(p.neuron) not in _READOUT or drives or from_input:
        return None
    c = network.coefficients(p.name)
    if np.any(c.decay_v >= 1) or np.any(c.decay_u >= 1) or np.any(c.gain_u < 0) or np.any(c.gain_v < 0):
        return None
    up = np.maximum(p.bias, 0.0)
    for q in incoming:
        up = up + q.stored.signed_row_sums()[0]
    u = c.gain_u * up / (1 - c.decay_u)
    v = (c.gain_v * u + np.maximum(c.drift, 0.0)) / (1 - c.decay_v)
    return np.asarray(np.maximum(v, p.neuron.v_init) * (1 + _ROUNDING))


def _readout(neuron: Neuron) -> Neuron:
    model = _READOUT[type(neuron)]
    return model(**{f.name: getattr(neuron, f.name) for f in fields(model)})
