"""Threshold balancing: thresholds that give the fixed network the float network's spike rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.formats import round_to_int
from ssdp_hw.running.drive import DirectInput
from ssdp_hw.running.run import run

# Candidates for the factor of a population's threshold: powers of 1.03 from 0.66 to 1.51.
_FACTORS = tuple(1.03**k for k in range(-14, 15))

Inputs = ArrayLike | Mapping[str, ArrayLike] | DirectInput


def balance_thresholds(
    network: Network, fixed: FixedNetwork, calibration: Inputs
) -> tuple[FixedNetwork, dict[str, float]]:
    """Multiply the thresholds of each population by a factor, tuned on the calibration input.

    Populations are tuned one after the other. Of the candidate factors, the one is taken under which the
    population's spike rate comes closest to that of the float network; if several come equally close, the factor
    closest to 1. Populations that do not fire in the float network keep their thresholds.

    Returns:
        The network and the factors, by population, that are not 1.
    """
    wanted = run(network, calibration).spikes
    chosen: dict[str, float] = {}
    for p in fixed.populations:
        target = wanted.get(p.name)
        if target is None or not p.spiking or not target.any():
            continue
        counts = {f: _spikes(_with_factor(fixed, p.name, f), p.name, calibration) for f in _FACTORS}
        best = _closest(counts, int(np.count_nonzero(target)))
        if best != 1.0:
            fixed, chosen[p.name] = _with_factor(fixed, p.name, best), best
    return fixed, chosen


def _closest(counts: Mapping[float, int], wanted: int) -> float:
    return min(counts, key=lambda factor: (abs(counts[factor] - wanted), abs(np.log(factor))))


def _spikes(fixed: FixedNetwork, name: str, inputs: Inputs) -> int:
    """How many spikes a population sends."""
    return int(np.count_nonzero(run(fixed, inputs, populations=[name], on_overflow="ignore").spikes[name]))


def _with_factor(fixed: FixedNetwork, name: str, factor: float) -> FixedNetwork:
    """The network with the thresholds of one population multiplied by a factor, within their register."""
    populations = [
        p if p.name != name else replace(p, vth=np.clip(round_to_int(p.vth * factor), 1, fixed.limits.threshold_max))
        for p in fixed.populations
    ]
    return replace(fixed, populations=populations)
