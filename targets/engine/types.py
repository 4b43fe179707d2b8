"""Types of the arrays and numbers that the compiled functions of the engine take.

Numba compiles a function once for each combination of types. Where an alias below is a union, all calls of one run
have the same member of it: integers in a fixed network, floats in a float network.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
ByteArray = NDArray[np.uint8]
Int16Array = NDArray[np.int16]
Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]
UInt32Array = NDArray[np.uint32]
UInt64Array = NDArray[np.uint64]
Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]

# Spikes, 64 neurons in a word; see segments.BITS.
WordArray = NDArray[np.uint64]
# Spikes, a byte for each neuron.
FlagArray = BoolArray | ByteArray
IndexArray = Int32Array | Int64Array
# Currents, voltages, synaptic input and biases; program_neurons.state_type chooses the integer type.
IntegerStateArray = Int32Array | Int64Array
RealStateArray = Float32Array | Float64Array
StateArray = IntegerStateArray | RealStateArray
WeightArray = NDArray[np.int8] | Int16Array | Int32Array | Float32Array | Float64Array
# Numbers as the toolkit itself has them: traces that are recorded, gates, tables of a rule.
NumberArray = Int64Array | Float64Array
# Synchrony counters, and what a window adds to them; plastic_setup.counter_type chooses the type.
CounterArray = Int32Array | Int64Array | Float64Array
# Traces and products of the rules for spike trains, in as few bits as the rules allow.
TrainArray = Int16Array | Int32Array | Int64Array | Float64Array

Number = int | float | np.int64 | np.float64
IntegerNumber = np.int32 | np.int64
StateNumber = np.int32 | np.int64 | np.float32 | np.float64
IntegerType = type[np.int32] | type[np.int64]
RealType = type[np.float32] | type[np.float64]
CounterType = type[np.int32] | type[np.int64] | type[np.float64]
