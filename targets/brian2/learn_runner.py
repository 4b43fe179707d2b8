"""Learning on Brian2: the samples of a drive, one after the other; see :mod:`.sequence`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from brian2 import NeuronGroup, SpikeMonitor, StateMonitor
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.network.fixed_network import FixedNetwork, FixedProjection
from ssdp_hw.rules import CounterRule, FloatRule
from ssdp_hw.rules.arrivals import SENT, sent_after
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.rules.model import StateRead
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.learning_plan import Learned, LearningPlan

from . import memory
from .arrivals import with_relays
from .declared_rules import declared_weight_change
from .fixed_plasticity import fixed_plasticity
from .float_plasticity import float_plasticity
from .gates import Gating, gate_neuron, gating_of
from .group_variables import group_neuron
from .memory import Memory, kept_name, seen_state
from .model import state_type
from .one_run import OneRun
from .sequence import READ_MEMORIES, RESTART, SampleSequence, by_sample
from .session import Session
from .synapses import SynapseModel
from .weight_change import HAND_WRITTEN, WeightChange, weight_change_of

Observed = tuple[Numbers, Numbers]


@dataclass(frozen=True)
class Plastic:
    """One plastic projection.

    Attributes:
        pre, post: its ends.
        rule: its rule.
        weight_change, gating: that rule in Brian2's terms.
        model: of its synapses.
        label: its own suffix of names.
    """

    pre: str
    post: str
    rule: CounterRule | FloatRule
    weight_change: WeightChange
    gating: Gating
    model: SynapseModel
    label: str


def learn_sequence(
    network: AnyNetwork, drive: Drive, plan: LearningPlan, session: Session, *, fast_paths: bool = True
) -> Learned:
    """Learn on every plastic projection.

    One step more than the samples have is run: the last window is closed at its start.
    """
    made = with_relays(network, drive, plan)
    plastic = {name: _plastic(made.network, made.drive, made.plan, name, fast_paths=fast_paths) for name in plan.rules}
    sequence = SampleSequence(
        made.network,
        made.drive,
        {name: p.model for name, p in plastic.items()},
        _memories(plastic),
        plan.windows_per_sample,
        relayed=made.delays,
        restart=plan.restart,
        fast_paths=fast_paths,
    )
    for index, (relay, values) in enumerate(made.under_way.items()):
        sequence.let_gather(relay, "", values, f"to_relays_{index}")
    run = None if plan.restart else OneRun(sequence, network, drive, plan)
    groups: dict[str, NeuronGroup] = {}
    for name, p in plastic.items():
        ends = sequence.senders[p.pre], sequence.senders[p.post]
        for group, memories in zip(ends, (p.weight_change.pre, p.weight_change.post), strict=True):
            memory.begin(group, memories)
        clocks = sequence.clock, sequence.window_clock
        sequence.objects += gate_neuron(p.rule, p.gating, *ends, *clocks, RESTART, p.label)
        if p.weight_change.group is not None:
            neuron = group_neuron(p.weight_change.group, *ends, *clocks, RESTART, p.label)
            groups[name] = neuron[0]
            sequence.objects += neuron
    _add_weights(sequence, plastic)
    watched = _Watched(made.network, sequence, plastic)
    total = drive.steps * drive.batch
    info = {"steps_seconds": sequence.simulate(session, total + 1)}

    kind = state_type(network)

    def gather(variable: str) -> dict[str, Numbers]:
        """A variable of all stored weights that learn, by projection."""
        return {name: sequence.stored_values(network.projection(name), variable) for name in plastic}

    def kept(name: str, home: str, variable: str) -> Numbers:
        """A variable of a rule that outlasts a window, after the last one."""
        p, of_rule = plastic[name], kept_name(f"{leaf_name(home, variable)}_{plastic[name].label}")
        if home == "synapse":
            return sequence.synapse_values(network.projection(name), of_rule)
        group = groups[name] if home == "group" else sequence.senders[p.pre if home == "pre" else p.post]
        return np.array(group.state(of_rule, use_units=False)[:], kind)

    def lasting(name: str) -> dict[str, Numbers]:
        """All such variables of a projection."""
        declaration = plan.rules[name].declaration(sequence.window_steps)
        found = {} if declaration is None else declaration.model.lasting
        return {leaf_name(home, v.name): kept(name, home, v.name) for home, vs in found.items() for v in vs}

    lasts = {name: lasting(name) for name in plastic}
    if run is not None:
        for name, sent in made.sent.items():
            lasts[name][SENT] = sent_after(run.sent(network.projection(name).pre, len(sent))[:, np.newaxis], sent)
    observed = {name: watched.observed(p, total) for name, p in plastic.items()}
    states = {name: watched.read(p, total) for name, p in plastic.items()}
    neurons = {} if run is None else run.neurons_after(plastic)
    if not isinstance(network, FixedNetwork):
        found = gather("w"), gather("gathered"), observed
        return Learned(*found, info=info, lasting=lasts, neurons=neurons, states=states)
    return Learned(
        gather("w"),
        gather("c"),
        observed,
        weight_saturations={name: int(counts.sum()) for name, counts in gather("weights_clipped").items()},
        counter_saturations={name: int(counts.sum()) for name, counts in gather("counters_full").items()},
        overflow={name: sequence.neurons[name].overflow() for name in network.population_names},
        info=info,
        lasting=lasts,
        neurons=neurons,
        states=states,
    )


def _plastic(network: AnyNetwork, drive: Drive, plan: LearningPlan, name: str, *, fast_paths: bool) -> Plastic:
    q, rule, layer = network.projection(name), plan.rules[name], network.layer(name)
    steps, label = drive.steps // plan.windows_per_sample, str(layer)
    key = plan.random_key(network, name)
    if fast_paths and type(rule) in HAND_WRITTEN:
        weight_change = weight_change_of(rule, steps, label, key)
    else:
        lasting, factors = plan.first_lasting(network, name), plan.factors_of(name)
        weight_change = declared_weight_change(rule, steps, label, key, lasting, factors)
    gating = gating_of(rule, plan.gates.get(name), steps, label)
    counters = np.asarray(plan.counters.get(name, np.zeros(q.stored_weights.size)))
    if isinstance(rule, CounterRule):
        assert isinstance(q, FixedProjection)
        model = fixed_plasticity(q, rule, weight_change, gating, counters.astype(np.int64), plan, steps, layer)
    else:
        model = float_plasticity(q, rule, weight_change, gating, counters, plan, steps)
    return Plastic(q.pre, q.post, rule, weight_change, gating, model, label)


def _add_weights(sequence: SampleSequence, plastic: Mapping[str, Plastic]) -> None:
    """Let the weights that end at each neuron be added up at the start of every window, for rules that read them."""
    for p in plastic.values():
        if p.weight_change.weight_sums:
            clear = "".join(f"{name} = 0\n" for name in p.weight_change.weight_sums)
            receiver = sequence.neurons[p.post].receiver
            receiver.run_regularly(clear, clock=sequence.window_clock, when="start", order=RESTART)
    for bundle, group in sequence.synapses:
        if bundle.projection.name in plastic:
            sums = plastic[bundle.projection.name].weight_change.weight_sums
            code = "".join(f"{name}_post += {added}\n" for name, added in sums.items())
            if code:
                group.run_regularly(code, clock=sequence.window_clock, when="start", order=RESTART + 1)


def _memories(plastic: Mapping[str, Plastic]) -> dict[str, list[Memory]]:
    """What the rules need of each input and population, each once."""
    needed: dict[str, dict[Memory, None]] = {}
    for p in plastic.values():
        for end, memories in ((p.pre, p.weight_change.pre), (p.post, p.weight_change.post)):
            needed.setdefault(end, {}).update(dict.fromkeys(memories))
            if p.gating.counted is not None:
                needed[end][p.gating.counted] = None
        if p.gating.copy is not None:
            needed[p.post][p.gating.copy] = None
    return {end: list(found) for end, found in needed.items()}


def _end(p: Plastic, read: StateRead) -> str:
    return p.pre if read.home == "pre" else p.post


class _Watched:
    """Recorders of what the rules see: rasters, or registers at the end of each window, and states in every step."""

    def __init__(self, network: AnyNetwork, sequence: SampleSequence, plastic: Mapping[str, Plastic]) -> None:
        self._sequence = sequence
        self._spikes: dict[str, SpikeMonitor] = {}
        self._registers: dict[tuple[str, str], StateMonitor] = {}
        self._states: dict[tuple[str, str], StateMonitor] = {}
        for p in plastic.values():
            for end, memories in ((p.pre, p.weight_change.pre), (p.post, p.weight_change.post)):
                if not p.rule.keeps_raster:
                    self._watch_register(end, memories[0].name)
                elif end not in self._spikes and (end in network.input_names or network.population(end).spiking):
                    self._spikes[end] = SpikeMonitor(sequence.senders[end], name=f"observed_{len(self._spikes)}")
            for read in p.rule.reads:
                self._watch_state(_end(p, read), seen_state(read, integers=isinstance(p.rule, CounterRule)).name)
        sequence.objects += [*self._spikes.values(), *self._registers.values(), *self._states.values()]

    def _watch_state(self, end: str, name: str) -> None:
        if (end, name) not in self._states:
            s, number = self._sequence, len(self._states)
            self._states[end, name] = StateMonitor(
                s.senders[end], name, record=True, when="end", clock=s.clock, name=f"state_read_{number}"
            )

    def read(self, p: Plastic, steps: int) -> dict[str, Numbers]:
        """The states that a rule read in all windows; see :class:`ssdp_hw.running.learning_plan.Learned`."""
        found: dict[str, Numbers] = {}
        integers = isinstance(p.rule, CounterRule)
        for read in p.rule.reads:
            name = seen_state(read, integers=integers).name
            trace = np.asarray(getattr(self._states[_end(p, read), name], name)).T[:steps]
            values = by_sample(trace.astype(np.int64 if integers else np.float64), self._sequence.window_steps)
            found[leaf_name(read.home, read.name)] = values.transpose(1, 0, 2)
        return found

    def _watch_register(self, end: str, name: str) -> None:
        if (end, name) not in self._registers:
            s = self._sequence
            self._registers[end, name] = StateMonitor(
                s.senders[end],
                name,
                record=True,
                when="start",
                order=READ_MEMORIES,
                clock=s.window_clock,
                name=f"register_{len(self._registers)}",
            )

    def observed(self, p: Plastic, steps: int) -> Observed:
        """What a rule observed of both ends in all windows; see :class:`ssdp_hw.running.learning_plan.Learned`."""
        if p.rule.keeps_raster:
            return self._raster(p.pre, steps), self._raster(p.post, steps)
        return self._times(p.pre, p.weight_change.pre[0].name), self._times(p.post, p.weight_change.post[0].name)

    def _times(self, end: str, name: str) -> NDArray[np.int64]:
        return np.asarray(getattr(self._registers[end, name], name)).T[1:].astype(np.int64)

    def _raster(self, end: str, steps: int) -> NDArray[np.bool_]:
        raster = np.zeros((steps, len(self._sequence.senders[end])), bool)
        if end in self._spikes:
            raster = self._sequence.raster(self._spikes[end], steps)
        return by_sample(raster, self._sequence.window_steps)
