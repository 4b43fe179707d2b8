"""Signals: the input that reaches a neuron through the linear nodes before it.

Between neurons a NIR graph is linear: the output of a node in step t is a constant plus, for each source (an input or
a spiking population) and each delay, a matrix times the source's spikes of step t - delay. Chains of linear nodes are
thereby multiplied into one matrix, which is exact up to float64 rounding. A convolution keeps its kernel if all its
neighbours are neurons, poolings that it tiles or scales of whole channels; else it is unrolled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ssdp_hw.conversion.nir.linear import Budget, LinearMap, delay_steps, diagonal, linear_map
from ssdp_hw.conversion.nir.nodes import is_linear, is_passing, kind_of
from ssdp_hw.conversion.nir.wiring import Wiring
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.network.weight import as_weight


@dataclass
class Term:
    """The part of a signal that comes from one source with one delay.

    Attributes:
        matrix: a weight of any kind, (values, source); None for the identity.
        via: the linear nodes on the way.
        dense: whether the last of them is a dense matrix, of which this may be a part.
    """

    matrix: Any = None
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
            found.of[name] = arriving  # values are in C order throughout, so nothing moves
    return found


def _through(wiring: Wiring, name: str, arriving: Signal, dt: float, budget: Budget, notes: list[str]) -> Signal:
    """A signal behind a linear node."""
    owner = wiring.title(name)
    linear = linear_map(wiring, name)
    signal = Signal()
    for delay, matrix in _by_delay(linear, dt, owner, notes):
        for (source, before), term in arriving.terms.items():
            made = product(matrix, term.matrix, owner, budget)
            part = Term(made, (*term.via, name), isinstance(linear.matrix, np.ndarray))
            _put(signal, (source, before + delay), part, wiring.gives(name))
    if arriving.constant is not None:
        signal.constant = _synapses(linear.matrix, owner, budget) @ arriving.constant
    signal.constant = add_constants(signal.constant, linear.bias)
    return signal


def _by_delay(linear: LinearMap, dt: float, owner: str, notes: list[str]) -> Iterator[tuple[int, Any]]:
    """The matrix in parts of one delay each."""
    if linear.delay is None:
        yield 0, linear.matrix
        return
    steps, error = delay_steps(linear.delay, len(linear.delay), dt, f"{owner}: the delay in its metadata")
    _note_rounding(owner, error, dt, notes)
    yield from split(linear.matrix, steps)


def split(matrix: Any, steps: NDArray[np.int64]) -> Iterator[tuple[int, Any]]:
    """Parts of a matrix whose synapses have the same delay, each with that delay."""
    distinct = np.unique(steps)
    if len(distinct) == 1:
        yield int(distinct[0]), matrix
        return
    rows, cols = as_weight(matrix).synapse_indices()
    values = as_weight(matrix).values
    for delay in distinct.tolist():
        part = steps == delay
        yield delay, sp.csr_array(sp.coo_array((values[part], (rows[part], cols[part])), shape=matrix.shape))


def _delayed(wiring: Wiring, name: str, arriving: Signal, dt: float, notes: list[str]) -> Signal:
    """A signal behind a Delay node."""
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
        matrix = as_weight(_or_identity(term.matrix, len(steps))).by_synapse().given
        rows, _ = as_weight(matrix).synapse_indices()
        for delay, part in split(matrix, steps[rows]):
            _put(signal, (source, before + delay), replace(term, matrix=part), len(steps))
    return signal


def _note_rounding(owner: str, error: float, dt: float, notes: list[str]) -> None:
    if error > 1e-9 * dt:
        notes.append(f"{owner}: delays are rounded to steps of {dt:g} s, by up to {error:.3g} s")


def product(matrix: Any, before: Any, owner: str, budget: Budget) -> Any:
    """``matrix @ before``, weights of any kind, where ``before`` = None is the identity.

    Raises:
        UnsupportedError: more synapses than the budget has left.
    """
    if before is None:
        return matrix
    folded = _folded(matrix, before)
    if folded is not None:
        return folded
    matrix, before = (_synapses(m, owner, budget) for m in (matrix, before))
    if sp.issparse(before):
        width = np.diff(before.indptr)
        used = np.flatnonzero(width)
        if not sp.issparse(matrix) and len(used) < before.shape[0]:
            # Only some values have this delay: keep the synapses of the others out.
            rows, cols = np.divmod(np.arange(matrix.shape[0] * len(used)), len(used))
            values = matrix[:, used].reshape(-1)
            matrix = sp.csr_array(sp.coo_array((values, (rows, used[cols])), shape=matrix.shape))
    else:
        width = np.full(before.shape[0], before.shape[1])
    taps = np.bincount(matrix.indices, minlength=len(width)) if sp.issparse(matrix) else matrix.shape[0]
    count = min(int(np.sum(taps * width)), matrix.shape[0] * before.shape[1])
    budget.spend(count, owner, "multiplied with the linear nodes before it,")
    return matrix @ before


def _folded(matrix: Any, before: Any) -> ConvWeight | None:
    """``matrix @ before`` as one convolution, where it is one."""
    if isinstance(before, ConvWeight):
        if isinstance(matrix, ConvWeight):
            return matrix.after_pooling(before)
        return before.times_outputs(matrix.data) if _is_diagonal(matrix) else None
    return matrix.times_inputs(before.data) if isinstance(matrix, ConvWeight) and _is_diagonal(before) else None


def _is_diagonal(matrix: Any) -> bool:
    size = matrix.shape[0]
    return (
        sp.issparse(matrix)
        and matrix.shape == (size, size)
        and np.array_equal(matrix.indptr, np.arange(size + 1))
        and np.array_equal(matrix.indices, np.arange(size))
    )


def _synapses(weight: Any, owner: str, budget: Budget) -> Any:
    """The weight as a dense or sparse matrix."""
    if as_weight(weight).shared:
        budget.spend(weight.synapses, owner, "unrolled")
    return as_weight(weight).by_synapse().given


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
        both = add_matrices(_or_identity(old.matrix, size), _or_identity(term.matrix, size))
        term = Term(both, via, old.dense or term.dense)
    signal.terms[key] = term


def add_constants(a: NDArray[np.float64] | None, b: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """The sum of two constants, either of which may be missing."""
    return b if a is None else a if b is None else a + b


def joined(terms: dict[int, Term], size: int) -> list[tuple[Any, Any, tuple[str, ...]]]:
    """Terms of one source as (matrix, delay, via): one with a delay a synapse if no synapse is in two terms."""
    parts = [(_or_identity(term.matrix, size), delay, term.via) for delay, term in sorted(terms.items())]
    if len(parts) == 1 or len({via for _, _, via in parts}) > 1:
        return parts
    if any(as_weight(matrix).shared for matrix, _, _ in parts):
        return parts
    matrices, delays, (via, *_) = zip(*parts, strict=True)
    where = [as_weight(matrix).synapse_indices() for matrix in matrices]
    shape = matrices[0].shape
    place = np.concatenate([rows * shape[1] + cols for rows, cols in where])
    order = np.argsort(place, kind="stable")
    if np.any(np.diff(place[order]) == 0):
        return parts
    place = place[order]
    values = np.concatenate([as_weight(matrix).values for matrix in matrices])[order]
    delay = np.repeat(delays, [len(rows) for rows, _ in where])[order]
    if all(term.dense for term in terms.values()):  # of which only weights of zero can have been dropped
        dense, steps = np.zeros(shape), np.zeros(shape, np.int64)
        dense.reshape(-1)[place], steps.reshape(-1)[place] = values, delay
        return [(dense, steps, via)]
    rows, cols = np.divmod(place, shape[1])
    return [(sp.csr_array(sp.coo_array((values, (rows, cols)), shape=shape)), delay, via)]


def _or_identity(matrix: Any, size: int) -> Any:
    return diagonal(np.ones(size)) if matrix is None else matrix


def add_matrices(a: Any, b: Any) -> Any:
    """The sum of two weights of any kind, dense or sparse; a convolution is unrolled."""
    a, b = as_weight(a).by_synapse().given, as_weight(b).by_synapse().given
    if sp.issparse(a) and sp.issparse(b):
        return a + b
    return _dense(a) + _dense(b)


def _dense(matrix: Any) -> Any:
    return matrix.toarray() if sp.issparse(matrix) else matrix
