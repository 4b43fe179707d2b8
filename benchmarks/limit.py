"""The least time that this machine needs for a workload, whoever runs it.

Kernels that do nothing but what nobody can leave out: add up the weight rows of the sources that fire in this very
workload, listed beforehand, and with ``neurons`` leak, take that sum, compare with the threshold and write who fired.
Everything else is free: they know the spikes of all layers in advance and so take all steps of one block of columns
together, whose weights and voltages then stay in the first-level cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import numba as nb
import numpy as np
from adding import add_rows, listed, packed
from numpy.typing import NDArray
from roofline import share_blocks
from workloads import THRESHOLD

import ssdp_hw as sh


@cache
def _kernel(block: int, neurons: bool) -> Any:
    add = add_rows(block, neurons)

    def run(weights: Any, rows: Any, start: Any, steps: int, begin: int, end: int, state: Any, fired: Any) -> None:
        blocks, pre, columns = weights.shape
        flat, raster = weights.reshape(-1), fired.reshape(-1)
        for sample in range(begin, end):
            state[:] = 0
            for b in range(blocks):
                for t in range(steps):
                    begins, ends = start[sample * steps + t], start[sample * steps + t + 1]
                    at = (t * blocks + b) * columns
                    add(state, b * columns, raster, at, flat, b * pre * columns, rows, begins, ends)

    return nb.njit(nogil=True)(run)


class Limit:
    """The limit of some dense projections of 8-bit weights.

    Args:
        projections: what the spikes go through.
        spikes: of every source, shape (time, batch, n).
        neurons: whether the targets are updated too.

    Raises:
        ArithmeticError: the kernels do not compute what they should.
    """

    def __init__(
        self, projections: Iterable[sh.FixedProjection], spikes: Mapping[str, NDArray[np.bool_]], neurons: bool
    ) -> None:
        self._neurons = neurons
        self._layers: list[tuple[NDArray[Any], ...]] = []
        for p in projections:
            self._steps, self._batch, _ = spikes[p.pre].shape
            weight = p.mantissa.reshape(p.shape)
            self._layers.append((packed(weight), *listed(spikes[p.pre].swapaxes(0, 1), p.shape[0])))
            self._check(weight, spikes[p.pre][:, 0])

    def __call__(self, threads: int) -> None:
        """Do the work of all samples once."""

        def work(begin: int, end: int) -> None:
            for layer in self._layers:
                self._run(layer, begin, end)

        share_blocks(work, threads, self._batch)

    def _run(self, layer: tuple[NDArray[Any], ...], begin: int, end: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """One layer of the samples begin .. end - 1: the last sums or voltages, and the last sample's spikes."""
        blocks, _, columns = layer[0].shape
        state, fired = np.empty(blocks * columns, np.int32), np.empty((self._steps, blocks * columns), np.uint8)
        _kernel(columns, self._neurons)(*layer, self._steps, begin, end, state, fired)
        return state, fired

    def _check(self, weight: NDArray[Any], spikes: NDArray[np.bool_]) -> None:
        """Hold the last layer's first sample against NumPy; this compiles its kernel too."""
        sums = spikes.astype(np.int64) @ weight.T.astype(np.int64)
        v, fired = np.zeros(len(weight), np.int64), np.zeros(sums.shape, bool)
        for t in range(self._steps):
            v += sums[t] - (v >> 4)
            fired[t] = v > THRESHOLD
            v[fired[t]] = 0
        state, raster = (found[..., : len(weight)] for found in self._run(self._layers[-1], 0, 1))
        right = np.array_equal(state, v) and np.array_equal(raster, fired)
        if not (right if self._neurons else np.array_equal(state, sums[-1])):
            raise ArithmeticError("a limit's kernel does not compute what it should")
