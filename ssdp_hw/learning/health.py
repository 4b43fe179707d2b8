"""Learning health: what a learning run did to the synapses, and how much of the weight changes rounding lost.

All values are recomputed from the registers or spikes that the target recorded. They are therefore the same for every
target, and differ if a target computed a weight wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import shown
from ssdp_hw.errors import TargetRunError
from ssdp_hw.learning.alive import alive_bits, of_living
from ssdp_hw.learning.written import Replay
from ssdp_hw.network.fixed_network import FixedProjection
from ssdp_hw.rules import CounterRule
from ssdp_hw.rules.arrivals import seen_synapses
from ssdp_hw.rules.counter import accumulate, update_weights
from ssdp_hw.rules.local import Observed


@shown
@renamed(updates="nonzero_changes")
@dataclass(frozen=True)
class LearningHealth:
    """One plastic projection of a fixed network after learning.

    Attributes:
        synapses, windows: number of synapses (of a convolution every one, though they share weights) and of windows.
            All that follows about weights is of the synapses that are left, where some died.
        synchrony: mean share of pairs in which both neurons fired, over the windows.
        silent_windows: windows in which no neuron of the source or none of the target fired.
        nonzero_changes: pairs and windows with a weight change other than 0: the plasticity operations that a
            chip would do.
        changed, dead, at_limit: shares of the weights that moved, that are 0 after learning, and that lie at
            an end of their range after learning.
        effective_bits: base-2 logarithm of the number of weight steps from the smallest to the
            largest weight after, plus one step.
        weight_saturations, counter_saturations: as counted by the target; None where it cannot.
        lost_lsb: mean over stored weights of |weight changes that reached neither weight nor counter|, in
            weight LSBs: 0 for ``carry`` without saturation, what rounding threw away otherwise.
        rounding_bias_lsb: mean over stored weights of (weight change + counter) minus the weight changes
            before any rounding, in weight LSBs; near 0 if rounding is unbiased and nothing saturates.
        histogram_before, histogram_after: how many weights lie in each of 16 equal ranges of the
            weight format.
    """

    synapses: int
    windows: int
    synchrony: float
    silent_windows: int
    nonzero_changes: int
    changed: float
    dead: float
    at_limit: float
    effective_bits: float
    weight_saturations: int | None
    counter_saturations: int | None
    lost_lsb: float
    rounding_bias_lsb: float
    histogram_before: tuple[int, ...]
    histogram_after: tuple[int, ...]


def learning_health(
    before: FixedProjection,
    after: FixedProjection,
    rule: CounterRule,
    observed: Observed,
    gates: Numbers | None,
    counters_before: NDArray[np.int64],
    counters_after: NDArray[np.int64],
    saturations: tuple[Mapping[str, int] | None, Mapping[str, int] | None],
    replay: Replay,
) -> LearningHealth:
    """Health of one projection.

    Args:
        before, after: the projection before and after learning.
        rule: the rule as it ran.
        observed: what the rule observed of every window.
        gates: gates from outside, shape (window, post), or None.
        counters_before, counters_after: one value for each stored weight.
        saturations: weight and counter saturations by projection, as the target counted them.
        replay: follows what the rule writes beside weights.
    """
    found = _changes(before, rule, observed, gates, counters_before, replay)
    name, living = before.name, found.living
    if living.size != after.stored_weights.size:
        raise TargetRunError(
            f"projection '{name}': by the specification {living.size} synapses are left after learning, and the target "
            f"left {after.stored_weights.size}"
        )
    lsb = float(1 << rule.lsb_shift)
    moved = after.mantissa.astype(np.int64) - before.mantissa[living]
    kept = moved + (counters_after - counters_before[living]) / lsb
    fired_pre, fired_post = observed.pre.fired.mean(axis=1), observed.post.fired.mean(axis=1)
    low, high = after.format.mantissa_min, after.format.mantissa_max
    codes = after.mantissa
    return LearningHealth(
        synapses=before.synapse_count,
        windows=len(observed.pre.fired),
        synchrony=float(np.mean(fired_pre * fired_post)),
        silent_windows=int(np.count_nonzero((fired_pre == 0) | (fired_post == 0))),
        nonzero_changes=found.nonzero,
        changed=_mean(moved != 0),
        dead=_mean(codes == 0),
        at_limit=_mean((codes == low) | (codes == high)),
        effective_bits=float(np.log2(int(codes.max()) - int(codes.min()) + 1)) if codes.size else 0.0,
        weight_saturations=_of(saturations[0], name),
        counter_saturations=_of(saturations[1], name),
        lost_lsb=_mean(np.abs(found.rounded / lsb - kept)),
        rounding_bias_lsb=_mean(kept - found.exact),
        histogram_before=_histogram(before.mantissa, low, high),
        histogram_after=_histogram(codes, low, high),
    )


@dataclass(frozen=True, eq=False)
class _Changes:
    """What all windows together change, by the specification.

    Attributes:
        living: the stored weights that are left, in ascending order.
        rounded: for each of these the sum of its weight changes, in units of the counter.
        exact: the same before any rounding.
        nonzero: pairs and windows with a weight change other than 0.
    """

    living: NDArray[np.int64]
    rounded: NDArray[np.int64]
    exact: NDArray[np.float64]
    nonzero: int


def _changes(
    before: FixedProjection,
    rule: CounterRule,
    observed: Observed,
    gates: Numbers | None,
    counters_before: NDArray[np.int64],
    replay: Replay,
) -> _Changes:
    """The weight changes of all windows; the arguments are those of :func:`learning_health`."""
    rows, cols = seen_synapses(rule, before)
    living = np.arange(before.stored_weights.size)
    rounded = np.zeros(before.stored_weights.size, np.int64)
    exact = np.zeros(before.stored_weights.size)
    nonzero = 0
    weights = _Weights(before, rule, observed, counters_before)
    observed = replace(observed, lasting=dict(observed.lasting or {}))  # steps replace what is in there
    for window in range(len(observed.pre.fired)):
        observed = weights.shown(observed)
        gate = rule.gate_at(observed, window, rows, gates)
        wanted = rule.unrounded(observed, window, rows, cols)  # first, since a step leads to the next window
        e = rule.gated(rule.step(observed, window, rows, cols), gate)
        rounded[living] += before.sum_shared(e)
        weights.take(before.sum_shared(e), window)
        replay.follow(observed.lasting, window)
        nonzero += int(np.count_nonzero(e))
        exact[living] += before.sum_shared(wanted if gate is None else wanted * gate / (1 << rule.gate_bits))
        if rule.prunes and (observed.key.first_window + window + 1) % rule.windows_per_update == 0:
            assert observed.lasting is not None
            left = alive_bits(rule, observed.lasting)
            rows, cols, living = rows[left], cols[left], living[left]
            weights.keep(left)
            observed = replace(observed, lasting=of_living(observed.lasting, left))
    return _Changes(living, rounded[living], exact[living], nonzero)


class _Weights:
    """The weights after every window of a learning run, recomputed for rules whose steps depend on the weight."""

    def __init__(self, p: FixedProjection, rule: CounterRule, observed: Observed, counters: NDArray[np.int64]) -> None:
        self.p, self.rule, self.key = p, rule, observed.key
        self.mantissa, self.counters = p.mantissa.astype(np.int64), counters.astype(np.int64)

    def shown(self, observed: Observed) -> Observed:
        """The observation with the weights that the window began with."""
        if not self.rule.reads_weight:
            return observed
        return replace(observed, weight=self.p.of_synapses(self.mantissa))

    def keep(self, left: NDArray[np.bool_]) -> None:
        """Forget the synapses that died."""
        self.mantissa, self.counters = self.mantissa[left], self.counters[left]

    def take(self, e: NDArray[np.int64], window: int) -> None:
        """Add the steps of a window, and move the weights where an update ends it."""
        if not self.rule.reads_weight:
            return
        self.counters, _ = accumulate(self.rule, self.counters, e)
        updates, rest = divmod(self.key.first_window + window + 1, self.rule.windows_per_update)
        if rest == 0:
            low, high = self.p.format.mantissa_min, self.p.format.mantissa_max
            key = {"seed": self.key.seed, "layer": self.key.layer, "index": updates - 1}
            self.mantissa, self.counters, _ = update_weights(self.rule, self.mantissa, self.counters, low, high, **key)


def _mean(values: NDArray[Any]) -> float:
    """The mean over stored weights; 0 where no synapse is left."""
    return float(np.mean(values)) if values.size else 0.0


def _of(counts: Mapping[str, int] | None, name: str) -> int | None:
    return None if counts is None else counts.get(name)


def _histogram(codes: Numbers, low: int, high: int) -> tuple[int, ...]:
    counts, _ = np.histogram(codes, bins=16, range=(low, high + 1))
    return tuple(int(c) for c in counts)
