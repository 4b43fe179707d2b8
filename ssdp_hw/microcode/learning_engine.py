"""What Loihi's learning engine can hold and compute, as lava-nc 0.10.0 simulates it.

A learning rule is a sum of products, evaluated once an epoch of ``t_epoch`` steps. A product is a
literal ``mantissa * 2**exponent`` times factors. The first factor, its dependency, says when it acts
and when its traces are read: ``x0`` (the pre-synaptic neuron fired in the epoch; traces as they were
at its last spike), ``y0`` (likewise post-synaptic), ``u<k>`` (every 2**k-th epoch; traces as they are
at its end). Further factors are traces (x1, x2, y1, y2, y3), spikes (x0, y0) or synaptic
variables (w, d, t).

Source of the widths: lava/magma/core/learning/constants.py; of the literals' ranges:
product_series.py; of the shift: learning_rule_applier.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import Choice, as_int, positive_or_none
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError

MANTISSA_MIN, MANTISSA_MAX = -8, 7
EXPONENT_MIN, EXPONENT_MAX = -7, 8
MANTISSA_BITS = 4
PRODUCT_BITS = 15
TRACE_MAX = 127
# A weight has 8 bits and a sign. The engine rounds the fraction of an LSB away at every update.
WEIGHT_MIN, WEIGHT_MAX = -256, 255
SMALLEST_STEP = 2.0**EXPONENT_MIN

TRACES = ("x1", "x2", "y1", "y2", "y3")
FACTOR_BITS = {"x0": 1, "y0": 1, **dict.fromkeys(TRACES, 7), "w": 9, "d": 9, "t": 9}

# Number of equally spaced values of the engine's random number over which a mean is taken.
_RANDOM_GRID = 1024


class Arithmetic(Choice):
    """Which of Lava's two models of LearningDense runs a rule; the values are their tags."""

    FIXED = "fixed_pt"
    FLOATING = "floating_pt"


class Epoch(Choice):
    """How often the learning engine updates the weights."""

    WINDOW = "window"  # once per window: the last spikes of each window count, spikes of two windows never pair
    STEP = "step"  # in every step: every pair of spikes counts, and there are no windows


@shown
@dataclass(frozen=True)
class Product:
    """One product of a learning rule; ``factors[0]`` is its dependency.

    Raises:
        ParameterError: a mantissa or exponent out of range, an unknown factor or dependency, or so many factors that no
            exponent makes up for Lava's right shift (those that remain have at most 30 bits; Lava multiplies in 32).
    """

    mantissa: int
    exponent: int
    factors: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, low, high in (("mantissa", MANTISSA_MIN, MANTISSA_MAX), ("exponent", EXPONENT_MIN, EXPONENT_MAX)):
            value = as_int(getattr(self, name), f"product: {name}")
            if not low <= value <= high:
                raise ParameterError(f"product {self.factors}: {name} = {value} is outside {low} .. {high}")
        # Lava reads one digit after the u: it would take u12 for u1 times 2 and say nothing.
        if not self.factors or not re.fullmatch("x0|y0|u[0-9]", self.factors[0]):
            raise ParameterError(f"product {self.factors}: begins with none of x0, y0, u0 .. u9")
        unknown = [f for f in self.factors[1:] if f not in FACTOR_BITS]
        if unknown:
            raise ParameterError(f"product {self.factors}: factor '{unknown[0]}' is none of {', '.join(FACTOR_BITS)}")
        if self.exponent + self.shift > EXPONENT_MAX:
            raise ParameterError(
                f"product {self.factors}: exponent = {self.exponent} leaves no room to make up for a right "
                f"shift by {self.shift}; the limit is {EXPONENT_MAX - self.shift}"
            )

    @property
    def coefficient(self) -> float:
        """The value of the literal."""
        return self.mantissa * 2.0**self.exponent

    @property
    def shift(self) -> int:
        """Right shift that Lava applies to this product in ``fixed_pt``: the bits beyond 15 are shifted out.

        Lava does not compensate it. A product of two traces is shifted by 3, that of a trace and the weight by 5.
        """
        bits = sum(FACTOR_BITS[f] for f in self.factors[1:]) + MANTISSA_BITS
        return max(0, bits - PRODUCT_BITS)

    def text(self, arithmetic: Arithmetic) -> str:
        """The product as Lava's parser reads it; in ``fixed_pt`` the exponent compensates the right shift."""
        exponent = self.exponent + (self.shift if arithmetic is Arithmetic.FIXED else 0)
        return "*".join((f"{self.mantissa}", f"2^{exponent}", *self.factors))


