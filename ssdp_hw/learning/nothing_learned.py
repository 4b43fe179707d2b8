"""The warning about a learning run that moved no weight: how large its weight changes were, and what would help."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ssdp_hw.arrays import Numbers
from ssdp_hw.learning.inputs import Rule
from ssdp_hw.learning.written import WrittenHealth
from ssdp_hw.network.fixed_network import FixedProjection
from ssdp_hw.rules import CounterRule, FixedDeclaredRule
from ssdp_hw.rules.arrivals import seen_synapses
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.rules.local import Observed, Train
from ssdp_hw.rules.model import QUANTITY_HOMES

Lasting = Mapping[str, Mapping[str, Numbers]]

# At most this many windows are looked at for the largest weight change; where a rule computes every step of a window,
# as few as have this many steps, or one.
_WINDOWS, _STEPS = 64, 1024


class NothingLearnedWarning(UserWarning):
    """A learning run in integers moved no weight of a projection."""


def warn_if_nothing_learned(
    projections: Mapping[str, FixedProjection],
    rules: Mapping[str, Rule],
    observed: Mapping[str, Observed],
    changed: Mapping[str, float],
    counters: Mapping[str, Numbers],
) -> None:
    """Warn for each plastic projection of a fixed network of which no weight moved.

    Args:
        projections: before learning, by name.
        rules: the integer rules that ran, by projection.
        observed: what each rule observed of every window.
        changed: share of the weights that moved.
        counters: after learning, one for each stored weight.
    """
    for name, share in changed.items():
        rule = rules[name]
        if share or name not in observed or not isinstance(rule, CounterRule):
            continue
        if rule.leaves_weights:  # it was not to move any
            continue
        warnings.warn(_said(name, projections[name], rule, observed[name], counters[name]), NothingLearnedWarning, 4)


def warn_if_nothing_written(
    rules: Mapping[str, Rule], written: Mapping[str, Mapping[str, WrittenHealth]], lasting: Lasting, windows: int
) -> None:
    """Warn for each quantity of a fixed network that a rule was to move and did not.

    Args:
        rules: that ran, by projection.
        written: what they wrote, by projection and accumulator.
        lasting: the variables that outlast a window, among them the accumulators, after learning.
        windows: number of windows.
    """
    for name, found in written.items():
        for accumulator, health in found.items():
            rule = rules[name]
            if health.changed or not windows or not isinstance(rule, FixedDeclaredRule):
                continue
            declared = next(v for v in rule.writes if v.name == accumulator)
            shift, home = rule.parameters[declared.shift], QUANTITY_HOMES[declared.quantity]
            assert isinstance(shift, int)
            reached = float(np.abs(lasting[name][leaf_name(home, accumulator)]).max()) / (1 << shift)
            warnings.warn(
                f"no {health.quantity} of '{health.owner}' moved in {windows} windows by the rule of projection "
                f"'{name}': there were {health.updates} weight updates, {health.saturations} moves ended at the end of "
                f"the range, and accumulators hold {reached:.3g} of a unit at most; give larger changes, more windows, "
                "or rounding='carry'",
                NothingLearnedWarning,
                4,
            )


def _said(name: str, p: FixedProjection, rule: CounterRule, observed: Observed, counters: Numbers) -> str:
    rows, cols = seen_synapses(rule, p)
    lsb, windows = float(1 << rule.lsb_shift), len(observed.pre.fired)
    observed = replace(observed, weight=p.of_synapses(p.mantissa.astype(np.int64)))  # no weight has moved
    observed = replace(observed, lasting=dict(observed.lasting or {}))
    steps, few = [], min(windows, _WINDOWS)
    if isinstance(observed.pre, Train):
        few = min(few, max(1, _STEPS // len(observed.pre.spikes)))
    for window in range(few):
        unrounded = rule.unrounded(observed, window, rows, cols)
        steps.append(float(np.max(np.abs(p.sum_shared(unrounded)), initial=0.0)))
        if observed.lasting:  # those of the next window
            rule.step(observed, window, rows, cols)
    step, reached = max(steps, default=0.0), float(np.max(np.abs(counters), initial=0)) / lsb
    head = f"no weight of projection '{name}' moved in {windows} windows"
    if step == 0:
        quiet = np.mean(~observed.pre.fired.any(axis=1) | ~observed.post.fired.any(axis=1))
        return (
            f"{head}: no window asked for a change, and in {quiet:.0%} of them no neuron of one of its ends fired; "
            "give it spikes at both ends (a teacher, more input), or another rule"
        )
    size = f"{head}: the largest step of a window is {step:.3g} of a weight LSB"
    if rule.rounding.value == "nearest":
        together = math.ceil(0.5 / step)
        return (
            f"{size}, and rounding 'nearest' drops what is below half of one; rounding='carry' or 'stochastic' keeps "
            f"it, or windows_per_update={together} adds that many windows up"
        )
    more = max(2, math.ceil(1.0 / max(reached, step)))
    return (
        f"{size}, and the counters reached {reached:.3g} of one; about {more} times as many windows or as large a step "
        "(a_plus, a_minus, a_baseline) would move a weight"
    )
