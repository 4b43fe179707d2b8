"""Names for arrays by the numbers that they hold; their shapes stand in the docstrings of what uses them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Bool: TypeAlias = NDArray[np.bool_]
Int: TypeAlias = NDArray[np.int64]
Integers: TypeAlias = NDArray[np.integer[Any]]  # of any width
Real: TypeAlias = NDArray[np.float64]

# Integers in a fixed network, real numbers in a float network: the class of the network decides, not the type of a
# variable that holds either.
Numbers: TypeAlias = NDArray[Any]
# Spikes, states or what a file holds.
Array: TypeAlias = NDArray[Any]
# A field of a network for which a number or an array is given; what is kept is an array of one value a neuron.
Given: TypeAlias = Any
# A weight as users give it: a dense array, a scipy sparse array or a ConvWeight.
GivenWeight: TypeAlias = Any
