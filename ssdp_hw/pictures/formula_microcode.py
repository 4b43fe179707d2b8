"""A formula compiled for Loihi's learning engine: what a pair of spikes is wanted to do to a weight, and does."""

from __future__ import annotations

from ssdp_hw.display import Axes, Drawn
from ssdp_hw.microcode import FormulaMicrocode
from ssdp_hw.pictures.style import BEFORE, FIXED, legend, panels, picture, title


@picture
def draw(code: FormulaMicrocode, *, ax: Axes | None = None) -> Drawn:
    """See :meth:`ssdp_hw.microcode.FormulaMicrocode.plot`."""
    (axes,) = panels(ax, [2.6])
    distance, wanted, obtained = code.pair_curve()
    axes.plot(distance, wanted, color=BEFORE, lw=5, alpha=0.5, label="wanted")
    axes.plot(distance, obtained, color=FIXED, lw=1.6, label="obtained")
    axes.set_xlabel("postsynaptic spike less presynaptic one, steps")
    axes.set_ylabel("weight LSBs")
    title(axes, f"{len(code.products)} products; the formula's amplitudes are off by at most {code.largest_error:.1%}")
    legend(axes, 2)
    return axes
