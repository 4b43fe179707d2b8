"""What rules write beside weights: which quantities of which populations, and their move at a weight update.

Targets carry accumulators as variables that outlast a window. At a weight update this module moves the quantities, so
that a target is asked to learn up to the next weight update, and then runs another network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.learning.inputs import Rule
from ssdp_hw.network.delays import delay_limits, delays, with_delays, without_delays
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.thresholds import threshold_limits, thresholds, with_thresholds, without_threshold
from ssdp_hw.rules import CounterRule
from ssdp_hw.rules.declared import DeclaredRule
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.rules.model import QUANTITY_HOMES, Quantity, WrittenVariable
from ssdp_hw.rules.written import Move, moved_integers, moved_numbers
from ssdp_hw.running.drive import AnyNetwork
from ssdp_hw.running.learning_plan import LearningPlan

# By projection and name of the variable; by projection and accumulator.
Lasting = Mapping[str, Mapping[str, Numbers]]
Moves = Mapping[str, Mapping[str, Move]]


@shown
@dataclass(frozen=True)
class WrittenHealth:
    """A quantity that a rule wrote beside weights, after learning.

    Attributes:
        quantity: what was written, such as ``threshold``.
        owner: the population that has it, of delays the projection.
        updates: number of weight updates, at which it moved.
        changed, at_limit: shares of the values that are others than before, and that lie at an end of their range.
        smallest, largest: of the values after learning, in the network's own units.
        saturations: how often a value was clipped to its range.
        accumulator_saturations: how often an accumulator was at an end of its register when its value moved.
        lost: mean over values of |what the accumulator gave away and the value did not take|, in units of the value: 0
            for ``carry`` without saturation.
    """

    quantity: str
    owner: str
    updates: int
    changed: float
    at_limit: float
    smallest: float
    largest: float
    saturations: int
    accumulator_saturations: int
    lost: float

    def said(self) -> str:
        """One sentence."""
        return (
            f"the {self.quantity} of {self.changed:.1%} of '{self.owner}' moved in {self.updates} weight updates, to "
            f"{self.smallest:.6g} .. {self.largest:.6g}; {self.at_limit:.1%} lie at an end of their range, "
            f"{self.saturations} moves and {self.accumulator_saturations} accumulators saturated"
        )


def check_writes(network: AnyNetwork, rules: Mapping[str, Rule], *, restart: bool) -> None:
    """Raise where a rule moves what a network does not have.

    Args:
        network: the network that learns.
        rules: by projection.
        restart: whether each sample starts from the initial state.

    Raises:
        UnsupportedError: neurons without a threshold, or synapses without delays of their own; or delays would move
            while spikes are under way.
        ParameterError: a register in which a rule finds what it moves is too narrow for it.
    """
    for name, rule in rules.items():
        p = network.projection(name)
        for written in rule.writes:
            if written.quantity is Quantity.DELAY:
                reason = without_delays(p)
                if not restart:
                    reason = (
                        "samples are pieces of one run (restart=False), in which spikes are under way while delays "
                        "move; give each sample a start of its own"
                    )
            else:
                reason = without_threshold(network.population(p.post))
            if reason is not None:
                raise UnsupportedError(f"projection '{name}': its rule moves {written.quantity.value}s, and {reason}")
            assert isinstance(rule, DeclaredRule)
            least, most = _limits(network, name, rule, written)
            if least > most:
                kept = f"'{written.name}' keeps the {written.quantity.value} from {written.least} = {least:g} on"
                raise ParameterError(
                    f"projection '{name}': {rule.model}: {kept}, and the network holds no more than {most:g}; give a "
                    f"smaller {written.least}"
                )
            if written.shows and isinstance(rule, CounterRule):
                _check_shown(network, name, rule, written)


def _check_shown(network: AnyNetwork, name: str, rule: Rule, written: WrittenVariable) -> None:
    """Raise unless the variable that shows a quantity holds all that it is and can become.

    What functions make of the variable is proved to fit from the ends of its register.
    """
    assert isinstance(rule, DeclaredRule)
    home = QUANTITY_HOMES[written.quantity]
    shown = next(v for v in getattr(rule.model, home) if v.name == written.shows)
    values = _values(network, name, written.quantity)
    top = int(max(_limits(network, name, rule, written)[1], values.max(initial=0)))
    if top > shown.limits[1]:
        bits = top.bit_length() + shown.signed
        raise ParameterError(
            f"projection '{name}': {rule.model} finds the {written.quantity.value} in '{shown.name}' of {home}, whose "
            f"{shown.bits} bits hold {shown.limits[1]}, and it may be {top}: give it bits={bits}"
        )


def between_updates(samples: NDArray[np.int64], plan: LearningPlan) -> Iterator[NDArray[np.int64]]:
    """The samples in pieces that end with a weight update, where a rule writes or prunes; else in one piece."""
    if not any(rule.writes or rule.prunes for rule in plan.rules.values()):
        yield samples
        return
    for start, stop, _ in plan.groups(samples.size):
        yield samples[start:stop]


def with_written(network: FixedNetwork | None, source: AnyNetwork, rules: Mapping[str, Rule]) -> FixedNetwork | None:
    """A network whose learned thresholds are those of another one with the same neurons."""
    if network is None:
        return None
    owners = {
        network.projection(name).post
        for name, rule in rules.items()
        if any(v.quantity is Quantity.THRESHOLD for v in rule.writes)
    }
    return with_thresholds(network, {p: thresholds(source, p) for p in owners}) if owners else network


def with_shown(network: AnyNetwork, rules: Mapping[str, Rule], lasting: Lasting) -> Lasting:
    """The variables that outlast a window, in which rules find what they write as it is now."""
    found = {name: dict(variables) for name, variables in lasting.items()}
    for name, rule in rules.items():
        for v in rule.writes:
            if v.shows:
                at = leaf_name(QUANTITY_HOMES[v.quantity], v.shows)
                found[name][at] = _values(network, name, v.quantity).astype(found[name][at].dtype)
    return found


def move_written(network: AnyNetwork, lasting: Lasting, plan: LearningPlan) -> tuple[AnyNetwork, Lasting, Moves]:
    """Let accumulators move what they stand for, once.

    Args:
        network: as it learned.
        lasting: the variables that outlast a window, by projection.
        plan: that of the samples up to the weight update.

    Returns:
        The network with what was written, the variables with what is left in the accumulators, and what was moved.
    """
    moves: dict[str, dict[str, Move]] = {}
    left = {name: dict(variables) for name, variables in lasting.items()}
    for name, rule in plan.rules.items():
        for number, written in enumerate(rule.writes):
            at = leaf_name(QUANTITY_HOMES[written.quantity], written.name)
            network, left[name][at], move = _move(network, name, rule, written, left[name][at], plan, number)
            moves.setdefault(name, {})[written.name] = move
    return network, with_shown(network, plan.rules, left), moves


def added_moves(so_far: Mapping[str, Move], more: Mapping[str, Move]) -> dict[str, Move]:
    """What was moved so far and now, by accumulator."""
    return {name: so_far[name] + move if name in so_far else move for name, move in more.items()}


def _move(
    network: AnyNetwork,
    name: str,
    rule: Rule,
    written: WrittenVariable,
    gathered: Numbers,
    plan: LearningPlan,
    number: int,
) -> tuple[AnyNetwork, Numbers, Move]:
    assert isinstance(rule, DeclaredRule)
    values, limits = _values(network, name, written.quantity), _limits(network, name, rule, written)
    moved: Numbers
    rest: Numbers
    if isinstance(rule, CounterRule):
        shift, key = int(cast("int", rule.parameters[written.shift])), RandomKey(plan.seed, network.layer(name))
        at = plan.first_update, number
        moved, rest, move = moved_integers(rule.rounding, written, shift, values, gathered, limits, key, at)
    else:
        moved, rest, move = moved_numbers(values, gathered, limits, whole=written.quantity is Quantity.DELAY)
    if written.quantity is Quantity.DELAY:
        return with_delays(network, name, moved.astype(np.int64)), rest, move
    return with_thresholds(network, {network.projection(name).post: moved}), rest, move


def _values(network: AnyNetwork, name: str, quantity: Quantity) -> Numbers:
    """The values of what a rule of a projection writes."""
    if quantity is Quantity.DELAY:
        return delays(network, name)
    return thresholds(network, network.projection(name).post)


def _limits(network: AnyNetwork, name: str, rule: DeclaredRule, written: WrittenVariable) -> tuple[float, float]:
    if written.quantity is Quantity.DELAY:
        least, most = map(float, delay_limits(network))
    else:
        least, most = threshold_limits(network, network.projection(name).post)
    if written.least:
        least = max(least, cast("float", rule.parameters[written.least]))
    if written.most:
        most = min(most, cast("float", rule.parameters[written.most]))
    return least, most


class Replay:
    """What a rule of a fixed network wrote, recomputed window by window for rules that see it."""

    def __init__(self, network: AnyNetwork, name: str, rule: Rule, key: RandomKey) -> None:
        self.network, self.name, self.rule, self.key = network, name, rule, key
        self.sees = any(v.shows for v in rule.writes)

    def follow(self, lasting: dict[str, Numbers] | None, window: int) -> None:
        """Move what is written where a weight update ends a window, and change ``lasting``."""
        updates, rest = divmod(self.key.first_window + window + 1, self.rule.windows_per_update)
        if rest or not self.sees or lasting is None:
            return
        plan = LearningPlan({self.name: self.rule}, self.key.seed, first_update=updates - 1)
        self.network, left, _ = move_written(self.network, {self.name: lasting}, plan)
        lasting.update(left[self.name])


def written_health(
    before: AnyNetwork, after: AnyNetwork, rules: Mapping[str, Rule], moves: Moves
) -> dict[str, dict[str, WrittenHealth]]:
    """Health of everything that was written, by projection and accumulator."""
    found: dict[str, dict[str, WrittenHealth]] = {}
    for name, rule in rules.items():
        for written in rule.writes:
            assert isinstance(rule, DeclaredRule)
            old, new = (_values(network, name, written.quantity) for network in (before, after))
            limits = _limits(after, name, rule, written)
            move = moves.get(name, {}).get(written.name, Move(0, 0, 0, np.zeros(new.size)))
            found.setdefault(name, {})[written.name] = WrittenHealth(
                written.quantity.value,
                name if written.quantity is Quantity.DELAY else after.projection(name).post,
                move.updates,
                float(np.mean(old != new)),
                float(np.mean((new == limits[0]) | (new == limits[1]))),
                float(new.min()),
                float(new.max()),
                move.clipped,
                move.full,
                float(np.mean(np.abs(move.lost))),
            )
    return found
