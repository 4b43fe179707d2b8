"""The executable specification: slow, plain, and the definition that every other target must reproduce.

``run_fixed.py`` and ``run_float.py`` are the neurons, ``steps.py`` is the loop over steps, ``delay_lines.py`` delays
spikes, ``learn.py`` lets weights move. The operations of a step (decay, wrap, saturation, reset) are those of
:mod:`ssdp_hw.arithmetic`.
"""

from .target import TARGET

__all__ = ["TARGET"]
