"""The spikes of both ends of a projection in a window, and where the states are that its rule reads."""

from __future__ import annotations

from typing import NamedTuple

from .jit import compiled_driver
from .plastic import Arrivals, Ends
from .simulation import Simulation
from .thread_group_loops import part
from .types import BoolArray, NumberArray


class WindowSpikes(NamedTuple):
    """Spikes of both populations in a window of a sample; those of step t begin at flat index ``at + t * stride``."""

    pre: BoolArray
    pre_at: int
    pre_stride: int
    post: BoolArray
    post_at: int
    post_stride: int
    steps: int
    states: NumberArray  # trace of states (time, sample, column)
    first_step: int  # of the window, in the trace
    sample: int


@compiled_driver
def window_spikes(simulation: Simulation, ends: Ends, window: int, windows: int) -> WindowSpikes:
    """The spikes of window ``window``, of which each sample has ``windows``."""
    raster, spikes = simulation.raster, simulation.spikes
    steps, batch = raster.shape[0] // windows, raster.shape[1]
    source, width = (raster, raster.shape[2]) if ends.pre_input else (spikes, spikes.shape[2])
    place = window % windows * steps * batch + window // windows
    return WindowSpikes(
        source,
        place * width + ends.pre_column,
        batch * width,
        spikes,
        place * spikes.shape[2] + ends.post_column,
        batch * spikes.shape[2],
        steps,
        simulation.trace,
        window % windows * steps,
        window // windows,
    )


@compiled_driver
def copy_arrivals(
    simulation: Simulation, ends: Ends, arrivals: Arrivals, begin: int, end: int, member: int, members: int
) -> None:
    """Write the spikes of arrival lines in the samples ``begin .. end - 1``, as one member of a thread group."""
    raster, spikes, column = simulation.raster, simulation.spikes, arrivals.from_column
    low, high = part(end - begin, member, members, 1)
    for t in range(raster.shape[0] if len(arrivals.neurons) > 0 else 0):
        for sample in range(begin + low, begin + high):
            for k in range(len(arrivals.neurons)):
                sent, piece = t - arrivals.delays[k], sample
                while arrivals.one_run and sent < 0 and piece > 0:
                    sent, piece = sent + raster.shape[0], piece - 1
                i = column + arrivals.neurons[k]
                if sent >= 0:
                    fired = raster[sent, piece, i] if arrivals.from_input else spikes[sent, piece, i]
                    spikes[t, sample, ends.pre_column + k] = fired
                elif arrivals.one_run:
                    spikes[t, sample, ends.pre_column + k] = arrivals.sent[sent, arrivals.neurons[k]]
