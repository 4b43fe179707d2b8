"""What the caller of ``from_nir`` chose."""

from __future__ import annotations

from dataclasses import dataclass

from ssdp_hw.conversion.alignment import Timing
from ssdp_hw.conversion.nir.presets import Preset, TauUnit
from ssdp_hw.network.graph import Comparison, Reset
from ssdp_hw.network.neurons import Discretization, UpdateOrder


@dataclass(frozen=True)
class Choices:
    """The arguments of from_nir, with those of its preset. None: the file decides, or else the default."""

    preset: Preset | None
    dt: float | None
    reset: Reset | None
    threshold: Comparison | None
    discretization: Discretization | None
    update_order: UpdateOrder | None
    tau_unit: TauUnit | None
    timing: Timing
    max_synapses: int
    given: frozenset[str]
