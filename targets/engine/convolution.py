"""Convolutions as the kernels walk them: which runs of stored weights a spike adds to which runs of neurons.

A spike at (channel, y, x) reaches, for each kernel row that meets y, neighbouring x of the output. The
neurons of a population that convolutions reach are therefore kept channels last, and the kernel so that
the taps that meet neighbouring outputs are neighbours, each with its output channels: one kernel row is one
run, or a few at a stride. Where the neurons cannot be kept so, the output channels are rows as well.

A table is an int32 array. It begins with ``SITE`` numbers for each source: where its rows begin and end in
the table, where its runs begin and end, and where it begins in the kernel and in the target. A row is two
numbers, offsets in kernel and target; a run is three, these offsets and a length. All are added up.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.conv_weight import ConvWeight
from ssdp_hw.drive import AnyNetwork

Index = NDArray[np.int64]

SITE, ROW, RUN = 6, 2, 3


def channels_last(network: AnyNetwork) -> dict[str, Index]:
    """For each population that convolutions reach, its neurons with the channels of these last."""
    orders = {}
    for name in network.population_names:
        weights = [p.weight for p in network.incoming(name) if isinstance(p.weight, ConvWeight)]
        shapes = {w.shape_out for w in weights}
        if len(shapes) == 1 and any(w.kernel.shape[0] > w.groups for w in weights):
            channels, *space = shapes.pop()
            orders[name] = np.arange(channels * math.prod(space)).reshape(channels, -1).T.reshape(-1)
    return orders


def convolution_table(weight: ConvWeight, sources: Index, *, last: bool) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """The stored weights in the order of the runs, and the table.

    Args:
        weight: the convolution.
        sources: the sources in the order in which they are listed.
        last: whether the target's neurons are kept channels last.
    """
    c_out, c_in, *taps = weight.kernel.shape
    out_width, last_axis = weight.shape_out[-1], len(taps) - 1
    outputs = c_out // weight.groups  # channels that one input channel reaches
    # Output x rises by one where a tap falls by `fall`: such taps become neighbours, in slots.
    fall = weight.stride[-1] // math.gcd(weight.stride[-1], weight.dilation[-1])
    tap_of_slot = np.lexsort((-np.arange(taps[-1]), np.arange(taps[-1]) % fall))
    grouped = weight.kernel.reshape(weight.groups, outputs, c_in, -1, taps[-1])[..., tap_of_slot]
    kernel = grouped.transpose((0, 2, 3, 4, 1) if last else (0, 2, 1, 3, 4))

    in_row, row, out_row = weight.pairs(0, last_axis)
    in_x, tap, out_x = weight.pairs(last_axis)
    slot, area = np.argsort(tap_of_slot)[tap], math.prod(weight.shape_out[1:])
    if last:
        row_kernel, row_out = row * taps[-1] * outputs, out_row * out_width * c_out
        run_kernel, run_out, length = slot * outputs, out_x * c_out, outputs
    else:
        channel = np.arange(outputs)[:, None]
        row_kernel = (channel * math.prod(taps) + row * taps[-1]).reshape(-1)
        row_out = (channel * area + out_row * out_width).reshape(-1)
        in_row = np.tile(in_row, outputs)
        run_kernel, run_out, length = slot, out_x, 1
    rows_of, rows = _grouped(in_row, math.prod(weight.shape_in[1:-1]), np.stack([row_kernel, row_out]))
    runs_of, runs = _merged(in_x, weight.shape_in[-1], run_kernel, run_out, length)

    channel, place = np.divmod(sources, math.prod(weight.shape_in[1:]))
    y, x = np.divmod(place, weight.shape_in[-1])
    rows_at = SITE * len(sources)
    runs_at = rows_at + rows.size
    sites = np.stack([
        rows_at + ROW * rows_of[y], rows_at + ROW * rows_of[y + 1],
        runs_at + RUN * runs_of[x], runs_at + RUN * runs_of[x + 1],
        channel * outputs * math.prod(taps), channel // c_in * outputs * (1 if last else area),
    ], axis=1)
    table = np.concatenate([sites.reshape(-1), rows.T.reshape(-1), runs.T.reshape(-1)])
    return kernel.reshape(-1), table.astype(np.int32)


def _grouped(keys: Index, count: int, columns: Index) -> tuple[Index, Index]:
    """Where the entries of each key begin (and the last end), and the columns sorted by key."""
    order = np.argsort(keys, kind="stable")
    return np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=count))]), columns[:, order]


def _merged(x: Index, width: int, kernel: Index, out: Index, length: int) -> tuple[Index, Index]:
    """Runs (kernel, out, length) by x, those joined that follow each other in kernel and target."""
    order = np.lexsort((kernel, x))
    x, kernel, out = x[order], kernel[order], out[order]
    follows = (np.diff(x) == 0) & (np.diff(kernel) == length) & (np.diff(out) == length)
    first = np.flatnonzero(np.concatenate([[True], ~follows]))[:len(x)]
    lengths = length * np.diff(np.append(first, len(x)))
    return _grouped(x[first], width, np.stack([kernel[first], out[first], lengths]))
