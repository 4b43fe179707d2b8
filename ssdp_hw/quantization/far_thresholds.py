"""Thresholds so far above all voltages that, scaled into the register, they would leave few bits to the voltages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ssdp_hw.quantization.normal_form import NormalPopulation
from ssdp_hw.quantization.peaks import Peaks

# A threshold counts as far if it is this many times the largest voltage; a nearer one leaves at most 4 bits unused.
_FAR = 16.0


def far_threshold(p: NormalPopulation, peaks: Peaks) -> bool:
    """Whether every threshold of a population is far above all voltages that are expected."""
    return p.threshold is not None and peaks.reached > 0 and bool(np.min(p.threshold) > _FAR * peaks.reached)


def about_far_threshold(p: NormalPopulation, peaks: Peaks, *, bounds_scale: bool) -> str:
    """The sentence of the note about such a threshold; ``bounds_scale``: whether the scale still makes room for it."""
    assert p.threshold is not None
    lowest = float(np.min(p.threshold))
    seen = "in the calibration" if peaks.bound == "calibration" else "by any spikes"
    said = (
        f"population '{p.name}' does not fire: its voltage reaches {peaks.reached:.4g} V {seen}, "
        f"{peaks.reached / lowest:.2g} of its threshold of {lowest:.4g} V"
    )
    if bounds_scale:
        return (
            f"{said}, which leaves its voltage {np.log2(lowest / peaks.reached):.0f} bits fewer; what it drives gets "
            "no spikes: check dt, the preset and the unit of the time constants"
        )
    return (
        f"{said}; the scale is that of its voltages, and the threshold stands at the end of the register: read its "
        "voltage (max_membrane)"
    )


def without_far_threshold(p: NormalPopulation, peaks: Peaks, headroom: float) -> tuple[NormalPopulation, Peaks]:
    """The population with its thresholds lowered to where the register of the voltage ends, and its peaks."""
    limit = max(headroom, 1.0) * peaks.reached
    return replace(p, threshold=np.full_like(p.threshold, limit)), replace(peaks, v=peaks.reached)
