"""A plastic projection and its rule as tuples of arrays and numbers, which the compiled loops take.

All plastic projections of a run have the same types, so that compiled functions can loop over them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

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

from .generated_rules import packed_factors, packed_parameters, rule_address, rule_shape
from .program import Program
from .segments import BITS
from .types import BoolArray, CounterArray, CounterType, Int64Array, Number, NumberArray

Rule = CounterRule | FloatRule
Array = NDArray[Any]

BY_TIME, BY_TRACE, BY_AGREEMENT, BY_DECLARATION = 0, 1, 2, 3  # SSDP, pair STDP, SADP, any declared rule
CARRY, STOCHASTIC, NEAREST = 0, 1, 2

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


class Counters(NamedTuple):
    """Range of the synchrony counters, and rounding of the weight update."""

    low: int
    high: int
    base_max: int  # largest magnitude of the base of a row; -1 if rows must have no base
    lsb_shift: int
    rounding: int
    layer: int  # layer, key_low and key_high are the key of the random numbers
    key_low: int
    key_high: int


class Gating(NamedTuple):
    """The gate (third factor) of a rule, and the clip of a float rule."""

    own: bool  # whether the rule makes the gate itself, from the next four numbers
    origin: Number  # offset of an integer gate, mean of a float gate
    gain: Number  # slope of an integer gate, k of a float gate
    scale: Number  # shift of an integer gate, deviation of a float gate
    bits: int  # fraction bits of an integer gate
    clip: float


class ByTime(NamedTuple):
    """Numbers of SSDP."""

    plus_reach: int  # distance in ticks from which on potentiation is 0
    minus_reach: int  # distance in ticks from which on depression is 0
    skip_silent: bool  # whether pairs in which no neuron fired keep their weight
    silent: int  # tick of a silent neuron
    time_shift: int  # a tick has 2**time_shift steps
    last_spike: bool  # whether the last spike of a window counts instead of the first


class ByTrains(NamedTuple):
    """Numbers of STDP and SADP."""

    a_plus: Number
    a_minus: Number
    dw_shift: int
    decay_factor_plus: Number  # factor of a trace in a step; an integer counts 2**-DECAY_BITS
    decay_factor_minus: Number
    impulse: Number
    trace_max: Number
    nearest: bool
    kappa_bits: int
    trace_rounding: int  # CARRY (the fraction is dropped), STOCHASTIC or NEAREST
    first_window: int  # number of windows before this run, for the random numbers of the traces
    largest: Number  # largest step of one spike (STDP) or of one window (SADP)
    chunk: int  # number of gains, or of coincidences, whose sum fits 16 bits


class Declared(NamedTuple):
    """Numbers of a declared rule; see :mod:`.generated_rules`."""

    address: int  # of its compiled functions
    parameters: NumberArray
    pre: int  # numbers of variables
    post: int
    group: int
    synapse: int
    draws: int  # random numbers of a neuron in a step
    post_factors: int  # numbers of third factors
    group_factors: int
    pre_reads: int  # numbers of states of neurons that are read
    post_reads: int
    weight_sums: bool  # whether the sum and the number of the weights of a row are read
    reads_weight: bool
    quiet_rows: bool  # whether a silent postsynaptic neuron keeps the weights of its synapses
    lasts: bool  # whether variables outlast a window
    at_lasting: int  # place of those of the neurons and the projection in a thread's ``Scratch.lasting``
    lasting: NumberArray  # variables of the synapses, (variable, synapse) in one row; empty if none lasts
    first_window: int  # number of windows before this run, for the random numbers
    factors: NumberArray  # third factors, those of neurons first, (factor, window, step, neuron) in one row


class WeightPlaces(NamedTuple):
    """The places of the stored weights in ``Wiring.weights``, see :class:`.segments.Places`, and their range."""

    at: Int64Array
    first: Int64Array
    starts: Int64Array
    strides: Int64Array
    low: int
    high: int


class Ends(NamedTuple):
    """The places of the presynaptic and postsynaptic groups: their first source, and their columns in rasters."""

    pre_start: int
    post_start: int
    pre_input: bool  # whether the presynaptic group is an input, whose spikes are in the input raster
    pre_column: int
    post_column: int
    pre_size: int
    post_size: int
    # Of each state that the rule reads, presynaptic ones first: its first column in the trace of states, and the ends
    # of the register in which the rule holds it.
    reads: Int64Array


class Arrivals(NamedTuple):
    """The lines of a rule that sees spikes as they arrive (:mod:`ssdp_hw.rules.arrivals`); none for other rules.

    Their spikes are in columns of their own of the spike trace, which :func:`.window_spikes.copy_arrivals` fills.
    """

    neurons: Int64Array  # presynaptic neuron of each line
    delays: Int64Array
    from_input: bool  # whether neurons are those of an input
    from_column: int  # column of the first neuron, in the input raster or in the spike trace
    one_run: bool  # whether samples are pieces of one run, so that spikes arrive in later ones
    sent: BoolArray  # spikes of the neurons in the last steps before them, (step, neuron); see rules/arrivals.py


class Plastic(NamedTuple):
    """One plastic projection, its synapses in row-major order.

    A synchrony counter is ``value + rows[row, 0]``. The second term is the base of the row, to which a window adds the
    step that most synapses of the row have in common. ``rows[row, 1]`` and ``rows[row, 2]`` are bounds of the
    counters of the row. From these bounds most windows know without reading the counters that none saturates, and most
    weight updates that no weight moves. Synapses that share stored weights have one row for all.
    In a float network ``value`` holds the steps gathered since the last weight update.
    """

    kind: int  # BY_TIME, BY_TRACE, BY_AGREEMENT or BY_DECLARATION
    dense: bool  # whether every row has all presynaptic neurons; ``cols`` is then empty
    shared: bool  # whether synapses share stored weights
    row_start: Int64Array  # first synapse of each postsynaptic neuron, with the total at the end
    cols: Int64Array  # presynaptic neuron, or arrival line, of each synapse
    stored: Int64Array  # stored weight of each synapse, if they share
    places: WeightPlaces
    value: CounterArray  # counter of each stored weight; its buffer has BITS more entries, which list_pending reads
    rows: Int64Array  # base, lower and upper bound of each row, shape (rows, 3)
    gates: NumberArray  # gates from outside, shape (window, post); empty if there are none
    plus: NumberArray  # SSDP's step by distance in ticks if both neurons fired
    minus: NumberArray  # SSDP's depression by distance in ticks if a neuron was silent
    pre: Int64Array  # SSDP's registers of the presynaptic neurons: ticks (window, n), written
    post: Int64Array  # SSDP's registers of the postsynaptic neurons
    counters: Counters
    gating: Gating
    by_time: ByTime
    by_trains: ByTrains
    declared: Declared
    ends: Ends
    arrivals: Arrivals


def counter_type(plan: LearningPlan) -> CounterType:
    """The type of the counters of all projections of a plan."""
    rules = list(plan.rules.values())
    if isinstance(rules[0], FloatRule):
        return np.float64
    return np.int32 if all(rule.counter_bits <= _NARROW_BITS for rule in rules) else np.int64


def plastic(
    network: AnyNetwork,
    program: Program,
    plan: LearningPlan,
    name: str,
    ends: Ends,
    arrivals: Arrivals,
    batch: int,
    steps: int,
    at_lasting: int,
    *,
    lazy: bool,
    fast_paths: bool,
) -> Plastic:
    """A plastic projection of a plan for ``batch`` samples, whose windows have ``steps`` steps."""
    p, rule = network.projection(name), plan.rules[name]
    kind = _kind(rule, p, fast_paths=fast_paths)
    dense = not p.is_sparse and seen_size(rule, p) == p.shape[1]
    row_start, cols = p.unshared.row_start, np.zeros(0, np.int64) if dense else seen_synapses(rule, p)[1]
    counter: DTypeLike = counter_type(plan)
    number: DTypeLike = np.float64 if isinstance(rule, FloatRule) else np.int64
    value = np.zeros(p.stored_weights.size + BITS, counter)[: p.stored_weights.size]
    value[:] = plan.counters.get(name, 0)
    rows = np.zeros((1 if p.is_convolution else len(row_start) - 1, 3), np.int64)
    stored = p.stored_index if p.is_convolution else np.zeros(0, np.int64)
    if isinstance(rule, CounterRule):
        rows[:, 1], rows[:, 2] = value.min(initial=0), value.max(initial=0)
    gates = np.array(plan.gates.get(name, np.zeros((0, 0))), number, order="C")
    windows = batch * plan.windows_per_sample if kind == BY_TIME else 0
    by_time, plus, minus = _by_time(rule, steps)
    limits = (p.format.mantissa_min, p.format.mantissa_max) if isinstance(p, FixedProjection) else (0, 0)
    places = WeightPlaces(*program.places[name], *limits)
    return Plastic(
        kind,
        dense,
        p.is_convolution,
        row_start,
        cols,
        stored,
        places,
        value,
        rows,
        gates,
        plus.astype(number),
        minus.astype(number),
        np.empty((windows, ends.pre_size), np.int64),
        np.empty((windows, ends.post_size), np.int64),
        _counters(network, plan, name, counter, lazy=lazy),
        _gating(rule),
        by_time,
        _by_trains(rule, plan.random_key(network, name).first_window),
        _declared(network, plan, name, kind, steps, at_lasting),
        ends,
        arrivals,
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


def _declared(network: AnyNetwork, plan: LearningPlan, name: str, kind: int, steps: int, at_lasting: int) -> Declared:
    rule = plan.rules[name]
    real = isinstance(rule, FloatRule)
    number: DTypeLike = np.float64 if real else np.int64
    declaration = rule.declaration(steps) if kind == BY_DECLARATION else None
    if declaration is None:
        empty = np.zeros(0, number)
        return Declared(0, empty, 0, 0, 0, 0, 0, 0, 0, 0, 0, False, False, False, False, 0, empty, 0, empty)
    model, first = declaration.model, plan.first_lasting(network, name)
    synapses = np.zeros(
        (len(model.synapse) if "synapse" in model.lasting else 0, network.projection(name).synapse_weights.size), number
    )
    for k, v in enumerate(model.synapse if len(synapses) else ()):
        synapses[k] = first.get(leaf_name("synapse", v.name), 0)
    return Declared(
        rule_address(model, real=real),
        packed_parameters(declaration, steps, real=real),
        *rule_shape(model),
        rule.reads_weight,
        keeps_silent_rows(model, declaration.parameters, real=real),
        bool(model.lasting),
        at_lasting,
        synapses.reshape(-1),
        plan.random_key(network, name).first_window,
        packed_factors(model, plan.factors_of(name), real=real),
    )


def largest_sizes(plastics: Sequence[Plastic]) -> tuple[int, int, int, int]:
    """The largest numbers of pre- and postsynaptic neurons, of counters in a row, and of shared stored weights."""
    pre, post = max(p.ends.pre_size for p in plastics), max(p.ends.post_size for p in plastics)
    shared = max((p.value.size for p in plastics if p.shared), default=0)
    longest = max(int(np.diff(p.row_start).max(initial=0)) for p in plastics)
    return pre, post, max(longest, shared), shared


def _counters(network: AnyNetwork, plan: LearningPlan, name: str, counter: DTypeLike, *, lazy: bool) -> Counters:
    rule = plan.rules[name]
    key = network.layer(name), plan.seed & 0xFFFFFFFF, plan.seed >> 32
    if isinstance(rule, FloatRule):
        return Counters(0, 0, -1, 0, CARRY, *key)
    base_max = 1 << (_NARROW_BITS if counter is np.int32 else 60)
    return Counters(
        rule.counter_min, rule.counter_max, base_max if lazy else -1, rule.lsb_shift, _ROUNDINGS[rule.rounding], *key
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
    silent, skip = silent_time(steps, shift), rule.silent_pairs is SilentPairs.SKIP
    by_time = ByTime(_reach(plus), _reach(minus), skip, silent, shift, rule.spike_time is SpikeTime.LAST)
    return by_time, plus, minus


def _by_trains(rule: Rule, first_window: int) -> ByTrains:
    one = 1 << DECAY_BITS
    if isinstance(rule, STDP):
        factors = math.exp(-1.0 / rule.tau_plus), math.exp(-1.0 / rule.tau_minus)
        nearest = rule.pairing is Pairing.NEAREST
        return ByTrains(rule.a_plus, rule.a_minus, 0, *factors, 1.0, np.inf, nearest, 0, 0, 0, 0.0, 1)
    if isinstance(rule, FixedSTDP):
        return ByTrains(
            rule.a_plus,
            rule.a_minus,
            rule.dw_shift,
            one - rule.decay_plus,
            one - rule.decay_minus,
            rule.trace_impulse,
            rule.trace_max,
            rule.pairing is Pairing.NEAREST,
            0,
            _TRACE_ROUNDINGS[rule.trace_rounding],
            first_window,
            rule.largest_step,
            max(1, np.iinfo(np.int16).max // max(rule.largest_step, 1)),
        )
    if isinstance(rule, SADP):
        return ByTrains(rule.a_plus, rule.a_minus, 0, 0.0, 0.0, 0.0, 0.0, False, 0, 0, 0, 0.0, 1)
    if isinstance(rule, FixedSADP):
        return ByTrains(
            rule.a_plus,
            rule.a_minus,
            rule.dw_shift,
            0,
            0,
            0,
            0,
            False,
            rule.kappa_bits,
            0,
            0,
            rule.largest_step,
            np.iinfo(np.int16).max,  # steps in which both fire are counted one by one
        )
    zero = 0.0 if isinstance(rule, FloatRule) else 0
    return ByTrains(zero, zero, 0, zero, zero, zero, zero, False, 0, 0, 0, zero, 1)
