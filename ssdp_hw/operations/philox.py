"""Philox4x32-10: a random number that is a pure function of a key and a counter.

Every synapse of every update has its own counter, so any engine, in any order and on any number of
threads, draws the same bits. Source: J. Salmon et al., Parallel random numbers: as easy as 1, 2, 3,
SC'11; tested against the known answers of the authors' Random123 library.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # golden ratio and sqrt(3) - 1, the Weyl increments

# Width of a word, and so the most bits that a random number has.
RANDOM_BITS = 32

U64 = NDArray[np.uint64]
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def philox4x32(counter: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike], key: tuple[int, int]) -> U64:
    """Four 32-bit words for each counter: uint64 of shape (4, ...), counters broadcast."""
    words = [np.asarray(c, np.uint64) & _LOW for c in np.broadcast_arrays(*counter)]
    k0, k1 = (np.uint64(k & 0xFFFFFFFF) for k in key)
    return _rounds(words, k0, k1)


def _rounds(words: Sequence[U64], k0: U64 | np.uint64, k1: U64 | np.uint64) -> U64:
    """The rounds of the generator on four words, with the two words of the key."""
    m0, m1 = (np.uint64(m) for m in MULTIPLIERS)
    w0, w1 = (np.uint64(w) for w in KEY_STEPS)
    c0, c1, c2, c3 = words
    for _ in range(ROUNDS):
        p0, p1 = m0 * c0, m1 * c2  # 32 x 32 bits: exact in 64
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _LOW, (p0 >> _32) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + w0) & _LOW, (k1 + w1) & _LOW
    return np.stack([c0, c1, c2, c3])


def synapse_random(seed: int, layer: int, synapse: ArrayLike, update: ArrayLike, bits: int) -> NDArray[np.int64]:
    """Uniform integers in [0, 2**bits), keyed by (seed, layer, synapse, update); synapses and updates broadcast.

    Four neighbouring synapses share a block: synapse s reads word ``s mod 4`` of counter
    ``(s div 4, layer, update, 0)``; the key is the seed's low and high 32 bits. The top ``bits``
    bits of the word are used; ``bits`` is 0 to 32.
    """
    index, updates = np.broadcast_arrays(np.asarray(synapse, np.int64), np.asarray(update, np.int64))
    words = philox4x32((index >> 2, np.int64(layer), updates, np.int64(0)), (seed & 0xFFFFFFFF, seed >> 32))
    chosen = np.take_along_axis(words, (index & 3)[None], axis=0)[0]
    return np.asarray(chosen >> np.uint64(32 - bits), np.int64)


# Width of each of the two words that key the random numbers of a neuron; float32 holds such numbers exactly.
NOISE_KEY_BITS = 24


def neuron_random(step: ArrayLike, low: ArrayLike, high: ArrayLike, draw: int, bits: int) -> NDArray[np.int64]:
    """Uniform integers in [0, 2**bits), one a neuron: the top bits of word 0 of counter ``(step, draw, 0, 0)``.

    Every neuron has a key of its own, ``(low, high)``; see :func:`noise_keys`. ``draw`` is the number of the draw
    within the step.
    """
    counted, k0, k1 = np.broadcast_arrays(*(np.asarray(x, np.int64) for x in (step, low, high)))
    zero = np.zeros(counted.shape, np.uint64)
    words = _rounds(
        [counted.astype(np.uint64), zero + np.uint64(draw), zero, zero], k0.astype(np.uint64), k1.astype(np.uint64)
    )
    return np.asarray(words[0] >> np.uint64(32 - bits), np.int64)


def noise_keys(seed: ArrayLike, population: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The keys of the random numbers of all neurons of a population, of NOISE_KEY_BITS each.

    Args:
        seed: of every neuron, shape (n,).
        population: its position in the network.
    """
    seeds = np.asarray(seed, np.int64)
    number = np.arange(seeds.size)
    words = philox4x32((number, np.int64(population), seeds & 0xFFFFFFFF, np.int64(1)), (0, 0))
    low, high = (np.asarray(w >> np.uint64(32 - NOISE_KEY_BITS), np.int64) for w in words[:2])
    return low, high


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
