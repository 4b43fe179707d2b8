"""Back-propagation through time in NumPy for feed-forward networks of LIF neurons: what no rule on the chip can do.

    v(t) = decay v(t-1) (1 - s(t-1)) + sum of w s_before(t-1)        s(t) = 1 where v(t) > 1, else 0

with the one step that every projection takes. Backwards a spike has the slope of a fast
sigmoid (F. Zenke, S. Ganguli, Neural Computation 30, 2018); the reset is differentiated too. The loss is the cross
entropy of the softmax of the output's spike counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ssdp_hw as sh

# float64 to compare with the toolkit's float network, float32 to train.
Float = NDArray[Any]

STEEPNESS = 5.0
# A spike count that is lower by this many has a probability that is lower by the factor e.
TEMPERATURE = 4.0


def threshold(distance: Float) -> Float:
    """A spike where the voltage is above the threshold."""
    return (distance > 0).astype(distance.dtype)


def slope(distance: Float) -> Float:
    """Derivative of :func:`smooth`, in place of that of :func:`threshold`."""
    return 1.0 / np.square(1.0 + STEEPNESS * np.abs(distance))


def smooth(distance: Float) -> Float:
    """The fast sigmoid, of which :func:`slope` is the derivative; with it as spikes gradients are exact."""
    return distance / (1.0 + STEEPNESS * np.abs(distance))


def dense(projection: sh.Projection) -> Float:
    """A copy of the weights of a projection, shape (post, pre)."""
    weights = np.zeros(projection.shape)
    weights[projection.synapse_indices] = projection.synapse_weights
    return weights


@dataclass(frozen=True, eq=False)
class Chain:
    """A feed-forward network of LIF neurons that reset to 0, without biases.

    Attributes:
        weights: of each projection from the input on, shape (post, pre).
        decays: share of its voltage that a neuron keeps in a step.
    """

    weights: tuple[Float, ...]
    decays: tuple[float, ...]

    @classmethod
    def of(cls, network: sh.Network) -> Chain:
        """The chain of a float network whose projections lead from each population to the next.

        Raises:
            ValueError: a network of another kind.
        """
        decays = []
        for population in network.populations:
            neuron, c = population.neuron, network.coefficients(population.name)
            shares = np.unique(c.decay_v)
            ones, zeros = (c.gain_u, c.gain_v, neuron.parameter("v_threshold")), (c.decay_u, c.drift)
            plain = neuron.kind == "LIF" and shares.size == 1 and not neuron.parameter("v_reset").any()
            if not plain or any(np.any(x != 1) for x in ones) or any(np.any(x) for x in zeros):
                raise ValueError(f"{population.name}: only LIF neurons with threshold and gain 1 that reset to 0")
            decays.append(float(shares[0]))
        return cls(tuple(dense(p) for p in network.projections), tuple(decays))

    def run(self, spikes: Float, fire: Callable[[Float], Float] = threshold) -> list[tuple[Float, Float, Float]]:
        """What reaches each layer, its voltages before the reset and its spikes, each of shape (time, batch, n)."""
        found = []
        for weight, decay in zip(self.weights, self.decays, strict=True):
            late = np.concatenate([np.zeros_like(spikes[:1]), spikes[:-1]])
            voltages, fired = late @ weight.T, np.empty((*late.shape[:2], len(weight)), late.dtype)
            kept = np.zeros(voltages.shape[1:], late.dtype)
            for t, v in enumerate(voltages):
                v += decay * kept
                fired[t] = fire(v - 1.0)
                kept = v * (1.0 - fired[t])
            found.append((late, voltages, fired))
            spikes = fired
        return found

    def gradients(
        self, spikes: Float, labels: NDArray[np.int64], fire: Callable[[Float], Float] = threshold, first: int = 0
    ) -> tuple[float, list[Float]]:
        """The loss and its gradient by the weights of each layer from ``first`` on."""
        layers = self.run(spikes, fire)
        counts = layers[-1][2].sum(axis=0) / TEMPERATURE
        share = np.exp(counts - counts.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        samples = np.arange(len(labels))
        loss = -float(np.log(share[samples, labels]).mean())
        share[samples, labels] -= 1.0
        by_spike = np.broadcast_to(share / (TEMPERATURE * len(labels)), layers[-1][2].shape)
        found: list[Float] = []
        for k in range(len(layers) - 1, first - 1, -1):
            late, voltages, fired = layers[k]
            slopes = slope(voltages - 1.0)
            by_voltage = np.empty_like(voltages)
            by_kept = np.zeros_like(voltages[0])
            for t in range(len(voltages) - 1, -1, -1):
                by_fired = by_spike[t] - by_kept * voltages[t]
                by_voltage[t] = by_kept * (1.0 - fired[t]) + by_fired * slopes[t]
                by_kept = self.decays[k] * by_voltage[t]
            found.append(np.tensordot(by_voltage, late, axes=([0, 1], [0, 1])))
            if k > first:
                before = by_voltage @ self.weights[k]
                by_spike = np.concatenate([before[1:], np.zeros_like(before[:1])])
        return loss, found[::-1]


@dataclass(frozen=True)
class Training:
    """How weights are trained: by Adam (D. Kingma, J. Ba, arXiv 1412.6980).

    Attributes:
        rate: learning rate.
        epochs, batch: passes over the samples, and samples of a step.
    """

    rate: float
    epochs: int
    batch: int


def retrained(
    network: sh.Network, spikes: NDArray[np.bool_], labels: NDArray[np.int64], training: Training, seed: int
) -> sh.Network:
    """A float network trained further on these samples, all its layers.

    Args:
        network: a chain of LIF layers.
        spikes: shape (time, batch, channel).
        labels: class of each sample.
        training: how.
        seed: of the order of the samples.
    """
    chain = Chain.of(network)
    chain = replace(chain, weights=tuple(weight.astype(np.float32) for weight in chain.weights))
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in chain.weights]
    generator, step = np.random.default_rng(seed), 0
    for _ in range(training.epochs):
        order = generator.permutation(len(labels))
        for start in range(0, len(labels), training.batch):
            now = order[start : start + training.batch]
            _, gradients = chain.gradients(spikes[:, now].astype(np.float32), labels[now])
            step += 1
            for weight, gradient, (first, second) in zip(chain.weights, gradients, moments, strict=True):
                first += 0.1 * (gradient - first)
                second += 0.001 * (np.square(gradient) - second)
                size = np.sqrt(second / (1.0 - 0.999**step)) + 1e-8
                weight -= training.rate * first / (1.0 - 0.9**step) / size
    found = zip(network.projections, chain.weights, strict=True)
    return network.with_weights({p.name: weight.astype(np.float64) for p, weight in found})
