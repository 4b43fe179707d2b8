"""The projections of a fixed network in torch: integers forwards, real master values behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ssdp_hw.errors import UnsupportedError
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.network.fixed_parts import FixedProjection

Tensor = Any  # torch is Any where it is not installed
# The activation, shape (batch, post), that what is sent in one step causes, shape (batch, pre).
Activation = Callable[[Tensor], Tensor]

_CONVOLVE = {1: torch.nn.functional.conv1d, 2: torch.nn.functional.conv2d, 3: torch.nn.functional.conv3d}
_MOST_MATRIX_BYTES = 1 << 30


def _through(x: Tensor, exact: Callable[[Tensor], Tensor]) -> Tensor:
    """``exact(x)`` in the forward pass, with the gradient of x; the term that carries the gradient is exactly 0."""
    return exact(x.detach()) + (x - x.detach())


class Synapses(torch.nn.Module):  # type: ignore[misc]
    """One projection: a real master value for each stored integer.

    A convolution of up to three axes is computed from its kernel, all else as matrices.

    Raises:
        UnsupportedError: such a matrix is too large.
    """

    def __init__(self, projection: FixedProjection, start: NDArray[np.float64]) -> None:
        super().__init__()
        self.pre, self.reached, number = projection.pre, (projection.post, projection.port), projection.format
        self.low, self.high, self.step = number.mantissa_min, number.mantissa_max, number.step
        self.exponent = projection.weight_exp
        self.master = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
        self.shape, self.delays = projection.shape, [int(d) for d in np.unique(projection.delay)]
        self.convolution: ConvWeight | None = None
        if isinstance(projection.stored, ConvWeight) and projection.stored.kernel.ndim - 2 in _CONVOLVE:
            self.convolution = projection.stored
            return
        if 8 * self.shape[0] * self.shape[1] > _MOST_MATRIX_BYTES:
            raise UnsupportedError(
                f"projection '{projection.name}': fine-tuning takes it as a matrix of shape {self.shape}, of more than "
                f"{_MOST_MATRIX_BYTES} bytes; make it a convolution of at most {max(_CONVOLVE)} axes, or smaller"
            )
        rows, cols = projection.synapse_indices
        delays = projection.synapse_delays
        self.register_buffer("where", torch.tensor(rows * self.shape[1] + cols))
        self.register_buffer("weight_of", torch.tensor(projection.of_synapses(np.arange(len(start)))))
        for delay in self.delays:
            self.register_buffer(f"at_{delay}", torch.tensor(delays == delay, dtype=torch.float64))

    def mantissas(self) -> Tensor:
        """The integers that the chip stores."""
        return _through(self.master, lambda m: torch.clamp(torch.round(m), self.low, self.high))

    def activations(self) -> dict[int, Activation]:
        """For each delay what the synapses that have it do: they add up their weights and shift by the exponent."""
        weights = self.mantissas() * self.step
        return {delay: self._shifted(self._sums(weights, delay)) for delay in self.delays}

    def _shifted(self, sums: Activation) -> Activation:
        def activation(sent: Tensor) -> Tensor:
            total = sums(sent) * 2.0**self.exponent
            return _through(total, torch.floor) if self.exponent < 0 else total

        return activation

    def _sums(self, weights: Tensor, delay: int) -> Activation:
        if self.convolution is not None:
            return _convolved(self.convolution, weights)
        flat = torch.zeros(self.shape[0] * self.shape[1], dtype=torch.float64, device=weights.device)
        own = weights[self.weight_of] * getattr(self, f"at_{delay}")
        matrix = flat.index_put((self.where,), own).reshape(self.shape).T
        return lambda sent: sent @ matrix


def _convolved(weight: ConvWeight, values: Tensor) -> Activation:
    """The convolution with other stored weights; sums of integers, which float64 adds exactly in any order."""
    kernel, convolve = values.reshape(weight.kernel.shape), _CONVOLVE[weight.kernel.ndim - 2]
    # torch's pad begins with the last axis.
    sides = [side for both in reversed(weight.padding) for side in both]

    def sums(sent: Tensor) -> Tensor:
        image = torch.nn.functional.pad(sent.reshape(-1, *weight.shape_in), sides)
        found = convolve(image, kernel, stride=weight.stride, dilation=weight.dilation, groups=weight.groups)
        return found.reshape(len(sent), -1)

    return sums
