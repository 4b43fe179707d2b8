"""Whether a gradient finds its way through the neurons of a population."""

from __future__ import annotations

import numpy as np
import torch

from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.operations.base import Values
from ssdp_hw.operations.straight_through import StraightThroughOperations, Tracked

# Of what a population gives to others; its states go by their names.
SPIKES, SENT = "its spikes", "what its spikes carry"
_INPUT = "its input"


def with_gradient(network: FixedNetwork, name: str) -> set[str]:
    """Whose gradient reaches the synaptic input of a population, in one step or over several: states, SPIKES, SENT.

    A step of which every state and input asks for a gradient says what depends on what; conditions that are no spikes
    pass none, so that a neuron may count its input without one.
    """
    p = network.population(name)
    op = StraightThroughOperations(network.step_form(name).exact())

    def leaf() -> Tracked:
        zeros = np.zeros((1, p.size), np.int64)
        return Tracked(zeros, torch.zeros(zeros.shape, dtype=torch.float64, requires_grad=True))

    states, inputs = {s: leaf() for s in p.state_names}, {port: leaf() for port in network.synaptic_inputs(name)}
    acting = {key: Tracked.of(value) for key, value in network.acting_parameters(name).items()}
    given = Values(acting | {port: value for port, value in inputs.items() if port})
    after, fired = p.declared.advance(op, Values(states), given, inputs[""])
    found = {s: Tracked.of(value).tensor for s, value in after.items()} | {SPIKES: fired.tensor}
    sources = {**states, **{f"{_INPUT} {port}": value for port, value in inputs.items()}}
    needed = {what: _sources(value, sources) for what, value in found.items()}
    reached = {source for source in sources if source.startswith(_INPUT)}
    while more := {what for what, needs in needed.items() if what not in reached and needs & reached}:
        reached |= more
    sent = {SENT} if (p.payload or SPIKES) in reached else set()
    return reached.intersection(needed) | sent


def _sources(value: torch.Tensor, sources: dict[str, Tracked]) -> set[str]:
    """Those of the sources that a value depends on."""
    if not value.requires_grad:
        return set()
    leaves = [s.real for s in sources.values()]
    gradients = torch.autograd.grad(value.sum(), leaves, retain_graph=True, allow_unused=True)
    return {name for name, gradient in zip(sources, gradients, strict=True) if gradient is not None}
