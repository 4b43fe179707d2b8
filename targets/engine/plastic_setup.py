"""The plastic projections of a learning plan as the tuples of :mod:`.plastic`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ssdp_hw.network.fixed_network import FixedProjection
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.rules import (
    SADP,
    SSDP,
    STDP,
    CounterRule,
    FixedSADP,
    FixedSSDP,
    FixedSTDP,
    FloatRule,
    Pairing,
    SilentPairs,
    SpikeTime,
    TraceRounding,
    WeightRounding,
)
from ssdp_hw.rules.arrivals import seen_size, seen_synapses, sees_arrivals
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.rules.intervals import keeps_silent_rows
from ssdp_hw.rules.spike_times import silent_time
from ssdp_hw.rules.stdp import DECAY_BITS
from ssdp_hw.running.drive import AnyNetwork
from ssdp_hw.running.learning_plan import LearningPlan

from .equal_rows import when_equal
from .generated_rules import packed_factors, packed_parameters, rule_address, rule_shape
from .plastic import (
    BY_AGREEMENT,
    BY_DECLARATION,
    BY_TIME,
    BY_TRACE,
    CARRY,
    NEAREST,
    NOT_KNOWN,
    STOCHASTIC,
    Arrivals,
    ByTime,
    ByTrains,
    Counters,
    Declared,
    Ends,
    Gating,
    Plastic,
    WeightPlaces,
)
from .program import Program
from .segments import BITS
from .types import CounterType

Rule = CounterRule | FloatRule
Array = NDArray[Any]

# Rules with loops of their own; any other is run by its declaration.
_KINDS: Mapping[type[Rule], int] = {
    SSDP: BY_TIME,
    FixedSSDP: BY_TIME,
    STDP: BY_TRACE,
    FixedSTDP: BY_TRACE,
    SADP: BY_AGREEMENT,
    FixedSADP: BY_AGREEMENT,
}
_ROUNDINGS = {
    WeightRounding.CARRY: CARRY,
    WeightRounding.STOCHASTIC: STOCHASTIC,
    WeightRounding.NEAREST: NEAREST,
}
_TRACE_ROUNDINGS = {
    TraceRounding.TOWARD_ZERO: CARRY,
    TraceRounding.STOCHASTIC: STOCHASTIC,
    TraceRounding.NEAREST: NEAREST,
}
# Counters of at most 29 bits are stored in 32 bits, in which a counter, the base of its row and a step add up.
_NARROW_BITS = 29


def counter_type(plan: LearningPlan) -> CounterType:
    """The type of the counters of all projections of a plan."""
    rules = list(plan.rules.values())
    if isinstance(rules[0], FloatRule):
        return np.float64
    return np.int32 if all(rule.counter_bits <= _NARROW_BITS for rule in rules) else np.int64


@dataclass(frozen=True)
class Lesson:
    """What the tuples of all plastic projections of a run are made from.

    Attributes:
        network: the network.
        program: the same network for the compiled loops.
        plan: the rules of its plastic projections.
        batch: number of samples.
        steps: number of steps of a window.
        lazy: whether synapses that share a step may be changed through the base of their row.
        fast_paths: whether rules run in loops of their own where they have some, else by their declaration.
    """

    network: AnyNetwork
    program: Program
    plan: LearningPlan
    batch: int
    steps: int
    lazy: bool
    fast_paths: bool


def plastic(lesson: Lesson, name: str, ends: Ends, arrivals: Arrivals, at_lasting: int) -> Plastic:
    """A plastic projection of a lesson.

    Args:
        lesson: the run.
        name: of the projection.
        ends: its pre- and postsynaptic groups.
        arrivals: the lines of its rule, if that sees spikes as they arrive.
        at_lasting: place of its rule's lasting variables in a thread's ``Scratch.lasting``.
    """
    plan, p, rule = lesson.plan, lesson.network.projection(name), lesson.plan.rules[name]
    kind = _kind(rule, p, fast_paths=lesson.fast_paths)
    dense = not p.is_sparse and seen_size(rule, p) == p.shape[1]
    row_start = p.unshared.row_start
    number: DTypeLike = np.float64 if isinstance(rule, FloatRule) else np.int64
    counter: DTypeLike = counter_type(plan)
    value = np.zeros(p.stored_weights.size + BITS, counter)[: p.stored_weights.size]
    value[:] = plan.counters.get(name, 0)
    rows = np.zeros((1 if p.is_convolution else len(row_start) - 1, 3), np.int64)
    if isinstance(rule, CounterRule):
        rows[:, 1], rows[:, 2] = value.min(initial=0), value.max(initial=0)
    windows = lesson.batch * plan.windows_per_sample if kind == BY_TIME else 0
    by_time, plus, minus = _by_time(rule, lesson.steps)
    limits = (p.format.mantissa_min, p.format.mantissa_max) if isinstance(p, FixedProjection) else (0, 0)
    return Plastic(
        kind=kind,
        dense=dense,
        shared=p.is_convolution,
        row_start=row_start,
        cols=np.zeros(0, np.int64) if dense else seen_synapses(rule, p)[1],
        stored=p.stored_index if p.is_convolution else np.zeros(0, np.int64),
        places=WeightPlaces(*lesson.program.places[name], *limits),
        value=value,
        rows=rows,
        gates=np.array(plan.gates.get(name, np.zeros((0, 0))), number, order="C"),
        plus=plus.astype(number),
        minus=minus.astype(number),
        pre=np.empty((windows, ends.pre_size), np.int64),
        post=np.empty((windows, ends.post_size), np.int64),
        counters=_counters(lesson, name),
        gating=_gating(rule),
        by_time=by_time,
        by_trains=_by_trains(rule, plan.random_key(lesson.network, name).first_window),
        declared=_declared(lesson, name, kind, at_lasting),
        ends=ends,
        arrivals=arrivals,
    )


def _kind(rule: Rule, p: BaseProjection, *, fast_paths: bool) -> int:
    if not fast_paths or type(rule) not in _KINDS:
        return BY_DECLARATION
    kind = _KINDS[type(rule)]
    # Registers hold when neurons fire, not when their spikes arrive.
    return BY_DECLARATION if kind == BY_TIME and sees_arrivals(rule, p) else kind


def needs_trains(rule: Rule, p: BaseProjection, *, fast_paths: bool) -> bool:
    """Whether the compiled loops learn from all spikes of a window instead of a register of each neuron."""
    return _kind(rule, p, fast_paths=fast_paths) != BY_TIME


def _undeclared(*, real: bool) -> Declared:
    """The numbers of a rule that has loops of its own."""
    empty = np.zeros(0) if real else np.zeros(0, np.int64)
    return Declared(
        address=0,
        parameters=empty,
        pre=0,
        post=0,
        group=0,
        synapse=0,
        draws=0,
        post_factors=0,
        group_factors=0,
        pre_reads=0,
        post_reads=0,
        weight_sums=False,
        reads_weight=False,
        quiet_rows=False,
        equal_rows=NOT_KNOWN,
        lasts=False,
        at_lasting=0,
        lasting=empty,
        first_window=0,
        factors=empty,
    )


def _declared(lesson: Lesson, name: str, kind: int, at_lasting: int) -> Declared:
    """The numbers of a rule that its declaration runs; zeros for others."""
    network, plan = lesson.network, lesson.plan
    rule = plan.rules[name]
    real = isinstance(rule, FloatRule)
    declaration = rule.declaration(lesson.steps) if kind == BY_DECLARATION else None
    if declaration is None:
        return _undeclared(real=real)
    model, first = declaration.model, plan.first_lasting(network, name)
    variables = model.synapse if "synapse" in model.lasting else ()
    number: DTypeLike = np.float64 if real else np.int64
    synapses = np.zeros((len(variables), network.projection(name).synapse_weights.size), number)
    for k, v in enumerate(variables):
        synapses[k] = first.get(leaf_name("synapse", v.name), 0)
    return Declared(
        rule_address(model, real=real),
        packed_parameters(declaration, lesson.steps, real=real),
        *rule_shape(model),
        reads_weight=rule.reads_weight,
        quiet_rows=keeps_silent_rows(model, declaration.parameters, real=real),
        equal_rows=when_equal(model, real=real),
        lasts=bool(model.lasting),
        at_lasting=at_lasting,
        lasting=synapses.reshape(-1),
        first_window=plan.random_key(network, name).first_window,
        factors=packed_factors(model, plan.factors_of(name), real=real),
    )


def _counters(lesson: Lesson, name: str) -> Counters:
    plan = lesson.plan
    rule = plan.rules[name]
    key = lesson.network.layer(name), plan.seed & 0xFFFFFFFF, plan.seed >> 32
    if isinstance(rule, FloatRule):
        return Counters(0, 0, -1, 0, CARRY, *key)
    base_max = 1 << (_NARROW_BITS if counter_type(plan) is np.int32 else 60)
    return Counters(
        rule.counter_min,
        rule.counter_max,
        base_max if lesson.lazy else -1,
        rule.lsb_shift,
        _ROUNDINGS[rule.rounding],
        *key,
    )


def _gating(rule: Rule) -> Gating:
    if isinstance(rule, FloatRule):
        real = rule.gate
        numbers = (0.0, 0.0, 1.0) if real is None else (real.mean, real.k, real.deviation)
        return Gating(real is not None, *numbers, 0, rule.clip)
    fixed = rule.gate
    integers = (0, 0, 0) if fixed is None else (fixed.offset, fixed.slope, fixed.shift)
    return Gating(fixed is not None, *integers, rule.gate_bits, 0.0)


def _reach(table: Array) -> int:
    """One past the last entry of a table that is not zero."""
    return int(np.flatnonzero(table).max(initial=-1)) + 1


def _by_time(rule: Rule, steps: int) -> tuple[ByTime, Array, Array]:
    """SSDP's numbers, and its tables of potentiation and depression by distance in ticks."""
    plus: Array
    minus: Array
    if isinstance(rule, SSDP):
        shift, kernels = 0, rule.learning_windows(np.arange(silent_time(steps) + 1))
        plus, minus = rule.a_plus * kernels[0], rule.a_baseline * kernels[1]
    elif isinstance(rule, FixedSSDP):
        shift, (plus, minus) = rule.time_shift, rule.tables
    else:
        return ByTime(0, 0, False, 0, 0, False), np.zeros(1), np.zeros(1)
    by_time = ByTime(
        plus_reach=_reach(plus),
        minus_reach=_reach(minus),
        skip_silent=rule.silent_pairs is SilentPairs.SKIP,
        silent=silent_time(steps, shift),
        time_shift=shift,
        last_spike=rule.spike_time is SpikeTime.LAST,
    )
    return by_time, plus, minus


