"""Registers of declared neuron models from their float parameters, by the kind of each parameter, and back."""

from __future__ import annotations

import numpy as np

from ssdp_hw.arrays import Int, Real
from ssdp_hw.chips import Chip
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import Kind, Parameter
from ssdp_hw.models.declaration import BITS_MAX
from ssdp_hw.network.formats import round_to_int
from ssdp_hw.quantization.decays import closest_rate

# Number of steps that stand for the infinite time constant of a register that keeps a state without loss.
_NO_DECAY = 2.0**40


def register_codes(q: Parameter, value: Real, scale: Real | float, chip: Chip, owner: str) -> Int:
    """The integers of a register that come closest to the value that a step needs.

    Args:
        q: the parameter.
        value: see :meth:`ssdp_hw.ModelNeuron.step_values`, shape (n,).
        scale: units of the chip's voltage in a volt.
        chip: its widths.
        owner: names the population in errors.

    Raises:
        ParameterError: a gain or a number that its register cannot hold. Levels fit by the choice of the scale, and a
            decay is held to the ends of its register.
    """
    low, high = q.code_range(chip)
    if q.powers_of_two:
        exponent = np.log2(np.maximum((1.0 - value) * q.unity(chip), 1.0))
        return np.clip(1 << round_to_int(exponent), low, high)
    if _decays(q):
        return np.clip(closest_rate(value, q.width(chip)) - q.added(chip), low, high)
    if q.kind is Kind.LEVEL:
        return np.clip(round_to_int(value * scale / (1 << q.shift(chip))), low, high)
    codes = round_to_int(value * q.unity(chip))
    outside = (codes < low) | (codes > high)
    if outside.any():
        k = int(np.argmax(outside))
        raise ParameterError(
            f"{owner}: {q.float_name} = {float(value[k]):g} of neuron {k} is outside {low / q.unity(chip):g} .. "
            f"{high / q.unity(chip):g}, which the register '{q.name}' holds on chip '{chip.name}'"
            f"{_wider(q, codes)}"
        )
    return codes


def _wider(q: Parameter, codes: Int) -> str:
    """How a model gets a gain that is larger: by the bits that hold it."""
    bits = max(abs(int(code)) for code in (codes.min(), codes.max())).bit_length()
    return f"; with bits={bits} in its Parameter the model holds it" if q.kind is Kind.GAIN and bits <= BITS_MAX else ""


def register_values(q: Parameter, codes: Int, scale: Real | float, chip: Chip) -> Real:
    """The value that a step has of a register, as in :meth:`ssdp_hw.ModelNeuron.step_values`."""
    acting = np.asarray(q.acting(codes, chip), np.float64)
    if _decays(q):
        return 1.0 - acting / q.unity(chip)
    return acting / scale if q.kind is Kind.LEVEL else acting / q.unity(chip)


def float_parameters(values: dict[str, Real], parameters: tuple[Parameter, ...], dt: float) -> dict[str, Real]:
    """Parameters of the float model, by their float names, that make these values under forward Euler."""
    found = {}
    for q in parameters:
        value = values[q.name]
        if _decays(q):
            with np.errstate(divide="ignore"):
                value = np.minimum(dt / (1.0 - value), dt * _NO_DECAY)
        found[q.float_name] = value
    return found


def relative_error(q: Parameter, rounded: Real, exact: Real) -> float:
    """Worst relative error of a parameter where it is not 0; of a decay that of ``1 - factor``."""
    if _decays(q):
        rounded, exact = 1.0 - rounded, 1.0 - exact
    used = exact != 0
    return float(np.max(np.abs(rounded[used] / exact[used] - 1.0), initial=0.0))


def _decays(q: Parameter) -> bool:
    return q.kind is Kind.DECAY
