"""NIR graphs evaluated node by node, straight from the equations of NIR: no matrices, no flattening.

Independent of ``ssdp_hw.conversion.nir``: values keep their shapes, convolutions are those of scipy.signal, nested
graphs are entered, and delays look back in time. What the toolkit adds to NIR is its timing rule: a neuron
acts in step t on what its sources sent in step t - 1.
"""

import nir
import numpy as np
from scipy import signal

KINDS_WITH_SPIKES = (nir.LIF, nir.IF, nir.CubaLIF, nir.Threshold)
NEURONS = (*KINDS_WITH_SPIKES, nir.I, nir.LI, nir.CubaLI)


def axes(value, count):
    return np.broadcast_to(np.asarray(value), (count,)).tolist()


def correlate(x, weight, stride, padding, dilation, groups):
    """x (C_in, *space), weight (C_out, C_in / groups, *kernel)."""
    n = x.ndim - 1
    stride, dilation = axes(stride, n), axes(dilation, n)
    kernel = np.zeros((*weight.shape[:2], *((k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=True))))
    kernel[(..., *(slice(None, None, d) for d in dilation))] = weight
    if isinstance(padding, str):
        total = [k - 1 if padding == "same" else 0 for k in kernel.shape[2:]]
        pads = [(t // 2, t - t // 2) for t in total]
    else:
        pads = [(p, p) for p in axes(padding, n)]
    x = np.pad(x, [(0, 0), *pads])
    per_in, per_out = len(x) // groups, len(weight) // groups
    maps = []
    for o in range(len(weight)):
        first = o // per_out * per_in
        maps.append(sum(signal.correlate(x[first + c], kernel[o, c], "valid", "direct") for c in range(per_in)))
    return np.stack(maps)[(slice(None), *(slice(None, None, s) for s in stride))]


def pool(x, node, combine):
    (kh, kw), (sh, sw), (ph, pw) = (axes(v, 2) for v in (node.kernel_size, node.stride, node.padding))
    x = np.pad(x, [(0, 0), (ph, ph), (pw, pw)])
    rows, cols = range(0, x.shape[1] - kh + 1, sh), range(0, x.shape[2] - kw + 1, sw)
    return np.stack([np.stack([combine(x[:, i : i + kh, j : j + kw], axis=(1, 2)) for j in cols], 1) for i in rows], 1)


def flatten(x, start, end):
    end = end % x.ndim
    return x.reshape(*x.shape[:start], -1, *x.shape[end + 1 :])


def apply(node, x):
    """A node without memory on a value."""
    if isinstance(node, nir.Affine | nir.Linear):
        y = np.array([sum(w * v for w, v in zip(row, x.ravel(), strict=True)) for row in node.weight])
        return y + node.bias if isinstance(node, nir.Affine) else y
    if isinstance(node, nir.Conv1d | nir.Conv2d):
        y = correlate(x, node.weight, node.stride, node.padding, node.dilation, node.groups)
        return y + np.reshape(np.broadcast_to(node.bias, len(y)), (-1, *[1] * (y.ndim - 1)))
    if isinstance(node, nir.SumPool2d | nir.AvgPool2d):
        return pool(x, node, np.sum if isinstance(node, nir.SumPool2d) else np.mean)
    if isinstance(node, nir.Scale):
        return x * np.reshape(node.scale, x.shape if np.size(node.scale) > 1 else ())
    if isinstance(node, nir.Flatten):
        return flatten(x, node.start_dim, node.end_dim)
    return x


class Evaluator:
    """One sample through a graph, in steps of dt."""

    def __init__(self, graph, dt, spikes, *, reset, threshold, discretization, update_order):
        self.graph, self.dt, self.spikes = graph, dt, spikes  # spikes by input: (time, *shape)
        self.subtract, self.at_least = reset == "subtract", threshold == ">="
        self.exponential, self.old = discretization == "exponential", update_order == "voltage_first"
        self.sent, self.v, self.u, self.memo = {}, {}, {}, {}

    def run(self, steps):
        """Spikes and voltages of every neuron node, by path: lists over time."""
        paths = list(self.neurons(self.graph, ()))
        self.sent = {p: [] for p in paths}
        voltages = {p: [] for p in paths}
        for t in range(steps):
            fired = {p: self.neuron(p, self.arriving(p, t - 1)) for p in paths}
            for p in paths:
                self.sent[p].append(fired[p])
                voltages[p].append(self.v[p])
        return self.sent, voltages

    def neurons(self, graph, path):
        for name, node in graph.nodes.items():
            if isinstance(node, nir.NIRGraph):
                yield from self.neurons(node, (*path, name))
            elif isinstance(node, NEURONS):
                yield (*path, name)

    def node(self, path):
        node = self.graph
        for name in path:
            node = node.nodes[name]
        return node

    def arriving(self, path, t):
        """Sum of what the nodes before this one hand on in step t."""
        outer = self.node(path[:-1])
        values = [self.value((*path[:-1], pre), t) for pre, post in outer.edges if post == path[-1]]
        return sum(v.reshape(values[0].shape) for v in values)

    def value(self, path, t):
        if (path, t) not in self.memo:
            if t >= 0 and isinstance(self.node(path), NEURONS):
                return self.sent[path][t]
            self.memo[path, t] = self._value(path, t)
        return self.memo[path, t]

    def _value(self, path, t):
        node = self.node(path)
        if isinstance(node, nir.NIRGraph):
            (out,) = (n for n, inner in node.nodes.items() if isinstance(inner, nir.Output))
            return self.arriving((*path, out), t)
        if isinstance(node, nir.Input):
            if len(path) > 1:
                return self.arriving(path[:-1], t)
            given = self.spikes[path[0]]
            return given[t].astype(float) if t >= 0 else np.zeros(given.shape[1:])
        if isinstance(node, NEURONS):  # before the first step
            return np.zeros(self.shape(path))
        if isinstance(node, nir.Delay):
            now = self.arriving(path, t)
            steps = np.rint(
                np.broadcast_to(np.reshape(node.delay, now.shape) if np.size(node.delay) > 1 else node.delay, now.shape)
                / self.dt
            )
            y = now.copy()
            for index in np.ndindex(now.shape):
                y[index] = self.arriving(path, t - int(steps[index]))[index]
            return y
        return apply(node, self.arriving(path, t))

    def shape(self, path):
        node = self.node(path)
        return node.metadata["shape"]

    def parameter(self, path, name):
        value, shape = np.asarray(getattr(self.node(path), name), float), self.shape(path)
        return np.broadcast_to(
            value
            if value.size == 1 and value.ndim == 0
            else value.reshape(shape)
            if value.size > 1
            else value.reshape(()),
            shape,
        )

    def decay(self, path, name):
        tau = self.parameter(path, name)
        return np.exp(-self.dt / tau) if self.exponential else 1 - self.dt / tau

    def neuron(self, path, x):
        """Advance a neuron by one step, from NIR's differential equation, and return its spikes."""
        node = self.node(path)
        x = np.reshape(x, self.shape(path))
        v, u = self.v.get(path, np.zeros(x.shape)), self.u.get(path, np.zeros(x.shape))
        if isinstance(node, nir.Threshold):
            self.v[path] = x
            limit = self.parameter(path, "threshold")
            return ((x >= limit) if self.at_least else (x > limit)).astype(float)
        current = x
        if isinstance(node, nir.CubaLIF | nir.CubaLI):
            e = self.decay(path, "tau_syn")
            new = e * u + (1 - e) * self.parameter(path, "w_in") * x
            self.u[path], current = new, u if self.old else new
        if isinstance(node, nir.I | nir.IF):
            v = v + self.dt * self.parameter(path, "r") * current
        else:
            d = self.decay(path, "tau" if hasattr(node, "tau") else "tau_mem")
            v = d * v + (1 - d) * (self.parameter(path, "v_leak") + self.parameter(path, "r") * current)
        fired = np.zeros(x.shape)
        if isinstance(node, KINDS_WITH_SPIKES):
            limit, low = self.parameter(path, "v_threshold"), self.parameter(path, "v_reset")
            fired = ((v >= limit) if self.at_least else (v > limit)).astype(float)
            v = np.where(fired > 0, v - (limit - low) if self.subtract else low, v)
        self.v[path] = v
        return fired
