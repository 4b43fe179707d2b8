"""A plastic projection and its rule as the learning kernels take them: arrays and numbers only.

All plastic projections of a run have the same types, so that the kernels can loop over them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ssdp_hw.network.fixed_network import FixedProjection
from ssdp_hw.network.graph import BaseProjection
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
    WeightRounding,
)
from ssdp_hw.rules.spike_times import silent_time
from ssdp_hw.rules.stdp import DECAY_BITS
from ssdp_hw.running.drive import AnyNetwork
from ssdp_hw.running.target import LearningPlan

from .program import Program
from .segments import BITS
from .types import CounterArray, CounterType, Int64Array, Number, NumberArray

Rule = CounterRule | FloatRule
Array = NDArray[Any]

BY_TIME, BY_TRACE, BY_AGREEMENT = 0, 1, 2  # SSDP, pair STDP, SADP
CARRY, STOCHASTIC, NEAREST = 0, 1, 2

_ROUNDINGS = {
    WeightRounding.CARRY: CARRY,
    WeightRounding.STOCHASTIC: STOCHASTIC,
    WeightRounding.NEAREST: NEAREST,
}
# Counters of so many bits are kept in 32: a counter, its base and a weight change add up within them.
_NARROW_BITS = 29


class Counters(NamedTuple):
    """Range of the synchrony counters, and how they update weights."""

    low: int
    high: int
    base_max: int  # how far the base of a row may lie from 0; -1 if every synapse is to be changed by itself
    lsb_shift: int
    rounding: int
    layer: int  # key of the random numbers
    key_low: int
    key_high: int


class Gating(NamedTuple):
    """The third factor, and the clip of a float rule."""

    own: bool  # the rule makes its gate itself, from
    origin: Number  # the offset, or the mean of a float gate
    gain: Number  # the slope, or k
    scale: Number  # the shift, or the deviation
    bits: int
    clip: float


class ByTime(NamedTuple):
    """SSDP."""

    plus_reach: int  # no step beyond so many ticks
    minus_reach: int
    skip_silent: bool
    silent: int  # tick of a silent neuron
    time_shift: int
    last_spike: bool  # the last spike of a window counts, not the first


class ByTrains(NamedTuple):
    """STDP and SADP."""

    a_plus: Number
    a_minus: Number
    evidence_shift: int
    decay_factor_plus: Number  # what a trace keeps in a step: of 2**DECAY_BITS, or a share
    decay_factor_minus: Number
    impulse: Number
    trace_max: Number
    nearest: bool
    kappa_bits: int
    largest: Number  # step of one event; of SADP that of a window
    chunk: int  # how many of what is added up 16 bits can hold


class WeightPlaces(NamedTuple):
    """Where the stored weights lie among the program's, see :class:`.segments.Places`, and their range."""

    at: Int64Array
    first: Int64Array
    starts: Int64Array
    strides: Int64Array
    low: int
    high: int


class Ends(NamedTuple):
    """Where source and target lie: in the source space, and as columns of the rasters."""

    pre_start: int
    post_start: int
    pre_input: bool  # whether the source is an input, so that its spikes lie in the input raster
    pre_column: int
    post_column: int
    pre_size: int
    post_size: int


