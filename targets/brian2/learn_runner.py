"""SSDP on Brian2: the samples of a drive as learning windows, one after the other; see :mod:`.sequence`."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from brian2 import StateMonitor

from ssdp_hw.drive import AnyNetwork, Drive
from ssdp_hw.fixed import FixedNetwork, FixedProjection
from ssdp_hw.ssdp import SSDP, FixedSSDP
from ssdp_hw.target import Learned, LearningPlan

from .fixed_plasticity import fixed_plasticity
from .float_plasticity import float_plasticity
from .registers import TimeRegister
from .sequence import READ_REGISTERS, SampleSequence
from .session import Session
from .synapses import SynapseModel


def learn_sequence(network: AnyNetwork, drive: Drive, plan: LearningPlan, session: Session) -> Learned:
    """Learn on every plastic projection.

    One step more than the windows have is run: the last window is closed at its start.
    """
    needed = {name: _register(cast(SSDP | FixedSSDP, rule), drive) for name, rule in plan.rules.items()}
    registers: dict[str, list[TimeRegister]] = {}
    for name, register in needed.items():
        p = network.projection(name)
        for end in (p.source, p.target):
            if register not in registers.setdefault(end, []):
                registers[end].append(register)
    models = {name: _model(network, plan, name, register) for name, register in needed.items()}
    sequence = SampleSequence(network, drive, models, registers)
    monitors = {
        end: StateMonitor(
            sequence.senders[end], [r.name for r in found], record=True, when="start", order=READ_REGISTERS,
            clock=sequence.window_clock, name=f"registers_{index}",
        )
        for index, (end, found) in enumerate(registers.items())
    }
    sequence.objects += monitors.values()
    sequence.simulate(session, drive.steps * drive.batch + 1)

    def gather(name: str, variable: str, before: Any) -> Any:
        values = np.array(before)
        for bundle, group in sequence.synapses:
            if bundle.projection.name == name:
                values[bundle.positions] = group.state(variable, use_units=False)[:]
        return values

    def times(end: str, register: TimeRegister) -> Any:
        return np.asarray(getattr(monitors[end], register.name)).T[1:].astype(np.int64)

    projections = {name: network.projection(name) for name in needed}
    spike_times = {
        name: (times(p.source, needed[name]), times(p.target, needed[name])) for name, p in projections.items()
    }
    if not isinstance(network, FixedNetwork):
        weights = {name: gather(name, "w", p.synapse_weights.astype(float)) for name, p in projections.items()}
        return Learned(weights, {name: np.zeros(len(w)) for name, w in weights.items()}, spike_times)
    zeros = {name: np.zeros(p.synapse_weights.size, np.int64) for name, p in projections.items()}
    return Learned(
        {name: gather(name, "w", zero) for name, zero in zeros.items()},
        {name: gather(name, "c", zero) for name, zero in zeros.items()}, spike_times,
        {name: int(gather(name, "weights_clipped", zero).sum()) for name, zero in zeros.items()},
        {name: int(gather(name, "counters_full", zero).sum()) for name, zero in zeros.items()},
    )


def _register(rule: FixedSSDP | SSDP, drive: Drive) -> TimeRegister:
    if isinstance(rule, FixedSSDP):
        rule.check_window(drive.steps)
        return TimeRegister(rule.spike_time, rule.time_shift, drive.steps)
    return TimeRegister(rule.spike_time, 0, drive.steps)


def _model(network: AnyNetwork, plan: LearningPlan, name: str, register: TimeRegister) -> SynapseModel:
    rule, p = plan.rules[name], network.projection(name)
    if isinstance(rule, SSDP):
        return float_plasticity(rule, register)
    assert isinstance(p, FixedProjection)
    counters = np.asarray(plan.counters.get(name, np.zeros(p.synapse_weights.size)), np.int64)
    return fixed_plasticity(
        p, cast(FixedSSDP, rule), register, counters, seed=plan.seed, layer=network.layer(name),
        first_commit=plan.first_commit,
    )
