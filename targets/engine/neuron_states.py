"""The state of a network between two pieces of a run, as a learning plan has it, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ssdp_hw.arrays import Numbers
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.drive import AnyNetwork
from ssdp_hw.running.learning_plan import arriving_name

from .generated import state_slots
from .inference import State
from .program import Program
from .program_neurons import fed_ports


def _views(state: State, program: Program, network: AnyNetwork) -> Iterator[tuple[str, str, Numbers]]:
    """Every population, name of a state or of input under way, and its values in the arrays of the loops.

    A plastic program has all neurons in the order of the network.
    """
    u, v, ring, further = (array[0] for array in state.arrays)
    n = u.size
    slots = ring.reshape(-1, n)
    inputs = len(network.inputs)
    for k, name in enumerate(network.population_names):
        p = network.population(name)
        at = program.start(inputs + k) - program.channels
        for own, slot in state_slots(p.state_names).items():
            array, start = (u, at) if slot == 0 else (v, at) if slot == 1 else (further, at + (slot - 2) * n)
            yield name, own, array[start : start + p.size]
        yield name, arriving_name(""), slots[:, at : at + p.size]
    for k, (fed, port) in enumerate(fed_ports(network)):
        at = program.start(inputs + len(network.populations) + k) - program.channels
        yield fed, arriving_name(port), slots[:, at : at + network.size_of(fed)]


def neurons_of(state: State, program: Program, network: AnyNetwork) -> dict[str, dict[str, Numbers]]:
    """The state as :class:`ssdp_hw.running.learning_plan.Learned` has it."""
    kind = np.int64 if isinstance(network, FixedNetwork) else np.float64
    found: dict[str, dict[str, Numbers]] = {}
    for population, name, values in _views(state, program, network):
        found.setdefault(population, {})[name] = values.astype(kind)
    return found


def set_neurons(
    state: State, program: Program, network: AnyNetwork, neurons: Mapping[str, Mapping[str, Numbers]]
) -> None:
    """Put the arrays of the loops into the state of a learning plan.

    Raises:
        ParameterError: a value that the registers of the network cannot have.
    """
    for array in state.arrays:  # the neurons that pad populations begin as in a new run; a spike of theirs has no row
        array[...] = 0
    state.arrays[1][...] = program.neurons.v_init
    for population, name, values in _views(state, program, network):
        given = np.asarray(neurons[population][name])
        values[...] = given
        if not np.array_equal(values, given):
            raise ParameterError(f"learning state: '{name}' of '{population}' has values beyond the neurons' registers")
