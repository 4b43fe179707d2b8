"""Chip resources: how full the fullest core of each layer is."""

from __future__ import annotations

import numpy as np

from ssdp_hw.analysis.resources import LIMITS, Resources
from ssdp_hw.display import Axes, Drawn, count
from ssdp_hw.pictures.style import CHANGED, SERIES, legend, panels, picture, several, short, title

# Layers drawn at most: the fullest.
_ROWS = 12
_WORDS = {
    "compartments": "neurons",
    "synaptic_memory": "synaptic memory",
    "input_axons": "input axons",
    "output_axons": "output axons",
}


@picture
def draw(held: Resources, *, ax: Axes | None = None) -> Drawn:
    """See :meth:`ssdp_hw.analysis.resources.Resources.plot`."""
    kept = sorted(held.populations, key=lambda p: -max(p.used.values()))[:_ROWS]
    rows = [p for p in held.populations if p in kept]
    (one,) = panels(ax, [1.0 + 0.62 * len(rows)])
    at = np.arange(len(rows))[::-1]
    for k, limit in enumerate(LIMITS):
        shares = [100 * p.used[limit] for p in rows]
        one.barh(at + 0.3 - 0.2 * k, shares, 0.18, color=SERIES[k], label=_WORDS[limit])
    one.axvline(100, color=CHANGED, lw=1.2, ls="--")
    fullest = max(max(p.used.values()) for p in rows)
    one.set_xlim(0, max(105.0, 105 * fullest))
    cores = [f"{short(p.name, 14)}\n{count(p.cores, 'core')}" for p in rows]
    one.set_yticks(at, cores)
    one.set_xlabel("share of the fullest core, %")
    title(one, _finding(held))
    legend(one, 2)
    return several([one])


def _finding(held: Resources) -> str:
    verdict = "fits" if held.fits else "does not fit"
    fullest = max(held.populations, key=lambda p: max(p.used.values()))
    return (
        f"The network {verdict} one {held.chip}: {held.cores} of {count(held.cores_available, 'core')}; fullest is "
        f"{_WORDS[fullest.bound_by]} of '{short(fullest.name)}', {max(fullest.used.values()):.0%} of a core"
    )
