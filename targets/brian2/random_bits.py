"""The toolkit's random number of a synapse and update, as a function in Brian2's code.

Brian2's language has no bit operators and its own random numbers depend on the order of drawing.
One C text serves C++ standalone and Cython; the NumPy code calls the toolkit.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from brian2 import Function
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.operations.philox import KEY_STEPS, MULTIPLIERS, ROUNDS, neuron_random, synapse_random

# Philox4x32; see ssdp_hw.operations.philox for the counters and the key. A function defines what it uses itself,
# since each may stand alone in a program.
_ROUNDS_TEXT = f"""
    for (int round = 0; round < {ROUNDS}; round++) {{
        const uint64_t p0 = (uint64_t){MULTIPLIERS[0]}u * c[0], p1 = (uint64_t){MULTIPLIERS[1]}u * c[2];
        const uint32_t c0 = (uint32_t)(p1 >> 32) ^ c[1] ^ k0, c2 = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
        c[0] = c0; c[1] = (uint32_t)p1; c[2] = c2; c[3] = (uint32_t)p0;
        k0 += {KEY_STEPS[0]}u; k1 += {KEY_STEPS[1]}u;
    }}
"""
C_TEXT = f"""
static inline int64_t synapse_bits(int64_t synapse, int64_t update, int64_t layer,
                                   int64_t key_low, int64_t key_high, int64_t bits)
{{
    uint32_t c[4] = {{(uint32_t)(synapse >> 2), (uint32_t)layer, (uint32_t)update, 0u}};
    uint32_t k0 = (uint32_t)key_low, k1 = (uint32_t)key_high;
{_ROUNDS_TEXT}
    return (int64_t)((uint64_t)c[synapse & 3] >> (32 - bits));
}}
"""
CYTHON_TEXT = f'''
cdef extern from *:
    """
{C_TEXT}
    """
    int64_t synapse_bits(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t)
'''


def _numpy_bits(
    synapse: NDArray[np.int64], update: int, layer: int, key_low: int, key_high: int, bits: int
) -> NDArray[np.int64]:
    return synapse_random(int(key_low) | int(key_high) << 32, int(layer), synapse, int(update), int(bits))


def _function() -> Function:
    arguments = ["synapse", "update", "layer", "key_low", "key_high", "bits"]
    function = Function(
        _numpy_bits,
        arg_names=arguments,
        arg_units=[1] * len(arguments),
        return_unit=1,
        arg_types=["integer"] * len(arguments),
        return_type="integer",
    )
    function.implementations.add_implementation("numpy", _numpy_bits)
    function.implementations.add_implementation("cpp", C_TEXT, name="synapse_bits")
    function.implementations.add_implementation("cython", CYTHON_TEXT, name="synapse_bits")
    return function


# Uniform integers of ``bits`` bits, a number for each synapse; see :func:`ssdp_hw.operations.philox.synapse_random`.
synapse_bits = _function()


@cache
def neuron_bits(*, ideal: bool) -> Function:
    """The random numbers of neurons, :func:`ssdp_hw.operations.philox.neuron_random`; ``ideal``: of real numbers."""
    name, number = ("real_neuron_random", "double") if ideal else ("neuron_random", "int64_t")
    kind = "float" if ideal else "integer"
    arguments = ["step", "low", "high", "draw", "bits"]
    text = f"""
static inline {number} {name}({", ".join(f"{number} {argument}" for argument in arguments)})
{{
    uint32_t c[4] = {{(uint32_t)(int64_t)step, (uint32_t)(int64_t)draw, 0u, 0u}};
    uint32_t k0 = (uint32_t)(int64_t)low, k1 = (uint32_t)(int64_t)high;
{_ROUNDS_TEXT}
    return ({number})(c[0] >> (32 - (int64_t)bits));
}}
"""

    def in_numpy(step: ArrayLike, low: ArrayLike, high: ArrayLike, draw: float, bits: float) -> NDArray[Any]:
        found = neuron_random(step, low, high, int(draw), int(bits))
        return found.astype(np.float64) if ideal else found

    declared = f'cdef extern from *:\n    """\n{text}\n    """\n    {number} {name}({", ".join([number] * 5)})\n'
    function = Function(
        in_numpy,
        arg_names=arguments,
        arg_units=[1] * len(arguments),
        return_unit=1,
        arg_types=[kind] * len(arguments),
        return_type=kind,
    )
    function.implementations.add_implementation("numpy", in_numpy)
    function.implementations.add_implementation("cpp", text, name=name)
    function.implementations.add_implementation("cython", declared, name=name)
    return function
