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

from ssdp_hw.checks import as_int, positive_or_none
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.network.fixed_network import FixedNetwork, FixedProjection
from ssdp_hw.network.float_network import Network, Projection
from ssdp_hw.network.formats import Rounding, SignMode, WeightFormat, round_to_int
from ssdp_hw.network.graph_parts import Input
from ssdp_hw.network.model_neuron import ModelNeuron
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.running.drive import AnyNetwork

ON, OFF = "teacher.on", "teacher.off"


@shown
@dataclass(frozen=True)
class Teacher:
    """When and how strongly the teacher acts.

    Attributes:
        first_step: step of the first teaching spike; the labelled neuron fires one step later.
        last_step: step of the last one; default the end of the window.
        strength: a teaching spike moves the voltage by this many thresholds, up or down; in a fixed
            network by fewer where a spike in every step would leave too little of the current's
            register for the other synapses, which the network then says in its notes.
        inhibit: whether the other neurons are held silent from step 0 on.

    Raises:
        ParameterError: a value out of range.
    """

    first_step: int = 0
    last_step: int | None = None
    strength: float = 4.0
    inhibit: bool = True

    def __post_init__(self) -> None:
        first = as_int(self.first_step, "teacher: first_step")
        last = first if self.last_step is None else as_int(self.last_step, "teacher: last_step")
        if not 0 <= first <= last:
            raise ParameterError(f"teacher: steps {first} .. {last} are no span of time")
        if positive_or_none(self.strength, "teacher: strength") is None:
            raise ParameterError("teacher: strength is missing")

    def attach(self, network: AnyNetwork, output: str, widest: FixedNetwork | None = None) -> AnyNetwork:
        """The network with the teacher's inputs and projections added.

        Args:
            network: float or fixed.
            output: the population that is taught.
            widest: a fixed network that learns, with the largest weights that it may come to: room is left
                for them, and the teacher's strength does not depend on what has been learned.

        Raises:
            UnsupportedError: the output does not spike or has no gain, or the network has a teacher.
        """
        if not network.population(output).spiking:
            raise UnsupportedError(f"population '{output}' is a readout without spikes: a teacher cannot make it fire")
        for name in (ON, OFF):
            if name in (*network.input_names, *network.population_names):
                raise UnsupportedError(f"the network already has '{name}': only one teacher can be attached")
        if isinstance(network, FixedNetwork):
            synapses, notes = self._fixed_projections(network if widest is None else widest, output)
            return replace(
                network,
                inputs=[*network.inputs, *_inputs(synapses)],
                notes=(*network.notes, *notes),
                projections=[*network.projections, *synapses],
            )
        projections = self._projections(network, output)
        return replace(
            network, inputs=[*network.inputs, *_inputs(projections)], projections=[*network.projections, *projections]
        )

    def _projections(self, network: Network, output: str) -> list[Projection]:
        neuron = network.population(output).neuron
        if isinstance(neuron, ModelNeuron):
            gain = np.ones(neuron.size)
        else:
            c = network.coefficients(output)
            gain = c.gain_u * c.gain_v
        if not gain.all():
            raise UnsupportedError(f"population '{output}': a neuron of gain 0 (r or w_in) cannot be taught")
        if not neuron.threshold_distance.all():
            raise UnsupportedError(
                f"population '{output}': {neuron.kind} has no v_threshold above 0, the measure of a kick"
            )
        kick = self.strength * neuron.threshold_distance / gain
        return [
            Projection(pre=name, post=output, weight=sp.csr_array(sp.diags_array(sign * kick)))
            for name, sign in ((ON, 1.0), (OFF, -1.0))
        ]

    def _fixed_projections(self, network: FixedNetwork, output: str) -> tuple[list[FixedProjection], list[str]]:
        """The teacher's projections (several channels a neuron where one is too weak); notes on a lowered strength."""
        chip, population = network.limits, network.population(output)
        wanted = self.strength * np.maximum(population.vth, 1)
        # A current beyond its register wraps to the other sign: a teacher too strong would silence the neuron that it
        # should make fire.
        steps = (1 << chip.decay_bits) / np.maximum(population.du + chip.current_decay_offset, 1)
        largest = chip.state_max / (1 << chip.activation_shift) / steps
        room = np.maximum(largest - network.activation_bound(output), largest / 2)
        kick = np.minimum(wanted, room)
        notes = []
        if np.any(kick < wanted):
            notes.append(
                f"teacher: at strength {self.strength:g} the current of '{output}' could wrap; a spike moves it by "
                f"{self.strength * float(np.min(kick / wanted)):.3g} thresholds at least instead"
            )
        signs = (SignMode.EXCITATORY, SignMode.INHIBITORY) if chip.single_sign_weights else (SignMode.MIXED,) * 2
        on = WeightFormat(chip.weight_bits, signs[0], chip.weight_scale_bits)
        # The finest exponent at which one synapse is enough, and at which a step of the weights has room; below the
        # lowest one the chip would drop a part of the step.
        exponent = math.ceil(math.log2(float(kick.max()) / on.max))
        fits = math.floor(math.log2(float(room.min()) / on.step))
        exponent = max(-on.lsb_shift, chip.weight_exp_min, min(exponent, chip.weight_exp_max, fits))
        total = on.step * np.maximum(round_to_int(kick / (2.0**exponent * on.step), Rounding.FLOOR), 1)
        channels = [np.clip(total - k, 0, on.max) for k in range(0, int(total.max()), on.max)]
        weight = sp.hstack([sp.csr_array(sp.diags_array(values, dtype=np.int64)) for values in channels], format="csr")
        return [
            FixedProjection(
                pre=name,
                post=output,
                weight=sign * weight,
                weight_exp=exponent,
                format=replace(on, sign_mode=mode),
            )
            for name, sign, mode in ((ON, 1, signs[0]), (OFF, -1, signs[1]))
        ], notes

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


def _inputs(projections: Sequence[BaseProjection]) -> list[Input]:
    return [Input(p.pre, p.shape[1]) for p in projections]
