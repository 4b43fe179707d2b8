"""Learning in the engine without a return to Python: windows are presented, then every rule takes its steps."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from .counter_kernels import move_weights
from .jit import entry_point
from .kernels import simulate_from
from .plastic import BY_TIME
from .ssdp_kernels import ssdp_window
from .train_kernels import train_window


@nb.njit(nogil=True)
def _read_registers(ticks: Any, window: int, start: int, steps: Any, silent: int, time_shift: int) -> None:
    for i in range(ticks.shape[1]):
        step = steps[start + i]
        ticks[window, i] = silent if step < 0 else step >> time_shift


@entry_point
def present(
    layout: Any, wiring: Any, neurons: Any, raster: Any, bias: Any, keep: Any, spikes: Any, trace: Any, overflow: Any,
    first: Any, last: Any, windows: int, begin: int, end: int,
) -> None:
    """Run the samples begin .. end - 1, each of so many windows.

    Args:
        layout .. spikes, overflow: as :func:`.kernels.simulate` has them; trace: an empty one.
        first, last: step of the first and last spike of every source in each window, written to row
            ``window % len(first)``.
        windows: of each sample.
        begin, end: samples.
    """
    n, steps = len(neurons.v_init), raster.shape[0] // windows
    u, v = np.empty((1, n), neurons.v_init.dtype), np.empty((1, n), neurons.v_init.dtype)
    ring = np.empty((1, layout.slots * n), neurons.v_init.dtype)
    for sample in range(begin, end):
        for w in range(windows):
            at, stop, row = w * steps, (w + 1) * steps, (sample * windows + w) % len(first)
            simulate_from(
                at, u, v, ring, layout, wiring, neurons, raster[at:stop], bias, keep, spikes[at:stop], trace, trace,
                overflow, first[row:row + 1], last[row:row + 1], sample, sample + 1,
            )


@entry_point
def learn_groups(
    layout: Any, wiring: Any, neurons: Any, raster: Any, bias: Any, keep: Any, spikes: Any, trace: Any, overflow: Any,
    first: Any, last: Any, plastics: Any, windows: int, groups: Any, done: int, presented: bool, tallies: Any,
) -> None:
    """Present the samples of some groups and learn from them.

    Args:
        layout .. windows: as :func:`present` has them, with a row of ``first`` and ``last`` for each window of a
            group; weights and counters are changed.
        plastics: the projections that learn.
        groups: for each the first sample, one past the last, and whether a commit follows.
        done: number of commits before them.
        presented: whether the samples have been presented already.
        tallies: for each projection counters and weights that were cut, added to, and scratch.
    """
    steps = raster.shape[0] // windows
    for g in range(len(groups)):
        begin, end, commits = groups[g, 0], groups[g, 1], groups[g, 2] != 0
        if not presented:
            present(
                layout, wiring, neurons, raster, bias, keep, spikes, trace, overflow, first, last, windows, begin, end
            )
        for p in range(len(plastics)):
            plastic, tally = plastics[p], tallies[p]
            ends, rule = plastic.ends, plastic.by_time
            tally[2] = 0
            for window in range(begin * windows, end * windows):
                closes = commits and window == end * windows - 1
                if plastic.kind == BY_TIME:
                    fired = (last if rule.last_spike else first)[window % len(first)]
                    _read_registers(plastic.pre, window, ends.pre_start, fired, rule.silent, rule.time_shift)
                    _read_registers(plastic.post, window, ends.post_start, fired, rule.silent, rule.time_shift)
                    ssdp_window(plastic, window, closes, done, tally)
                else:
                    sample, at = window // windows, window % windows * steps
                    source = raster if ends.pre_input else spikes
                    pre_end, post_end = ends.pre_column + ends.pre_size, ends.post_column + ends.post_size
                    train_window(
                        plastic, window, source[at:at + steps, sample, ends.pre_column:pre_end],
                        spikes[at:at + steps, sample, ends.post_column:post_end], closes, done, tally,
                    )
            if commits:
                move_weights(wiring.weights, plastic, tally)
        done += commits
