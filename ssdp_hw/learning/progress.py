"""The weights, counters and counts that a learning run has come to so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.analysis.statistics import wilson
from ssdp_hw.arrays import Numbers
from ssdp_hw.learning.alive import bury_dead, prune_any
from ssdp_hw.learning.inputs import Rule
from ssdp_hw.learning.result import CurvePoint
from ssdp_hw.learning.state import LearningState
from ssdp_hw.learning.written import Moves, added_moves, move_written
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.rules.local import Observed
from ssdp_hw.running.drive import AnyNetwork
from ssdp_hw.running.learning_plan import Learned, LearningPlan
from ssdp_hw.running.result import OverflowCount

# What is counted: saturations, or overflows of the registers.
_Count = TypeVar("_Count", int, OverflowCount)


class Progress:
    """The network, its counters and what has been observed so far."""

    def __init__(self, network: AnyNetwork, state: LearningState, windows: int, batch: int) -> None:
        self.network, self.windows, self.batch = network, windows, batch
        self._first = state
        self.done = 0  # number of samples that this run has finished with, taught or not
        self.counters, self.updates, self.pending = state.counters, state.updates, state.pending
        self.lasting, self.neurons, self.steps = state.lasting, state.neurons, state.steps
        self.order: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        self.gates: dict[str, list[Numbers]] = {}
        self.observed: dict[str, list[tuple[Numbers, Numbers]]] = {}
        self.states: dict[str, list[Mapping[str, Numbers]]] = {}
        self.weight_saturations: dict[str, int] | None = None
        self.counter_saturations: dict[str, int] | None = None
        self.overflow: dict[str, OverflowCount] | None = None
        self.moves: Moves = {}
        self.info: Mapping[str, object] = {}
        self.curve: list[CurvePoint] = []
        self.evaluations: list[CurvePoint] = []
        self._finished: tuple[dict[str, object], list[tuple[list[Any], int]]] = {}, []
        self.finish_piece()

    def finish_piece(self) -> None:
        """Remember that everything until here belongs together: samples, weights, counters and counts.

        Lists grow; every other attribute is replaced by a piece, and never changed in place.
        """
        lists: list[list[Any]] = [
            self.order,
            self.curve,
            self.evaluations,
            *self.gates.values(),
            *self.observed.values(),
            *self.states.values(),
        ]
        grow = ("order", "curve", "evaluations", "gates", "observed", "states", "_finished")
        values = {name: value for name, value in vars(self).items() if name not in grow}
        self._finished = values, [(entries, len(entries)) for entries in lists]

    def forget_unfinished(self) -> None:
        """Go back to the last call of :meth:`finish_piece`, after an interruption anywhere."""
        values, lengths = self._finished
        for name, value in values.items():
            setattr(self, name, value)
        known = {id(entries) for entries, _ in lengths}
        for entries, length in lengths:
            del entries[length:]
        by_names: tuple[dict[str, list[Any]], ...] = (self.gates, self.observed, self.states)
        for by_name in by_names:
            for name in [name for name, entries in by_name.items() if id(entries) not in known]:
                del by_name[name]

    def note_accuracy(self, right: int, asked: int, epoch: int) -> None:
        """Add a point to the curve: ``right`` of the ``asked`` samples, which are taught next, were right."""
        self.curve.append(CurvePoint(epoch, self.done + asked, wilson(right, asked)))

    def take(self, learned: Learned, order: NDArray[np.int64], plan: LearningPlan, steps: int) -> None:
        """Take over the weights, counters and counts that a target handed back from presenting ``order``.

        ``steps`` is the length of a sample.
        """
        self.network = with_learned_weights(self.network, learned.weights)
        self.counters, self.lasting, self.info = learned.counters, learned.lasting, learned.info
        if not plan.restart:
            self.neurons, self.steps = learned.neurons, plan.first_step + order.size * steps
        updates, self.pending = divmod(plan.first_window + order.size * self.windows, plan.windows_per_update)
        self.updates += updates
        if updates and any(rule.writes for rule in plan.rules.values()):
            self.network, self.lasting, moves = move_written(self.network, self.lasting, plan)
            self.moves = {name: added_moves(self.moves.get(name, {}), found) for name, found in moves.items()}
        if updates and prune_any(plan.rules):
            self.network, self.counters, self.lasting = bury_dead(self.network, self.counters, self.lasting, plan.rules)
        self.order.append(order)
        for name, observed in learned.observed.items():
            self.observed.setdefault(name, []).append(observed)
        for name, states in learned.states.items():
            self.states.setdefault(name, []).append(states)
        for name, gates in plan.gates.items():
            self.gates.setdefault(name, []).append(gates)
        self.weight_saturations = _added(self.weight_saturations, learned.weight_saturations, 0)
        self.counter_saturations = _added(self.counter_saturations, learned.counter_saturations, 0)
        self.overflow = _added(self.overflow, learned.overflow, OverflowCount())

    @property
    def state(self) -> LearningState:
        """The state for a later run."""
        epochs, presented = divmod(self._first.presented + self.done, self.batch)
        return replace(
            self._first,
            counters=self.counters,
            updates=self.updates,
            pending=self.pending,
            epochs=self._first.epochs + epochs,
            presented=presented,
            lasting=self.lasting,
            steps=self.steps,
            neurons=self.neurons,
        )

    @property
    def presented(self) -> NDArray[np.int64]:
        """Sample of every presentation so far."""
        return np.concatenate(self.order).astype(np.int64)

    def observation(self, name: str, rule: Rule, steps: int) -> Observed:
        """What the rule of a projection observed in every window so far; ``steps`` is the length of a window."""
        axis = 1 if rule.keeps_raster else 0
        pre, post = zip(*self.observed[name], strict=True)
        return rule.from_recorded(np.concatenate(pre, axis), np.concatenate(post, axis), steps)

    def read_states(self, name: str) -> dict[str, Numbers]:
        """The states that the rule of a projection has read so far, by names such as ``post_v``."""
        parts = self.states.get(name, [])
        return {key: np.concatenate([part[key] for part in parts]) for key in (parts[0] if parts else ())}


def _added(
    total: dict[str, _Count] | None, more: Mapping[str, _Count] | None, zero: _Count
) -> dict[str, _Count] | None:
    if more is None:
        return total
    return {name: (total or {}).get(name, zero) + count for name, count in more.items()}


def with_learned_weights(network: AnyNetwork, weights: Mapping[str, Numbers]) -> AnyNetwork:
    """A network with the stored weights that a target learned, by projection."""
    if isinstance(network, FixedNetwork):
        return network.with_mantissas(weights)
    return network.with_weights({name: network.projection(name).stored.with_values(w) for name, w in weights.items()})
