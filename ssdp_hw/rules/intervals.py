"""What the intervals of a rule's values say: its largest weight change, and whether silent neurons keep weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ssdp_hw.operations.base import Value
from ssdp_hw.operations.graph import GraphOperations
from ssdp_hw.operations.node import Node
from ssdp_hw.rules.form import NEURON_MOMENTS, SUM_MOMENT, SYNAPSE_MOMENTS, Leaves, graph_of, leaf_name, moments
from ssdp_hw.rules.model import (
    FAN_IN,
    HOMES,
    INDEX,
    POST_COUNT,
    PRE_COUNT,
    SPIKE,
    WEIGHT,
    WEIGHT_SUM,
    RuleModel,
)

# Steps after which a variable that still grows is taken to reach the ends of its register.
_STEPS_TO_BOUND = 300


def _limits_of(parameters: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The smallest and the largest value of every parameter, by the name of its leaf."""
    entries = {name: value if isinstance(value, tuple) else (value,) for name, value in parameters.items()}
    return {leaf_name("of", name): (min(e), max(e)) for name, e in entries.items()}


@dataclass(frozen=True)
class Extent:
    """What a projection bounds of the values that the functions of a rule find.

    Attributes:
        pre, post: number of neurons, or of arrival lines, at either end; of pre at least the synapses of a neuron.
        weight: the smallest and the largest stored weight, in LSB.
    """

    pre: int
    post: int
    weight: tuple[int, int]

    def limits(self) -> dict[str, tuple[int, int]]:
        """Intervals by the names of leaves."""
        low, high = self.weight
        return {
            leaf_name("pre", INDEX): (0, max(self.pre - 1, 0)),
            leaf_name("post", INDEX): (0, max(self.post - 1, 0)),
            leaf_name("group", PRE_COUNT): (0, self.pre),
            leaf_name("group", POST_COUNT): (0, self.post),
            leaf_name("synapse", WEIGHT): self.weight,
            leaf_name("post", WEIGHT_SUM): (min(low, low * self.pre), max(high, high * self.pre)),
            leaf_name("post", FAN_IN): (1, max(self.pre, 1)),
        }


# What a rule finds at the least, on any projection.
LEAST_EXTENT = Extent(1, 1, (0, 0))


def largest_changes(model: RuleModel, parameters: Mapping[str, Any], extent: Extent | None = None) -> dict[str, int]:
    """The largest weight change that each moment can bring a synapse with these parameters, in counter units.

    The variables are bounded by following their intervals through the steps of a window until they stay the same.

    Args:
        model: the rule.
        parameters: its integers.
        extent: that of the projection which learns by the rule; without one any projection is allowed for.
    """
    integers = {name: tuple(value) if np.ndim(value) else value for name, value in parameters.items()}
    return dict(_largest_changes(model, tuple(integers.items()), extent))


@lru_cache(maxsize=512)  # one lesson asks for the same several times, and so does each call of a run that goes on
def _largest_changes(model: RuleModel, integers: tuple[tuple[str, Any], ...], extent: Extent | None) -> dict[str, int]:
    parameters = dict(integers)
    known = _limits_of(parameters) | ({} if extent is None else extent.limits())
    homes = {m: home for m, home in NEURON_MOMENTS.items() if getattr(model, home)}
    bounds = {}
    for home in HOMES:
        for v in getattr(model, home):
            start = v.start_value(parameters)
            bounds[leaf_name(home, v.name)] = v.limits if home == "synapse" or v.lasts else (start, start)
    for number in range(_STEPS_TO_BOUND):
        before = dict(bounds)
        leaves = Leaves(model, known={**known, **bounds, **_sums(model, {**known, **bounds}, extent)})
        for moment, home in homes.items():
            graph = graph_of(model, moment, leaves)
            for v in getattr(model, home):
                name, node = leaf_name(home, v.name), graph.results[v.name]
                low, high = bounds[name]
                bounds[name] = min(low, int(node.low)), max(high, int(node.high))
                if number == _STEPS_TO_BOUND - 2 and bounds[name] != (low, high):
                    bounds[name] = v.limits
        if bounds == before:
            break
    leaves = Leaves(model, known={**known, **bounds})
    found = {}
    for moment in moments(model):
        change = graph_of(model, moment, leaves).results.get(WEIGHT) if moment in SYNAPSE_MOMENTS else None
        found[moment] = 0 if change is None else int(max(abs(change.low), abs(change.high)))
    return found