def _by_trains(rule: Rule, first_window: int) -> ByTrains:
    """The numbers of STDP and SADP; zeros for other rules."""
    zero = 0.0 if isinstance(rule, FloatRule) else 0
    nothing = ByTrains(
        a_plus=zero,
        a_minus=zero,
        dw_shift=0,
        decay_factor_plus=zero,
        decay_factor_minus=zero,
        impulse=zero,
        trace_max=zero,
        nearest=False,
        kappa_bits=0,
        trace_rounding=CARRY,
        first_window=0,
        largest=zero,
        chunk=1,
    )
    if isinstance(rule, STDP):
        return nothing._replace(
            a_plus=rule.a_plus,
            a_minus=rule.a_minus,
            decay_factor_plus=math.exp(-1.0 / rule.tau_plus),
            decay_factor_minus=math.exp(-1.0 / rule.tau_minus),
            impulse=1.0,
            trace_max=np.inf,
            nearest=rule.pairing is Pairing.NEAREST,
        )
    if isinstance(rule, FixedSTDP):
        one = 1 << DECAY_BITS
        return nothing._replace(
            a_plus=rule.a_plus,
            a_minus=rule.a_minus,
            dw_shift=rule.dw_shift,
            decay_factor_plus=one - rule.decay_plus,
            decay_factor_minus=one - rule.decay_minus,
            impulse=rule.trace_impulse,
            trace_max=rule.trace_max,
            nearest=rule.pairing is Pairing.NEAREST,
            trace_rounding=_TRACE_ROUNDINGS[rule.trace_rounding],
            first_window=first_window,
            largest=rule.largest_step,
            chunk=max(1, np.iinfo(np.int16).max // max(rule.largest_step, 1)),
        )
    if isinstance(rule, SADP):
        return nothing._replace(a_plus=rule.a_plus, a_minus=rule.a_minus)
    if isinstance(rule, FixedSADP):
        return nothing._replace(
            a_plus=rule.a_plus,
            a_minus=rule.a_minus,
            dw_shift=rule.dw_shift,
            kappa_bits=rule.kappa_bits,
            largest=rule.largest_step,
            chunk=np.iinfo(np.int16).max,  # steps in which both fire are counted one by one
        )
    return nothing
