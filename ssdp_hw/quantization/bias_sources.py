"""Constant currents: the chip has no register for them, so they come from a neuron that fires in every step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ssdp_hw.network.float_network import Network, Population, Projection
from ssdp_hw.network.neurons import LIF, Discretization


def bias_sources(network: Network) -> tuple[Network, list[str]]:
    """Give every biased current-based population a neuron that fires in each step.

    The chip adds a bias to v only; a constant current into u must come through a synapse.
    """
    populations, projections, notes = [], list(network.projections), []
    for p in network.populations:
        bias = np.asarray(p.bias)
        if not (p.neuron.has_current and bias.any()):
            populations.append(p)
            continue
        name = f"{p.name}.bias"
        dt = network.semantics.dt
        # With tau_mem = dt, Euler integration forgets the voltage of the step before, so v = v_leak = 2 in every step,
        # above the threshold of 1. Exponential integration forgets it with dt / 1000, since exp(-1000) is 0.
        exponential = network.semantics.discretization is Discretization.EXPONENTIAL
        steady = LIF(size=1, tau_mem=dt / 1000 if exponential else dt, v_leak=2.0)
        populations += [replace(p, bias=0.0), Population(name=name, neuron=steady)]
        projections.append(Projection(pre=name, post=p.name, weight=bias[:, None]))
        notes.append(
            f"population '{p.name}': its bias is a current, for which the chip has no register; the neuron '{name}' "
            "fires in every step instead, and the bias starts to act in step 1 instead of step 0"
        )
    return (replace(network, populations=populations, projections=projections) if notes else network), notes
