"""What the compiled loops read and write while they run samples."""

from __future__ import annotations

from typing import NamedTuple

from .program import Layout
from .program_input import Analog
from .program_neurons import FixedNeurons, FloatNeurons
from .segments import Wiring
from .types import BoolArray, Int64Array, NumberArray, StateArray


class Registers(NamedTuple):
    """For every row and source the step of its first and last spike; NO_STEP and -1 for a silent source.

    Those that nothing reads have shape (0, 0).
    """

    first: Int64Array
    last: Int64Array


class Simulation(NamedTuple):
    """A program, the input of samples, and what is recorded of them, for one thread.

    ``spikes`` must all be False before. What several runs have in common is packed by itself; see :mod:`.packed`.
    """

    # Currents, voltages, the ring of synaptic input that has not arrived yet (one slot for each step), and further
    # states of declared models. Sample k has the row k modulo the number of rows.
    state: tuple[StateArray, ...]
    layout: Layout
    wiring: Wiring
    neurons: FixedNeurons | FloatNeurons
    raster: BoolArray  # input spikes (time, batch, channels)
    bias: StateArray  # biases (1 or batch, neurons)
    analog: Analog  # synaptic input of analog inputs
    trace_columns: Int64Array  # for spikes, u, v, further states (rows) and each population its first column, or -1
    spikes: BoolArray  # trace of spikes (time, batch, columns)
    trace: NumberArray  # trace of all states (time, batch, columns)
    overflow: Int64Array  # overflow counts (batch, population, kind), added to
    registers: Registers
