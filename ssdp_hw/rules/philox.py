"""Philox4x32-10: a random number that is a pure function of a key and a counter.

Every synapse of every update has its own counter, so any engine, in any order and on any number of
threads, draws the same bits. Source: J. Salmon et al., Parallel random numbers: as easy as 1, 2, 3,
SC'11; tested against the known answers of the authors' Random123 library.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # golden ratio and sqrt(3) - 1, the Weyl increments

U64 = NDArray[np.uint64]
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def philox4x32(counter: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike], key: tuple[int, int]) -> U64:
    """Four 32-bit words for each counter: uint64 of shape (4, ...), counters broadcast."""
    words = [np.asarray(c, np.uint64) & _LOW for c in np.broadcast_arrays(*counter)]
    k0, k1 = (np.uint64(k & 0xFFFFFFFF) for k in key)
    m0, m1 = (np.uint64(m) for m in MULTIPLIERS)
    w0, w1 = (np.uint64(w) for w in KEY_STEPS)
    c0, c1, c2, c3 = words
    for _ in range(ROUNDS):
        p0, p1 = m0 * c0, m1 * c2  # 32 x 32 bits: exact in 64
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _LOW, (p0 >> _32) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + w0) & _LOW, (k1 + w1) & _LOW
    return np.stack([c0, c1, c2, c3])


def synapse_random(seed: int, layer: int, synapse: ArrayLike, update: int, bits: int) -> NDArray[np.int64]:
    """Uniform integers in [0, 2**bits), one a synapse, keyed by (seed, layer, synapse, update).

    Four neighbouring synapses share a block: synapse s reads word ``s mod 4`` of counter
    ``(s div 4, layer, update, 0)``; the key is the seed's low and high 32 bits. The top ``bits``
    bits of the word are used; ``bits`` is 0 to 32.
    """
    index = np.asarray(synapse, np.int64)
    words = philox4x32((index >> 2, np.int64(layer), np.int64(update), np.int64(0)), (seed & 0xFFFFFFFF, seed >> 32))
    chosen = np.take_along_axis(words, (index & 3)[None], axis=0)[0] if index.ndim else words[int(index & 3)]
    return np.asarray(chosen >> np.uint64(32 - bits), np.int64)


# Draws of one step differ by this in the layer of their key; a network has fewer projections.
_DRAW_LAYERS = 1 << 20


def neuron_layer(layer: int, side: int, number: int = 0) -> int:
    """The layer by which random numbers of neurons are keyed; those of weights have the projection's own.

    Args:
        layer: position of the projection in the network.
        side: 0 for presynaptic neurons, 1 for postsynaptic ones.
        number: of the draw within a step.
    """
    return layer + (1 << 31) + (side << 30) + number * _DRAW_LAYERS
