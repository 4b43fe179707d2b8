"""SSDP compiled for Loihi's learning engine: the step of a weight that is wanted, and that is obtained."""

from __future__ import annotations

from ssdp_hw.display import Axes, Drawn
from ssdp_hw.microcode import SSDPMicrocode
from ssdp_hw.microcode.learning_engine import Arithmetic
from ssdp_hw.pictures.style import BEFORE, BOUND, FIXED, legend, panels, picture, several, title


@picture
def draw(code: SSDPMicrocode, *, ax: Axes | None = None) -> Drawn:
    """See :meth:`ssdp_hw.microcode.SSDPMicrocode.plot`."""
    axes = panels(ax, [2.2, 2.2])
    labels = ("both fire: distance of the spikes, steps", "one fires: steps to the end of the window")
    for one, label, branch in zip(axes, labels, (code.both, code.one_silent), strict=True):
        one.plot(branch.distance, branch.wanted, color=BEFORE, lw=5, alpha=0.5, label="wanted")
        for (kind, steps), color, style in zip(branch.obtained.items(), (FIXED, BOUND), ("-", "--"), strict=True):
            one.plot(branch.distance, steps, style, color=color, lw=1.6, label=kind.value)
        one.set_xlabel(label)
        one.set_ylabel("weight LSBs")
    errors = [branch.largest_error(Arithmetic.FIXED) for branch in (code.both, code.one_silent)]
    title(
        axes[0],
        f"The learning engine is off by at most {errors[0]:.2g} LSB where both fire, {errors[1]:.2g} where one does",
    )
    legend(axes[0], 3)
    return several(axes)
