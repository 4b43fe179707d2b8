"""Samples that are pieces of one run: where a run begins, and where it has come to.

The neurons begin in the states of before, and what is under way to them gathers in the first steps. After the last step
monitors have the states; what is under way then follows from the spikes of the last steps and the weights of their
samples.
"""

from __future__ import annotations

from collections.abc import Container

import numpy as np
from brian2 import Clock, SpikeMonitor, StateMonitor

from ssdp_hw.arithmetic import shift
from ssdp_hw.arrays import Numbers
from ssdp_hw.network.fixed_network import FixedNetwork, FixedProjection
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.learning_plan import LearningPlan, arriving_name
from ssdp_hw.running.under_way import in_order, still_waiting

from .model import state_type
from .sequence import READ_MEMORIES, SampleSequence, by_time
from .synapses import past_weights
from .wiring import by_delay, weight_exponent


class OneRun:
    """A run of one sample after the other, without returns to the initial state.

    Args:
        sequence: the network before its simulation, which gets the states of the plan, and monitors; it may have
            further populations.
        network, drive, plan: what is run.
    """

    def __init__(self, sequence: SampleSequence, network: AnyNetwork, drive: Drive, plan: LearningPlan) -> None:
        self._sequence, self._network, self._drive, self._plan = sequence, network, drive, plan
        self._steps = drive.steps * drive.batch
        self._last: dict[str, dict[str, tuple[StateMonitor, str]]] = {}
        self._spikes: dict[str, SpikeMonitor] = {}
        self._payloads: dict[str, StateMonitor] = {}
        # It ticks before the first step and after the last one.
        ends = Clock(dt=self._steps * sequence.clock.dt, name="run_clock")
        for index, name in enumerate(network.population_names):
            population, made = network.population(name), sequence.neurons[name]
            kept = self._last[name] = {}
            for state in population.state_names:
                group, variable = made.states[state]
                if name in plan.neurons:
                    setattr(group, f"{variable}_", plan.neurons[name][state])
                label = f"last_{index}_{len(kept)}"
                monitor = StateMonitor(
                    group, variable, record=True, clock=ends, when="start", order=READ_MEMORIES, name=label
                )
                kept[state] = monitor, variable
            for number, port in enumerate(network.synaptic_inputs(name)):
                if name in plan.neurons:
                    sequence.let_gather(name, port, in_order(plan, name, port), f"under_way_{index}_{number}")
            if population.spiking:
                self._spikes[name] = SpikeMonitor(made.sender, name=f"sent_{index}")
            if population.payload:
                group, variable = made.states[population.payload]
                self._payloads[name] = StateMonitor(
                    group, variable, record=True, clock=sequence.clock, when="end", name=f"payload_{index}"
                )
        sequence.objects += [monitor for kept in self._last.values() for monitor, _ in kept.values()]
        sequence.objects += [*self._spikes.values(), *self._payloads.values()]

    def neurons_after(self, plastic: Container[str]) -> dict[str, dict[str, Numbers]]:
        """The neurons after the last step, as :class:`ssdp_hw.running.learning_plan.Learned` has them.

        Args:
            plastic: names of the projections that learned.
        """
        network, kind, end = self._network, state_type(self._network), self._plan.first_step + self._steps
        sent = {name: self.sent(name, network.max_delay + 1) for name in (*network.input_names, *self._last)}
        found: dict[str, dict[str, Numbers]] = {}
        for name, kept in self._last.items():
            states = {s: np.asarray(getattr(monitor, f"{variable}_"))[:, -1] for s, (monitor, variable) in kept.items()}
            found[name] = {s: values.astype(kind) for s, values in states.items()}
            for port in network.synaptic_inputs(name):
                found[name][arriving_name(port)] = still_waiting(network, self._plan, name, port, end)
        for p in network.projections:
            waiting = found[p.post][arriving_name(p.port)]
            self._add_waiting(waiting, p, sent[p.pre].astype(kind), learned=p.name in plastic)
        return found

    def sent(self, name: str, steps: int) -> Numbers:
        """What an input or population sent in the last steps, shape (step, n): spikes, or payloads of graded ones."""
        if name in self._drive.spikes:
            return by_time(self._drive.spikes[name])[-steps:]
        if name not in self._spikes:
            return np.zeros((steps, self._network.size_of(name)), bool)
        fired = self._sequence.raster(self._spikes[name], self._steps)[-steps:]
        if name not in self._payloads:
            return fired
        variable = self._sequence.neurons[name].states[self._network.population(name).payload][1]
        values = np.asarray(getattr(self._payloads[name], f"{variable}_")).T[: self._steps][-steps:]
        return np.where(fired, values, 0)

    def _add_waiting(self, waiting: Numbers, p: BaseProjection, sent: Numbers, *, learned: bool) -> None:
        """Add what the last steps of a projection's neurons leave under way after the last one."""
        end, (rows, cols), unit = self._plan.first_step + self._steps, p.synapse_indices, 1
        # Those of the last sample first, each before the weight update that followed.
        weights = [np.asarray(p.synapse_weights)]
        if learned:
            past = past_weights(p.synapse_delays, self._drive.steps)
            weights = [self._sequence.synapse_values(p, variable) for variable in past]
            unit = p.format.step if isinstance(p, FixedProjection) else 1
        for delay, positions in by_delay(p.synapse_delays).items():
            for back in range(1, min(delay + 1, len(sent)) + 1):  # steps before the end at which spikes were sent
                of_sample = weights[(back - 1) // self._drive.steps if learned else 0]
                total = np.zeros(waiting.shape[1], waiting.dtype)
                values = unit * of_sample[positions] * sent[-back][cols[positions]]
                np.add.at(total, rows[positions], values)
                if isinstance(self._network, FixedNetwork):
                    total = shift(total, weight_exponent(p))
                waiting[(end - back + 1 + delay) % len(waiting)] += total
