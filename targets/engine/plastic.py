"""A plastic projection and its rule as tuples of arrays and numbers, which the compiled loops take.

All plastic projections of a run have the same types, so that compiled functions can loop over them.
:mod:`.plastic_setup` makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .types import BoolArray, CounterArray, Int64Array, Number, NumberArray

BY_TIME, BY_TRACE, BY_AGREEMENT, BY_DECLARATION = 0, 1, 2, 3  # SSDP, pair STDP, SADP, any declared rule
CARRY, STOCHASTIC, NEAREST = 0, 1, 2
# Two rows have the same weight changes: nobody knows; if their postsynaptic neurons have the same values at the end of
# the window, and both fired or neither; or if these have the same values and spikes in all of its steps.
NOT_KNOWN, EQUAL_AT_END, EQUAL_THROUGHOUT = 0, 1, 2


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
    equal_rows: int  # NOT_KNOWN, EQUAL_AT_END or EQUAL_THROUGHOUT: when the changes of a row are those of another one
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


def largest_sizes(plastics: Sequence[Plastic]) -> tuple[int, int, int, int]:
    """The largest numbers of pre- and postsynaptic neurons, of counters in a row, and of shared stored weights."""
    pre, post = max(p.ends.pre_size for p in plastics), max(p.ends.post_size for p in plastics)
    shared = max((p.value.size for p in plastics if p.shared), default=0)
    longest = max(int(np.diff(p.row_start).max(initial=0)) for p in plastics)
    return pre, post, max(longest, shared), shared
