"""A float population of NIR's neurons in Brian2: NIR's differential equations with units, integrated by Brian2.

``forward Euler`` is Brian2's ``euler``; ``exponential`` is its ``exact``, which solves each linear
equation for inputs held during the step. The coefficients are Brian2's own, not ours. (Without a
leak the slope is constant during a step, so that ``euler`` is exact; ``exact`` cannot solve it.)

A current-based neuron is two groups, one for u and one for v that sees u through a linked
variable, since together their equations would always take the u before the step (and ``exact``
would solve them jointly, with a u that decays during the step). Which of the two groups is updated
first in a step is the update order of the network.
"""

from __future__ import annotations

from brian2 import NeuronGroup, linked_var

from ssdp_hw.network.float_network import Network, Population
from ssdp_hw.network.graph import Reset
from ssdp_hw.network.neurons import Discretization, Neuron

from . import memory
from .neurons import INBOX, Neurons, Setup

METHODS = {Discretization.EULER: "euler", Discretization.EXPONENTIAL: "exact"}

# S: synaptic input of this step, the bias included.
INPUT = f"""
S : amp
{INBOX} : amp
bias : amp
"""
GATHER = f"""
S = {INBOX} + bias
{INBOX} = 0*amp
"""
CURRENT = """
du/dt = (w_in*S - u)/tau_syn : amp
tau_syn : second (constant)
w_in : 1 (constant)
"""
LEAKY = """
dv/dt = (v_leak - v + r*{drive})/tau_mem : volt
tau_mem : second (constant)
v_leak : volt (constant)
r : ohm (constant)
v_init : volt (constant)
"""
LEAKLESS = """
dv/dt = r*{drive} : volt
r : ohm/second (constant)
v_init : volt (constant)
"""
THRESHOLD = """
v_threshold : volt (constant)
v_reset : volt (constant)
"""
# Variables of the membrane that are linked to the group of the current, where learning synapses need the spikes of
# their postsynaptic neurons.
SEEN = """
v : volt (linked)
v_threshold : volt (linked)
"""
RESETS = {Reset.ZERO: "v = v_reset\n", Reset.SUBTRACT: "v -= v_threshold - v_reset\n"}
CLEAR = f"{INBOX} = 0*amp\n"


def float_neurons(network: Network, population: Population, setup: Setup) -> Neurons:
    """The group of the membrane and, where the model has a current, that of the current."""
    neuron = population.neuron
    method = METHODS[network.semantics.discretization]
    leaky = hasattr(neuron, "tau_mem")
    received = [m for m in setup.memories if m.received and neuron.has_current]
    memories = [m for m in setup.memories if m not in received]
    equations = (LEAKY if leaky else LEAKLESS).format(drive="u" if neuron.has_current else "S")
    equations += "u : amp (linked)\n" if neuron.has_current else INPUT
    threshold = f"v {population.threshold.value} v_threshold" if population.spiking else None
    parameters = ["r", "v_init", *(("tau_mem", "v_leak") if leaky else ())]
    if population.spiking:
        equations += THRESHOLD
        parameters += ["v_threshold", "v_reset"]
    membrane = NeuronGroup(
        setup.copies * neuron.size,
        equations + memory.equations(memories),
        threshold=threshold,
        reset=RESETS[population.reset] + memory.keep(memories) if population.spiking else None,
        method=method if leaky else "euler",
        order=-1 if network.uses_old_current(population.name) else 1,
        dtype=memory.types(memories),
        clock=setup.clock,
        name=f"population_{setup.label}",
        namespace=memory.namespace(memories),
    )
    _set(membrane, neuron, parameters, setup)
    membrane.v = membrane.v_init
    if memory.fade(memories):
        membrane.run_regularly(memory.fade(memories), when="end")
    start, window_start = "v = v_init\n", memory.start(memories)
    after = {"u": "u/amp" if neuron.has_current else "S/amp", "v": f"({_after_reset(population)})/volt"}
    if not neuron.has_current:
        membrane.run_regularly(GATHER, when="before_groups")
        start, bias = start + CLEAR, setup.place_bias(membrane)
        seen = {"u": (membrane, "S"), "v": (membrane, "v")}
        return Neurons(membrane, membrane, seen, [(membrane, start)], bias, window_start, after_reset=after)
    sees = population.spiking and (setup.spikes_seen or bool(setup.memories))  # synapses end at the current's group
    current = NeuronGroup(
        setup.copies * neuron.size,
        CURRENT + INPUT + (SEEN if sees else "") + memory.equations(memories, " (linked)") + memory.equations(received),
        method=method,
        threshold=threshold if sees else None,
        reset="" if sees else None,
        dtype=memory.types(setup.memories),
        clock=setup.clock,
        name=f"current_{setup.label}",
        namespace={},
    )
    _set(current, neuron, ["tau_syn", "w_in"], setup)
    current.run_regularly(GATHER, when="before_groups")
    membrane.u = linked_var(current, "u")
    for name in (*(("v", "v_threshold") if sees else ()), *memory.variables(memories)):
        setattr(current, name, linked_var(membrane, name))
    states = {"u": (current, "u"), "v": (membrane, "v")}
    starts, bias = [(membrane, start), (current, "u = 0*amp\n" + CLEAR)], setup.place_bias(current)
    return Neurons(current, membrane, states, starts, bias, window_start, after_reset=after)


def _after_reset(population: Population) -> str:
    """The expression of v after the reset, for code that runs before it."""
    if not population.spiking:
        return "v"
    fires = f"int(v {population.threshold.value} v_threshold)"
    if population.reset is Reset.SUBTRACT:
        return f"v - (v_threshold - v_reset)*{fires}"
    return f"v*(1 - {fires}) + v_reset*{fires}"


def _set(group: NeuronGroup, neuron: Neuron, names: list[str], setup: Setup) -> None:
    """Set parameters, whose values are in SI units as Brian2's."""
    for name in names:
        setattr(group, f"{name}_", setup.repeated(neuron.parameter(name)))
