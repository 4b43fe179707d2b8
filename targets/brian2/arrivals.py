"""Rules that see spikes as they arrive, in a network whose plastic synapses have no delay.

Brian2's synapses read variables of their presynaptic neurons, which know nothing of delays. So each arrival line
(:mod:`ssdp_hw.rules.arrivals`) becomes a sender of its own, from which synapses lead on without a delay: of an input a
channel with shifted spikes, of a population a relay, which fires whenever a spike reaches it. The weights, counters and
variables of the rule are the same, in the same order. Where samples are pieces of one run a relay also fires at spikes
of the pieces before, and the synapses behind it take the weight of the step in which a spike was sent, as delayed ones
do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import numpy as np
from scipy.sparse import csr_array

from ssdp_hw.arrays import Bool, Int, Numbers
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.network.float_network import Network, Population, Projection
from ssdp_hw.network.formats import SignMode
from ssdp_hw.network.graph_parts import Input
from ssdp_hw.network.neurons import without_memory
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.rules.arrivals import SENT, ArrivalLines, arrival_lines, seen_spikes, sees_arrivals
from ssdp_hw.rules.local import PreTrace
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.learning_plan import LearningPlan

P = TypeVar("P", bound=BaseProjection)


@dataclass(frozen=True, eq=False)
class Relayed:
    """The same learning by rules that see spikes as they are sent.

    Attributes:
        network, drive, plan: with lines as senders.
        delays: by projection that lines lead to, for each synapse, in row-major order, how much later its line fires
            than its neuron.
        under_way: by relay, its input in the first steps from spikes that were sent before, shape (step, line).
        sent: by projection whose samples are pieces of one run, the spikes before (:data:`SENT`).
    """

    network: AnyNetwork
    drive: Drive
    plan: LearningPlan
    delays: Mapping[str, Int] = field(default_factory=dict)
    under_way: Mapping[str, Numbers] = field(default_factory=dict)
    sent: Mapping[str, Numbers] = field(default_factory=dict)


def unsupported_arrivals(network: AnyNetwork, plan: LearningPlan) -> list[str]:
    """One sentence about each projection whose lines cannot be senders of their own."""
    reasons = []
    for name, rule in plan.rules.items():
        p = network.projection(name)
        if not sees_arrivals(rule, p) or p.pre in network.input_names or arrival_lines(p).delays.all():
            continue
        some, more = f"some of its synapses from population '{p.pre}' have no delay, some have one", ""
        if p.synapse_delays.all():
            some = f"some neurons of population '{p.pre}' have no synapse here, so that a rule sees them as they fire"
        else:
            more = ", or give all of these synapses delays of at least 1"
        reasons.append(
            f"projection '{name}': pre_trace = 'arrives', and {some}: here it would see such spikes a step late; learn "
            f"on 'spec', 'engine' or 'lava'{more}"
        )
    return reasons


def with_relays(network: AnyNetwork, drive: Drive, plan: LearningPlan) -> Relayed:
    """The network with an input or a relay for each line at which a rule sees spikes arrive."""
    led = {name: network.projection(name) for name, rule in plan.rules.items()}
    led = {name: p for name, p in led.items() if sees_arrivals(plan.rules[name], p)}
    if not led:
        return Relayed(network, drive, plan)
    inputs, populations, projections = [*network.inputs], [*network.populations], [*network.projections]
    spikes: dict[str, Bool] = dict(drive.spikes)
    under_way: dict[str, Numbers] = {}
    sent = {} if plan.restart else {name: plan.first_lasting(network, name)[SENT] for name in led}
    for name, p in led.items():
        lines, sender = arrival_lines(p), f"arrivals at {name}"
        if p.pre in network.input_names:
            inputs.append(Input(sender, lines.neurons.size))
            spikes[sender] = seen_spikes(plan.rules[name], p, drive.spikes[p.pre], sent.get(name))
        else:
            relay, leading = (_fixed_relay if isinstance(network, FixedNetwork) else _float_relay)(
                cast(Any, network), cast(Any, p), lines, sender
            )
            populations.append(relay)
            projections.append(leading)
            if sent:
                fires = seen_spikes(plan.rules[name], p, np.zeros((p.max_delay, 1, p.shape[1]), bool), sent[name])
                under_way[sender] = fires[:, 0] * leading.synapse_weights[0]  # all are equal
        projections = [_led_by(p, lines, sender) if q.name == name else q for q in projections]
    changes: Mapping[str, Any] = {"inputs": inputs, "populations": populations, "projections": projections}
    made: AnyNetwork = replace(network, **changes)
    rules = {name: replace(cast(Any, rule), pre_trace=PreTrace.FIRES) for name, rule in plan.rules.items()}
    lasting = {name: {v: x for v, x in found.items() if v != SENT} for name, found in plan.lasting.items()}
    return Relayed(
        made,
        replace(drive, spikes=spikes),
        replace(plan, rules=rules, lasting=lasting),
        {name: p.synapse_delays for name, p in led.items()},
        under_way,
        sent,
    )


def _led_by(p: P, lines: ArrivalLines, sender: str) -> P:
    """The projection from its lines; where lines are the neurons, the weight stays as it is."""
    changes: Mapping[str, Any] = {"pre": sender, "delay": 0}
    if np.array_equal(lines.neurons, np.arange(p.shape[1])):
        return replace(p, **changes)
    starts = np.concatenate([[0], np.cumsum(np.bincount(lines.rows, minlength=p.shape[0]))])
    weight = csr_array((p.synapse_weights, lines.cols, starts), shape=(p.shape[0], lines.neurons.size))
    return replace(p, weight=weight, **changes)


def _one_each(lines: ArrivalLines, size: int, weight: float) -> csr_array:
    """One synapse of that weight from its neuron to each line."""
    count = lines.neurons.size
    return csr_array((np.full(count, weight), lines.neurons, np.arange(count + 1)), shape=(count, size))


def _fixed_relay(
    network: FixedNetwork, p: FixedProjection, lines: ArrivalLines, name: str
) -> tuple[FixedPopulation, FixedProjection]:
    """Neurons whose only synapse lifts them above their threshold, and which forget what is left of it."""
    positive = replace(p.format, sign_mode=SignMode.EXCITATORY).at_exponent(0)
    weight = positive.step
    relay = FixedPopulation(name=name, size=lines.neurons.size, du=network.limits.decay_max, vth=weight // 2)
    each = _one_each(lines, p.shape[1], weight)
    return relay, FixedProjection(pre=p.pre, post=name, weight=each, delay=lines.delays - 1, format=positive)


def _float_relay(
    network: Network, p: BaseProjection, lines: ArrivalLines, name: str
) -> tuple[Population, BaseProjection]:
    """Neurons that a spike lifts to 1, twice their threshold."""
    semantics = network.semantics
    neuron = without_memory(np.full(lines.neurons.size, 0.5), semantics.dt, semantics.discretization)
    each = _one_each(lines, p.shape[1], 1.0)
    return Population(name=name, neuron=neuron), Projection(pre=p.pre, post=name, weight=each, delay=lines.delays - 1)
