"""The fixed-point network: integers of a chip and nothing else.

It can be written by hand in the chip's own numbers or come from :func:`ssdp_hw.quantize`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arithmetic import shift
from ssdp_hw.checks import (
    as_size,
    check_name,
    int_vector,
    positive_or_none,
    real_vector,
)
from ssdp_hw.chips import Chip, load_chip
from ssdp_hw.deprecation import renamed
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.network.design_rules import design_rule_violations
from ssdp_hw.network.formats import WeightFormat
from ssdp_hw.network.graph import BaseProjection, Comparison, Graph, Input, Reset

Int = NDArray[np.int64]

# Wider than any register of a chip: the checks of a whole network know the chip and are tighter.
_WIDE = 2**31 - 1


@dataclass(frozen=True, eq=False, kw_only=True)
class FixedPopulation:
    """Neurons in chip integers; the update is :mod:`ssdp_hw.arithmetic`.

    Attributes:
        name: unique in the network.
        size: number of neurons n.
        du, dv: decays of current and voltage, shape (n,) or one integer. ``du`` at its largest
            keeps nothing of the old current (a plain LIF).
        vth: threshold mantissa, on the scale of v shifted right by 6 on Loihi.
        bias_mant, bias_exp: the bias added to v in every step is ``bias_mant << bias_exp``, not
            shifted further; the mantissa one a neuron, the exponent one a population.
        v_init: voltage before the first step, on the scale of v.
        reset: what a spike does to the voltage: 0, or minus the threshold.
        threshold: whether a neuron fires above or already at its threshold.
        spiking: False for a readout, which has no threshold.
        scale: chip voltage (on the scale of v) of one float volt above the reset, where known: one
            number, or one a neuron.
    """

    name: str
    size: int
    du: Any = 4095
    dv: Any = 0
    vth: Any = 0
    bias_mant: Any = 0
    bias_exp: int = 0
    v_init: Any = 0
    reset: Reset = Reset.ZERO
    threshold: Comparison = Comparison.ABOVE
    spiking: bool = True
    scale: Any = None

    def __post_init__(self) -> None:
        check_name(self.name, "population")
        owner = f"population '{self.name}'"
        object.__setattr__(self, "size", as_size(self.size, f"{owner}: size"))
        for name in ("du", "dv", "vth"):
            value = int_vector(getattr(self, name), self.size, 0, _WIDE, f"{owner}: {name}")
            object.__setattr__(self, name, value)
        for name in ("bias_mant", "v_init"):
            value = int_vector(getattr(self, name), self.size, -_WIDE, _WIDE, f"{owner}: {name}")
            object.__setattr__(self, name, value)
        object.__setattr__(self, "bias_exp", int(int_vector(self.bias_exp, 1, -31, 31, f"{owner}: bias_exp")[0]))
        object.__setattr__(self, "reset", Reset(self.reset))
        object.__setattr__(self, "threshold", Comparison(self.threshold))
        if not isinstance(self.spiking, bool | np.bool_):
            raise ParameterError(f"{owner}: spiking = {self.spiking!r} is neither True nor False")
        object.__setattr__(self, "spiking", bool(self.spiking))
        object.__setattr__(self, "scale", _scale(self.scale, self.size, f"{owner}: scale"))

    @property
    def bias(self) -> Int:
        """What is added to v in every step, shape (n,): ``bias_mant << bias_exp``."""
        return shift(self.bias_mant, self.bias_exp)

    @property
    def uniform(self) -> bool:
        """Whether all neurons share du, dv and vth, as Lava's own LIF demands."""
        return all(bool(np.all(x == x[0])) for x in (self.du, self.dv, self.vth))


def _scale(value: Any, size: int, owner: str) -> Any:
    """None, a number above 0, or one a neuron."""
    if value is None or np.ndim(value) == 0:
        return positive_or_none(value, owner)
    scales = real_vector(value, size, owner)
    if np.any(scales <= 0):
        raise ParameterError(f"{owner} = {float(scales.min()):g} must be above 0")
    return scales


