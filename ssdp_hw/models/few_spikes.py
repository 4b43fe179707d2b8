"""The few-spikes neuron of Stoeckl and Maass for ReLU: its spikes are the bits of its value, the highest first.

Time is cut into windows of K steps. In a window a neuron gathers its input, of which every step counts half of the
one before it, and sends what it gathered in the window before: in step k of the window it fires where the value that
is left is at least ``full / 2**k``, which is then taken off. So the spikes of a window are the binary number
``floor(value 2**K / full)`` within 0 .. ``2**K - 1``: a layer computes what an artificial one of K-bit ReLUs does, to
the bit, and silence is 0.

A spike acts a step after it was sent, so that each layer's windows begin a step later than those of the one before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State, Unit
from ssdp_hw.operations.base import Operations, Value, Values

MAX_BITS = 16


def as_few_spikes(values: ArrayLike, bits: int) -> NDArray[np.bool_]:
    """Whole numbers as spikes of one window, the highest bit first: the input of a few-spikes network.

    Args:
        values: shape (batch, channel), within 0 .. ``2**bits - 1``.
        bits: steps K of a window.

    Returns:
        Spikes of shape (bits, batch, channel).

    Raises:
        ParameterError: bits outside 1 .. MAX_BITS, or a value that is no number of so many bits.
    """
    if not 1 <= bits <= MAX_BITS:
        raise ParameterError(f"as_few_spikes: bits = {bits} is outside 1 .. {MAX_BITS}")
    array = np.asarray(values)
    whole = np.asarray(array, np.int64)
    if np.any(whole != array) or np.any(whole < 0) or np.any(whole >= 1 << bits):
        raise ParameterError(f"as_few_spikes: values must be whole and within 0 .. {(1 << bits) - 1}")
    return np.asarray(whole >> np.arange(bits)[::-1, None, None] & 1, bool)


class FewSpikes(NeuronModel):
    """ReLU in binary: see the module.

    At the begin of a window ``v <- gathered + bias``, ``level <- vth``, ``gathered <- arriving``; else
    ``gathered <- saturate(2 gathered + arriving)``. Then ``level <- level / 2``, rounded down, and a spike where v is
    above (or at) the level, which takes the level off v.

    ``threshold=">="`` of the population makes it ``floor`` of the value; ``">"``, as the authors' code has it, the
    largest number below it. Levels are exact while ``vth`` is a power of two.

    ``window`` (in float ``bits``) are the steps K of a window, and ``phase`` is the step of the first one, within
    0 .. K - 1: that of the layer before plus 1, modulo K; 1 behind the input.
    """

    name = "FewSpikes"
    states = (
        State("v"),
        State("gathered"),
        State("level", signed=False),
        State("count", bits=6, unit=Unit.NUMBER, signed=False),
    )
    parameters = (
        Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
        Parameter("window", "bits", Kind.NUMBER, default=8, bits=5),
        Parameter("phase", "phase", Kind.NUMBER, default=1, bits=5),
    )
    source = "C. Stoeckl, W. Maass, Optimized spiking neurons can classify images with high accuracy, 2021 (FS-neurons)"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Gather, halve the level, compare."""
        begins = s.count == p.phase
        gathered = op.saturate(op.select(begins, arriving, op.shift_left(s.gathered, 1) + arriving), "gathered")
        before = op.select(begins, s.gathered + p.bias, s.v)
        level = op.saturate(op.shift_right(op.select(begins, p.vth, s.level), 1), "level")
        fired = op.fires(before, level)
        v = op.saturate(op.select(fired, before - level, before), "v")
        counted = op.minimum(s.count + 1, 31)
        return {
            "v": v,
            "gathered": gathered,
            "level": op.maximum(level, 0),
            "count": op.select(counted < p.window, counted, 0),
        }, fired


MODEL = FewSpikes()
