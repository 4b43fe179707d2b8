"""Learning in the engine without a return to Python: windows are presented, then every rule takes its steps."""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.extending import overload

from .counter_kernels import move_weights
from .jit import entry_point
from .kernels import run_steps
from .layer_kernels import LayerScratch, run_layers
from .plastic import BY_TIME
from .register_kernels import read_registers
from .ssdp_kernels import ssdp_window
from .team_kernels import meet, part
from .train_kernels import train_window

BY_SAMPLES, BY_NEURONS, BY_ONE = 0, 1, 2  # how a team presents samples: each its own, all the same, or its first member


def run_sample(
    origin: Any, state: Any, layout: Any, wiring: Any, neurons: Any, raster: Any, bias: Any, keep: Any, spikes: Any,
    v_trace: Any, u_trace: Any, overflow: Any, first: Any, last: Any, team: Any, scratch: Any, sample: Any, row: Any,
    begin: Any, end: Any,
) -> None:
    """:func:`.kernels.run_steps` or :func:`.layer_kernels.run_layers`, for which the scratch is made."""
    raise NotImplementedError("compiled code only")


@overload(run_sample)
def _run_sample(
    origin: Any, state: Any, layout: Any, wiring: Any, neurons: Any, raster: Any, bias: Any, keep: Any, spikes: Any,
    v_trace: Any, u_trace: Any, overflow: Any, first: Any, last: Any, team: Any, scratch: Any, sample: Any, row: Any,
    begin: Any, end: Any,
) -> Any:
    run = run_layers if scratch.instance_class is LayerScratch else run_steps

    def call(
        origin: Any, state: Any, layout: Any, wiring: Any, neurons: Any, raster: Any, bias: Any, keep: Any,
        spikes: Any, v_trace: Any, u_trace: Any, overflow: Any, first: Any, last: Any, team: Any, scratch: Any,
        sample: Any, row: Any, begin: Any, end: Any,
    ) -> None:
        run(
            origin, state, layout, wiring, neurons, raster, bias, keep, spikes, v_trace, u_trace, overflow, first, last,
            team, scratch, sample, row, begin, end,
        )

    return call


def time_step(
    plastic: Any, window: Any, commits: Any, index: Any, weights: Any, tally: Any, scratch: Any, member: Any,
    members: Any,
) -> None:
    """:func:`.ssdp_kernels.ssdp_window`, if the plan has such rules: without scratch there is nothing to compile."""
    raise NotImplementedError("compiled code only")


@overload(time_step)
def _time_step(
    plastic: Any, window: Any, commits: Any, index: Any, weights: Any, tally: Any, scratch: Any, member: Any,
    members: Any,
) -> Any:
    def call(
        plastic: Any, window: Any, commits: Any, index: Any, weights: Any, tally: Any, scratch: Any, member: Any,
        members: Any,
    ) -> None:
        ssdp_window(plastic, window, commits, index, weights, tally, scratch, member, members)

    def nothing(
        plastic: Any, window: Any, commits: Any, index: Any, weights: Any, tally: Any, scratch: Any, member: Any,
        members: Any,
    ) -> None:
        pass

    return nothing if scratch is types.none else call


def train_step(
    plastic: Any, window: Any, pre: Any, pre_at: Any, pre_stride: Any, post: Any, post_at: Any, post_stride: Any,
    length: Any, commits: Any, index: Any, weights: Any, tally: Any, scratch: Any, member: Any, members: Any,
) -> None:
    """:func:`.train_kernels.train_window`, if the plan has such rules."""
    raise NotImplementedError("compiled code only")


@overload(train_step)
def _train_step(
    plastic: Any, window: Any, pre: Any, pre_at: Any, pre_stride: Any, post: Any, post_at: Any, post_stride: Any,
    length: Any, commits: Any, index: Any, weights: Any, tally: Any, scratch: Any, member: Any, members: Any,
) -> Any:
    def call(
        plastic: Any, window: Any, pre: Any, pre_at: Any, pre_stride: Any, post: Any, post_at: Any, post_stride: Any,
        length: Any, commits: Any, index: Any, weights: Any, tally: Any, scratch: Any, member: Any, members: Any,
    ) -> None:
        train_window(
            plastic, window, pre, pre_at, pre_stride, post, post_at, post_stride, length, commits, index, weights,
            tally, scratch, member, members,
        )

    def nothing(
        plastic: Any, window: Any, pre: Any, pre_at: Any, pre_stride: Any, post: Any, post_at: Any, post_stride: Any,
        length: Any, commits: Any, index: Any, weights: Any, tally: Any, scratch: Any, member: Any, members: Any,
    ) -> None:
        pass

    return nothing if scratch is types.none else call


