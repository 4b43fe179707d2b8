"""What arrives at a neuron through the linear nodes before it.

Between neurons a NIR graph is linear: all that a node hands on in a step is a sum over sources (inputs
and spiking neurons) of a matrix times the source's spikes, plus a constant. Chains of linear nodes
are thereby multiplied into one matrix, which is exact up to float64 rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ssdp_hw.checks import real_vector, weight_matrix
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.nir_io.nodes import is_linear, kind_of
from ssdp_hw.nir_io.wiring import Wiring

# Chains of linear nodes may make this many matrix entries beyond those of the graph (1 GiB).
MAX_ENTRIES = 1 << 27


@dataclass
class Term:
    """The part of a signal that comes from one source: its matrix, and the linear nodes on the way."""

    matrix: Any
    via: tuple[str, ...] = ()


@dataclass
class Signal:
    """What a node hands on: a term for each source, and a constant of shape (values,), or None."""

    terms: dict[str, Term] = field(default_factory=dict)
    constant: NDArray[np.float64] | None = None


def signals_of(wiring: Wiring) -> dict[str, Signal]:
    """The signal of every node but the outputs.

    Raises:
        UnsupportedError: a loop without a neuron, or chains that become too large matrices.
        ParameterError, ShapeError: a weight or bias that is not numeric, not finite or does not fit.
    """
    signals = {
        name: Signal({name: Term(_identity(wiring.gives[name]))})
        for name, node in wiring.nodes.items() if not is_linear(node) and kind_of(node) not in ("Flatten", "Output")
    }
    left = MAX_ENTRIES + sum(np.size(node.weight) for node in wiring.nodes.values() if is_linear(node))
    for name in wiring.stateless_order():
        arriving = _sum(signals[k] for k in wiring.before[name])
        if not is_linear(wiring.nodes[name]):
            signals[name] = arriving  # Flatten moves nothing: values are in C order throughout
            continue
        left -= wiring.gives[name] * sum(wiring.gives[source] for source in arriving.terms)
        if left < 0:
            raise UnsupportedError(
                f"{wiring.title(name)}: multiplied with the linear nodes before it, it makes the matrices of the "
                f"graph {MAX_ENTRIES} entries larger; put a neuron between them"
            )
        signals[name] = _through(wiring, name, arriving)
    return signals


def _through(wiring: Wiring, name: str, arriving: Signal) -> Signal:
    """A signal after a linear node."""
    node, owner = wiring.nodes[name], wiring.title(name)
    post, pre = wiring.gives[name], wiring.takes[name]
    weight = weight_matrix(node.weight, post, pre, owner).astype(np.float64)
    terms = {s: Term(weight @ term.matrix, (*term.via, name)) for s, term in arriving.terms.items()}
    constant = None if arriving.constant is None else weight @ arriving.constant
    if hasattr(node, "bias"):
        bias = real_vector(node.bias, post, f"{owner}: bias")
        constant = bias if constant is None else constant + bias
    return Signal(terms, constant)


def _sum(signals: Iterable[Signal]) -> Signal:
    total = Signal()
    for signal in signals:
        for source, term in signal.terms.items():
            old = total.terms.get(source)
            if old is None:
                total.terms[source] = term
            else:
                via = tuple(dict.fromkeys(old.via + term.via))
                total.terms[source] = Term(_add(old.matrix, term.matrix), via)
        total.constant = add_constants(total.constant, signal.constant)
    return total


def add_constants(
    a: NDArray[np.float64] | None, b: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    """The sum of two constants, either of which may be missing."""
    return b if a is None else a if b is None else a + b


def _add(a: Any, b: Any) -> Any:
    if sp.issparse(a) and sp.issparse(b):
        return a + b
    return _dense(a) + _dense(b)


def _dense(matrix: Any) -> Any:
    return matrix.toarray() if sp.issparse(matrix) else matrix


def _identity(size: int) -> Any:
    return sp.csr_array((np.ones(size), np.arange(size), np.arange(size + 1)), shape=(size, size))
