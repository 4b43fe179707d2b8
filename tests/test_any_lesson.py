"""Lessons by any mixture of rules, on every target: what they write is equal to the bit, call after call.

Plans of :mod:`plan_strategies` are single calls of a target. A lesson is what a user calls, :func:`ssdp_hw.learn`: its
rules write weights, thresholds, delays and alive bits, in every moment, and read third factors of neurons and of the
projection, states and sums; some have gates, some see spikes as they arrive. Each lesson is called again and again:
twice on the network as it is, then from where the last one stopped, on the network that it left.

``make test-lessons COUNT=200`` generates so many lessons for the engine, an eighth of them for Lava and a twentieth for
Brian2; ``SSDP_HW_LESSONS`` sets the number elsewhere.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from attempts import attempt
from brian2_helpers import requires_brian2
from hypothesis import HealthCheck, assume, event, given, settings, strategies as st
from plan_strategies import DECLARED, counter_rules, declared_counter_rules
from rule_examples import LetsDie, MovesDelays, MovesThresholds
from strategies import drives_for, fixed_networks
from test_thresholds_learned import assert_same

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.learning.inputs import with_widest_weights
from ssdp_hw.rules import CounterRule, FixedDeclaredRule, PreTrace
from ssdp_hw.rules.arrivals import arrival_lines, sees_arrivals, why_no_arrivals
from ssdp_hw.rules.model import RuleModel
from ssdp_hw.rules.models.formula import Formula
from ssdp_hw.rules.models.pruning_stdp import PruningSTDP
from ssdp_hw.running.target_registry import get_target

CALLS = 3
LESSONS = int(os.environ.get("SSDP_HW_LESSONS", "40"))

WRITING: tuple[RuleModel, ...] = (MovesThresholds(), LetsDie(), PruningSTDP())
FORMULAS = (
    Formula((("x0", "y1"), ("x1", "y0"))),
    Formula((("u0", "x1", "y1"), ("x0", "y0"), ("x0", "w"), ("x2", "y0", "y3"))),
)


@dataclass(frozen=True)
class Lesson:
    """The arguments of a call of ``sh.learn``, but for the target and the state."""

    network: sh.FixedNetwork
    spikes: dict[str, np.ndarray]
    rules: dict[str, CounterRule]
    presentation: sh.Presentation
    gates: dict[str, np.ndarray]
    factors: dict[str, dict[str, np.ndarray]]

    def learn(self, target: str, network: sh.FixedNetwork, state: Any) -> Any:
        return sh.learn(
            network,
            self.spikes,
            None,
            self.rules,
            target,
            gates=self.gates or None,
            factors=self.factors or None,
            presentation=self.presentation,
            state=state,
            on_overflow="ignore",
            health=False,
        )


@st.composite
def rules_of(draw: st.DrawFn, steps: int, update: int, pairs: int, models: tuple[RuleModel, ...]) -> CounterRule:
    """Rules of every kind for windows of so many steps: more often than not such as write more than weights."""
    kind = draw(st.sampled_from(("declared", "by hand", "writing", "writing", "formula")))
    if kind == "by hand":
        return draw(counter_rules(steps, update, pairs))
    of_kind = {"declared": tuple(m for m in models if m in DECLARED), "formula": FORMULAS}
    of_kind["writing"] = tuple(m for m in models if m not in DECLARED)
    return draw(declared_counter_rules(update, of_kind[kind]))


def known_models(network: sh.FixedNetwork, name: str, models: tuple[RuleModel, ...]) -> tuple[RuleModel, ...]:
    """Of some models those that find the states that they read, and what they write, at the ends of a projection."""
    p = network.projection(name)

    def fits(model: RuleModel) -> bool:
        ends = {"pre": p.pre, "post": p.post}
        known = {h: () if e in network.input_names else network.population(e).state_names for h, e in ends.items()}
        return all(r.state in known[r.home] for r in model.reads)

    return tuple(model for model in models if fits(model))


def factors_of(rng: np.random.Generator, rule: CounterRule, steps: int, batch: int, post: int) -> dict[str, np.ndarray]:
    """Third factors in every step, of which about a third are 0, in the user's units."""
    found = {}
    for f in rule.factors:
        low, high = f.limits
        size = (steps, batch, post) if f.home == "post" else (steps, batch)
        values = rng.integers(low, high, size, endpoint=True) >> rng.integers(0, f.bits, size)
        assert isinstance(rule, FixedDeclaredRule)
        unit = rule.parameters[f.unit] if f.unit else 1
        found[f.name] = np.where(rng.random(size) < 0.3, 0, values) / max(unit, 1)
    return found


