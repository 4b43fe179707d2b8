"""Lessons by :func:`ssdp_hw.learn` in two calls, whose weight updates move weights, thresholds, delays and synapses.

A target that is asked to learn once shows neither whether it learns in the network of now, with other thresholds,
other delays and fewer synapses than in the call before, nor whether it goes on from counters, variables and numbers of
updates.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ssdp_hw.arrays import Numbers
from ssdp_hw.learning.learn import LearnResult, learn
from ssdp_hw.learning.nothing_learned import NothingLearnedWarning
from ssdp_hw.learning.presentation import Presentation
from ssdp_hw.network.thresholds import thresholds, without_threshold
from ssdp_hw.rules import CounterRule
from ssdp_hw.rules.declared import DeclaredRule
from ssdp_hw.running.drive import AnyNetwork
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.testing import generation

# Samples of a call; with two windows each, and a weight update after every four windows, both calls begin and end
# between two updates or at one, and three updates come in all.
SAMPLES, STEPS = 3, generation.STEPS // 2

# What is compared, by its name, and the values.
Compared = tuple[str, Numbers]


def repeated(network: AnyNetwork, plan: LearningPlan, seed: int, target: str) -> list[LearnResult]:
    """What two calls of ``learn`` give, the second of which goes on from the first.

    Args:
        network: a network of :func:`.generation.learning_network`.
        plan: its rules, windows a sample, and third factors of at least ``SAMPLES`` samples.
        seed: of spikes, order and random rounding.
        target: name of the target.

    Raises:
        UnsupportedError: it cannot learn so.
    """
    windows = plan.windows_per_sample
    rules: dict[str, Any] = {name: replace(rule, windows_per_update=2 * windows) for name, rule in plan.rules.items()}
    spikes = generation.spikes(seed, STEPS, SAMPLES)
    order = Presentation(seed=seed, steps=STEPS, windows=windows)
    given = {name: _factors(rule, plan, name) for name, rule in rules.items() if rule.factors}
    found: list[LearnResult] = []
    for _ in range(2):
        before, state = (found[-1].network, found[-1].state) if found else (network, None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NothingLearnedWarning)  # whether something moved is asked of all lessons
            one = learn(
                before,
                spikes,
                None,
                rules,
                target,
                presentation=order,
                factors=given,
                state=state,
                on_overflow="ignore",
                health=False,
            )
        found.append(one)
    return found


def compared(result: LearnResult) -> Iterator[Compared]:
    """Everything that a call of ``learn`` leaves to the next one, and what it says that it moved."""
    network = result.network
    yield "updates and pending windows", np.array([result.state.updates, result.state.pending])
    for name, rule in result.rules.items():
        p = network.projection(name)
        yield f"synapses of '{name}'", np.array(p.synapse_indices)
        yield f"delays of '{name}'", np.asarray(p.synapse_delays)
        yield f"weights of '{name}'", p.stored_weights
        yield f"counters of '{name}'", result.state.counters[name]
        if without_threshold(network.population(p.post)) is None:
            yield f"thresholds of '{p.post}'", thresholds(network, p.post)
        for variable, values in sorted(result.state.lasting.get(name, {}).items()):
            yield f"'{variable}' of '{name}'", values
        for accumulator, health in result.written.get(name, {}).items():
            counts = health.updates, health.saturations, health.accumulator_saturations
            yield f"moves by '{accumulator}' of '{name}'", np.array(counts)
        if rule.prunes:
            alive = result.alive[name]
            yield f"living and dying of '{name}'", np.array([alive.before, alive.after, alive.dying])
        if isinstance(rule, CounterRule):
            for what in ("weight_saturations", "counter_saturations"):
                counted = getattr(result, what)
                if counted is not None:
                    yield f"{what} of '{name}'", np.array(counted[name])


def _factors(rule: DeclaredRule, plan: LearningPlan, name: str) -> dict[str, Numbers]:
    """The third factors of a projection as ``learn`` takes them: in float units, by step and sample."""
    given: dict[str, Numbers] = {}
    for f in rule.factors:
        windows = plan.windows_per_sample
        values = np.asarray(plan.factors[name][f"{f.home}_{f.name}"])[: SAMPLES * windows, : STEPS // windows]
        values = values.reshape(SAMPLES, -1, values.shape[-1]).transpose(1, 0, 2)
        unit = rule.parameters[f.unit] if f.unit and isinstance(rule, CounterRule) else 1
        assert isinstance(unit, int | float)
        values = values / max(unit, 1)
        given[f.name] = values if f.home == "post" else values[..., 0]
    return given
