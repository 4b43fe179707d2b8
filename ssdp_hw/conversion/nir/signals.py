"""Signals: the input that reaches a neuron through the linear nodes before it.

Between neurons a NIR graph is linear: the output of a node in step t is a constant plus, for each source (an input or
a spiking population) and each delay, a matrix times the source's spikes of step t - delay. Chains of linear nodes are
thereby multiplied into one matrix, which is exact up to float64 rounding. A convolution keeps its kernel if all its
neighbours are neurons, poolings that it tiles or scales of whole channels; else it is unrolled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.conversion.nir.linear import LinearMap, delay_steps, linear_map
from ssdp_hw.conversion.nir.nodes import is_linear, is_passing, kind_of
from ssdp_hw.conversion.nir.wiring import Wiring
from ssdp_hw.conversion.weight_algebra import Budget, from_synapses, identity, product, total, unrolled
from ssdp_hw.network.weight import DenseWeight, Weight

# A delay in steps for all synapses, or one for each: in the shape of a dense weight, or in the order of a sparse one.
Delay: TypeAlias = "int | NDArray[np.int64]"


@dataclass
class Term:
    """The part of a signal that comes from one source with one delay.

    Attributes:
        weight: shape (values, source); None for the identity.
        via: the linear nodes on the way.
        dense: whether the last of them is a dense matrix, of which this may be a part.
    """

    weight: Weight | None = None
    via: tuple[str, ...] = ()
    dense: bool = False


@dataclass
class Signal:
    """The output of a node: a sum of terms, by source and delay in steps, and a constant of shape (values,) or None."""

    terms: dict[tuple[str, int], Term] = field(default_factory=dict)
    constant: NDArray[np.float64] | None = None


@dataclass
class Signals:
    """The signal of every node that is not an output, and notes on roundings and losses, one sentence each."""

    of: dict[str, Signal]
    notes: list[str]


def signals_of(wiring: Wiring, dt: float, max_synapses: int) -> Signals:
    """The signal of every node, computed by following each source through the linear nodes, in steps of dt seconds.

    Raises:
        UnsupportedError: a loop without a neuron, or more synapses than ``max_synapses``.
        ParameterError, ShapeError: a weight, bias or delay that is not numeric, not finite or does not fit.
    """
    found = Signals({}, [])
    budget = Budget(max_synapses)
    for name, node in wiring.nodes.items():
        if not is_linear(node) and not is_passing(node) and kind_of(node) != "Output":
            found.of[name] = Signal({(name, 0): Term()})
    for name in wiring.stateless_order():
        arriving = _sum((found.of[k] for k in wiring.before[name]), wiring.takes(name))
        if is_linear(wiring.nodes[name]):
            found.of[name] = _through(wiring, name, arriving, dt, budget, found.notes)
        elif kind_of(wiring.nodes[name]) == "Delay":
            found.of[name] = _delayed(wiring, name, arriving, dt, found.notes)
        else:
            found.of[name] = arriving  # values are in C order everywhere, so that a Flatten moves none
    return found


def _through(wiring: Wiring, name: str, arriving: Signal, dt: float, budget: Budget, notes: list[str]) -> Signal:
    """The signal that a linear node makes of a signal."""
    owner = wiring.title(name)
    linear = linear_map(wiring, name)
    signal = Signal()
    for delay, weight in _by_delay(linear, dt, owner, notes):
        for (source, before), term in arriving.terms.items():
            made = product(weight, term.weight, owner, budget)
            part = Term(made, (*term.via, name), not linear.weight.sparse)
            _put(signal, (source, before + delay), part, wiring.gives(name))
    if arriving.constant is not None:
        signal.constant = unrolled(linear.weight, owner, budget).given @ arriving.constant
    signal.constant = add_constants(signal.constant, linear.bias)
    return signal


def _by_delay(linear: LinearMap, dt: float, owner: str, notes: list[str]) -> Iterator[tuple[int, Weight]]:
    """The weight taken apart by delay: each part has the synapses of one delay."""
    if linear.delay is None:
        yield 0, linear.weight
        return
    steps, error = delay_steps(linear.delay, len(linear.delay), dt, f"{owner}: the delay in its metadata")
    _note_rounding(owner, error, dt, notes)
    yield from split(linear.weight, steps)


def split(weight: Weight, steps: NDArray[np.int64]) -> Iterator[tuple[int, Weight]]:
    """Parts of a weight whose synapses have the same delay, each with that delay."""
    distinct = np.unique(steps)
    if len(distinct) == 1:
        yield int(distinct[0]), weight
        return
    rows, cols = weight.synapse_indices()
    for delay in distinct.tolist():
        part = steps == delay
        yield delay, from_synapses(weight.values[part], rows[part], cols[part], weight.shape)


def _delayed(wiring: Wiring, name: str, arriving: Signal, dt: float, notes: list[str]) -> Signal:
    """The signal that a Delay node makes of a signal."""
    owner = wiring.title(name)
    steps, error = delay_steps(wiring.nodes[name].delay, wiring.takes(name), dt, f"{owner}: delay")
    _note_rounding(owner, error, dt, notes)
    if arriving.constant is not None and steps.any():
        notes.append(f"{owner}: the biases before it act from the first step, not after the delay")
    signal = Signal(constant=arriving.constant)
    for (source, before), term in arriving.terms.items():
        if np.all(steps == steps[0]):
            _put(signal, (source, before + int(steps[0])), term, len(steps))
            continue
        weight = identity(term.weight, len(steps)).by_synapse()
        rows, _ = weight.synapse_indices()
        for delay, part in split(weight, steps[rows]):
            _put(signal, (source, before + delay), replace(term, weight=part), len(steps))
    return signal


def _note_rounding(owner: str, error: float, dt: float, notes: list[str]) -> None:
    if error > 1e-9 * dt:
        notes.append(f"{owner}: delays are rounded to steps of {dt:g} s, by up to {error:.3g} s")


def _sum(signals: Iterable[Signal], size: int) -> Signal:
    total = Signal()
    for signal in signals:
        for key, term in signal.terms.items():
            _put(total, key, term, size)
        total.constant = add_constants(total.constant, signal.constant)
    return total


def _put(signal: Signal, key: tuple[str, int], term: Term, size: int) -> None:
    """Add a term to a signal of that many values."""
    old = signal.terms.get(key)
    if old is not None:
        via = tuple(dict.fromkeys(old.via + term.via))
        both = total(identity(old.weight, size), identity(term.weight, size))
        term = Term(both, via, old.dense or term.dense)
    signal.terms[key] = term


def add_constants(a: NDArray[np.float64] | None, b: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """The sum of two constants, either of which may be missing."""
    return b if a is None else a if b is None else a + b


def joined(terms: dict[int, Term], size: int) -> list[tuple[Weight, Delay, tuple[str, ...]]]:
    """Terms of one source as (weight, delay, via): one with a delay a synapse if no synapse is in two terms."""
    parts: list[tuple[Weight, Delay, tuple[str, ...]]] = [
        (identity(term.weight, size), delay, term.via) for delay, term in sorted(terms.items())
    ]
    if len(parts) == 1 or len({via for _, _, via in parts}) > 1:
        return parts
    weights, via = [weight for weight, _, _ in parts], parts[0][2]
    if any(weight.shared for weight in weights):
        return parts
    where = [weight.synapse_indices() for weight in weights]
    shape = weights[0].shape
    place = np.concatenate([rows * shape[1] + cols for rows, cols in where])
    order = np.argsort(place, kind="stable")
    if np.any(np.diff(place[order]) == 0):
        return parts
    place = place[order]
    values = np.concatenate([weight.values for weight in weights])[order]
    delay = np.repeat(sorted(terms), [len(rows) for rows, _ in where])[order]
    if all(term.dense for term in terms.values()):  # only synapses of weight 0 can have been dropped from it
        dense, steps = np.zeros(shape), np.zeros(shape, np.int64)
        dense.reshape(-1)[place], steps.reshape(-1)[place] = values, delay
        return [(DenseWeight(dense), steps, via)]
    rows, cols = np.divmod(place, shape[1])
    return [(from_synapses(values, rows, cols, shape), delay, via)]
