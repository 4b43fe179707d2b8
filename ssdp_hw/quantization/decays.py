"""Decay registers, and how much a bias must change when the leak is rounded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Real
from ssdp_hw.chips import Chip
from ssdp_hw.network.formats import round_to_int
from ssdp_hw.quantization.normal_form import NormalPopulation


def decay_registers(p: NormalPopulation, chip: Chip) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The registers du and dv, each of shape (n,), whose time constants come closest."""
    du, dv = (
        np.clip(closest_rate(decay, chip.decay_bits) - offset, 0, chip.decay_max)
        for decay, offset in ((p.decay_u, chip.current_decay_offset), (p.decay_v, chip.voltage_decay_offset))
    )
    return du, dv


def leak_ratio(p: NormalPopulation, dv: NDArray[np.int64], chip: Chip) -> Real:
    """The rounded leak divided by the exact leak, shape (n,); 1 where either of them is 0.

    Under a constant bias b the voltage converges to ``b / leak``. So the bias times this ratio makes it converge to
    the same voltage under the rounded leak.
    """
    leak, rounded = 1.0 - p.decay_v, (np.asarray(dv) + chip.voltage_decay_offset) / float(1 << chip.decay_bits)
    both = (leak > 0) & (rounded > 0)
    return np.where(both, rounded / np.where(both, leak, 1.0), 1.0)


def closest_rate(decay: Real, bits: int) -> NDArray[np.int64]:
    """``1 - decay`` in units of ``2**-bits``, rounded so that the time constant is off by the smallest factor.

    A voltage that is multiplied by d in each step has a time constant of ``-1 / ln d`` steps. A leak of 0 has no
    time constant, so a leak is rounded to 0 only if it is at most half a unit.
    """
    unity = float(1 << bits)
    exact = (1.0 - decay) * unity
    below = np.floor(exact)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = -np.log1p(-np.minimum(exact, unity) / unity)
        off = [np.abs(np.log(-np.log1p(-np.minimum(k, unity) / unity) / rate)) for k in (below, below + 1)]
        up = np.where((below < 1) | ~np.isfinite(rate), exact - below > 0.5, off[1] < off[0])
    return round_to_int(np.where(exact == below, below, below + up))
