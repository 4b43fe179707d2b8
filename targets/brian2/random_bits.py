"""The toolkit's random number of a synapse and update, as a function in Brian2's code.

Brian2's language has no bit operators and its own random numbers depend on the order of drawing.
One C text serves C++ standalone and Cython; the NumPy code calls the toolkit.
"""

from __future__ import annotations

import numpy as np
from brian2 import Function
from numpy.typing import NDArray

from ssdp_hw.rules.philox import KEY_STEPS, MULTIPLIERS, ROUNDS, synapse_random

# Philox4x32; see ssdp_hw.rules.philox for the counters and the key.
C_TEXT = f"""
static inline int64_t synapse_bits(int64_t synapse, int64_t update, int64_t layer,
                                   int64_t key_low, int64_t key_high, int64_t bits)
{{
    uint32_t c[4] = {{(uint32_t)(synapse >> 2), (uint32_t)layer, (uint32_t)update, 0u}};
    uint32_t k0 = (uint32_t)key_low, k1 = (uint32_t)key_high;
    for (int round = 0; round < {ROUNDS}; round++) {{
        const uint64_t p0 = (uint64_t){MULTIPLIERS[0]}u * c[0], p1 = (uint64_t){MULTIPLIERS[1]}u * c[2];
        const uint32_t c0 = (uint32_t)(p1 >> 32) ^ c[1] ^ k0, c2 = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
        c[0] = c0; c[1] = (uint32_t)p1; c[2] = c2; c[3] = (uint32_t)p0;
        k0 += {KEY_STEPS[0]}u; k1 += {KEY_STEPS[1]}u;
    }}
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


# Uniform integers of ``bits`` bits, a number for each synapse; see :func:`ssdp_hw.rules.philox.synapse_random`.
synapse_bits = _function()
