"""Graded spikes: how many integers a volt of payload is, how many bits it gets, and what that does to weights.

A synapse adds weight times payload. Where the payload of a sender has ``unit`` integers in a volt, a weight of w volts
in a volt becomes ``w / unit`` volts in a unit of the payload, which is quantised like that of a plain spike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ssdp_hw.chips import Chip
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.models.base import NeuronModel, Unit
from ssdp_hw.models.scaling import scaling
from ssdp_hw.network.graph_parts import Input
from ssdp_hw.quantization.normal_form import NormalPopulation


@dataclass(frozen=True)
class Carried:
    """What the spikes of an input or a population carry.

    Attributes:
        unit: integers of the payload in one volt of it, or in one of what it counts.
        bits: width of the payload without its sign; 0 where spikes carry nothing.
    """

    unit: float = 1.0
    bits: int = 0

    @property
    def largest(self) -> int:
        """By how much a spike may multiply a weight."""
        return (1 << self.bits) - 1 if self.bits else 1


def payload_unit(model: NeuronModel, scale: float, chip: Chip) -> float:
    """Integers of a payload in one volt of it, where a volt is ``scale`` units of the chip's voltage."""
    found = scaling(model)
    if found.payload_counts:
        return 1.0
    return scale * 2.0 ** (-chip.activation_shift if found.payload_shifted else 0)


def input_shift(model: NeuronModel, chip: Chip) -> int:
    """By how many bits a model's step shifts what arrives back to the scale of weights."""
    return chip.activation_shift if scaling(model).input_shifted else 0


class Payloads:
    """The payloads of a network, population by population as their scales are chosen."""

    def __init__(self, inputs: Iterable[Input], populations: Iterable[NormalPopulation], chip: Chip) -> None:
        self.chip = chip
        self.of: dict[str, Carried] = {i.name: Carried(1.0, i.payload_bits) for i in inputs}
        # What carries nothing is known before any scale is: spikes of loops, and of populations that come later.
        self.of |= {p.name: Carried() for p in populations if not p.payload}

    def into(self, p: NormalPopulation, senders: Mapping[str, str]) -> NormalPopulation:
        """A population with its incoming weights in volts a unit of what arrives.

        Raises:
            UnsupportedError: graded neurons on a chip without graded spikes.

        Weights of graded senders whose scale is not chosen yet, as of a loop, are left out.

        Args:
            p: the population.
            senders: by projection the name of its presynaptic input or population.
        """
        if p.payload and not self.chip.payload_bits:
            raise UnsupportedError(
                f"population '{p.name}': spikes of {p.model} carry '{p.payload}'; chip '{self.chip.name}' has no "
                "graded spikes: choose one whose file gives payload_bits, such as 'loihi2'"
            )
        shift = 0 if p.model is None else input_shift(p.model, self.chip)
        incoming = []
        for q in p.incoming:
            carried = self.of.get(senders[q.name])
            if carried is None:
                continue
            factor = 2.0**shift / carried.unit
            if factor != 1.0:
                q = replace(q, weight=q.weight.times_rows(np.full(len(q.gain), factor)), gain=q.gain * factor)
            incoming.append(replace(q, largest=carried.largest))
        return replace(p, incoming=tuple(incoming))

    def add(self, p: NormalPopulation, peak: float, scale: float, headroom: float) -> Carried:
        """What the spikes of a population carry at its scale; ``peak`` is the largest payload that was measured."""
        self.of[p.name] = Carried()
        if p.payload:
            assert p.model is not None
            unit = payload_unit(p.model, scale, self.chip)
            state = next(s for s in p.model.states if s.name == p.payload)
            wanted = (int(peak * max(headroom, 1.0) * unit) + 1).bit_length()
            if state.unit is Unit.NUMBER and state.bits is not None:  # the model says how large its counts get
                wanted = state.bits - 1
            self.of[p.name] = Carried(unit, min(wanted, self.chip.payload_bits))
        return self.of[p.name]
