"""A population of any declared neuron model in Brian2: its step as printed code that Brian2 runs in every step.

The threshold of the group reads the condition that the step left in ``step_fired``; the reset is a part of the step.
"""

from __future__ import annotations

import numpy as np
from brian2 import NeuronGroup, amp

from ssdp_hw.arrays import Numbers
from ssdp_hw.models.base import ARRIVING
from ssdp_hw.models.printing import PrintedStep
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation
from ssdp_hw.network.float_network import Network

from . import memory
from .neurons import Neurons, Setup, arriving
from .printer import StepPrinter, parameter_variable, state_variable
from .random_bits import synapse_bits

# The code of synapses sees the variables of its postsynaptic neurons by plain names, and has a "fired" of its own.
FIRED = "step_fired"


def declared_neurons(network: FixedNetwork | Network, name: str, setup: Setup) -> Neurons:
    """One group with the states, parameters and overflow counts of every neuron of the population of that name."""
    form, fixed = network.step_form(name), isinstance(network, FixedNetwork)
    printer = StepPrinter(form.model, ideal=not fixed)
    printed = printer.print(form.graph(ideal=not fixed))
    states = {s.name: state_variable(s.name) for s in form.model.states}
    counts = {count: f"count_{count}" for count in printed.counts}
    acting = network.acting_parameters(name)
    constants = {parameter_variable(q): acting[q] for q in form.model.acting_names}
    if "v" in states:
        constants["v_init"] = _initial_voltage(network, name)
    number, unit, kind = ("integer", "integer", np.int64) if fixed else ("1", "amp", np.float64)
    inputs = ("bias", *setup.all_inboxes)
    declared = {
        **dict.fromkeys(states.values(), number),
        **dict.fromkeys(constants, f"{number} (constant)"),
        **dict.fromkeys(inputs, unit),
        **dict.fromkeys(counts.values(), "integer"),
        FIRED: "boolean",
    }
    group = NeuronGroup(
        setup.copies * network.size_of(name),
        "".join(f"{variable} : {what}\n" for variable, what in declared.items()) + memory.equations(setup.memories),
        threshold=FIRED if form.spiking else None,
        reset=memory.keep(setup.memories) if form.spiking else None,
        dtype={
            **dict.fromkeys((*states.values(), *constants, *inputs), kind),
            **dict.fromkeys(counts.values(), np.int64),
            **memory.types(setup.memories),
        },
        clock=setup.clock,
        name=f"population_{setup.label}",
        namespace={
            **printer.functions,
            "synapse_bits": synapse_bits,
            **memory.namespace(setup.memories),
            "ACTIVATION_UNIT": 1 << form.chip.activation_shift,
            "COUNTED_STEPS": setup.counted_steps,
            "amp": amp,
        },
    )
    for variable, values in constants.items():
        setattr(group, variable, setup.repeated(values))
    start = "".join(f"{variable} = {'v_init' if s == 'v' else 0}\n" for s, variable in states.items())
    if "v" in states:
        setattr(group, states["v"], setup.repeated(constants["v_init"]))
    clear = "".join(f"{inbox} = {'0' if fixed else '0*amp'}\n" for inbox in setup.all_inboxes)
    group.run_regularly(_step(printed, states, counts, setup, fixed=fixed) + clear, when="groups")
    if memory.fade(setup.memories):
        group.run_regularly(memory.fade(setup.memories), when="end")
    start += clear
    seen = {s: (group, variable) for s, variable in states.items()}
    after = states if fixed else {s: f"1.0*{variable}" for s, variable in states.items()}
    bias, window_start = setup.place_bias(group, "int" if fixed else ""), memory.start(setup.memories)
    return Neurons(group, group, seen, [(group, start)], bias, window_start, counts, after)


def _step(printed: PrintedStep, states: dict[str, str], counts: dict[str, str], setup: Setup, *, fixed: bool) -> str:
    """The code of one step."""
    before = [f"old_{variable} = {variable}" for variable in states.values()]
    before.append("input_bias = bias" if fixed else "input_bias = bias/amp")
    for name, port in [(ARRIVING, ""), *((port, port) for port in setup.port_inboxes)]:
        gathered = arriving(setup, port)
        before.append(f"input_{name} = " + (f"ACTIVATION_UNIT*({gathered})" if fixed else f"({gathered})/amp"))
    after = [f"{states[s]} = {value}" for s, value in printed.states.items()]
    after += [f"{FIRED} = {printed.fired}", "counted = int(t_in_timesteps < COUNTED_STEPS)"]
    after += [f"{counts[c]} += counted*int({condition})" for c, condition in printed.counts.items()]
    return "".join(f"{line}\n" for line in (*before, *printed.lines, *after))


def _initial_voltage(network: FixedNetwork | Network, name: str) -> Numbers:
    p = network.population(name)
    return np.asarray(p.v_init if isinstance(p, FixedPopulation) else p.neuron.v_init)
