"""Tables of convolutions: the runs of kernel weights that a spike adds, and the runs of neurons that receive them.

A spike at (channel, y, x) reaches neighbouring x of the output for each kernel row that overlaps y. Neurons of a
population that convolutions reach are therefore stored with channels last, and kernels are stored so that taps for
neighbouring outputs are neighbours, each with its output channels. One kernel row is then one run, or a few runs if
the convolution is dilated or grouped.

A table is an int32 array. It begins with ``SITE`` numbers for each source: begin and end of its rows in the table,
begin and end of its runs in the table, and its offsets in the kernel and in the postsynaptic group. A row has two
numbers, an offset in the kernel and one in that group. A run has three numbers, two such offsets and a length. The
place of a run is the sum of the offsets of source, row and run.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.running.drive import AnyNetwork

Index = NDArray[np.int64]

SITE, ROW, RUN = 6, 2, 3


def channels_last(network: AnyNetwork) -> dict[str, Index]:
    """For each population that convolutions reach the order of its neurons with channels as the last axis."""
    orders = {}
    for name in network.population_names:
        weights = [p.weight for p in network.incoming(name) if isinstance(p.weight, ConvWeight)]
        shapes = {w.shape_out for w in weights}
        if len(shapes) == 1 and any(w.kernel.shape[0] > w.groups for w in weights):
            channels, *space = shapes.pop()
            orders[name] = np.arange(channels * math.prod(space)).reshape(channels, -1).T.reshape(-1)
    return orders


def has_table(weight: ConvWeight, *, last: bool) -> bool:
    """Whether runs have more than one neuron, so that a table pays; ``last`` as in :func:`convolution_table`."""
    return last or weight.kernel.shape[0] == weight.groups


def convolution_table(weight: ConvWeight, sources: Index, *, last: bool) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """The kernel weights in the order of the runs, and the table.

    Args:
        weight: a convolution for which :func:`has_table`.
        sources: the presynaptic neurons in the order of their group.
        last: whether the postsynaptic neurons are stored with channels as the last axis.
    """
    c_out, c_in, *taps = weight.kernel.shape
    outputs, area = c_out // weight.groups, math.prod(weight.shape_out[1:])
    # In the postsynaptic group, from one position to the next and from one channel to the next.
    per_position, per_channel = (c_out, 1) if last else (1, area)
    # Output x rises by one where a tap falls by `fall`: such taps become neighbours, in slots.
    fall = weight.stride[-1] // math.gcd(weight.stride[-1], weight.dilation[-1])
    tap_of_slot = np.lexsort((-np.arange(taps[-1]), np.arange(taps[-1]) % fall))
    grouped = weight.kernel.reshape(weight.groups, outputs, c_in, -1, taps[-1])[..., tap_of_slot]

    in_row, row, out_row = weight.pairs(0, len(taps) - 1)
    row_columns = np.stack([row * taps[-1] * outputs, out_row * weight.shape_out[-1] * per_position])
    rows_of, rows = _grouped(in_row, math.prod(weight.shape_in[1:-1]), row_columns)
    in_x, tap, out_x = weight.pairs(len(taps) - 1)
    slot = np.argsort(tap_of_slot)[tap]
    runs_of, runs = _merged(in_x, weight.shape_in[-1], slot * outputs, out_x * per_position, outputs)

    channel, place = np.divmod(sources, math.prod(weight.shape_in[1:]))
    y, x = np.divmod(place, weight.shape_in[-1])
    rows_at = SITE * len(sources)
    runs_at = rows_at + rows.size
    sites = np.stack(
        [
            rows_at + ROW * rows_of[y],
            rows_at + ROW * rows_of[y + 1],
            runs_at + RUN * runs_of[x],
            runs_at + RUN * runs_of[x + 1],
            channel * outputs * math.prod(taps),
            channel // c_in * outputs * per_channel,
        ],
        axis=1,
    )
    table = np.concatenate([sites.reshape(-1), rows.T.reshape(-1), runs.T.reshape(-1)])
    return grouped.transpose(0, 2, 3, 4, 1).reshape(-1), table.astype(np.int32)


def _grouped(keys: Index, count: int, columns: Index) -> tuple[Index, Index]:
    """The first entry of each key, with the total at the end, and the columns sorted by key."""
    order = np.argsort(keys, kind="stable")
    return np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=count))]), columns[:, order]


def _merged(x: Index, width: int, kernel: Index, out: Index, length: int) -> tuple[Index, Index]:
    """Runs (kernel, out, length) sorted by x; runs that are adjacent in the kernel and among the neurons are merged."""
    order = np.lexsort((kernel, x))
    x, kernel, out = x[order], kernel[order], out[order]
    follows = (np.diff(x) == 0) & (np.diff(kernel) == length) & (np.diff(out) == length)
    first = np.flatnonzero(np.concatenate([[True], ~follows]))[: len(x)]
    lengths = length * np.diff(np.append(first, len(x)))
    return _grouped(x[first], width, np.stack([kernel[first], out[first], lengths]))
