"""The weight changes of any rule, by the printed functions of its declaration.

In each step of a window come ``each_step``, ``pre_spike`` and ``post_spike`` for the synapses that they concern, then
``pre_step``, ``post_step`` and ``group_step``, all of which read what was before the step; after the last step comes
``window_end``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .synapses import Parameters, Values
from .weight_changes import Indices, Synapses, Trains, step_number

# Of the arguments that it names: the results by name, such as the weight change.
Moment = Callable[..., Mapping[str, Values]]

NEURON_MOMENTS = {"pre_step": "pre", "post_step": "post", "group_step": "group"}
STEP_MOMENTS = ("each_step", "pre_spike", "post_spike")  # of a synapse, in their order
SUM_MOMENT = "post_sum"
WEIGHT = "weight"
# The sum of the weights that end at a neuron, and their number.
WEIGHT_SUMS = ("post_weight_sum", "post_fan_in")
LASTING, FACTOR = "lasting_", "factor_"


class DeclaredChanges(Trains):
    """A rule that is printed.

    Needs ``start``, a function of the start values of its variables by home and name, and by its name a function for
    each of the rule's moments; where these draw random numbers, what keys them. Variables that outlast a window
    are given as they are before the first one, by names such as ``lasting_post_threshold``, third factors by names such
    as ``factor_post_reward``, shape (window, time, n).
    """

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        names = (*STEP_MOMENTS, "window_end", *NEURON_MOMENTS, SUM_MOMENT)
        self.moments: dict[str, Moment] = {name: parameters[name] for name in names if parameters.get(name)}
        self.lasting: dict[str, Values] = {
            name: np.array(parameters[f"{LASTING}{name}"])
            for name in (f"{home}_{own}" for home, variables in parameters["start"]().items() for own in variables)
            if parameters.get(f"{LASTING}{name}") is not None
        }
        self.reads = {name: list(inspect.signature(f).parameters) for name, f in self.moments.items()}
        self.factors: dict[str, Values] = {
            name: parameters[f"{FACTOR}{name}"]
            for name in {name for names in self.reads.values() for name in names}
            if parameters.get(f"{FACTOR}{name}") is not None
        }

    def step(self, pre: Values, post: Values, synapses: Synapses) -> Values:
        state = State(self.p, pre, post, synapses)
        state.set_lasting(self.lasting)
        if any(name in names for names in self.reads.values() for name in WEIGHT_SUMS):
            state.sum_weights()
        for t in range(len(pre)):
            given = {name: values[synapses.window, t] for name, values in self.factors.items()}
            state.begin(t, {**given, **{name: values[t] for name, values in synapses.states.items()}})
            for moment in STEP_MOMENTS:
                if moment in self.moments:
                    self.change(state, moment, state.concerned(moment))
            if SUM_MOMENT in self.moments:
                terms = self.moments[SUM_MOMENT](*(state.value("post_step", n) for n in self.reads[SUM_MOMENT]))
                n_post = post.shape[1]
                state.variables["sum"] = {n: np.broadcast_to(term, (n_post,)).sum() for n, term in terms.items()}
            # All moments of neurons read the variables before the step: the new ones are set after the last call.
            new = {
                home: self.moments[moment](*(state.value(moment, name) for name in self.reads[moment]))
                for moment, home in NEURON_MOMENTS.items()
                if moment in self.moments
            }
            state.set_neurons(new)
        if "window_end" in self.moments:
            self.change(state, "window_end", slice(None))
        self.lasting = {name: state.lasting(name) for name in self.lasting}
        return state.total

    def change(self, state: State, moment: str, chosen: Indices | slice) -> None:
        """Let a moment change some synapses."""
        arguments = [state.of_synapses(name, chosen) for name in self.reads[moment]]
        # Copies, since a new variable may be an old one, which would be overwritten before it is read.
        changes = {name: np.array(value) for name, value in self.moments[moment](*arguments).items()}
        state.total[chosen] += changes.pop(WEIGHT, 0)
        for name, value in changes.items():
            state.variables["synapse"][name][chosen] = value


class State:
    """All variables in the course of a window, and what else the functions read.

    Attributes:
        total: the weight change of each synapse so far.
        step: number of the step in the window.
    """

    def __init__(
        self, parameters: Parameters, pre: NDArray[np.bool_], post: NDArray[np.bool_], synapses: Synapses
    ) -> None:
        self.p, self.synapses = parameters, synapses
        self.spikes = {"pre": pre, "post": post}
        self.ends = {"pre": synapses.cols, "post": synapses.rows}
        kind = synapses.weights.dtype
        sizes = {"pre": pre.shape[1], "post": post.shape[1], "synapse": synapses.rows.size, "group": 1}
        self.variables = {
            home: {name: np.full(sizes[home], value, kind) for name, value in values.items()}
            for home, values in parameters["start"]().items()
        }
        self.total = np.zeros(synapses.rows.size, kind)
        self.step = 0

    def begin(self, step: int, given: Mapping[str, Values]) -> None:
        """Go to a step, which has these third factors and states, by names such as ``post_reward``."""
        self.step = step
        for name, values in given.items():
            home, _, own = name.partition("_")
            self.variables[home][own] = values

    def sum_weights(self) -> None:
        """Find the sum of the weights that end at each postsynaptic neuron, and their number."""
        rows, weights = self.synapses.rows, self.synapses.weights
        n = self.spikes["post"].shape[1]
        total = np.zeros(n, weights.dtype)
        np.add.at(total, rows, weights)
        self.variables["post"]["weight_sum"] = total
        self.variables["post"]["fan_in"] = np.bincount(rows, minlength=n).astype(weights.dtype)

    def concerned(self, moment: str) -> Indices | slice:
        """The synapses to which a moment comes in this step."""
        if moment == "each_step":
            return slice(None)
        end = moment.partition("_")[0]
        return np.flatnonzero(self.spikes[end][self.step][self.ends[end]])

    def value(self, moment: str, name: str) -> Any:
        """What a moment of neurons or of the projection reads, by the name of its argument."""
        if name == "step":
            return self.step
        if name == "draw":
            return lambda layer, bits: self.drawn(NEURON_MOMENTS[moment], layer, bits)
        home, _, what = name.partition("_")
        if what == "spike":
            return self.spikes[home][self.step]
        if what == "index":
            return np.arange(self.spikes[home].shape[1])
        if name in ("group_pre_count", "group_post_count"):
            return int(self.spikes[what.partition("_")[0]][self.step].sum())
        return self.variables[home][what]

    def of_synapses(self, name: str, chosen: Indices | slice) -> Any:
        """What a moment of some synapses reads, by the name of its argument."""
        if name == "synapse_weight":
            return self.synapses.weights[chosen]
        home = name.partition("_")[0]
        value = self.value("", name)
        if home in self.ends:
            return value[self.ends[home][chosen]]
        return value[chosen] if home == "synapse" else value

    def set_neurons(self, new: Mapping[str, Mapping[str, Values]]) -> None:
        """Set the variables of neurons and of the projection."""
        for home, values in new.items():
            for name, value in values.items():
                old = self.variables[home][name]
                self.variables[home][name] = np.broadcast_to(value, old.shape).astype(old.dtype)

    def lasting(self, name: str) -> Values:
        """A variable by a name such as ``post_threshold``."""
        home, _, own = name.partition("_")
        return self.variables[home][own]

    def set_lasting(self, values: Mapping[str, Values]) -> None:
        """Set variables by such names."""
        for name, value in values.items():
            home, _, own = name.partition("_")
            self.variables[home][own] = value.astype(self.variables[home][own].dtype)

    def drawn(self, end: str, layer: int, bits: int) -> Values:
        """Random numbers of the neurons of one end in this step."""
        steps, n = self.spikes[end].shape
        number = step_number(self.p, self.synapses.window * steps + self.step)
        random: Values = self.p["random"](self.p["seed"], self.p["layer"] + layer, np.arange(n), number, bits)
        return random
