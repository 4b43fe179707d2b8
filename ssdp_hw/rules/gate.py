"""The third factor of DA-SSDP: a gate for each sample, from how synchronous its layer was.

Source: arXiv 2512.07194. With ``Sbar`` the share of a layer's pairs of which both neurons fired,

    g = clip(1 + k * (Sbar - mu) / sd, 0, 2)        k = -corr(Sbar, loss)

where mu, sd (of the whole population, not of a sample of it) and k come once from warm-up samples.
Where much synchrony went with a small loss, k is positive and synchronous samples learn more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.checks import as_int, real_array
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError, ShapeError

# Largest gate; one from outside lies within -GATE_MAX .. GATE_MAX.
GATE_MAX = 2.0

# Values that differ by less than this share of their mean differ by rounding alone.
_SAME = 1e-12


@shown
@dataclass(frozen=True, kw_only=True)
class Gate:
    """A fitted gate.

    Attributes:
        k: gain, -1 to 1.
        mean, deviation: mu and sd of the synchrony of the warm-up samples.

    Raises:
        ParameterError: a value that is not finite, or no positive deviation.
    """

    k: float
    mean: float
    deviation: float

    def __post_init__(self) -> None:
        for name in ("k", "mean", "deviation"):
            value = real_array(getattr(self, name), f"Gate: {name}")
            if value.ndim:
                raise ParameterError(f"Gate: {name} has shape {value.shape}; one number is needed")
            object.__setattr__(self, name, float(value))
        if self.deviation <= 0:
            raise ParameterError(f"Gate: deviation = {self.deviation:g} must be above 0")

    def __call__(self, synchrony: ArrayLike) -> NDArray[np.float64]:
        """Gate g of each sample, 0 to 2, from its synchrony; any shape."""
        excess = (real_array(synchrony, "synchrony") - self.mean) / self.deviation
        return np.asarray(np.clip(1.0 + self.k * excess, 0.0, GATE_MAX))


@shown
@dataclass(frozen=True)
class WarmUp:
    """Moments of the synchrony and the loss of the warm-up samples, merged batch by batch.

    They take six numbers however many samples there were. Merging: T. F. Chan, G. H. Golub,
    R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.

    Attributes:
        samples: how many.
        mean_synchrony, mean_loss: their means.
        synchrony_squares, loss_squares, products: sums of the squares and of the products of the
            deviations from these means.
    """

    samples: int = 0
    mean_synchrony: float = 0.0
    mean_loss: float = 0.0
    synchrony_squares: float = 0.0
    loss_squares: float = 0.0
    products: float = 0.0

    def __post_init__(self) -> None:
        if as_int(self.samples, "WarmUp: samples") < 0:
            raise ParameterError(f"WarmUp: samples = {self.samples} is below 0")
        for name in ("mean_synchrony", "mean_loss", "synchrony_squares", "loss_squares", "products"):
            object.__setattr__(self, name, float(real_array(getattr(self, name), f"WarmUp: {name}")))

    def with_batch(self, synchrony: ArrayLike, losses: ArrayLike) -> WarmUp:
        """These samples and those of a batch; one value a sample in both.

        Raises:
            ParameterError: a value is not finite.
            ShapeError: not one value a sample.
        """
        s, loss = real_array(synchrony, "synchrony"), real_array(losses, "losses")
        if s.ndim != 1 or s.shape != loss.shape:
            raise ShapeError(
                f"synchrony of shape {s.shape} and losses of shape {loss.shape}: give one value a sample in both "
                "(in torch: reduction='none')"
            )
        if not s.size:
            return self
        samples = self.samples + s.size
        ds, dl = s - s.mean(), loss - loss.mean()
        to_s, to_l = float(s.mean()) - self.mean_synchrony, float(loss.mean()) - self.mean_loss
        between = self.samples * s.size / samples
        return WarmUp(
            samples,
            self.mean_synchrony + to_s * s.size / samples,
            self.mean_loss + to_l * s.size / samples,
            self.synchrony_squares + float(ds @ ds) + between * to_s * to_s,
            self.loss_squares + float(dl @ dl) + between * to_l * to_l,
            self.products + float(ds @ dl) + between * to_s * to_l,
        )

    def fit(self) -> Gate:
        """The gate. Where the synchrony or the loss never varied there is no correlation, and k is 0.

        Raises:
            ParameterError: fewer than two samples.
        """
        if self.samples < 2:
            raise ParameterError(f"a gate needs at least two warm-up samples, found {self.samples}")
        deviation = math.sqrt(self.synchrony_squares / self.samples)
        loss_deviation = math.sqrt(self.loss_squares / self.samples)
        if deviation <= _SAME * abs(self.mean_synchrony):
            return Gate(k=0.0, mean=self.mean_synchrony, deviation=1.0)
        if loss_deviation <= _SAME * abs(self.mean_loss):
            return Gate(k=0.0, mean=self.mean_synchrony, deviation=deviation)
        correlation = self.products / self.samples / (deviation * loss_deviation)
        return Gate(k=-min(1.0, max(-1.0, correlation)), mean=self.mean_synchrony, deviation=deviation)