@renamed(source="pre", target="post")
@dataclass(frozen=True, eq=False, kw_only=True)
class FixedProjection(BaseProjection):
    """Synapses in chip integers.

    Attributes:
        weight: integers on the chip's weight scale (for Loihi -256, -254 .. 254 with mixed signs),
            shape (post, pre), dense, sparse or a convolution. They must be representable: nothing
            is rounded.
        weight_exp: the activation, a sum of weights, acts as ``activation * 2**weight_exp``; a
            negative exponent is an arithmetic right shift of the sum of one step and delay.
        format: bits and sign mode of the weights.
        scale: chip weight units (on the weight scale) of one float weight unit, shape (post,),
            where known.
    """

    weight_exp: int = 0
    format: WeightFormat = field(default_factory=WeightFormat)
    scale: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        owner = f"projection '{self.name}'"
        reason = self.format.violation(self.stored_weights)
        if reason is not None:
            raise ParameterError(f"{owner}: {reason}; use format.nearest(weight) to round it first")
        exp = int(int_vector(self.weight_exp, 1, -31, 31, f"{owner}: weight_exp")[0])
        object.__setattr__(self, "weight_exp", exp)
        narrow = np.int16 if self.format.scale_bits <= 8 else np.int32
        values = self.stored_weights
        if values.dtype != narrow:
            stored = self.stored.with_values(values.astype(narrow))
            object.__setattr__(self, "weight", stored.given)
            object.__setattr__(self, "stored", stored)
        if self.scale is not None:
            object.__setattr__(self, "scale", real_vector(self.scale, self.shape[0], f"{owner}: scale"))

    @property
    def mantissa(self) -> NDArray[Any]:
        """Stored weight integers, in the order of ``stored_weights``: ``weight / step``."""
        return self.stored_weights >> self.format.lsb_shift

    def with_mantissa(self, mantissa: NDArray[Any]) -> FixedProjection:
        """A copy with these stored weight integers, in the order of ``mantissa``.

        Raises:
            ShapeError: another number of them.
        """
        if np.size(mantissa) != self.stored_weights.size:
            raise ShapeError(
                f"projection '{self.name}': {np.size(mantissa)} weight integers; it stores {self.stored_weights.size}"
            )
        values = np.asarray(mantissa, np.int64).reshape(-1) << self.format.lsb_shift
        return replace(self, weight=self.stored.with_values(values))


@dataclass(frozen=True, eq=False)
class FixedNetwork(Graph[FixedPopulation, FixedProjection]):
    """Chip-integer populations joined by projections.

    Attributes:
        inputs, populations, projections, outputs: the graph; outputs are population names.
        chip: the chip whose widths the integers obey: its name, the path of its file, or the Chip.
        dt: length of a step in seconds, where known; it does not act on the integers.
        report: what quantisation lost, where the network came from :func:`ssdp_hw.quantize`.
        notes: what was assumed on the way, one sentence each.

    Raises:
        ParameterError: an integer exceeds its register on the chip.
    """

    inputs: Sequence[Input]
    populations: Sequence[FixedPopulation]
    projections: Sequence[FixedProjection]
    outputs: Sequence[str]
    chip: Chip | str = "loihi"
    dt: float | None = None
    report: Any = None
    notes: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))
        object.__setattr__(self, "chip", load_chip(self.chip))
        object.__setattr__(self, "dt", positive_or_none(self.dt, "dt"))
        self._index()
        for violation in design_rule_violations(self):
            raise ParameterError(str(violation))

    @property
    def limits(self) -> Chip:
        """The chip, resolved."""
        assert isinstance(self.chip, Chip)
        return self.chip

    def activation_bound(self, name: str) -> Int:
        """Largest |synaptic input| that any one step can bring to a population, shape (n,)."""
        bound = np.zeros(self.size_of(name), np.int64)
        for p in self.incoming(name):
            # A right shift of a negative sum rounds away from zero: at most one unit a delay.
            bound += shift(p.stored.absolute_row_sums(), p.weight_exp) + (p.max_delay + 1 if p.weight_exp < 0 else 0)
        return bound

    def with_mantissas(self, mantissas: Mapping[str, NDArray[Any]]) -> FixedNetwork:
        """A copy with other stored weight integers for the named projections."""
        for name in mantissas:
            self.projection(name)
        changed = [p.with_mantissa(mantissas[p.name]) if p.name in mantissas else p for p in self.projections]
        return replace(self, projections=changed)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to one file; see :func:`ssdp_hw.save`."""
        from ssdp_hw.files.storage import save

        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FixedNetwork:
        """Read a fixed network from a file; see :func:`ssdp_hw.load`.

        Raises:
            FileFormatError: see there; or the file holds a float network.
        """
        from ssdp_hw.files.storage import load_as

        return load_as(cls, path)
