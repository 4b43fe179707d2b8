"""Encoders: from real values to what a network receives, by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.checks import as_int, check_memory, real_array
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.running.drive import DEFAULT_MAX_BYTES, DirectInput

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
    values = _checked(values, encoder, steps, seed)
    steps = as_int(steps, "steps")
    if encoder == "direct":
        return DirectInput(values, steps)
    check_memory(steps * values.size, DEFAULT_MAX_BYTES, f"spikes of {steps} steps and {len(values)} samples")
    spikes = np.empty((steps, *values.shape), bool)
    for step, fired in enumerate(_steps(values, encoder, steps, seed)):
        spikes[step] = fired
    return spikes


def encode_steps(
    values: ArrayLike, encoder: str, *, steps: int, seed: int | None = None
) -> Iterator[NDArray[np.bool_]]:
    """Yield the spikes of :func:`encode` step by step, each of shape (batch, channels), which needs less memory.

    Raises:
        ParameterError, ShapeError: as ``encode``; the encoder ``direct`` has no spikes.
    """
    checked = _checked(values, encoder, steps, seed)
    if encoder == "direct":
        raise ParameterError("encoder 'direct' makes no spikes: its values are the input")
    return _steps(checked, encoder, as_int(steps, "steps"), seed)


def _checked(values: ArrayLike, encoder: str, steps: int, seed: int | None) -> NDArray[np.float64]:
    """The values as float64, once values, encoder, steps and seed have been checked."""
    array = real_array(values, "the array of values to encode")
    if array.ndim != 2:
        raise ShapeError(f"values of shape {array.shape}; expected (batch, channels)")
    if as_int(steps, "steps") < 1:
        raise ParameterError(f"steps = {steps}; at least 1 is needed")
    if seed is not None and as_int(seed, "seed") < 0:
        raise ParameterError(f"seed = {seed}; it must be at least 0")
    if encoder not in ENCODERS:
        raise ParameterError(f"encoder '{encoder}' is unknown; there are: {', '.join(ENCODERS)}")
    if encoder != "direct" and array.size and (array.min() < 0 or array.max() > 1):
        raise ParameterError(
            f"values from {array.min():g} to {array.max():g}: '{encoder}' encodes 0 .. 1; scale them first"
        )
    if encoder == "rate" and seed is None:
        raise ParameterError("encoder 'rate' draws random spikes: give a seed (on the command line --seed)")
    return array


def _steps(values: NDArray[np.float64], encoder: str, steps: int, seed: int | None) -> Iterator[NDArray[np.bool_]]:
    if encoder == "rate":
        rng, single = np.random.default_rng(seed), values.astype(np.float32)
        for _ in range(steps):  # row by row, the generator draws the numbers that one call for all steps would draw
            yield np.asarray(rng.random(values.shape, dtype=np.float32) < single)
        return
    when = np.rint((1.0 - values) * (steps - 1)).astype(np.int64)
    for step in range(steps):
        yield np.asarray((step == when) & (values > 0))
