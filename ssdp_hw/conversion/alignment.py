"""The timing of training frameworks, and what a network needs to have the same effect in the timing of this toolkit.

In this toolkit every projection takes a step, also one from an input. Most frameworks (snnTorch, Norse, Sinabs)
compute layer after layer within a step, and give recurrent spikes back one step later; some (Spyx,
lava-dl) let each layer act on the spikes of the step before, but on the input at once. A population
therefore does in step t + lag what it does in step t there. That is the same network, only later, except in
three cases, which :func:`aligned` corrects:

* branches of different length within a step: the shorter gets delays;
* a bias, which would act ``lag`` steps before the first input does: it comes from a neuron that fires
  in every step instead, through a projection with a delay;
* a v_leak without a synaptic current, which is a bias by another name.
"""

from __future__ import annotations

from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import Choice
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network, Population, Projection
from ssdp_hw.network.neurons import LI, without_memory

PACEMAKER = "bias"


class Timing(Choice):
    """When spikes and biases act."""

    PROJECTIONS = "projections"  # every projection takes a step, and biases act from step 0 on
    SAME_STEP = "same_step"  # a spike passes all layers in one step; to its own population it comes a step later
    LAYER_STEPS = "layer_steps"  # every layer acts on the spikes of the step before, the first at once on the input


def lags(network: Network | FixedNetwork, timing: Timing = Timing.SAME_STEP) -> dict[str, int]:
    """For each input and population the number of steps that it is later than in a framework of that timing.

    A population that nothing feeds has a lag of 0.

    Raises:
        UnsupportedError: ``same_step``, and a loop through several populations, of which none is the first.
    """
    before: dict[str, list[str]] = {p.name: [] for p in network.populations}
    for p in network.projections:
        if p.pre != p.post:
            before[p.post].append(p.pre)
    found = dict.fromkeys(network.input_names, 0)
    if timing is not Timing.SAME_STEP:
        late = timing is Timing.LAYER_STEPS
        return found | {name: int(late and bool(sources)) for name, sources in before.items()}
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError as error:
        loop = " -> ".join(f"'{n}'" for n in reversed(error.args[1]))
        raise UnsupportedError(
            f"the populations {loop} form a loop: a spike cannot come back through several projections within one "
            "step, as in training frameworks it does; use timing='projections', which gives each its step"
        ) from None
    for name in order:
        if name not in found:
            found[name] = 1 + max((found[source] for source in before[name]), default=-1)
    return found


def aligned(network: Network, timing: Timing) -> Network:
    """The network with every population exactly its lag behind a framework of that timing.

    A delay is taken for one that the framework has too, so a network is aligned once. What was changed
    is in ``notes``. A v_leak of current-based neurons cannot be moved; it is noted.

    Raises:
        UnsupportedError: see :func:`lags`.
    """
    if timing is Timing.PROJECTIONS:
        return network
    lag = lags(network, timing)
    populations, biases, notes = [], [], []
    pacemaker = _free_name(network)
    for p in network.populations:
        bias, rest = _constant_input(p)
        if not lag[p.name]:
            rest = p
        elif np.any(bias):
            biases.append(
                Projection(
                    pre=pacemaker,
                    post=p.name,
                    weight=bias[:, None],
                    delay=lag[p.name] - 1,
                    name=f"{pacemaker}->{p.name}",
                )
            )
        if lag[p.name] and np.any(rest.neuron.parameter("v_leak")):
            notes.append(f"population '{p.name}': its v_leak acts from step 0 on, {lag[p.name]} steps before the input")
        populations.append(rest)
    projections, inputs = [], frozenset(network.input_names)
    for q in network.projections:
        extra = 0 if q.pre == q.post else lag[q.post] - lag[q.pre]
        if extra and (timing is Timing.SAME_STEP or q.pre in inputs):
            extra -= 1
        if extra:
            notes.append(f"projection '{q.name}' waits {extra} more steps, for the longer way to '{q.post}'")
        projections.append(replace(q, delay=q.delay + extra))
    if biases:
        populations.append(
            Population(
                name=pacemaker,
                neuron=without_memory(np.array([0.5]), network.semantics.dt, network.semantics.discretization),
                bias=1.0,
            )
        )
        names = ", ".join(f"'{b.post}'" for b in biases)
        notes.append(
            f"the biases of {names} come from neuron '{pacemaker}', which fires in every step, and so begin with the "
            "first input; timing='projections' keeps them in the populations, where they act from step 0 on"
        )
    return replace(
        network, populations=populations, projections=[*projections, *biases], notes=[*network.notes, *notes]
    )


def _constant_input(p: Population) -> tuple[NDArray[np.float64], Population]:
    """The constant synaptic input of a population, shape (n,), and the population without it."""
    bias, neuron = np.array(p.bias), p.neuron
    if isinstance(neuron, LI) and np.any(neuron.v_leak) and np.all(neuron.r):
        bias = bias + neuron.v_leak / neuron.r
        neuron = replace(neuron, v_leak=0.0)
    return bias, replace(p, neuron=neuron, bias=0.0)


def _free_name(network: Network) -> str:
    name = PACEMAKER
    while name in network.input_names or name in network.population_names:
        name += "'"
    return name
