"""Pair STDP in the trace form of Loihi's learning engine, in float and in integers.

Each neuron has a trace that a spike raises and that decays in every step. A postsynaptic spike adds
``a_plus`` times the trace of the source, a presynaptic one takes off ``a_minus`` times that of the
target. A trace acts from the step after its spike on, so two spikes of the same step do nothing.

    x(t+1) = exp(-1/tau_plus) * (x(t) + s_pre(t))            x(0) = 0 in every window
    dw     = sum over t of  a_plus * s_post(t) * x(t) - a_minus * s_pre(t) * y(t)

and y likewise from s_post with tau_minus. In integers a trace is an unsigned register of
``trace_bits`` bits (7 on Loihi) to which a spike adds ``trace_impulse``, saturating; ``trace_rounding``
says how the decay becomes an integer, see :class:`TraceRounding`; and each event's product is rounded half up. Sources:
S. Song, K. D. Miller, L. F. Abbott, "Competitive Hebbian learning through spike-timing-dependent
synaptic plasticity", 2000; M. Davies et al., "Loihi", IEEE Micro 2018, for the trace form.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Bool, Int
from ssdp_hw.checks import Choice
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError
from ssdp_hw.operations.base import Rounding
from ssdp_hw.operations.philox import neuron_layer, synapse_random
from ssdp_hw.rules.counter import CounterRule, rounded_product
from ssdp_hw.rules.local import Float, FloatRule, Observed, RandomKey, RasterRule, check_integers
from ssdp_hw.rules.model import Declaration
from ssdp_hw.rules.models.stdp import PairSTDP

DECAY_BITS = 12

# Random numbers of so many neurons and steps are drawn together: NumPy's calls take longer than its arithmetic on few.
_NUMBERS_AT_ONCE = 1 << 14

N = TypeVar("N", np.int64, np.float64)


class Pairing(Choice):
    """Which earlier spikes of the other neuron a spike is paired with."""

    ALL = "all"  # with all earlier spikes: a spike adds to the trace
    NEAREST = "nearest"  # with the last earlier spike: a spike sets the trace


class TraceRounding(Choice):
    """How a decayed trace becomes an integer. What a trace loses it loses in every step, so that it adds up.

    The figures are those of the mean trace of a spike with ``tau`` = 20 steps, after 20, 30 and 40 steps, relative to
    the exact one: for impulses of 127, and of 31, which :func:`ssdp_hw.learn` derives for 7-bit traces by which all
    earlier spikes count. ``tests/test_trace_rounding.py`` computes them.
    """

    # Up with a probability of the fraction, by one number for each neuron and step, as on Loihi: 0 % off on average.
    STOCHASTIC = "stochastic"
    # To the nearest, half up: 1, -1 and 5 % off (31: -12, 45 and 139 %), since a trace of 10 never decays further.
    NEAREST = "nearest"
    # The fraction is dropped: 14, 29 and 42 % low (31: 56, 100 and 100 %).
    TOWARD_ZERO = "toward_zero"


def trace_addends(
    rounding: TraceRounding, key: RandomKey, side: int, window: int, steps: int, size: int
) -> Iterator[Int]:
    """What is added to a decayed trace before its fraction is dropped, for each step of a window: shape (size,).

    Args:
        rounding: how traces are rounded.
        key: that of the projection.
        side: 0 for the traces of the source, 1 for those of the target.
        window: number of the window among those observed.
        steps: length of the window.
        size: number of neurons.

    Random numbers are those of :func:`ssdp_hw.operations.philox.synapse_random`, with the neuron for the synapse, the
    number of the step since the first window for the update, and the layer plus ``2**31`` (source) or
    ``2**31 + 2**30`` (target).
    """
    if rounding is not TraceRounding.STOCHASTIC:
        fixed = np.full(size, (1 << DECAY_BITS) >> 1 if rounding is TraceRounding.NEAREST else 0, np.int64)
        yield from itertools.repeat(fixed, steps)
        return
    first, neurons = (key.first_window + window) * steps, np.arange(size)
    at_once = max(1, _NUMBERS_AT_ONCE // max(1, size))
    for start in range(0, steps, at_once):
        updates = (first + np.arange(start, min(start + at_once, steps))) & 0xFFFFFFFF
        yield from synapse_random(key.seed, neuron_layer(key.layer, side), neurons, updates[:, None], DECAY_BITS)


def _pair_sum(pre: Bool, post: Bool, x: NDArray[N], y: NDArray[N], rows: Int, cols: Int) -> NDArray[N]:
    """Sum over t of ``s_post(t) * x(t) - s_pre(t) * y(t)`` for each synapse; all of shape (time, n)."""
    both = post.T.astype(x.dtype) @ x - y.T @ pre.astype(x.dtype)
    return np.asarray(both[rows, cols])


def _declaration(
    rule: STDP | FixedSTDP, impulse: float, trace_max: float, decays: Iterable[float], dw_shift: int
) -> Declaration:
    plus, minus = decays
    rounding = Rounding("zero" if rule.trace_rounding is TraceRounding.TOWARD_ZERO else rule.trace_rounding.value)
    return Declaration(
        PairSTDP(rule.pairing is Pairing.NEAREST, rounding),
        {
            "a_plus": rule.a_plus,
            "a_minus": rule.a_minus,
            "decay_plus": plus,
            "decay_minus": minus,
            "impulse": impulse,
            "trace_max": trace_max,
            "dw_shift": dw_shift,
        },
    )


@shown
@renamed(commit_windows="windows_per_update")
@dataclass(frozen=True, kw_only=True)
class STDP(RasterRule, FloatRule):
    """Parameters of pair STDP.

    Attributes:
        a_plus: potentiation by a pre-before-post pair of distance 0, in units of the float weight.
        a_minus: depression by a post-before-pre pair, same unit.
        tau_plus, tau_minus: decay of the traces of source and target, in steps.
        pairing: which earlier spikes count.
        trace_bits, trace_rounding: integer form only: width of the traces, and how they are rounded.
        clip, windows_per_update, gate, rounding, counter_bits: see :class:`ssdp_hw.rules.FloatRule`.

    Raises:
        ParameterError: a value out of range.
    """

    a_plus: float = 1e-3
    a_minus: float = 1e-3
    tau_plus: float = 20.0
    tau_minus: float = 20.0
    pairing: Pairing = Pairing.ALL
    trace_bits: int = 7
    trace_rounding: TraceRounding = TraceRounding.STOCHASTIC

    def __post_init__(self) -> None:
        self.check_common()
        object.__setattr__(self, "trace_rounding", TraceRounding(self.trace_rounding))
        self.check_numbers(("tau_plus", "tau_minus"), ("a_plus", "a_minus"))
        check_integers(self, (("trace_bits", 2, 16),))
        object.__setattr__(self, "pairing", Pairing(self.pairing))

    def declaration(self, steps: int) -> Declaration:
        """The rule as a declared one; windows of any length have the same."""
        decays = ((1.0 - math.exp(-1.0 / tau)) * (1 << DECAY_BITS) for tau in (self.tau_plus, self.tau_minus))
        return _declaration(self, 1.0, math.inf, decays, 0)

    def trace(self, spikes: Bool, tau: float) -> Float:
        """Trace in every step, of the shape of the spikes, whose first axis is time."""
        trace = np.zeros(spikes.shape)
        decay = math.exp(-1.0 / tau)
        for t in range(1, len(spikes)):
            raised = trace[t - 1] + spikes[t - 1]
            trace[t] = decay * (np.where(spikes[t - 1], 1.0, raised) if self.pairing is Pairing.NEAREST else raised)
        return trace

    def step(self, observed: Observed, window: int, rows: Int, cols: Int) -> Float:
        pre, post = observed.pre.spikes[:, window], observed.post.spikes[:, window]
        x, y = self.a_plus * self.trace(pre, self.tau_plus), self.a_minus * self.trace(post, self.tau_minus)
        return _pair_sum(pre, post, x, y, rows, cols)


@shown
@renamed(evidence_shift="dw_shift", commit_windows="windows_per_update")
@dataclass(frozen=True, kw_only=True)
class FixedSTDP(RasterRule, CounterRule):
    """Integer pair STDP of one projection.

    Attributes:
        a_plus, a_minus: amplitudes, 0 to 2**16 - 1; an event brings ``amplitude * trace``.
        trace_impulse: what a spike adds to the trace, or sets it to.
        decay_plus, decay_minus: a trace keeps ``4096 - decay`` of 4096 in each step.
        trace_rounding: how what it keeps becomes an integer; see :class:`TraceRounding`.
        trace_bits: width of the unsigned, saturating traces.
        pairing: which earlier spikes count.
        dw_shift: right shift of amplitude times trace, rounded half up.

    Raises:
        ParameterError: a value out of range, or a single event that overflows the counter.
    """

    a_plus: int
    a_minus: int
    decay_plus: int
    decay_minus: int
    trace_impulse: int = 127
    trace_bits: int = 7
    pairing: Pairing = Pairing.ALL
    dw_shift: int = 0
    trace_rounding: TraceRounding = TraceRounding.STOCHASTIC

    def __post_init__(self) -> None:
        check_integers(
            self,
            (
                ("a_plus", 0, 2**16 - 1),
                ("a_minus", 0, 2**16 - 1),
                ("decay_plus", 0, 4096),
                ("decay_minus", 0, 4096),
                ("trace_bits", 2, 16),
                ("dw_shift", 0, 24),
            ),
        )
        if not 1 <= self.trace_impulse <= self.trace_max:
            raise ParameterError(
                f"FixedSTDP: trace_impulse = {self.trace_impulse} is outside 1 .. {self.trace_max} "
                f"({self.trace_bits}-bit traces)"
            )
        object.__setattr__(self, "pairing", Pairing(self.pairing))
        object.__setattr__(self, "trace_rounding", TraceRounding(self.trace_rounding))
        self.check_counter(self.largest_step)

    @property
    def trace_max(self) -> int:
        """Largest value of a trace."""
        return (1 << self.trace_bits) - 1

    @property
    def largest_step(self) -> int:
        return int(rounded_product(max(self.a_plus, self.a_minus), np.array(self.trace_max), self.dw_shift))

    def declaration(self, steps: int) -> Declaration:
        """The rule as a declared one; windows of any length have the same."""
        decays = (self.decay_plus, self.decay_minus)
        return _declaration(self, self.trace_impulse, self.trace_max, decays, self.dw_shift)

    def trace(self, spikes: Bool, decay: int, addends: Iterable[Int]) -> Int:
        """Trace in every step, of the shape of the spikes, (time, n).

        Args:
            spikes: those of one window.
            decay: see ``decay_plus``.
            addends: see :func:`trace_addends`.
        """
        trace = np.zeros(spikes.shape, np.int64)
        for t, addend in zip(
            range(1, len(spikes)), addends, strict=False
        ):  # nobody reads the trace after the last step
            before, fired = trace[t - 1], spikes[t - 1]
            if self.pairing is Pairing.NEAREST:
                raised = np.where(fired, self.trace_impulse, before)
            else:
                raised = np.minimum(before + self.trace_impulse * fired, self.trace_max)
            trace[t] = (raised * ((1 << DECAY_BITS) - decay) + addend) >> DECAY_BITS
        return trace

    def traces(self, observed: Observed, window: int) -> tuple[Int, Int]:
        """The traces of source and target in every step of a window, shapes (time, n)."""
        sides = zip((observed.pre, observed.post), (self.decay_plus, self.decay_minus), strict=True)
        x, y = (
            self.trace(
                spikes := group.spikes[:, window],
                decay,
                trace_addends(self.trace_rounding, observed.key, side, window, *spikes.shape),
            )
            for side, (group, decay) in enumerate(sides)
        )
        return x, y

    def step(self, observed: Observed, window: int, rows: Int, cols: Int) -> Int:
        pre, post = observed.pre.spikes[:, window], observed.post.spikes[:, window]
        x, y = self.traces(observed, window)
        gains, losses = rounded_product(self.a_plus, x, self.dw_shift), rounded_product(self.a_minus, y, self.dw_shift)
        return _pair_sum(pre, post, gains, losses, rows, cols)

    def unrounded(self, observed: Observed, window: int, rows: Int, cols: Int) -> Float:
        pre, post = observed.pre.spikes[:, window], observed.post.spikes[:, window]
        unit = 2.0 ** -(self.dw_shift + self.lsb_shift)
        x, y = self.traces(observed, window)
        return _pair_sum(pre, post, self.a_plus * unit * x, self.a_minus * unit * y, rows, cols)
