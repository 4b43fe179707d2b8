"""Encoders: from real values to what a network receives, by name."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.checks import as_int, real_array
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.running.drive import DirectInput

ENCODERS = ("rate", "latency", "direct")


@overload
def encode(
    values: ArrayLike, encoder: Literal["rate", "latency"], *, steps: int, seed: int | None = None
) -> NDArray[np.bool_]: ...
@overload
def encode(values: ArrayLike, encoder: Literal["direct"], *, steps: int, seed: int | None = None) -> DirectInput: ...
@overload
def encode(
    values: ArrayLike, encoder: str, *, steps: int, seed: int | None = None
) -> NDArray[np.bool_] | DirectInput: ...
def encode(values: ArrayLike, encoder: str, *, steps: int, seed: int | None = None) -> NDArray[np.bool_] | DirectInput:
    """Encode values in 0 .. 1.

    * ``rate``: in each step each channel fires with probability ``value``, drawn from
      ``numpy.random.default_rng(seed)``; the seed is required.
    * ``latency``: each channel fires once, at step ``round((1 - value) * (steps - 1))``: the largest
      values first; channels of value 0 stay silent.
    * ``direct``: a constant current ``value`` through the bias path; any finite values.

    Args:
        values: shape (batch, channels).
        encoder: one of the names above.
        steps: number of steps.
        seed: seed of ``rate``.

    Returns:
        Spikes, bool of shape (time, batch, channels), or a :class:`DirectInput`.

    Raises:
        ParameterError: unknown encoder, values outside 0 .. 1, no seed for ``rate``.
        ShapeError: values that are not 2-D.
    """
    values = real_array(values, "the array of values to encode")
    if values.ndim != 2:
        raise ShapeError(f"values of shape {values.shape}; expected (batch, channels)")
    steps = as_int(steps, "steps")
    if steps < 1:
        raise ParameterError(f"steps = {steps}; at least 1 is needed")
    if encoder == "direct":
        return DirectInput(values, steps)
    if encoder not in ENCODERS:
        raise ParameterError(f"encoder '{encoder}' is unknown; there are: {', '.join(ENCODERS)}")
    if values.size and (values.min() < 0 or values.max() > 1):
        raise ParameterError(
            f"values from {values.min():g} to {values.max():g}: '{encoder}' encodes 0 .. 1; scale them first"
        )
    if encoder == "rate":
        if seed is None:
            raise ParameterError("encoder 'rate' draws random spikes: give a seed")
        draws = np.random.default_rng(seed).random((steps, *values.shape), dtype=np.float32)
        return np.asarray(draws < values.astype(np.float32))
    when = np.rint((1.0 - values) * (steps - 1)).astype(np.int64)
    return np.asarray((np.arange(steps)[:, None, None] == when) & (values > 0))
