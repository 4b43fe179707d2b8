"""Learning in the engine without a return to Python: samples are presented, then every rule learns their windows."""

from __future__ import annotations

from .counter_loops import move_weights
from .declared_loops import Scratch as DeclaredScratch, declared_window
from .jit import entry_point, greater
from .layer_loops import LayerScratch, run_layers
from .packed import packed_at
from .plastic import BY_DECLARATION, BY_TIME, Plastic
from .register_loops import read_registers
from .run import ThreadGroup
from .simulation import Simulation
from .spike_train_loops import Scratch as TrainScratch, train_window
from .ssdp_loops import Scratch as TimeScratch, ssdp_window
from .step_loops import Scratch as StepScratch, run_steps
from .thread_group_loops import barrier, part, stopped
from .types import Int64Array
from .window_spikes import copy_arrivals, window_spikes

# Presentation of samples by a thread group: each member runs samples of its own, all members share the neurons of each
# sample, or the first member runs all samples.
BY_SAMPLES, BY_NEURONS, BY_ONE = 0, 1, 2


@entry_point
def learn_groups(
    simulation: Simulation,
    plastics: Plastic,
    windows: int,
    groups: Int64Array,
    done: int,
    thread_group: ThreadGroup,
    solo: ThreadGroup,
    way: int,
    origin: int,
    layers: LayerScratch | None,
    stepwise: StepScratch | None,
    by_time: TimeScratch | None,
    by_trains: TrainScratch | None,
    by_declaration: DeclaredScratch | None,
    tallies: Int64Array,
) -> None:
    """Present groups of samples and learn from them, as one member of a thread group. A weight update ends a group.

    Args:
        simulation: as :func:`.step_loops.run_steps` has it, with a row of registers for each window of a
            group; its state is this thread's own, but for ``way`` BY_NEURONS, and it has no trace.
        plastics: the projections that learn, in memory (:mod:`.packed`); their counters are changed, as are the weights
            of ``wiring``.
        windows: number of windows of a sample.
        groups: for each group the first sample, one past the last, and whether a weight update follows.
        done: number of weight updates before the first group.
        thread_group, solo: the group of all members, and a group of this thread alone, with the counter of the former,
            so that both are stopped at once.
        way: BY_SAMPLES, BY_NEURONS or BY_ONE.
        origin: number of steps before the first sample, where samples go on from each other; -1 where each starts from
            the initial state.
        layers, stepwise: memory of this thread for run_layers or run_steps; the other is None.
        by_time, by_trains, by_declaration: memory of this thread for SSDP, for STDP and SADP, and for declared rules;
            None without such rules. Numba omits the branches of arguments that are None.
        tallies: for each projection that learns the numbers of saturated counters and of clipped weights, added to.
    """
    member, members = thread_group.member, thread_group.members
    raster, weights = simulation.raster, simulation.wiring.weights
    first, last = simulation.registers.first, simulation.registers.last
    steps = raster.shape[0] // windows
    register_rows = greater(greater(len(first), len(last)), 1)
    for g in range(len(groups)):
        if stopped(thread_group.counter):
            break
        begin, end, updates = groups[g, 0], groups[g, 1], groups[g, 2] != 0
        low, high = begin, end
        if way == BY_SAMPLES:
            low, high = part(end - begin, member, members, 1)
            low, high = begin + low, begin + high
        elif way == BY_ONE and member > 0:
            high = begin
        presenting = thread_group if way == BY_NEURONS else solo
        for sample in range(low, high):
            start = origin + sample * raster.shape[0] if origin >= 0 else 0
            for w in range(windows):
                at, row = w * steps, (sample * windows + w) % register_rows
                if layers is not None:
                    run_layers(0, simulation, presenting, layers, sample, row, at, at + steps)
                if stepwise is not None:
                    run_steps(start, simulation, presenting, stepwise, sample, row, at, at + steps)
        barrier(thread_group.counter, members)
        for p in range(len(tallies)):
            plastic, tally = packed_at(plastics, p), tallies[p]
            ends, rule = plastic.ends, plastic.by_time
            copy_arrivals(simulation, ends, plastic.arrivals, begin, end, member, members)
            if plastic.kind == BY_TIME and member == 0:
                for window in range(begin * windows, end * windows):
                    row, by_last, silent, shift = window % register_rows, rule.last_spike, rule.silent, rule.time_shift
                    read_registers(plastic.pre, window, ends.pre_start, first, last, row, by_last, silent, shift)
                    read_registers(plastic.post, window, ends.post_start, first, last, row, by_last, silent, shift)
        barrier(thread_group.counter, members)
        for p in range(len(tallies)):
            plastic, tally = packed_at(plastics, p), tallies[p]
            for window in range(begin * windows, end * windows):
                if stopped(thread_group.counter):
                    break
                closes = updates and window == end * windows - 1
                if plastic.kind == BY_TIME:
                    if by_time is not None:
                        ssdp_window(plastic, window, closes, done, weights, tally, by_time, member, members)
                elif plastic.kind == BY_DECLARATION:
                    if by_declaration is not None:
                        spikes = window_spikes(simulation, plastic.ends, window, windows)
                        declared_window(
                            plastic, window, spikes, closes, done, weights, tally, by_declaration, member, members
                        )
                elif by_trains is not None:
                    spikes = window_spikes(simulation, plastic.ends, window, windows)
                    train_window(plastic, window, spikes, closes, done, weights, tally, by_trains, member, members)
            if updates:
                low, high = part(len(plastic.row_start) - 1, member, members, 1)
                if member == 0 or not plastic.shared:
                    move_weights(weights, plastic.places, plastic.value, plastic.shared, plastic.row_start, low, high)
        barrier(thread_group.counter, members)
        done += updates
