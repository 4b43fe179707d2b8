"""What a user may choose for each projection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.checks import Choice, as_int, real_vector
from ssdp_hw.chips import Chip
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.formats import SignMode, WeightFormat, sign_mode_of

# Largest number of synapses that a weight may be split over; two of 8 bits reach the resolution of the chip's sums.
SPLIT_MAX = 4


class Method(Choice):
    """How the weights of a projection meet the range of its integers."""

    MAX_ABS = "max_abs"  # the largest weight fits
    PERCENTILE = "percentile"  # the given percentage of the weights fits, the others are clipped
    MSE = "mse"  # the exponent of least mean squared error, clipped weights included
    THRESHOLD_BALANCE = (
        "threshold_balance"  # exponents as by mse; then thresholds are tuned to the float network's spike rates
    )


class Granularity(Choice):
    """Whether a whole population or each of its neurons has a scale of its own."""

    PROJECTION = "projection"  # all neurons of a population share one
    CHANNEL = "channel"  # every spiking neuron (of a convolution: every channel) has one


@dataclass(frozen=True)
class ProjectionOptions:
    """The choices for one projection.

    Attributes:
        weight_bits: width of the weights; None for the chip's.
        sign_mode: ``mixed``, ``excitatory``, ``inhibitory``, or ``auto``: from the signs that occur.
        method: see :class:`Method`.
        percentile: percent of the weights that must fit, for the method of that name.
        split: over how many synapses each weight is split; see :mod:`ssdp_hw.quantization.split`.
    """

    weight_bits: int | None = None
    sign_mode: str = "mixed"
    method: Method = Method.MAX_ABS
    percentile: float = 99.9
    split: int = 1

    def checked(self, owner: str, chip: Chip) -> ProjectionOptions:
        """The options with values that are in range.

        Raises:
            ParameterError: one is not, named with its owner.
        """
        width = chip.weight_bits if self.weight_bits is None else as_int(self.weight_bits, f"{owner}: weight_bits")
        if not 1 <= width <= chip.weight_bits:
            raise ParameterError(f"{owner}: weight_bits = {width} is outside 1 .. {chip.weight_bits}")
        if self.sign_mode != "auto" and self.sign_mode not in list(SignMode):
            known = ", ".join(m.value for m in SignMode)
            raise ParameterError(f"{owner}: sign_mode = {self.sign_mode!r}; choose auto, {known}")
        share = float(real_vector(self.percentile, 1, f"{owner}: percentile")[0])
        if not 0 < share <= 100:
            raise ParameterError(f"{owner}: percentile = {share:g} is outside 0 .. 100")
        split = as_int(self.split, f"{owner}: split")
        if not 1 <= split <= SPLIT_MAX:
            raise ParameterError(f"{owner}: split = {split} is outside 1 .. {SPLIT_MAX}")
        return replace(self, weight_bits=width, method=Method(self.method), percentile=share, split=split)

    def weight_format(self, weights: Numbers, chip: Chip) -> WeightFormat:
        """The number format of these weights; call it on checked options."""
        auto = sign_mode_of(weights) if chip.single_sign_weights else SignMode.MIXED
        sign = auto if self.sign_mode == "auto" else SignMode(self.sign_mode)
        assert self.weight_bits is not None
        return WeightFormat(self.weight_bits, sign, chip.weight_scale_bits)


OPTION_NAMES = tuple(field.name for field in fields(ProjectionOptions))


def projection_options(
    network: Network, chip: Chip, common: Mapping[str, object], overrides: Mapping[str, Mapping[str, object]] | None
) -> dict[str, ProjectionOptions]:
    """The options of every projection.

    Args:
        network: the network.
        chip: its limits.
        common: options by name; each one value, or a mapping with values by projection.
        overrides: options by projection, over the common ones.

    Raises:
        ParameterError: an unknown projection or option, or a value out of range.
    """
    given: dict[str, dict[str, Any]] = {p.name: {} for p in network.projections}
    for name, value in common.items():
        by_projection = value if isinstance(value, Mapping) else dict.fromkeys(given, value)
        for projection, own in by_projection.items():
            network.projection(projection)
            given[projection][name] = own
    if not isinstance(overrides or {}, Mapping):
        raise ParameterError(f"overrides = {overrides!r} is no dict of options by projection")
    for projection, options in (overrides or {}).items():
        network.projection(projection)
        if not isinstance(options, Mapping):
            raise ParameterError(f"projection '{projection}': {options!r} is no dict of options")
        for name, own in options.items():
            if name not in OPTION_NAMES:
                raise ParameterError(
                    f"projection '{projection}': option '{name}' is unknown; there are: {', '.join(OPTION_NAMES)}"
                )
            given[projection][name] = own
    return {name: ProjectionOptions(**options).checked(f"projection '{name}'", chip) for name, options in given.items()}


def largest_kept(values: NDArray[np.float64], options: ProjectionOptions) -> float:
    """The largest |weight| that must fit by the methods that ask for one."""
    magnitudes = np.abs(values)
    if options.method is Method.PERCENTILE and magnitudes.size:
        return float(np.percentile(magnitudes, options.percentile))
    return float(np.max(magnitudes, initial=0.0))
