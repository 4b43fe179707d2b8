"""Hypothesis strategies for learning plans: every rule, in integers and in float, with gates and states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from example_counts import values
from hypothesis import reject, strategies as st
from rule_examples import EveryFactor, EveryHomeLasts, EveryMoment, EveryRead, EverySum, Hebb
from strategies import drives_for, fixed_networks, fixed_rules, float_networks

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.learning.inputs import with_widest_weights
from ssdp_hw.learning.progress import with_learned_weights
from ssdp_hw.operations.base import Rounding
from ssdp_hw.rules import (
    CounterRule,
    FloatRule,
    Pairing,
    PreTrace,
    SilentPairs,
    SpikeTime,
    TraceRounding,
    WeightRounding,
)
from ssdp_hw.rules.declared import FixedDeclaredRule, FloatDeclaredRule, float_name, rule
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.rules.intervals import largest_change
from ssdp_hw.rules.model import RuleKind, RuleModel
from ssdp_hw.rules.models.sadp import AgreementSADP
from ssdp_hw.rules.models.stdp import PairSTDP
from ssdp_hw.rules.ssdp import LearningWindow
from ssdp_hw.running.drive import Drive, make_drive
from ssdp_hw.running.learning_plan import Learned, LearningPlan
from ssdp_hw.testing.generation import factors

Draw = st.DrawFn


# The engine compiles its loops anew for each type of counters (64 bits wide from 30 bits on) and weights (16 bits wide
# beyond 127), and for each number and mixture of rules. The default run has the wide ones in test_learning.py, and a
# mixture in the lively runs below.
WIDE = values((30, 32), ())
(MIXED,) = values((True,), (False,))
WEIGHT_BITS = 8 if MIXED else 7

DECLARED = (
    EveryMoment(),
    EveryHomeLasts(),
    EveryFactor(),
    EverySum(),
    EveryRead(),
    Hebb(),
    AgreementSADP(),
    *(PairSTDP(n, r) for n in (False, True) for r in Rounding),
)


@st.composite
def declared_counter_rules(
    draw: Draw, windows_per_update: int, models: tuple[RuleModel, ...] = DECLARED
) -> FixedDeclaredRule:
    """Declared rules in integers, whose single weight change fits half the counter."""
    model = draw(st.sampled_from(models))
    parameters: dict[str, Any] = {}
    for q in model.parameters:
        low, high = q.limits
        near = st.integers(max(low, -40), min(high, 200))
        if q.kind is RuleKind.TABLE:
            parameters[q.name] = tuple(draw(st.lists(near, min_size=1, max_size=20)))
        elif q.name == "never":
            parameters[q.name] = high
        else:
            parameters[q.name] = draw(st.one_of(near, st.integers(low, high)))
    parameters["dw_shift"] = draw(st.integers(0, 12))
    for v in (v for written in model.writes.values() for v in written):  # whose unit and range would be refused
        parameters[v.shift] = min(parameters[v.shift], v.bits - 2)
        if v.least and v.most:
            parameters[v.least], parameters[v.most] = sorted((parameters[v.least], parameters[v.most]))
    while (largest := largest_change(model, parameters)) >= 1 << (max((29, *WIDE)) - 3):
        parameters["dw_shift"] += 4
    bits = draw(st.sampled_from([b for b in (12, 16, 24, 29, *WIDE) if 1 << (b - 2) > largest]))
    return FixedDeclaredRule(
        model=model,
        parameters=parameters,
        counter_bits=bits,
        lsb_shift=draw(st.integers(0, bits // 2)),
        windows_per_update=windows_per_update,
        rounding=draw(st.sampled_from(WeightRounding)),
    )


@st.composite
def declared_step_rules(
    draw: Draw, windows_per_update: int, models: tuple[RuleModel, ...] = DECLARED
) -> FloatDeclaredRule:
    """Declared rules in float."""
    model = draw(st.sampled_from(models))
    values: dict[str, Any] = {}
    for q in model.parameters:
        if q.kind is RuleKind.TABLE:
            values[float_name(q)] = draw(st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=20))
        elif q.kind is RuleKind.DECAY:
            values[float_name(q)] = draw(st.floats(1.0, 30.0))
        elif q.kind is RuleKind.AMPLITUDE:
            values[float_name(q)] = draw(st.floats(0.0, 0.05))
    return rule(model, windows_per_update=windows_per_update, clip=draw(st.sampled_from((0.01, 10.0))), **values)


@st.composite
def counter_rules(draw: Draw, steps: int, windows_per_update: int, pairs: int) -> CounterRule:
    """Integer rules of every kind for windows of that many steps, some with a gate of their own."""
    kind = draw(st.sampled_from(("ssdp", "stdp", "sadp")))
    if kind == "ssdp":
        rule: CounterRule = draw(fixed_rules(steps, windows_per_update, (4, 8, 12, 16, 24, *WIDE)))
        if draw(st.booleans()):
            lut = draw(st.lists(st.integers(0, max(rule.lut)), min_size=1, max_size=len(rule.lut)))
            rule = replace(rule, lut_baseline=tuple(lut))
    else:
        counter_bits = draw(st.sampled_from((4, 12, 16, 24, 29, *WIDE)))
        bits = draw(st.integers(2, 9))  # of the trace, or of kappa
        dw_shift = draw(st.integers(0, 8))
        largest = min((((1 << (counter_bits - 2)) - 1) << dw_shift) >> bits, 2**16 - 1)
        amplitudes = st.sampled_from((largest, largest // 3, largest // 8, largest // 2, largest // 50, 0))
        common: dict[str, Any] = {
            "a_plus": draw(amplitudes),
            "a_minus": draw(amplitudes),
            "dw_shift": dw_shift,
            "lsb_shift": draw(st.integers(0, counter_bits // 3)),
            "counter_bits": counter_bits,
            "windows_per_update": windows_per_update,
            "rounding": draw(st.sampled_from(WeightRounding)),
        }
        if kind == "sadp":
            rule = sh.FixedSADP(kappa_bits=bits, **common)
        else:
            decays = st.one_of(st.integers(0, 4096), st.sampled_from((0, 200, 4096)))
            rule = sh.FixedSTDP(
                decay_plus=draw(decays),
                decay_minus=draw(decays),
                trace_bits=bits,
                trace_impulse=draw(st.integers(1, (1 << bits) - 1)),
                pairing=draw(st.sampled_from(Pairing)),
                trace_rounding=draw(st.sampled_from(TraceRounding)),
                **common,
            )
    if rule.largest_step * 2 <= rule.counter_max:
        rule = replace(rule, gate_bits=draw(st.integers(1, 12)))
        if draw(st.integers(0, 2)) == 0:
            one = 1 << rule.gate_bits
            shift = draw(st.integers(0, 12))
            gate = sh.FixedGate(
                offset=draw(st.integers(-one, 2 * one)),
                shift=shift,
                gate_bits=rule.gate_bits,
                slope=int(np.clip((draw(st.integers(-3, 3)) * one << shift) // pairs, -(2**15 - 1), 2**15 - 1)),
            )
            rule = replace(rule, gate=gate)
    return rule


@st.composite
def step_rules(draw: Draw, windows_per_update: int) -> FloatRule:
    """Float rules of every kind."""
    amplitudes = st.floats(0, 0.5)
    common: dict[str, Any] = {"clip": draw(st.floats(0.05, 1)), "windows_per_update": windows_per_update}
    if draw(st.integers(0, 2)) == 0:
        common["gate"] = sh.Gate(k=draw(st.floats(-1, 1)), mean=draw(st.floats(0, 1)), deviation=0.25)
    times = st.floats(0.3, 20)
    kind = draw(st.sampled_from(("ssdp", "stdp", "sadp")))
    if kind == "ssdp":
        return sh.SSDP(
            a_plus=draw(amplitudes),
            a_baseline=draw(amplitudes),
            learning_window=draw(st.sampled_from(LearningWindow)),
            sigma=draw(times),
            tau_plus=draw(times),
            tau_minus=draw(times),
            spike_time=draw(st.sampled_from(SpikeTime)),
            silent_pairs=draw(st.sampled_from(SilentPairs)),
            **common,
        )
    if kind == "stdp":
        return sh.STDP(
            a_plus=draw(amplitudes),
            a_minus=draw(amplitudes),
            tau_plus=draw(times),
            tau_minus=draw(times),
            pairing=draw(st.sampled_from(Pairing)),
            **common,
        )
    return sh.SADP(a_plus=draw(amplitudes), a_minus=draw(amplitudes), **common)


def _gates(rng: np.random.Generator, rule: CounterRule | FloatRule, windows: int, post: int) -> np.ndarray:
    gates = np.where(rng.random((windows, post)) < 0.2, 0.0, rng.uniform(-2, 2, (windows, post)))
    return np.rint(gates * (1 << rule.gate_bits)).astype(np.int64) if isinstance(rule, CounterRule) else gates


def _counters(rng: np.random.Generator, rule: CounterRule | FloatRule, count: int) -> np.ndarray:
    if isinstance(rule, CounterRule):
        anywhere = rng.integers(rule.counter_min, rule.counter_max + 1, count) >> rng.integers(0, rule.counter_bits)
        ends = rng.choice((rule.counter_min, rule.counter_max), count)
        return np.where(rng.random(count) < rng.choice((0.0, 0.2)), ends, anywhere)
    return rng.normal(0, 0.1, count)


def _that_can_read(network: Any, p: Any) -> tuple[RuleModel, ...]:
    """The declared rules that find the states that they read at the ends of a projection."""

    def known(home: str) -> tuple[str, ...]:
        end = p.pre if home == "pre" else p.post
        return () if end in network.input_names else network.population(end).state_names

    return tuple(m for m in DECLARED if all(r.state in known(r.home) for r in m.reads))


@st.composite
def learning_runs(
    draw: Draw,
    fixed: bool,
    max_steps: int = 12,
    max_batch: int = 5,
    networks: st.SearchStrategy | None = None,
    declared: bool = False,
    max_plastic: int = 2,
) -> tuple[sh.FixedNetwork | sh.Network, Drive, LearningPlan]:
    """A network (any, or one of ``networks``), its spikes, and a plan for some of its projections.

    ``declared``: whether some of them learn by declared rules that only tests know. Projections whose spikes carry
    payloads do not learn; inputs with payloads get them.
    """
    if networks is None:
        networks = fixed_networks(weight_bits=WEIGHT_BITS) if fixed else float_networks()
    network = draw(networks)
    graded = {i.name: i.largest_payload for i in network.inputs if i.payload_bits}
    given = draw(drives_for(network, max_steps=max_steps, max_batch=max_batch, analog=not graded))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    for name, top in graded.items():
        given[name] = given[name] * rng.integers(-top, top + 1, given[name].shape)
    drive = make_drive(network, given)
    windows = draw(st.sampled_from([n for n in (1, 2, 3) if drive.steps % n == 0]))
    samples = draw(st.integers(1, 3))  # of a weight update
    carrying = {i.name for i in network.inputs if i.payload_bits} | {p.name for p in network.populations if p.payload}
    names = [p.name for p in network.projections if p.pre not in carrying]
    if not names:
        reject()
    rules: dict[str, CounterRule | FloatRule] = {}
    counters, gates = {}, {}
    most = max_plastic if MIXED else 1
    plastic = draw(st.lists(st.sampled_from(names), min_size=1, max_size=most, unique=True))
    try:
        with_widest_weights(network, plastic)
    except ParameterError:  # `learn` refuses weights that could grow beyond what the chip's registers hold
        reject()
    for name in plastic:
        p = network.projection(name)
        post, pre = p.shape
        if declared and draw(st.booleans()):
            rules_of = declared_counter_rules if fixed else declared_step_rules
            rule = draw(rules_of(windows * samples, _that_can_read(network, p)))
        elif fixed:
            rule = draw(counter_rules(drive.steps // windows, windows * samples, post * pre))
        else:
            rule = draw(step_rules(windows * samples))
        if not any(r.home == "pre" for r in rule.reads) and draw(st.booleans()):
            rule = replace(rule, pre_trace=PreTrace.ARRIVES)
        rules[name] = rule
        if draw(st.booleans()):
            counters[name] = _counters(rng, rule, p.stored_weights.size)
        strong = isinstance(rule, CounterRule) and rule.largest_step * 2 > rule.counter_max
        if rule.gate is None and not strong and draw(st.booleans()):
            gates[name] = _gates(rng, rule, drive.batch * windows, post)
    plan = LearningPlan(
        rules,
        draw(st.integers(0, 2**64 - 1)),
        counters,
        draw(st.integers(0, 9)),
        windows * draw(st.integers(0, samples - 1)),
        windows,
        gates,
        factors=_factors(rng, network, rules, (drive.batch * windows, drive.steps // windows)),
    )
    return network, drive, replace(plan, lasting=_lasting(rng, network, plan)) if draw(st.booleans()) else plan


def _factors(
    rng: np.random.Generator, network: Any, rules: dict[str, Any], windows: tuple[int, int]
) -> dict[str, dict[str, Any]]:
    """Any third factors in so many windows of so many steps."""
    found: dict[str, dict[str, Any]] = {}
    for name, learned in rules.items():
        model = getattr(learned, "model", None)
        if model is not None and model.factors:
            shape = (*windows, network.size_of(network.projection(name).post))
            fixed = isinstance(learned, CounterRule)
            found[name] = factors(model, int(rng.integers(2**32)), shape, fixed=fixed)
    return found


def going_on(network: Any, drive: Drive, plan: LearningPlan, learned: Learned) -> tuple[Any, LearningPlan]:
    """The network and the plan of a further call with the same input, from where one stopped."""
    windows = plan.first_window + drive.batch * plan.windows_per_sample
    updates, pending = divmod(windows, plan.windows_per_update)
    further = replace(
        plan,
        counters=learned.counters,
        lasting=learned.lasting,
        neurons=learned.neurons,
        first_step=0 if plan.restart else plan.first_step + drive.batch * drive.steps,
        first_update=plan.first_update + updates,
        first_window=pending,
    )
    return with_learned_weights(network, learned.weights), further


def _lasting(rng: np.random.Generator, network: Any, plan: LearningPlan) -> dict[str, dict[str, Any]]:
    """Any values of the variables that outlast a window."""
    found: dict[str, dict[str, Any]] = {name: {} for name in plan.rules}
    for name, learned in plan.rules.items():
        declaration = learned.declaration(1)
        kept = {} if declaration is None else declaration.model.lasting
        limits = {leaf_name(home, v.name): v.limits for home, variables in kept.items() for v in variables}
        for variable, first in plan.first_lasting(network, name).items():
            low, high = limits[variable]
            values = rng.integers(low, high, first.size, endpoint=True)
            found[name][variable] = values if isinstance(learned, CounterRule) else rng.normal(0, 2, first.size)
    return found


def lively_runs(fixed: bool) -> dict[str, tuple[sh.FixedNetwork | sh.Network, Drive, LearningPlan]]:
    """Runs in which every rule moves weights: without a gate, with one from outside, with its own.

    Two projections learn in each, by different rules: a feedforward one and a recurrent one with delays.
    Two windows a sample, two samples a weight update, begun between two weight updates.
    """
    rng = np.random.default_rng(11)
    inputs = [sh.Input("in", 6)]
    delay = rng.integers(0, 3, (4, 4))
    network: sh.FixedNetwork | sh.Network
    if fixed:
        network = sh.FixedNetwork(
            inputs,
            [sh.FixedPopulation(name="out", size=4, dv=900, vth=120)],
            [
                sh.FixedProjection(pre="in", post="out", weight=2 * rng.integers(-10, 50, (4, 6)), weight_exp=-1),
                sh.FixedProjection(pre="out", post="out", weight=2 * rng.integers(-30, 30, (4, 4)), delay=delay),
            ],
            ["out"],
        )
    else:
        neuron = sh.CubaLIF(size=4, tau_mem=5e-3, tau_syn=3e-3, v_threshold=0.15)
        network = sh.Network(
            inputs,
            [sh.Population(name="out", neuron=neuron)],
            [
                sh.Projection(pre="in", post="out", weight=rng.normal(0.4, 0.4, (4, 6))),
                sh.Projection(pre="out", post="out", weight=rng.normal(0.0, 0.3, (4, 4)), delay=delay),
            ],
            ["out"],
            sh.Semantics(1e-3),
        )
    drive = make_drive(network, rng.random((24, 7, 6)) < 0.3)
    projections = network.projections
    own = sh.FixedGate(offset=100, slope=77, shift=3) if fixed else sh.Gate(k=-0.8, mean=0.5, deviation=0.3)
    kinds = [
        (f"{name} {what}", replace(rule, gate=own) if what == "own" else rule, what == "outside")
        for name, rule in (LIVELY_FIXED if fixed else LIVELY_FLOAT).items()
        for what in ("plain", "outside", "own")
    ]
    runs = {}
    for pair in zip(kinds[:6], kinds[:5:-1], strict=True):
        rules = {p.name: rule for p, (_, rule, _) in zip(projections, pair, strict=True)}
        counters = {p.name: _counters(rng, rules[p.name], p.synapse_weights.size) for p in projections}
        gates = {
            p.name: _gates(rng, rule, 2 * drive.batch, 4)
            for p, (_, rule, outside) in zip(projections, pair, strict=True)
            if outside
        }
        runs[f"{pair[0][0]}, {pair[1][0]}"] = (network, drive, LearningPlan(rules, 2**63 + 5, counters, 7, 2, 2, gates))
    return runs


_COMMON: dict[str, Any] = {"lsb_shift": 6, "counter_bits": 12, "windows_per_update": 4}
LIVELY_FIXED = {
    "ssdp": sh.FixedSSDP(
        a_plus=2, a_baseline=1, lut=(255, 155, 35, 3), lut_baseline=(200, 90, 9), rounding="stochastic", **_COMMON
    ),
    "stdp_all": sh.FixedSTDP(a_plus=3, a_minus=2, decay_plus=500, decay_minus=900, trace_impulse=60, **_COMMON),
    "stdp_nearest": sh.FixedSTDP(
        a_plus=50,
        a_minus=70,
        decay_plus=300,
        decay_minus=40,
        pairing="nearest",
        trace_rounding="nearest",
        dw_shift=5,
        rounding="nearest",
        **_COMMON,
    ),
    "sadp": sh.FixedSADP(a_plus=40, a_minus=60, kappa_bits=7, dw_shift=4, rounding="stochastic", **_COMMON),
}
LIVELY_FLOAT = {
    "ssdp": sh.SSDP(
        a_plus=0.05, a_baseline=0.02, learning_window="exponential", tau_plus=3.0, tau_minus=8.0, windows_per_update=4
    ),
    "stdp_all": sh.STDP(a_plus=0.02, a_minus=0.03, tau_plus=4.0, tau_minus=7.0, windows_per_update=4),
    "stdp_nearest": sh.STDP(
        a_plus=0.02, a_minus=0.03, tau_plus=4.0, tau_minus=7.0, pairing="nearest", clip=0.06, windows_per_update=4
    ),
    "sadp": sh.SADP(a_plus=0.1, a_minus=0.2, windows_per_update=4),
}
