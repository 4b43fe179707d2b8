"""The meaning of a declared rule: its functions on arrays, step by step through a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ssdp_hw.arrays import Bool, Int, Numbers
from ssdp_hw.operations.base import Operations
from ssdp_hw.operations.exact import ExactOperations
from ssdp_hw.operations.ideal import IdealOperations
from ssdp_hw.operations.philox import neuron_layer, synapse_random
from ssdp_hw.rules.form import NEURON_MOMENTS, SUM_MOMENT, call_moment, leaf_name, moments
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.rules.model import (
    DECAY_BITS,
    FAN_IN,
    HOMES,
    INDEX,
    POST_COUNT,
    PRE_COUNT,
    SPIKE,
    STEP,
    STEPS,
    WEIGHT,
    WEIGHT_SUM,
    RuleModel,
)


@dataclass(frozen=True, eq=False)
class Window:
    """What a rule is evaluated on.

    Attributes:
        pre, post: spikes of both populations, shape (time, n).
        rows, cols: post- and presynaptic neuron of each synapse.
        weight: stored weight of each synapse in LSB (in real numbers: the weight); None where no function reads it.
        key: key of the random numbers of the projection.
        number: of the window, counted from ``key.first_window``.
        lasting: variables that outlast the window, by :func:`.form.leaf_name`, as they are before it; the evaluation
            of the window replaces them by those after it. None where they have their start values.
        factors: third factors and states that the rule reads, by :func:`.form.leaf_name`, shape (time, n); n is 1 for
            those of the projection.
    """

    pre: Bool
    post: Bool
    rows: Int
    cols: Int
    weight: Numbers | None
    key: RandomKey
    number: int
    lasting: dict[str, Numbers] | None = None
    factors: Mapping[str, Numbers] = field(default_factory=dict)


class _State:
    """All variables in the course of a window, as the leaves of the functions."""

    def __init__(self, model: RuleModel, parameters: Mapping[str, Any], window: Window, *, ideal: bool) -> None:
        self.model, self.window = model, window
        self.parameters = {**parameters, STEPS: len(window.pre)}
        kind = np.float64 if ideal else np.int64
        sizes = {"pre": window.pre.shape[1], "post": window.post.shape[1], "synapse": window.rows.size, "group": 1}
        self.values: dict[str, dict[str, Numbers]] = {
            home: {v.name: np.full(size, v.start_value(self.parameters), kind) for v in getattr(model, home)}
            for home, size in sizes.items()
        }
        if window.lasting is not None:
            for home, kept in model.lasting.items():
                for v in kept:
                    self.values[home][v.name] = np.array(window.lasting[leaf_name(home, v.name)], kind)
        if model.reads_weight_sums:
            self.values["post"] |= _weight_sums(window, sizes["post"], kind)
        self.chosen: Any = slice(None)  # the synapses that a function is called for; of a neuron all
        self.of_synapses = False
        self.step = 0
        self.sums: dict[str, Any] = {}

    def begin(self, step: int) -> None:
        """Go to a step, and find the third factors and the states that it has."""
        self.step = step
        for home in HOMES:
            for given in self.model.given_of(home):
                self.values[home][given.name] = self.window.factors[leaf_name(home, given.name)][step]

    def parameter(self, name: str) -> Any:
        return self.parameters[name]

    def keep(self, lasting: dict[str, Numbers]) -> None:
        """Replace the variables that outlast the window by those of now."""
        for home, kept in self.model.lasting.items():
            lasting.update({leaf_name(home, v.name): self.values[home][v.name] for v in kept})

    def __call__(self, home: str, name: str) -> Any:
        w = self.window
        if name == STEP:
            return self.step
        if home == "sum":
            return self.sums[name]
        if home == "group":
            if name in (PRE_COUNT, POST_COUNT):
                return int((w.pre if name == PRE_COUNT else w.post)[self.step].sum())
            return self.values[home][name]
        if home == "synapse":
            array = w.weight if name == WEIGHT else self.values[home][name]
            assert array is not None
            return array[self.chosen]
        spikes = w.pre if home == "pre" else w.post
        if name == INDEX:
            of_neurons: Numbers = np.arange(spikes.shape[1])
        else:
            of_neurons = spikes[self.step] if name == SPIKE else self.values[home][name]
        if not self.of_synapses:
            return of_neurons
        return of_neurons[(w.cols if home == "pre" else w.rows)[self.chosen]]


def _weight_sums(window: Window, size: int, kind: type[np.int64] | type[np.float64]) -> dict[str, Numbers]:
    """The sum of the weights that end at each postsynaptic neuron, and their number."""
    assert window.weight is not None
    total = np.zeros(size, kind)
    np.add.at(total, window.rows, window.weight)
    return {WEIGHT_SUM: total, FAN_IN: np.bincount(window.rows, minlength=size).astype(kind)}


def window_changes(
    model: RuleModel, parameters: Mapping[str, Any], window: Window, *, ideal: bool = False, unrounded: bool = False
) -> Numbers:
    """The weight change of every synapse in one window, before gate and counter, shape (synapses,).

    Args:
        model: the rule.
        parameters: its numbers, integers of the registers or (``ideal``) real ones.
        window: spikes, synapses and key.
        ideal: whether to compute in real numbers, without rounding and registers.
        unrounded: whether to compute the variables in integers, and from them the weight change in real numbers; the
            variables that last are then left as they are.
    """
    state = _State(model, parameters, window, ideal=ideal)
    total = np.zeros(window.rows.size, np.float64 if ideal or unrounded else np.int64)
    op, at_synapse = _operations(model, ideal=ideal), _operations(model, ideal=ideal or unrounded)
    present = moments(model)
    steps = len(window.pre)
    for t in range(steps):
        state.begin(t)
        for moment, spikes in (("each_step", None), ("pre_spike", window.pre), ("post_spike", window.post)):
            if moment in present:
                ends = window.cols if moment == "pre_spike" else window.rows
                state.chosen = slice(None) if spikes is None else np.flatnonzero(spikes[t][ends])
                _change_synapses(state, at_synapse, moment, total)
        state.of_synapses = False
        if SUM_MOMENT in present:
            terms = call_moment(model, SUM_MOMENT, op, state)
            size = window.post.shape[1]
            state.sums = {name: np.broadcast_to(term, (size,)).sum()[None] for name, term in terms.items()}
        new = {}
        for moment, home in NEURON_MOMENTS.items():
            if moment in present:
                if isinstance(op, ExactOperations):
                    _seed_draws(op, state, moment, t)
                new[home] = call_moment(model, moment, op, state)
        for home, values in new.items():
            for name, value in values.items():
                state.values[home][name] = np.full(state.values[home][name].shape, value)
    if "window_end" in present:
        state.chosen = slice(None)
        _change_synapses(state, at_synapse, "window_end", total)
    if window.lasting is not None and not unrounded:
        state.keep(window.lasting)
    return total


def _operations(model: RuleModel, *, ideal: bool) -> ExactOperations | IdealOperations:
    registers = {v.name: v.bits for v in (*model.pre, *model.post, *model.synapse, *model.group)}
    if ideal:
        return IdealOperations(DECAY_BITS, registers, spiking=True, at_least=False, subtract=False)
    return ExactOperations(DECAY_BITS, registers, spiking=True, at_least=False, subtract=False).counting()


def _change_synapses(state: _State, op: Operations, moment: str, total: Numbers) -> None:
    state.of_synapses = True
    # Copies, since a new variable may be an old one, which would be overwritten before it is read.
    changes = {name: np.array(value) for name, value in call_moment(state.model, moment, op, state).items()}
    total[state.chosen] += changes.pop(WEIGHT, 0)
    for name, value in changes.items():
        state.values["synapse"][name][state.chosen] = value


def _seed_draws(op: ExactOperations, state: _State, moment: str, t: int) -> None:
    """Let the operations draw the random numbers of one step of one side."""
    window, side = state.window, int(moment == "post_step")
    key, size = window.key, (window.pre, window.post)[side].shape[1]
    step = ((key.first_window + window.number) * len(window.pre) + t) & 0xFFFFFFFF

    def draw(bits: int, number: int) -> Int:
        return synapse_random(key.seed, neuron_layer(key.layer, side, number), np.arange(size), step, bits)

    op.draw, op.drawn = (None if moment == "group_step" else draw), 0