@st.composite
def lessons(draw: st.DrawFn, most: int = 3) -> Lesson:
    """Lessons of fixed networks with at most so many plastic projections, some of them in pieces of one run."""
    network = draw(fixed_networks(weight_bits=8))
    names = [p.name for p in network.projections if p.synapse_count and network.population(p.post).spiking]
    assume(names)
    plastic = draw(st.lists(st.sampled_from(names), min_size=1, max_size=most, unique=True))
    try:
        with_widest_weights(network, plastic)
    except ParameterError:
        assume(False)
    spikes = draw(drives_for(network, max_steps=8, max_batch=4, analog=False))
    given, batch = next(iter(spikes.values())).shape[:2]
    windows = draw(st.sampled_from((1, 2)))
    update = windows * draw(st.integers(1, 2))
    restart = given % windows != 0 or draw(st.booleans())
    shown = sh.Presentation(
        windows=windows,
        seed=draw(st.integers(0, 2**64 - 1)),
        epochs=draw(st.integers(1, 2)),
        shuffle=restart and draw(st.booleans()),
        restart=restart,
    )
    steps = shown.length(given + network.latency if restart else given)
    models = (*DECLARED, *WRITING, *((MovesDelays(),) if restart else ()))
    rules: dict[str, CounterRule] = {}
    for name in plastic:
        p = network.projection(name)
        post, pre = p.shape
        rule = draw(rules_of(steps // windows, update, post * pre, known_models(network, name, models)))
        if isinstance(rule.__dict__.get("model"), PruningSTDP):  # so that some weights, or all, die
            below = draw(st.integers(1, 1 + int(np.abs(p.mantissa).max())))
            rule = replace(rule, parameters={**rule.parameters, "least": below, "patience": draw(st.integers(1, 3))})
        if rule.prunes and p.max_delay and not restart:
            rule = draw(counter_rules(steps // windows, update, post * pre))
        arriving = replace(rule, pre_trace=PreTrace.ARRIVES)
        if draw(st.booleans()) and why_no_arrivals(arriving, p) is None:
            rule = arriving
        rules[name] = rule
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    gates, factors = {}, {}
    for name, rule in rules.items():
        post = network.projection(name).shape[0]
        if rule.factors:
            factors[name] = factors_of(rng, rule, draw(st.sampled_from((given, windows))), batch, post)
        if rule.gate is None and rule.largest_step * 2 <= rule.counter_max and draw(st.booleans()):
            gates[name] = np.where(rng.random((batch, post)) < 0.2, 0.0, rng.uniform(-2, 2, (batch, post)))
    return Lesson(network, spikes, rules, shown, gates, factors)


def arrivals_without_relays(lesson: Lesson) -> bool:
    """Whether a rule sees arrivals through synapses of a population of which some have no delay; Brian2 refuses it."""
    net = lesson.network
    ends = [net.projection(name) for name, rule in lesson.rules.items() if sees_arrivals(rule, net.projection(name))]
    return any(p.pre not in net.input_names and not arrival_lines(p).delays.all() for p in ends)


def check(lesson: Lesson, target: str) -> None:
    """A target against the specification, call after call."""
    network, state = lesson.network, None
    for call in range(CALLS):
        wanted, refused = attempt(lambda network=network, state=state: lesson.learn("spec", network, state))
        found, said = attempt(lambda network=network, state=state: lesson.learn(target, network, state))
        if wanted is None:
            assert found is None, f"{target} learned what the specification refuses: {refused}"
            event(f"refused: {' '.join(refused.split()[2:9])}")
            return
        assert found is not None, said
        assert_same(wanted, found)
        assert wanted.alive == found.alive
        again = lesson.learn(target, network, state)  # on the network as it is
        assert_same(wanted, again)
        for rule in lesson.rules.values():
            event(
                f"call {call}: a rule of {type(rule.model).__name__ if hasattr(rule, 'model') else type(rule).__name__}"
            )
        for quantity in {h.quantity for of_rule in wanted.written.values() for h in of_rule.values() if h.changed}:
            event(f"{quantity}s moved")
        if any(alive.after < alive.before for alive in wanted.alive.values()):
            event("synapses died")
        if any(not alive.after for alive in wanted.alive.values()):
            return  # a projection without synapses does not learn
        network, state = wanted.network, wanted.state


def generated(count: int) -> Any:
    """So many lessons, at least one, in the slow run alone: each new mixture of rules is compiled."""

    def decorate(test: Any) -> Any:
        limited = settings(max_examples=max(1, count), suppress_health_check=list(HealthCheck))(test)
        return pytest.mark.slow(pytest.mark.filterwarnings("ignore::UserWarning")(limited))

    return decorate


@generated(LESSONS)
@given(lessons())
def test_any_lesson_on_the_engine(lesson):
    check(lesson, "engine")


@requires_brian2
@generated(LESSONS // 20)
@given(lessons(most=2))
def test_any_lesson_on_brian2(lesson):
    assume(not arrivals_without_relays(lesson))
    check(lesson, "brian2")


@pytest.mark.skipif(not get_target("lava").availability().installed, reason="lava-nc is not installed")
@generated(LESSONS // 8)
@given(lessons(most=2))
def test_any_lesson_on_lava(lesson):
    check(lesson, "lava")
