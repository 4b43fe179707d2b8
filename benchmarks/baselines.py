"""What anyone would write first: the rivals that need no simulator.

Both run feed-forward chains of dense projections without delays on Loihi's integers, and return
the output's spikes, shape (time, batch, n).
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

import ssdp_hw as sh
from ssdp_hw import arithmetic as op


class NumpyMatmul:
    """A float32 matmul of the whole batch in each step (exact below 2**24), then integer neurons."""

    def __init__(self, network: sh.FixedNetwork) -> None:
        self._populations = network.populations
        self._weights = [p.weight.T.astype(np.float32) * np.float32(2.0**p.weight_exp) for p in network.projections]

    def __call__(self, spikes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Output spikes, shape (time, batch, n)."""
        steps, batch, _ = spikes.shape
        u, v, arriving = ([np.zeros((batch, p.size), np.int64) for p in self._populations] for _ in range(3))
        out = np.zeros((steps, batch, self._populations[-1].size), bool)
        for t in range(steps):
            sent = [spikes[t]]
            for k, p in enumerate(self._populations):
                u[k] = op.wrap_once(op.decay(u[k], p.du + 1) + (arriving[k] << 6))
                y = op.saturate(op.decay(v[k], p.dv) + u[k] + p.bias)
                fired = y > p.vth << 6
                v[k] = np.where(fired, 0, y)
                sent.append(fired)
            out[t] = sent[-1]
            for k, weight in enumerate(self._weights):
                arriving[k] = (sent[k].astype(np.float32) @ weight).astype(np.int64)
        return out


@nb.njit(parallel=True, cache=True)
def _event_loop(spikes: Any, weights1: Any, weights2: Any, parameters1: Any, parameters2: Any, out: Any) -> None:
    steps, batch, channels = spikes.shape
    hidden, outputs = weights1.shape[1], weights2.shape[1]
    for b in nb.prange(batch):
        u1, v1, a1 = np.zeros(hidden, np.int32), np.zeros(hidden, np.int32), np.zeros(hidden, np.int32)
        u2, v2, a2 = np.zeros(outputs, np.int32), np.zeros(outputs, np.int32), np.zeros(outputs, np.int32)
        fired = np.zeros(hidden, np.bool_)
        for t in range(steps):
            for j in range(hidden):
                u1[j], v1[j], fired[j] = _neuron(u1[j], v1[j], a1[j], parameters1[j])
                a1[j] = 0
            for j in range(outputs):
                u2[j], v2[j], out[t, b, j] = _neuron(u2[j], v2[j], a2[j], parameters2[j])
                a2[j] = 0
            for i in range(channels):
                if spikes[t, b, i]:
                    for j in range(hidden):
                        a1[j] += weights1[i, j]
            for i in range(hidden):
                if fired[i]:
                    for j in range(outputs):
                        a2[j] += weights2[i, j]


@nb.njit(inline="always")
def _neuron(u: Any, v: Any, a: Any, parameters: Any) -> Any:
    kept_u, kept_v, threshold, bias, gain = parameters
    p = np.int64(u) * kept_u
    x = (p >> 12 if p >= 0 else -((-p) >> 12)) + ((np.int64(a) * gain) << 6)
    if x > 1 << 23:
        x -= 1 << 24
    elif x <= -(1 << 23):
        x += 1 << 24
    q = np.int64(v) * kept_v
    y = (q >> 12 if q >= 0 else -((-q) >> 12)) + x + bias
    y = min(max(y, 1 - (1 << 23)), (1 << 23) - 1)
    fired = y > threshold
    return np.int32(x), np.int32(0 if fired else y), fired


class NumbaEventLoop:
    """The plain loop in Numba: add a row for each spike, parallel over samples, for two layers."""

    def __init__(self, network: sh.FixedNetwork) -> None:
        hidden, output = network.populations
        self._weights = [np.ascontiguousarray(p.weight.T.astype(np.int16)) for p in network.projections]
        if all(np.abs(w).max() <= 254 and not (w & 1).any() for w in self._weights):  # 8 bits, as they are stored
            self._weights = [(w >> 1).astype(np.int8) for w in self._weights]
            halved = 2
        else:
            halved = 1
        self._parameters = [
            [
                (4095 - int(du), 4096 - int(dv), int(vth) << 6, int(b), halved * 2**q.weight_exp)
                for du, dv, vth, b in zip(p.du, p.dv, p.vth, p.bias, strict=True)
            ]
            for p, q in zip((hidden, output), network.projections, strict=True)
        ]
        self._parameters = [np.array(rows, np.int64) for rows in self._parameters]
        self._outputs = output.size

    def __call__(self, spikes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Output spikes, shape (time, batch, n)."""
        out = np.zeros((*spikes.shape[:2], self._outputs), np.bool_)
        _event_loop(spikes, *self._weights, *self._parameters, out)
        return out
