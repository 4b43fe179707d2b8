"""The weight change of every synapse in one window, by rule, before any gate.

A rule observes each population in a window (``observe``, from its spikes of shape (time, n)), and the step of
the synapses (rows[s], cols[s]) follows from both observations (``step``). Both arithmetics share this code: a factor
is a number in float; in integers it is a table, which has the rounded product for every value of the other factor.
Declared rules, of which the worker knows nothing, are in :mod:`.declared_changes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .synapses import Parameters, Values

Indices = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Synapses:
    """The synapses of a projection in one window.

    Attributes:
        rows, cols: post- and presynaptic neuron of each synapse.
        weights: stored weight of each (in float: the weight), which a rule may read.
        window: number of the window in this run.
        states: states of the neurons that the rule reads, by names such as ``post_v``, shape (time, n).
    """

    rows: Indices
    cols: Indices
    weights: Values
    window: int
    states: Mapping[str, Values] = field(default_factory=dict)


class WeightChanges(Protocol):
    """A rule in the worker."""

    axis: int  # of the windows, along which the observations of a run are stacked
    lasting: dict[str, Values]  # variables that outlast a window

    def __init__(self, parameters: Parameters) -> None: ...

    def observe(self, spikes: NDArray[np.bool_]) -> Values:
        """What the rule observes of the spikes (time, n) of one population in one window."""

    def step(self, pre: Values, post: Values, synapses: Synapses) -> Values:
        """The weight change of each synapse by the observations of both ends."""


def times(factor: Values | int | float, values: Values) -> Values:
    """The product of a factor and values; no value may be negative."""
    product: Values = np.asarray(factor)[values] if np.ndim(factor) else factor * values
    return product


def step_number(parameters: Parameters, step: int) -> int:
    """The number that keys random numbers of a step, which counts from the first window of this run."""
    p = parameters
    number: int = (p["first_window"] * (p["round_steps"] // p["windows"]) + step) & 0xFFFFFFFF
    return number


class SSDP:
    """Spike-timing registers: the tick of each neuron's first or last spike, ``silent`` if it did not fire.

    Needs ``plus`` and ``minus`` (potentiation and depression, by distance in ticks),
    ``last``, ``skip_silent``, ``time_shift`` (a tick is ``2**time_shift`` steps) and ``silent``.
    """

    axis = 0

    def __init__(self, parameters: Parameters) -> None:
        self.p = parameters
        self.lasting: dict[str, Values] = {}

    def observe(self, spikes: NDArray[np.bool_]) -> Values:
        step = len(spikes) - 1 - spikes[::-1].argmax(axis=0) if self.p["last"] else spikes.argmax(axis=0)
        return np.where(spikes.any(axis=0), step >> self.p["time_shift"], self.p["silent"])

    def step(self, pre: Values, post: Values, synapses: Synapses) -> Values:
        p, rows, cols = self.p, synapses.rows, synapses.cols
        fired_pre, fired_post = (pre != p["silent"])[cols], (post != p["silent"])[rows]
        distance = np.abs(post[rows] - pre[cols])
        step = np.where(fired_pre & fired_post, p["plus"][distance], -p["minus"][distance])
        if p["skip_silent"]:
            step[~fired_pre & ~fired_post] = 0
        return step


class Trains:
    """A rule that observes all spikes of a window."""

    axis = 1

    def __init__(self, parameters: Parameters) -> None:
        self.p = parameters
        self.lasting: dict[str, Values] = {}

    def observe(self, spikes: NDArray[np.bool_]) -> Values:
        return spikes.copy()


class STDP(Trains):
    """Pair STDP: a spike reads the traces of the other neurons, and raises the trace of its own neuron.

    Needs the factors ``plus`` and ``minus`` (of a trace that a spike reads), ``decay_factor_plus`` and
    ``decay_factor_minus`` (of a trace in every step; in integers tables of products with ``decay_bits`` fraction bits),
    ``impulse``, ``trace_max`` and ``nearest`` (whether a spike sets the trace instead of adding to it); in integers
    ``trace_rounding`` and, if it is stochastic, ``trace_layers`` and what keys the random numbers.
    """

    def step(self, pre: Values, post: Values, synapses: Synapses) -> Values:
        p = self.p
        plus = times(p["plus"], self.trace(pre, p["decay_factor_plus"], 0, synapses.window))
        minus = times(p["minus"], self.trace(post, p["decay_factor_minus"], 1, synapses.window))
        total = post.T.astype(plus.dtype) @ plus - minus.T @ pre.astype(minus.dtype)
        changes: Values = total[synapses.rows, synapses.cols]
        return changes

    def trace(self, spikes: NDArray[np.bool_], decay_factor: Values | float, side: int, window: int) -> Values:
        """The trace of each neuron in every step, before its spikes; ``side`` is 0 for presynaptic neurons, else 1."""
        p = self.p
        trace = np.zeros(spikes.shape, np.asarray(decay_factor).dtype)
        for t, fired in enumerate(spikes[:-1]):
            added = np.minimum(trace[t] + p["impulse"], p["trace_max"])
            decayed = times(decay_factor, np.where(fired, p["impulse"] if p["nearest"] else added, trace[t]))
            trace[t + 1] = self.rounded(decayed, side, window * len(spikes) + t)
        return trace

    def rounded(self, decayed: Values, side: int, step: int) -> Values:
        """Decayed traces as integers; ``step`` counts from the first window of this run."""
        p = self.p
        bits = p.get("decay_bits")
        if bits is None:
            return decayed
        if p["trace_rounding"] == "stochastic":
            number = step_number(p, step)
            layer = p["layer"] + p["trace_layers"][side]
            decayed = decayed + p["random"](p["seed"], layer, np.arange(len(decayed)), number, bits)
        elif p["trace_rounding"] == "nearest":
            decayed = decayed + (1 << (bits - 1))
        rounded: Values = decayed >> bits
        return rounded


class SADP(Trains):
    """Spike counts, and steps in which both neurons fired: Cohen's kappa of the two trains.

    Needs the factors ``plus`` and ``minus`` of kappa above and below 0, and in integers ``kappa_bits``,
    its fraction bits.
    """

    def step(self, pre: Values, post: Values, synapses: Synapses) -> Values:
        steps = len(pre)
        product = np.outer(post.sum(axis=0), pre.sum(axis=0))
        total = np.add.outer(post.sum(axis=0), pre.sum(axis=0))
        together = post.T.astype(np.int64) @ pre.astype(np.int64)
        excess, most = 2 * (steps * together - product), steps * total - 2 * product
        kappa = self.kappa(np.abs(excess), np.where(most == 0, 1, most))
        step = np.where(excess > 0, times(self.p["plus"], kappa), -times(self.p["minus"], kappa))
        return step[synapses.rows, synapses.cols]

    def kappa(self, excess: NDArray[np.int64], most: NDArray[np.int64]) -> Values:
        """The magnitude of Cohen's kappa."""
        bits = self.p.get("kappa_bits")
        return excess / most if bits is None else (excess << bits) // most
