"""A learning rule: the weight change that a pair of spikes brings, by their distance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Bool, Numbers, Real
from ssdp_hw.display import Axes, Drawn, count
from ssdp_hw.pictures.style import BEFORE, CHANGED, FIXED, legend, panels, picture, several, title
from ssdp_hw.rules import SADP, SSDP, STDP, CounterRule, FixedSADP, FixedSSDP
from ssdp_hw.rules.declared import FixedDeclaredRule
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.rules.local import LocalRule, Observed

# Steps of a window of the rules that go by how many spikes agree, and the most steps between two spikes.
_AGREEMENT_STEPS, _FARTHEST = 32, 60


@picture
def draw(rule: LocalRule, *, ax: Axes | None = None) -> Drawn:
    """See :meth:`ssdp_hw.rules.local.LocalRule.plot`."""
    if isinstance(rule, SADP | FixedSADP):
        x: NDArray[np.int64] | Real
        x, found = agreements(rule)
        xlabel, lone = "share of the spikes that come together", None
    else:
        x, found = pairs(rule)
        xlabel, lone = "spike of the target minus that of the source, steps", alone(rule)
    (one,) = panels(ax, [3.0])
    unit = "weight LSBs" if isinstance(rule, CounterRule) else "float weight"
    steps = isinstance(rule, CounterRule) and not isinstance(rule, SADP | FixedSADP)
    (exact,) = (unrounded(rule, x),) if isinstance(rule, CounterRule) else (None,)
    one.axhline(0, color=BEFORE, lw=0.8)
    if exact is not None:
        one.plot(x, exact, color=BEFORE, lw=4, alpha=0.5, label="before rounding")
    one.plot(x, found, color=FIXED, lw=1.8, label="both fire", drawstyle="steps-mid" if steps else "default")
    if lone is not None and np.any(lone):
        one.plot(
            np.arange(1, len(lone) + 1),
            lone,
            color=CHANGED,
            lw=1.6,
            ls="--",
            label="one fires, by steps to the window's end",
        )
    one.set_xlabel(xlabel)
    given = [", at weight 0"] * rule.reads_weight + [f", {f.name} = 1" for f in rule.factors]
    given += [f", {r.name} = 0" for r in rule.reads]
    one.set_ylabel(f"weight change, {unit}{''.join(given)}")
    one.yaxis.set_major_formatter("{x:g}")
    title(one, _finding(rule, x, found, lone, unit))
    legend(one, 2 if lone is None else 1)
    return several([one])


def reach(rule: LocalRule) -> int:
    """Largest distance of two spikes that is drawn."""
    wanted = 40.0
    if isinstance(rule, SSDP):
        wanted = 4 * rule.sigma if rule.learning_window == "gaussian" else 3 * max(rule.tau_plus, rule.tau_minus)
    elif isinstance(rule, STDP):
        wanted = 3 * max(rule.tau_plus, rule.tau_minus)
    elif isinstance(rule, FixedSSDP):
        wanted = min(len(rule.lut) << rule.time_shift, rule.max_window - 1)
    return max(1, int(min(wanted, _FARTHEST)))


def _observed(rule: LocalRule, x: NDArray[np.int64]) -> Observed:
    """One window for each distance: the source fires once, the target so many steps later."""
    steps = int(np.max(np.abs(x))) + 1
    pre, post = np.zeros((2, steps, len(x), 1), bool)
    windows = np.arange(len(x))
    pre[np.maximum(-x, 0), windows, 0] = True
    post[np.maximum(x, 0), windows, 0] = True
    return _seen(rule, pre, post)


def _seen(rule: LocalRule, pre: Bool, post: Bool) -> Observed:
    """What a rule observes of these spikes, at a weight and states of 0 and third factors of 1, if it reads these."""
    observed = replace(rule.observe(pre, post), factors=_ones(rule, len(pre), pre.shape[1]))
    weight = np.zeros(1, np.int64 if isinstance(rule, CounterRule) else np.float64)
    return replace(observed, weight=weight) if rule.reads_weight else observed


def _ones(rule: LocalRule, steps: int, windows: int) -> dict[str, Numbers]:
    """In every step a 1 for each third factor, in the unit of its register, and a 0 for each state that is read."""
    found: dict[str, Numbers] = {}
    for f in rule.factors:
        integer = isinstance(rule, FixedDeclaredRule) and f.unit
        one = rule.parameters[f.unit] if integer else 1  # type: ignore[attr-defined]
        found[leaf_name(f.home, f.name)] = np.full((windows, steps, 1), one)
    for r in rule.reads:
        found[leaf_name(r.home, r.name)] = np.zeros((windows, steps, 1), np.int64)
    return found


def _changes(rule: LocalRule, observed: Observed, windows: int, *, exact: bool = False) -> Real:
    """The step of every window: of a float rule in float weights, of an integer rule in weight LSBs."""
    one = np.zeros(1, np.int64)
    if isinstance(rule, CounterRule):
        if exact:
            found = [float(rule.unrounded(observed, w, one, one)[0]) for w in range(windows)]
        else:
            found = [
                float(rule.gated(rule.step(observed, w, one, one), None)[0]) / (1 << rule.lsb_shift)
                for w in range(windows)
            ]
    else:
        found = [float(rule.gated(rule.step(observed, w, one, one), None)[0]) for w in range(windows)]
    return np.array(found)


def pairs(rule: LocalRule) -> tuple[NDArray[np.int64], Real]:
    """Distances of two spikes in steps, and the weight change of each."""
    far = reach(rule)
    x = np.arange(-far, far + 1)
    return x, _changes(rule, _observed(rule, x), len(x))


def alone(rule: LocalRule) -> Real | None:
    """The weight change where the source alone fires, 1, 2, ... steps before the window's end; None where that is 0."""
    far = reach(rule)
    pre, post = np.zeros((2, far, far, 1), bool)
    pre[far - 1 - np.arange(far), np.arange(far), 0] = True
    found = _changes(rule, _seen(rule, pre, post), far)
    return found if found.any() else None


