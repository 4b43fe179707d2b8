"""Number formats as value objects: the integers that a weight may take, and how to reach them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.checks import Choice, as_int
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError
from ssdp_hw.files.json_values import JSON

# Weights are kept in int32.
MAX_SCALE_BITS = 31
# No weight exponent is below -31.
RIGHT_SHIFT_MAX = 31


class SignMode(Choice):
    """Which signs the weights of a projection have; it sets their range and their step."""

    MIXED = "mixed"
    EXCITATORY = "excitatory"
    INHIBITORY = "inhibitory"


class Rounding(Choice):
    """How a real number becomes an integer."""

    NEAREST = "nearest"  # half to even
    FLOOR = "floor"
    TOWARD_ZERO = "toward_zero"


def round_to_int(x: ArrayLike, rounding: Rounding | str = Rounding.NEAREST) -> NDArray[np.int64]:
    """Round real numbers to int64 by a named rule.

    Raises:
        ParameterError: a value is not finite or does not fit 64 bits.
    """
    x = np.asarray(x, np.float64)
    if not np.all(np.isfinite(x)) or np.any(np.abs(x) >= 2.0**62):
        raise ParameterError("cannot round to an integer: a value is NaN, infinite or beyond 2**62")
    rounding = Rounding(rounding)
    if rounding is Rounding.NEAREST:
        return np.asarray(np.rint(x), np.int64)
    return np.asarray(np.floor(x) if rounding is Rounding.FLOOR else np.trunc(x), np.int64)


@shown
@dataclass(frozen=True)
class WeightFormat:
    """Integers that a chip's weight may take.

    A weight is stored as a ``mantissa`` of ``bits`` bits and acts as ``mantissa * step`` on a scale
    of ``scale_bits`` bits (lava-nc, ``lava/utils/weightutils.py``): mixed signs cost one bit, so
    that 8 bits on the 8-bit scale are -256, -254 .. 254, while excitatory weights are 0, 1 .. 255
    and inhibitory ones -255 .. 0.

    At a negative weight exponent -k the chip shifts each weight right by k bits before it adds it (nengo-loihi
    1.1.0, ``builder/discretize.py``, ``decay_magnitude`` and "two-part weight shift"; brian2-loihi 0.5.2,
    ``calcActualWeights``), while Lava shifts the sum of the weights (``lava/proc/dense/models.py``). Of
    multiples of ``2**k`` both give the same, so no other weights are representable there, and ``2**k`` is the
    weight LSB wherever it is above the step that the bits alone give.

    Attributes:
        bits: width of the stored weight, sign included; 1 to ``scale_bits``.
        sign_mode: which signs occur.
        scale_bits: width of the scale that weights are written on (8 on Loihi).
        right_shift: bits by which the chip shifts each weight right, from a negative weight exponent; 0 where the
            weights of these bits lose nothing by it. See :meth:`at_exponent`.
    """

    bits: int = 8
    sign_mode: SignMode = SignMode.MIXED
    scale_bits: int = 8
    right_shift: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "sign_mode", SignMode(self.sign_mode))
        for name in ("bits", "scale_bits", "right_shift"):
            object.__setattr__(self, name, as_int(getattr(self, name), f"weight format: {name}"))
        if not 1 <= self.scale_bits <= MAX_SCALE_BITS:
            raise ParameterError(f"weight scale of {self.scale_bits} bits: the limit is 1 to {MAX_SCALE_BITS}")
        if not 1 <= self.bits <= self.scale_bits:
            raise ParameterError(f"weights of {self.bits} bits: the limit is 1 to {self.scale_bits} on this scale")
        if not 0 <= self.right_shift <= RIGHT_SHIFT_MAX:
            raise ParameterError(f"weights shifted right by {self.right_shift} bits; the limit is {RIGHT_SHIFT_MAX}")
        if self.right_shift <= self._own_shift:
            object.__setattr__(self, "right_shift", 0)

    def to_dict(self) -> dict[str, JSON]:
        """What a file keeps of the format of a projection, beside its exponent."""
        return {"bits": self.bits, "sign_mode": self.sign_mode.value, "scale_bits": self.scale_bits}

    def at_exponent(self, weight_exp: int) -> WeightFormat:
        """The same bits and signs on the grid that a weight exponent leaves; a projection does this itself."""
        return replace(self, right_shift=max(0, -weight_exp))

    @property
    def _own_shift(self) -> int:
        """Base-2 logarithm of the step that the bits alone give."""
        return self.scale_bits - self.bits + (self.sign_mode is SignMode.MIXED)

    @property
    def _own_max(self) -> int:
        """Largest weight that the bits alone give."""
        bits = self.bits - (self.sign_mode is SignMode.MIXED)
        return 0 if self.sign_mode is SignMode.INHIBITORY else ((1 << bits) - 1) << self._own_shift

    @property
    def _own_min(self) -> int:
        """Smallest weight that the bits alone give."""
        if self.sign_mode is SignMode.MIXED:
            return -(1 << self.scale_bits)
        return 0 if self.sign_mode is SignMode.EXCITATORY else -((1 << self.bits) - 1) << self._own_shift

    @property
    def lsb_shift(self) -> int:
        """Base-2 logarithm of the step between two neighbouring weights."""
        return max(self._own_shift, self.right_shift)

    @property
    def step(self) -> int:
        """Distance between two neighbouring weights: one weight LSB."""
        return 1 << self.lsb_shift

    @property
    def mantissa_min(self) -> int:
        """Smallest stored integer."""
        return -(-self._own_min >> self.lsb_shift)

    @property
    def mantissa_max(self) -> int:
        """Largest stored integer."""
        return self._own_max >> self.lsb_shift

    @property
    def min(self) -> int:
        """Smallest weight."""
        return self.mantissa_min * self.step

    @property
    def max(self) -> int:
        """Largest weight."""
        return self.mantissa_max * self.step

    @property
    def name(self) -> str:
        """Canonical name: bits, scale and sign mode, for example ``w8/8-mixed``, and ``>>4`` of a right shift."""
        shift = f">>{self.right_shift}" if self.right_shift else ""
        return f"w{self.bits}/{self.scale_bits}-{self.sign_mode.value}{shift}"

    def violation(self, weight: ArrayLike) -> str | None:
        """The first value that this format cannot hold, in words, or None."""
        weight = np.asarray(weight)
        if not np.issubdtype(weight.dtype, np.integer):
            return f"weights are {weight.dtype}, not integers"
        if weight.size == 0:
            return None
        why = ""
        if self.right_shift:
            why = f": at weight_exp {-self.right_shift} the chip drops what is below {self.step}"
        for value in (int(weight.min()), int(weight.max())):
            if not self.min <= value <= self.max:
                return f"weight {value} is outside {self.min} .. {self.max} ({self.name}){why}"
        off_grid = weight[weight % self.step != 0]
        if off_grid.size:
            return f"weight {int(off_grid.flat[0])} is no multiple of the step {self.step} ({self.name}){why}"
        return None

    def floored(self, weight: ArrayLike) -> NDArray[np.int64]:
        """What the chip makes of weights that its right shift does not leave whole: ``floor(w / step) * step``."""
        return (np.asarray(weight, np.int64) >> self.lsb_shift) << self.lsb_shift

    def nearest(self, weight: ArrayLike) -> tuple[NDArray[np.int64], int]:
        """The nearest representable weights, and how many were clipped to the range."""
        mantissa = round_to_int(np.asarray(weight, np.float64) / self.step)
        kept = np.clip(mantissa, self.mantissa_min, self.mantissa_max)
        return kept * self.step, int(np.count_nonzero(kept != mantissa))


def sign_mode_of(weight: ArrayLike) -> SignMode:
    """Sign mode that Lava would find from the matrix itself: excitatory if no weight is negative."""
    weight = np.asarray(weight)
    if weight.size == 0 or weight.min() >= 0:
        return SignMode.EXCITATORY
    return SignMode.INHIBITORY if weight.max() <= 0 else SignMode.MIXED