@entry_point
def learn_groups(
    state: Any, layout: Any, wiring: Any, neurons: Any, raster: Any, bias: Any, keep: Any, spikes: Any, trace: Any,
    overflow: Any, first: Any, last: Any, plastics: Any, windows: int, groups: Any, done: int, team: Any, solo: Any,
    way: int, running: Any, by_time: Any, by_trains: Any, tallies: Any,
) -> None:
    """Present the samples of some groups and learn from them, as one member of a team.

    Args:
        state .. last: as :func:`.kernels.run_steps` has them, with a row of ``first`` and ``last`` for each window of
            a group; the state is this thread's own, but for ``way`` BY_NEURONS; trace: an empty one.
        plastics: the projections that learn; their counters are changed, as are the weights of ``wiring``.
        windows: of each sample.
        groups: for each the first sample, one past the last, and whether a commit follows.
        done: number of commits before them.
        team, solo: :class:`.run.Team` of all members, and of this thread alone.
        way: how samples are presented.
        running: scratch of this thread for :func:`run_sample`.
        by_time, by_trains: scratch of this thread for rules of either kind; None if there are none.
        tallies: for each projection counters and weights that were cut, added to.
    """
    member, members = team.member, team.members
    steps = raster.shape[0] // windows
    kept = max(len(first), len(last), 1)
    batch, channels, columns = raster.shape[1], raster.shape[2], spikes.shape[2]
    for g in range(len(groups)):
        begin, end, commits = groups[g, 0], groups[g, 1], groups[g, 2] != 0
        low, high = begin, end
        if way == BY_SAMPLES:
            low, high = part(end - begin, member, members, 1)
            low, high = begin + low, begin + high
        elif way == BY_ONE and member > 0:
            high = begin
        for sample in range(low, high):
            for w in range(windows):
                at, row = w * steps, (sample * windows + w) % kept
                run_sample(
                    0, state, layout, wiring, neurons, raster, bias, keep, spikes, trace, trace, overflow, first, last,
                    team if way == BY_NEURONS else solo, running, sample, row, at, at + steps,
                )
        meet(team.counter, members)
        for p in range(len(plastics)):
            plastic, tally = plastics[p], tallies[p]
            ends, rule = plastic.ends, plastic.by_time
            if plastic.kind == BY_TIME and member == 0:
                for window in range(begin * windows, end * windows):
                    row, by_last, silent, shift = window % kept, rule.last_spike, rule.silent, rule.time_shift
                    read_registers(plastic.pre, window, ends.pre_start, first, last, row, by_last, silent, shift)
                    read_registers(plastic.post, window, ends.post_start, first, last, row, by_last, silent, shift)
        meet(team.counter, members)
        for p in range(len(plastics)):
            plastic, tally = plastics[p], tallies[p]
            ends = plastic.ends
            for window in range(begin * windows, end * windows):
                closes = commits and window == end * windows - 1
                if plastic.kind == BY_TIME:
                    time_step(plastic, window, closes, done, wiring.weights, tally, by_time, member, members)
                else:
                    sample, at = window // windows, window % windows * steps
                    source, width = (raster, channels) if ends.pre_input else (spikes, columns)
                    train_step(
                        plastic, window, source, (at * batch + sample) * width + ends.pre_column, batch * width, spikes,
                        (at * batch + sample) * columns + ends.post_column, batch * columns, steps, closes, done,
                        wiring.weights, tally, by_trains, member, members,
                    )
            if commits:
                low, high = part(len(plastic.row_start) - 1, member, members, 1)
                if member == 0 or not plastic.shared:
                    move_weights(
                        wiring.weights, plastic.kept, plastic.value, plastic.shared, plastic.row_start, low, high
                    )
        meet(team.counter, members)
        done += commits
