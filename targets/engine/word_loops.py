"""Spikes of a step as words of bits, and as lists of the sources that fired."""

from __future__ import annotations

import numpy as np
from llvmlite.binding import get_host_cpu_features

from .jit import compiled_loop
from .segments import BITS
from .types import FlagArray, Int32Array, WordArray
from .vectors import compress, entry, lowest_bit, spike_word

_index = np.uint64


# On processors without VBMI2 LLVM would store the entries of compress one by one.
_HAS_COMPRESS = bool(get_host_cpu_features().get("avx512vbmi2"))


@compiled_loop
def append_bits(active: Int32Array, n: int, word: np.uint64, base: np.int32) -> int:
    """The operation of :func:`.vectors.compress` for processors without its instruction."""
    while word:
        active[_index(n)] = base + lowest_bit(word)
        word &= word - np.uint64(1)
        n += 1
    return n


append_word = compress if _HAS_COMPRESS else append_bits


@compiled_loop
def read_words(words: WordArray, row: int, at: int, flags: FlagArray, first: int, size: int) -> None:
    """Pack the flags of ``size`` sources into words.

    Args:
        words: the words of these sources begin at ``words[row, at]``; written.
        flags: a byte for each source, from flat index ``first`` on; it is not 0 if the source fired.
    """
    whole = size // BITS * BITS
    for k in range(0, whole, BITS):
        words[row, at + k // BITS] = spike_word(flags, first + k)
    rest = size - whole
    if rest:
        word = np.uint64(0)
        if whole:  # the last BITS flags, shifted by the flags that earlier words have
            word = spike_word(flags, first + size - BITS) >> np.uint64(BITS - rest)
        else:
            for k in range(rest):
                word |= np.uint64(entry(flags, first + k) != 0) << np.uint64(k)
        words[row, at + whole // BITS] = word


@compiled_loop
def list_words(words: WordArray, row: int, at: int, size: int, active: Int32Array, begin: int) -> int:
    """List the sources that fired among ``size`` sources; returns their number.

    Args:
        words: the words of these sources begin at ``words[row, at]``.
        active: the indices of these sources are written from ``begin`` on, in ascending order; up to BITS entries
            behind them are overwritten.
    """
    n = begin
    for k in range(0, size, BITS):
        n = append_word(active, n, words[row, at + k // BITS], np.int32(k))
    return n - begin