@shown
@dataclass(frozen=True)
class Trace:
    """A trace: each spike adds ``impulse``, each step multiplies by ``exp(-1 / tau)``.

    The impulse is an integer from 1 to 127. Lava compares the 8-bit fraction of a fractional impulse
    with a random number of 7 bits, so that the fractions .5 and .75 both add 1.

    Raises:
        ParameterError: an impulse out of range, a tau that is not positive.
    """

    impulse: int
    tau: float

    def __post_init__(self) -> None:
        if not 1 <= as_int(self.impulse, "trace: impulse") <= TRACE_MAX:
            raise ParameterError(f"trace: impulse = {self.impulse} is outside 1 .. {TRACE_MAX}")
        if positive_or_none(self.tau, "trace: tau") is None:
            raise ParameterError("trace: tau is missing; give the time constant in steps")


def float_traces(impulses: NDArray[np.int64], tau: float, steps: int) -> NDArray[np.float64]:
    """Values of the traces at 0 .. steps steps after a spike, shape (len(impulses), steps + 1)."""
    return np.asarray(impulses[:, None] * np.exp(-np.arange(steps + 1) / tau))


def mean_integer_traces(impulses: NDArray[np.int64], tau: float, steps: int, epoch: Epoch) -> NDArray[np.float64]:
    """Mean over the random rounding of the integer traces, shape as :func:`float_traces`.

    A step rounds ``v * exp(-1 / tau)`` down, or up if a random number r is below the fraction. If r were
    drawn in each step, the mean would be the exponential. But Lava draws r once per epoch: in an epoch
    that is a window, a trace no longer falls once ``r < 1 - v * (1 - exp(-1 / tau))``.
    """
    if epoch is Epoch.STEP:
        return float_traces(impulses, tau, steps)
    random = (np.arange(_RANDOM_GRID) + 0.5) / _RANDOM_GRID
    value = np.repeat(impulses[:, None].astype(np.float64), _RANDOM_GRID, axis=1)
    means = [value.mean(axis=1)]
    for _ in range(steps):
        exact = np.exp(-1.0 / tau) * value
        value = np.floor(exact) + (random < exact % 1.0)
        means.append(value.mean(axis=1))
    return np.stack(means, axis=1)


def pair_step(
    products: Iterable[Product],
    traces: Mapping[str, NDArray[np.float64]],
    epoch: Epoch,
    window: int,
    pre: int | None,
    post: int | None,
) -> float:
    """The weight change of a window in which the neurons fire at the steps ``pre`` and ``post``.

    Args:
        products: the rule. Each product has at most one trace, since the mean of a product of two traces that
            are rounded at random is not the product of their means.
        traces: for each name of a trace its values at 0 .. window steps after a spike.
        epoch: when the learning engine updates.
        window: length of the window in steps.
        pre, post: step of each neuron's spike, 0 .. window - 1; None for a neuron that does not fire.
    """
    spike = {"x": pre, "y": post}
    fired_at = sorted({t for t in (pre, post) if t is not None})
    total = 0.0
    for start, end in [(0, window - 1)] if epoch is Epoch.WINDOW else [(t, t) for t in fired_at]:
        fired = {f"{side}0": t is not None and start <= t <= end for side, t in spike.items()}
        for product in products:
            gate, *factors = product.factors
            if not fired.get(gate, True):
                continue
            read = spike[gate[0]] if gate in fired else end
            value = product.coefficient
            for factor in factors:
                at = spike[factor[0]]
                if factor in fired:
                    value *= fired[factor]
                else:
                    value *= traces[factor][read - at] if at is not None and read is not None and at <= read else 0.0
            total += value
    return total
