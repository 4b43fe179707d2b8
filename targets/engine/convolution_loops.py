"""The synaptic input that the spikes of convolutions bring."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba.core import types

from .convolution import ROW, RUN, SITE
from .jit import as_in, compiled_loop, shifted, typed_overload
from .spike_loops import flush
from .types import Int32Array, StateArray, WeightArray

_index = np.uint64


@compiled_loop
def _add_runs(
    total: StateArray,
    at: int,
    weights: WeightArray,
    weight_start: int,
    table: Int32Array,
    table_start: int,
    active: Int32Array,
    begin: int,
    count: int,
    shift: int,
) -> None:
    """Add the runs of a convolution's active sources, times 2**shift (shift >= 0); see :mod:`.convolution`."""
    left = as_in(total, shift)
    for k in range(begin, begin + count):
        site = _index(table_start + SITE * active[_index(k)])
        kernel_start, target_start = weight_start + table[site + _index(4)], at + table[site + _index(5)]
        runs, runs_end = table_start + table[site + _index(2)], table_start + table[site + _index(3)]
        for r in range(table_start + table[site], table_start + table[site + _index(1)], ROW):
            row_kernel, row_target = kernel_start + table[_index(r)], target_start + table[_index(r + 1)]
            for e in range(runs, runs_end, RUN):
                w, j = _index(row_kernel + table[_index(e)]), _index(row_target + table[_index(e + 1)])
                for i in range(table[_index(e + 2)]):
                    total[j + _index(i)] += shifted(as_in(total, weights[w + _index(i)]), left)


def send_runs(
    ring: StateArray,
    at: int,
    weights: WeightArray,
    weight_start: int,
    width: int,
    active: Int32Array,
    begin: int,
    count: int,
    shift: int,
    table: Int32Array,
    table_start: int,
    whole: StateArray,
) -> None:
    """Add the spikes that a convolution transmits to ``ring[at:at + width]``; see :func:`send_rows` and ``Wiring``."""
    raise NotImplementedError("compiled code only")


@typed_overload(send_runs)
def _send_runs(
    ring: types.Array,
    at: types.Integer,
    weights: types.Array,
    weight_start: types.Integer,
    width: types.Integer,
    active: types.Array,
    begin: types.Integer,
    count: types.Integer,
    shift: types.Integer,
    table: types.Array,
    table_start: types.Integer,
    whole: types.Array,
) -> Callable[..., object]:
    return _send_integer_runs if isinstance(ring.dtype, types.Integer) else _send_float_runs


def _send_integer_runs(
    ring: StateArray,
    at: int,
    weights: WeightArray,
    weight_start: int,
    width: int,
    active: Int32Array,
    begin: int,
    count: int,
    shift: int,
    table: Int32Array,
    table_start: int,
    whole: StateArray,
) -> None:
    if shift >= 0:
        _add_runs(ring, at, weights, weight_start, table, table_start, active, begin, count, shift)
    else:
        _add_runs(whole, 0, weights, weight_start, table, table_start, active, begin, count, 0)
        flush(ring, at, whole, 0, width, shift)


def _send_float_runs(
    ring: StateArray,
    at: int,
    weights: WeightArray,
    weight_start: int,
    width: int,
    active: Int32Array,
    begin: int,
    count: int,
    shift: int,
    table: Int32Array,
    table_start: int,
    whole: StateArray,
) -> None:
    _add_runs(ring, at, weights, weight_start, table, table_start, active, begin, count, 0)
