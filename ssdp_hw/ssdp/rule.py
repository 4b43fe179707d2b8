"""The float rule: the golden model of SSDP.

Source: arXiv 2505.14841. One window is the steps of one sample; for a synapse from i to j

    S    = 1 if both neurons fired in the window, else 0
    d    = |t_j - t_i|, where a silent neuron has the time "end of the window"
    G    = exp(-d**2 / (2 sigma**2))
    dw   = clip(a_plus * S * G - a_baseline * (1 - S) * G, -clip, +clip)
    w   += sum of dw over the windows of a commit

On chip a batch is one sample. The paper's mean over a batch of B samples is this rule with
``commit_windows=B`` and amplitudes divided by B.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import Choice, real_vector
from ssdp_hw.errors import ParameterError
from ssdp_hw.ssdp.registers import Registers, SpikeTime


class SilentPairs(Choice):
    """What a pair does in which no neuron fired."""

    DEPRESS = "depress"  # d = 0, so the full -a_baseline (the authors' code)
    SKIP = "skip"  # nothing


class WeightRounding(Choice):
    """How the synchrony counter moves the integer weight at a commit."""

    CARRY = "carry"  # whole LSBs toward zero, the rest stays in the counter: nothing is lost
    STOCHASTIC = "stochastic"  # one random number a synapse, counter cleared: unbiased
    NEAREST = "nearest"  # nearest LSB, counter cleared: small steps are lost


@dataclass(frozen=True, kw_only=True)
class SSDP:
    """Parameters of SSDP, and of the integer form that :func:`ssdp_hw.learn` derives from them.

    Attributes:
        a_plus: potentiation of a synchronous pair with d = 0, in units of the float weight.
        a_baseline: depression of a pair in which at most one neuron fired, same unit.
        sigma: width of the kernel in steps.
        spike_time: which spike of a window counts.
        silent_pairs: what a pair does in which no neuron fired.
        clip: largest step of one window, in units of the float weight.
        commit_windows: windows whose steps are gathered before the weight moves.
        rounding: integer form only: how the counter moves the weight.
        counter_bits: integer form only: width of the signed synchrony counter.
        time_shift: integer form only: a tick of the time register is 2**time_shift steps.

    The defaults of a_plus, a_baseline and sigma are those of the authors' code.

    Raises:
        ParameterError: a value out of range.
    """

    a_plus: float = 1.5e-4
    a_baseline: float = 5e-5
    sigma: float = 1.0
    spike_time: SpikeTime = SpikeTime.FIRST
    silent_pairs: SilentPairs = SilentPairs.DEPRESS
    clip: float = 1.0
    commit_windows: int = 1
    rounding: WeightRounding = WeightRounding.CARRY
    counter_bits: int = 16
    time_shift: int = 0

    def __post_init__(self) -> None:
        for name in ("a_plus", "a_baseline", "sigma", "clip"):
            value = float(real_vector(getattr(self, name), 1, f"SSDP: {name}")[0])
            if value < 0 or (value == 0 and name in ("sigma", "clip")):
                raise ParameterError(f"SSDP: {name} = {value:g} must be positive")
            object.__setattr__(self, name, value)
        object.__setattr__(self, "spike_time", SpikeTime(self.spike_time))
        object.__setattr__(self, "silent_pairs", SilentPairs(self.silent_pairs))
        object.__setattr__(self, "rounding", WeightRounding(self.rounding))
        for name, low, high in (("commit_windows", 1, 2**20), ("counter_bits", 4, 32), ("time_shift", 0, 16)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ParameterError(f"SSDP: {name} = {value!r} is outside {low} .. {high}")

    def kernel(self, distance: NDArray[np.int64]) -> NDArray[np.float64]:
        """G: the Gaussian of a distance in steps."""
        return np.asarray(np.exp(-np.square(distance, dtype=np.float64) / (2.0 * self.sigma**2)))


def pair_update(rule: SSDP, pre: Registers, post: Registers, window: int) -> NDArray[np.float64]:
    """The step ``dw`` of every pair in one window, shape (post, pre); times in steps."""
    fired_pre, fired_post = pre.fired[window][None, :], post.fired[window][:, None]
    distance = np.abs(post.time[window][:, None] - pre.time[window][None, :])
    kernel = rule.kernel(distance)
    synchronous = fired_pre & fired_post
    step = np.where(synchronous, rule.a_plus * kernel, -rule.a_baseline * kernel)
    if rule.silent_pairs is SilentPairs.SKIP:
        step = np.where(~fired_pre & ~fired_post, 0.0, step)
    return np.clip(step, -rule.clip, rule.clip)
