"""Rows of a weight matrix that a declared rule changes alike, which the engine computes once.

The weight changes of a row depend on its postsynaptic neuron by what that neuron's variables are. Many neurons agree in
them: those that stay silent, and those that fire first in the same step. Rows are put in an order in which equal ones
follow each other, and only the first of them is computed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ssdp_hw.rules.form import SYNAPSE_MOMENTS, leaf_name, moment_graph
from ssdp_hw.rules.model import INDEX, RuleModel

from .jit import compiled_loop
from .plastic import EQUAL_AT_END, EQUAL_THROUGHOUT, NOT_KNOWN, Plastic
from .types import ByteArray, Int32Array, NumberArray, UInt64Array

_NOBODY = -1


class EqualRows(NamedTuple):
    """An order of the rows of one member of a thread group, and memory to find it."""

    order: Int32Array  # rows, equal ones behind each other
    is_first: ByteArray  # by row, whether it is the first of its kind in that order
    hashes: UInt64Array  # by row
    found: Int32Array  # hash table of the first rows of their kind, at most half of it taken
    after: Int32Array  # by row, the next equal one
    last: Int32Array  # by first row, the last equal one so far


def make_equal_rows(rows: int) -> EqualRows:
    """Memory for as many rows."""
    table = 2 << max(rows, 1).bit_length()
    return EqualRows(
        np.zeros(rows, np.int32),
        np.zeros(rows, np.uint8),
        np.zeros(rows, np.uint64),
        np.zeros(table, np.int32),
        np.zeros(rows, np.int32),
        np.zeros(rows, np.int32),
    )


def when_equal(model: RuleModel, *, real: bool) -> int:
    """When two rows of a rule have the same weight changes, which is only asked of integers.

    It is not known where a function of synapses reads what is the synapse's or the row's own: its weight, a variable
    that outlasts a window, a random number, or the number of the postsynaptic neuron.
    """
    if real or model.reads_weight or model.reads_weight_sums or any(v.lasts for v in model.synapse):
        return NOT_KNOWN
    graphs = {m: moment_graph(model, m) for m in SYNAPSE_MOMENTS if model.has(m)}
    if any(g.randoms or g.reads(leaf_name("post", INDEX)) for g in graphs.values()):
        return NOT_KNOWN
    return EQUAL_AT_END if set(graphs) == {"window_end"} else EQUAL_THROUGHOUT


@compiled_loop
def _steps(plastic: Plastic, length: int) -> tuple[int, int]:
    """The first step whose values and spikes count, and the number of steps of spikes that count.

    A rule that acts at the end of a window alone reads what the variables are then, and whether the neuron fired.
    """
    return (length, 1) if plastic.declared.equal_rows == EQUAL_AT_END else (0, length)


@compiled_loop
def _hash_rows(
    plastic: Plastic, spikes: ByteArray, table: NumberArray, length: int, begin: int, end: int, hashes: UInt64Array
) -> None:
    rule, size = plastic.declared, plastic.ends.post_size
    start, counted = _steps(plastic, length)
    for row in range(begin, end):
        hashes[row] = 0
    for k in range(rule.post + rule.post_factors + rule.post_reads):
        for t in range(start, length + 1):
            at = (k * (length + 1) + t) * size
            for row in range(begin, end):
                h = hashes[np.uint64(row)]
                value = np.uint64(table[np.uint64(at + row)])
                hashes[np.uint64(row)] = h ^ (value + (h << np.uint64(7)) + (h >> np.uint64(3)))
    for t in range(counted):
        for row in range(begin, end):
            h = hashes[np.uint64(row)]
            value = np.uint64(spikes[np.uint64(t * size + row)])
            hashes[np.uint64(row)] = h ^ (value + (h << np.uint64(7)) + (h >> np.uint64(3)))


@compiled_loop
def _are_equal(plastic: Plastic, spikes: ByteArray, table: NumberArray, length: int, row: int, other: int) -> bool:
    rule, size = plastic.declared, plastic.ends.post_size
    start, counted = _steps(plastic, length)
    equal = True
    for k in range(rule.post + rule.post_factors + rule.post_reads):
        for t in range(start, length + 1):
            at = (k * (length + 1) + t) * size
            equal &= table[at + row] == table[at + other]
    for t in range(counted):
        equal &= spikes[t * size + row] == spikes[t * size + other]
    return equal


@compiled_loop
def order_rows(
    plastic: Plastic, spikes: ByteArray, table: NumberArray, length: int, begin: int, end: int, equal: EqualRows
) -> None:
    """Order the rows from ``begin`` to ``end`` so that equal ones follow each other.

    Args:
        plastic: the projection.
        spikes: those of its postsynaptic neurons, (step, neuron) in one row; where the end of the window decides,
            whether each fires in the window.
        table: their values before each step and after the last one.
        length: number of steps of the window.
        begin, end: the rows.
        equal: written.
    """
    mask = np.uint64(len(equal.found) - 1)
    _hash_rows(plastic, spikes, table, length, begin, end, equal.hashes)
    equal.found[:] = _NOBODY
    for row in range(begin, end):
        h = equal.hashes[row]
        slot = (h ^ (h >> np.uint64(32)) ^ (h >> np.uint64(17))) & mask
        while equal.found[slot] != _NOBODY and not _are_equal(plastic, spikes, table, length, row, equal.found[slot]):
            slot = (slot + np.uint64(1)) & mask
        leader = equal.found[slot]
        equal.after[row] = _NOBODY
        if leader == _NOBODY:
            equal.found[slot] = row
            equal.last[row] = row
            equal.is_first[row] = 1
        else:
            equal.after[equal.last[leader]] = row
            equal.last[leader] = row
            equal.is_first[row] = 0
    place = begin
    for row in range(begin, end):
        found = row if equal.is_first[row] else _NOBODY
        while found != _NOBODY:
            equal.order[place] = found
            place += 1
            found = equal.after[found]
