"""A teacher for learning on chip: it makes the labelled output neuron fire and keeps the others silent.

The teacher is part of the network that runs: two inputs project one-to-one onto the output
population, ``teacher.on`` with weights that lift a neuron over its threshold, ``teacher.off`` with
weights that hold it below. Learning with it is supervised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ssdp_hw.drive import AnyNetwork
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.fixed import FixedNetwork, FixedProjection
from ssdp_hw.formats import SignMode, WeightFormat
from ssdp_hw.graph import Input
from ssdp_hw.network import Network, Projection

ON, OFF = "teacher.on", "teacher.off"


@dataclass(frozen=True)
class Teacher:
    """When and how strongly the teacher acts.

    Attributes:
        first_step: step of the first teaching spike; the labelled neuron fires one step later.
        last_step: step of the last one; default the end of the window.
        strength: a teaching spike moves the voltage by this many thresholds, up or down.
        inhibit: whether the other neurons are held silent from step 0 on.
    """

    first_step: int = 0
    last_step: int | None = None
    strength: float = 4.0
    inhibit: bool = True

    def __post_init__(self) -> None:
        if self.first_step < 0 or (self.last_step is not None and self.last_step < self.first_step):
            raise ParameterError(f"teacher: steps {self.first_step} .. {self.last_step} are no span of time")
        if not math.isfinite(self.strength) or self.strength <= 0:
            raise ParameterError(f"teacher: strength = {self.strength!r} must be finite and above 0")

    def attach(self, network: AnyNetwork, output: str) -> AnyNetwork:
        """The network with the teacher's inputs and projections added.

        Raises:
            UnsupportedError: the output does not spike, or the network has a teacher already.
        """
        if not network.population(output).spiking:
            raise UnsupportedError(f"population '{output}' is a readout without spikes: a teacher cannot make it fire")
        if ON in network.input_names:
            raise UnsupportedError("the network already has an input 'teacher.on'")
        if isinstance(network, FixedNetwork):
            channels, projections = self._fixed_projections(network, output)
            size = network.size_of(output) * channels
            inputs = [*network.inputs, Input(ON, size), Input(OFF, size)]
            return replace(network, inputs=inputs, projections=[*network.projections, *projections])
        size = network.size_of(output)
        inputs = [*network.inputs, Input(ON, size), Input(OFF, size)]
        return replace(network, inputs=inputs, projections=[*network.projections, *self._projections(network, output)])

    def _projections(self, network: Network, output: str) -> list[Projection]:
        c = network.coefficients(output)
        kick = self.strength * network.population(output).neuron.threshold_distance / (c.gain_u * c.gain_v)
        return [
            Projection(source=name, target=output, weight=sp.csr_array(sp.diags_array(sign * kick)))
            for name, sign in ((ON, 1.0), (OFF, -1.0))
        ]

    def _fixed_projections(self, network: FixedNetwork, output: str) -> tuple[int, list[FixedProjection]]:
        """The projections, and how many channels together drive one neuron."""
        chip = network.limits
        wanted = self.strength * np.maximum(network.population(output).vth, 1).astype(np.float64)
        scale_bits = chip.weight_scale_bits
        on = WeightFormat(min(chip.weight_bits, scale_bits), SignMode.EXCITATORY, scale_bits)
        off = replace(on, sign_mode=SignMode.INHIBITORY)
        channels = max(1, math.ceil(float(wanted.max()) / (on.max * 2.0**chip.weight_exp_max)))
        kick = wanted / channels
        exponent = min(max(math.ceil(math.log2(float(kick.max()) / on.max)), 0), chip.weight_exp_max)
        values, _ = on.nearest(np.maximum(kick / 2.0**exponent, on.step))
        n = network.size_of(output)
        projections = []
        for name, sign, number in ((ON, 1, on), (OFF, -1, off)):
            weight = sp.hstack([sp.csr_array(sp.diags_array(sign * values, dtype=np.int64))] * channels, format="csr")
            assert weight.shape == (n, n * channels)
            projections.append(
                FixedProjection(source=name, target=output, weight=weight, weight_exp=exponent, format=number)
            )
        return channels, projections

    def spikes(
        self, network: AnyNetwork, output: str, labels: Sequence[int] | NDArray[np.int64], steps: int
    ) -> dict[str, NDArray[np.bool_]]:
        """Rasters of the teacher's inputs for these labels, shape (time, batch, channels).

        ``network`` is the one that :meth:`attach` returned.

        Raises:
            ParameterError: the teacher acts after the window's end.
        """
        if self.first_step >= steps:
            raise ParameterError(f"teacher: first_step = {self.first_step} is beyond a window of {steps} steps")
        n = network.size_of(output)
        channels = network.size_of(ON) // n
        labelled = np.asarray(labels)[:, None] == np.arange(n)
        last = steps - 1 if self.last_step is None else self.last_step
        when = np.arange(steps)
        active = (when >= self.first_step) & (when <= last)
        on = active[:, None, None] & labelled
        off = np.broadcast_to(~labelled & self.inhibit, on.shape)
        return {ON: np.tile(on, (1, 1, channels)), OFF: np.tile(off, (1, 1, channels))}