def agreements(rule: LocalRule) -> tuple[Real, Real]:
    """Shares of common spikes of two trains that fire in a quarter of the steps, and the weight change of each."""
    observed, x = _trains(rule)
    return x, _changes(rule, observed, len(x))


def _trains(rule: LocalRule) -> tuple[Observed, Real]:
    spikes = _AGREEMENT_STEPS // 4
    pre, post = np.zeros((2, _AGREEMENT_STEPS, spikes + 1, 1), bool)
    pre[:spikes] = True
    for common in range(spikes + 1):
        post[spikes - common : 2 * spikes - common, common, 0] = True
    return rule.observe(pre, post), np.arange(spikes + 1) / spikes


def unrounded(rule: CounterRule, x: NDArray[np.int64] | Real) -> Real:
    """What the weight changes were before they were rounded to units of the counter, in weight LSBs."""
    observed = _trains(rule)[0] if isinstance(rule, FixedSADP) else _observed(rule, np.asarray(x, np.int64))
    return _changes(rule, observed, len(x), exact=True)


def _finding(rule: LocalRule, x: NDArray[np.int64] | Real, found: Real, lone: Real | None, unit: str) -> str:
    # Of equal ones the nearest spikes.
    best = int(np.lexsort((np.abs(x), -found))[0])
    up, down = float(found.max()), float(min(found.min(), 0.0 if lone is None else lone.min()))
    model = getattr(rule, "model", None)
    kind = type(rule).__name__ if model is None else model.name
    if x.dtype.kind == "f":
        said = f"{kind}: trains with {x[best]:.0%} of their spikes in common bring {up:+.3g}"
    elif x[best] and not np.allclose(found, found[::-1]):  # the order of the two matters
        order = "after" if x[best] > 0 else "before"
        said = f"{kind}: a target that fires {count(abs(x[best]), 'step')} {order} its source brings {up:+.3g}"
    else:
        said = f"{kind}: two spikes {count(abs(x[best]), 'step')} apart bring {up:+.3g}"
    said += f", the most, and the least is {down:+.3g}"
    if isinstance(rule, CounterRule):
        largest = max(up, -down)
        said += f" {unit}"
        if largest and largest < 1:
            said += f": no single window moves a weight, {int(np.ceil(1 / largest))} together do"
    return said