class Plastic(NamedTuple):
    """One plastic projection, its synapses in row-major order.

    A synchrony counter is ``value + rows[row, 0]``: what a window does to all synapses of a row that it
    does not touch is added to the base of the row alone. ``rows[row, 1]`` and ``rows[row, 2]`` bound the
    counters of the row, so that most windows need not look at them to know that none is cut, and most
    weight updates not to know that none moves its weight. Synapses that share stored weights have one row for all.
    In a float network ``value`` holds the steps gathered since the last weight update.
    """

    kind: int
    dense: bool  # every row has all presynaptic neurons, so that ``cols`` is empty
    shared: bool  # synapses share stored weights
    row_start: Int64Array  # first synapse of each postsynaptic neuron, with the total at the end
    cols: Int64Array  # presynaptic neuron of each synapse
    stored: Int64Array  # stored weight of each synapse, if they share
    places: WeightPlaces
    value: CounterArray  # with BITS entries behind it
    rows: Int64Array  # int64 (rows, 3): see above
    gates: NumberArray  # from outside (window, post); empty if there are none
    plus: NumberArray  # SSDP's step by distance in ticks if both ends fired
    minus: NumberArray  # what SSDP takes off otherwise
    pre: Int64Array  # SSDP's registers: ticks (window, n), written
    post: Int64Array
    counters: Counters
    gating: Gating
    by_time: ByTime
    by_trains: ByTrains
    ends: Ends


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
    batch: int,
    steps: int,
    *,
    lazy: bool,
) -> Plastic:
    """A projection of a plan for so many samples; ``steps`` is the length of a window."""
    p, rule = network.projection(name), plan.rules[name]
    trains = BY_TRACE if isinstance(rule, STDP | FixedSTDP) else BY_AGREEMENT
    row_start, cols = _rows(p)
    counter: DTypeLike = counter_type(plan)
    number: DTypeLike = np.float64 if isinstance(rule, FloatRule) else np.int64
    value = np.zeros(p.stored_weights.size + BITS, counter)[: p.stored_weights.size]
    value[:] = plan.counters.get(name, 0)
    rows = np.zeros((1 if p.is_convolution else len(row_start) - 1, 3), np.int64)
    stored = p.stored_index if p.is_convolution else np.zeros(0, np.int64)
    if isinstance(rule, CounterRule):
        rows[:, 1], rows[:, 2] = value.min(initial=0), value.max(initial=0)
    gates = np.array(plan.gates.get(name, np.zeros((0, 0))), number, order="C")
    windows = 0 if rule.keeps_raster else batch * plan.windows_per_sample
    by_time, plus, minus = _by_time(rule, steps)
    limits = (p.format.mantissa_min, p.format.mantissa_max) if isinstance(p, FixedProjection) else (0, 0)
    places = WeightPlaces(*program.places[name], *limits)
    return Plastic(
        trains if rule.keeps_raster else BY_TIME,
        not p.is_sparse,
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
        _by_trains(rule),
        ends,
    )


def largest_sizes(plastics: Sequence[Plastic]) -> tuple[int, int, int, int]:
    """Most neurons of either end, most counters of a row, and most of those that share stored weights, in one row."""
    pre, post = max(p.ends.pre_size for p in plastics), max(p.ends.post_size for p in plastics)
    shared = max((p.value.size for p in plastics if p.shared), default=0)
    longest = max(int(np.diff(p.row_start).max(initial=0)) for p in plastics)
    return pre, post, max(longest, shared), shared


def _rows(p: BaseProjection) -> tuple[Array, Array]:
    """First synapse of each postsynaptic neuron, and the presynaptic neuron of each synapse if sparse."""
    if p.is_sparse:
        return p.matrix.indptr.astype(np.int64), p.matrix.indices.astype(np.int64)
    post, pre = p.shape
    return np.arange(post + 1) * pre, np.zeros(0, np.int64)


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
    """One past the last entry that is not zero."""
    return int(np.flatnonzero(table).max(initial=-1)) + 1


def _by_time(rule: Rule, steps: int) -> tuple[ByTime, Array, Array]:
    """SSDP's numbers and its tables of steps by distance."""
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


def _by_trains(rule: Rule) -> ByTrains:
    one = 1 << DECAY_BITS
    if isinstance(rule, STDP):
        factors = math.exp(-1.0 / rule.tau_plus), math.exp(-1.0 / rule.tau_minus)
        return ByTrains(rule.a_plus, rule.a_minus, 0, *factors, 1.0, np.inf, rule.pairing is Pairing.NEAREST, 0, 0.0, 1)
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
            rule.largest_step,
            max(1, np.iinfo(np.int16).max // max(rule.largest_step, 1)),
        )
    if isinstance(rule, SADP):
        return ByTrains(rule.a_plus, rule.a_minus, 0, 0.0, 0.0, 0.0, 0.0, False, 0, 0.0, 1)
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
            rule.largest_step,
            np.iinfo(np.int16).max,  # steps in which both fire are counted one by one
        )
    zero = 0.0 if isinstance(rule, FloatRule) else 0
    return ByTrains(zero, zero, 0, zero, zero, zero, zero, False, 0, zero, 1)
