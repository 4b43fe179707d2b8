"""Measures of a learning run for its result: weight changes, health, activity, and how often the teacher succeeded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.analysis.activity import Activity, measure_activity
from ssdp_hw.learning.health import LearningHealth, learning_health
from ssdp_hw.learning.inputs import Rule
from ssdp_hw.learning.progress import Progress
from ssdp_hw.learning.state import LearningState
from ssdp_hw.learning.supervision import Supervision
from ssdp_hw.learning.written import Replay
from ssdp_hw.network.fixed_network import FixedProjection
from ssdp_hw.network.pruning import survivors
from ssdp_hw.rules import CounterRule
from ssdp_hw.rules.local import Observed
from ssdp_hw.running.drive import AnyNetwork
from ssdp_hw.running.result import OverflowCount


def synchrony_counts(observed: Observed) -> NDArray[np.int64]:
    """Group synchrony counters of every window, shape (window, 2)."""
    counts = [observed.pre.fired.sum(axis=1), observed.post.fired.sum(axis=1)]
    return np.asarray(np.stack(counts, axis=1), np.int64)


def unintended(
    overflow: Mapping[str, OverflowCount] | None, supervision: Supervision | None
) -> Mapping[str, OverflowCount] | None:
    """Overflows without the saturations of the taught neurons, which the teacher holds at the ends on purpose."""
    if overflow is None or supervision is None or not supervision.has_teacher:
        return overflow
    return {**overflow, supervision.output: replace(overflow[supervision.output], v_saturations=0)}


def health_by_projection(
    before: AnyNetwork,
    progress: Progress,
    rules: Mapping[str, Rule],
    observed: Mapping[str, Observed],
    initial: LearningState,
) -> dict[str, LearningHealth]:
    """Health of every projection that learned in integers."""
    found = {}
    for name, observation in observed.items():
        rule, p, q = rules[name], before.projection(name), progress.network.projection(name)
        if not (isinstance(rule, CounterRule) and isinstance(p, FixedProjection) and isinstance(q, FixedProjection)):
            continue
        gates = progress.gates.get(name)
        found[name] = learning_health(
            p,
            q,
            rule,
            observation,
            None if gates is None else np.concatenate(gates),
            initial.counters[name],
            progress.counters[name],
            (progress.weight_saturations, progress.counter_saturations),
            Replay(before, name, rule, observation.key),
        )
    return found


def activity(network: AnyNetwork, samples: Mapping[str, ArrayLike], steps: int) -> Activity:
    """Activity of the network without a teacher, on these samples of that length, run on the fastest target."""
    return measure_activity(network, samples, steps=steps)


def described(rule: Rule) -> dict[str, Any]:
    """The name of a rule's class and its parameters, as plain values."""

    def plain(value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        return value.value if isinstance(value, StrEnum) else value

    return {"rule": type(rule).__name__, **{key: plain(value) for key, value in vars(rule).items()}}


def share_changed(before: AnyNetwork, after: AnyNetwork, name: str) -> float:
    """Share of the stored weights of a projection that learning changed, of those that are left."""
    p, q = before.projection(name), after.projection(name)
    first = p.stored_weights if p.is_convolution else p.stored_weights[survivors(p, q)]
    return float(np.mean(first != q.stored_weights)) if first.size else 0.0


def teacher_hits(
    network: AnyNetwork, progress: Progress, supervision: Supervision | None, observed: Mapping[str, Observed]
) -> float | None:
    """Share of windows in which the output fired as the teacher wants; None if no plastic projection observed it."""
    if supervision is None or not supervision.has_teacher:
        return None
    labels = np.repeat(supervision.classes[progress.presented], progress.windows)
    for name, observation in observed.items():
        if network.projection(name).post != supervision.output:
            continue
        fired = observation.post.fired
        labelled = labels[:, None] == np.arange(fired.shape[1])
        wrong = fired != labelled if supervision.teacher.inhibit else labelled & ~fired
        return float(np.mean(~wrong.any(axis=1)))
    return None