def largest_change(model: RuleModel, parameters: Mapping[str, Any], extent: Extent | None = None) -> int:
    """The largest weight change that one moment can bring a synapse; see :func:`largest_changes`."""
    return max(largest_changes(model, parameters, extent).values(), default=0)


def _sums(model: RuleModel, known: Mapping[str, tuple[Any, Any]], extent: Extent | None) -> dict[str, tuple[int, int]]:
    """The intervals of sums over at most so many postsynaptic neurons; without an extent those of the rule's own."""
    if extent is None or not model.has(SUM_MOMENT):
        return {}
    terms = graph_of(model, SUM_MOMENT, Leaves(model, known=known)).results
    ends = {leaf_name("sum", name): (int(t.low), int(t.high)) for name, t in terms.items()}
    return {name: (min(low, low * extent.post), max(high, high * extent.post)) for name, (low, high) in ends.items()}


class _DecidingOperations(GraphOperations):
    """Operations that take the branch of a condition which the intervals of its sides decide."""

    def select(self, condition: Value, where_true: Value, where_false: Value) -> Node:
        decided = _decided(condition)
        if decided is None:
            return super().select(condition, where_true, where_false)
        return super().select(condition, *[where_true if decided else where_false] * 2)


def _decided(condition: Node) -> bool | None:
    """Whether a condition holds, if that is known."""
    if condition.operation in ("and", "or"):
        parts = [_decided(a) for a in condition.arguments]
        end = condition.operation == "or"
        if end in parts:
            return end
        return None if None in parts else not end
    if condition.operation == "not":
        inner = _decided(condition.arguments[0])
        return None if inner is None else not inner
    if condition.operation == "leaf":
        return bool(condition.low) if condition.low == condition.high else None
    a, b = condition.arguments
    if condition.operation in ("equal", "not_equal"):
        if a.high < b.low or b.high < a.low:
            return condition.operation == "not_equal"
        same = a.low == a.high == b.low == b.high
        return condition.operation == "equal" if same else None
    strict = condition.operation == "less"
    if a.high < b.low or (not strict and a.high <= b.low):
        return True
    return False if a.low > b.high or (strict and a.low >= b.high) else None


def keeps_silent_rows(model: RuleModel, parameters: Mapping[str, Any], *, real: bool = False) -> bool:
    """Whether the synapses of a postsynaptic neuron that does not fire in a window keep their weight for certain.

    That is so where its variables stay at their start without a spike, and every moment then brings 0; an engine may
    leave out such neurons.
    """
    if model.group or {"post", "synapse"} & set(model.lasting):
        return False
    known = {**_limits_of(parameters), leaf_name("post", SPIKE): (0, 0)}
    starts = {
        leaf_name(home, v.name): v.start_value(parameters) for home in ("post", "synapse") for v in getattr(model, home)
    }
    leaves = Leaves(model, ideal=real, known={**known, **{name: (start, start) for name, start in starts.items()}})
    for moment in moments(model):
        if moment in ("pre_step", "post_spike"):
            continue
        home = NEURON_MOMENTS.get(moment, "synapse")
        for name, node in graph_of(model, moment, leaves, _DecidingOperations).results.items():
            stays = 0 if name == WEIGHT else starts[leaf_name(home, name)]
            if not node.low == node.high == stays:
                return False
    return True
