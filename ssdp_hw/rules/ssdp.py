"""The float rule: the golden model of SSDP.

Source: arXiv 2505.14841. One window is the steps of one sample; for a synapse from i to j

    S    = 1 if both neurons fired in the window, else 0
    d    = |t_j - t_i|, where a silent neuron has the time "end of the window"
    G    = exp(-d**2 / (2 sigma**2))
    dw   = clip(g * (a_plus * S * G - a_baseline * (1 - S) * G), -clip, +clip)
    w   += sum of dw over the windows between two weight updates

with the gate g = 1 in SSDP; DA-SSDP (arXiv 2512.07194) makes it from the window's synchrony, see
:mod:`ssdp_hw.rules.gate`. With the exponential learning window G is exp(-d/tau_plus) where S = 1 and
exp(-d/tau_minus) elsewhere.

On chip a batch is one sample. The paper's mean over a batch of B samples is this rule with
``windows_per_update=B`` and amplitudes divided by B.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Bool, Int
from ssdp_hw.checks import Choice
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import shown
from ssdp_hw.rules.local import Float, FloatRule, Observation, Observed, Recorded, check_integers
from ssdp_hw.rules.model import Declaration
from ssdp_hw.rules.models.ssdp import WindowSSDP
from ssdp_hw.rules.spike_times import Registers, SpikeTime, silent_time, spike_registers


class SilentPairs(Choice):
    """The weight change of a pair in which neither neuron fired."""

    DEPRESS = "depress"  # by -a_baseline, since d = 0 (the authors' code)
    SKIP = "skip"  # the weight does not change


class LearningWindow(Choice):
    """How a pair's step falls with the distance d of its spike times."""

    GAUSSIAN = "gaussian"  # exp(-d**2 / (2 sigma**2)), the papers' equation
    EXPONENTIAL = "exponential"  # exp(-d / tau_plus) if both fired, else exp(-d / tau_minus)


@shown
@renamed(kernel="learning_window", kernels="learning_windows", commit_windows="windows_per_update")
@dataclass(frozen=True, kw_only=True)
class SSDP(FloatRule):
    """Parameters of SSDP, and of the integer form that :func:`ssdp_hw.learn` derives from them.

    Attributes:
        a_plus: potentiation of a synchronous pair with d = 0, in units of the float weight.
        a_baseline: depression of a pair in which at most one neuron fired, same unit.
        learning_window: ``gaussian`` or ``exponential``.
        sigma: width of the Gaussian in steps.
        tau_plus, tau_minus: decay of the exponentials in steps.
        spike_time: which spike of a window counts.
        silent_pairs: the weight change of a pair in which neither neuron fired.
        time_shift: integer form only: a tick of the time register is 2**time_shift steps.
        clip, windows_per_update, gate, rounding, counter_bits: see :class:`ssdp_hw.rules.FloatRule`.

    The defaults of a_plus, a_baseline, sigma and the taus are those of the authors' code.

    Raises:
        ParameterError: a value out of range.
    """

    a_plus: float = 1.5e-4
    a_baseline: float = 5e-5
    learning_window: LearningWindow = LearningWindow.GAUSSIAN
    sigma: float = 1.0
    tau_plus: float = 20.0
    tau_minus: float = 20.0
    spike_time: SpikeTime = SpikeTime.FIRST
    silent_pairs: SilentPairs = SilentPairs.DEPRESS
    time_shift: int = 0

    def __post_init__(self) -> None:
        self.check_common()
        self.check_numbers(("sigma", "tau_plus", "tau_minus"), ("a_plus", "a_baseline"))
        check_integers(self, (("time_shift", 0, 16),))
        for name, choice in (
            ("learning_window", LearningWindow),
            ("spike_time", SpikeTime),
            ("silent_pairs", SilentPairs),
        ):
            object.__setattr__(self, name, choice(getattr(self, name)))

    def learning_windows(self, distance: NDArray[np.int64]) -> tuple[Float, Float]:
        """The learning window G at distances in steps: for synchronous pairs, and for all other pairs."""
        d = np.asarray(distance, np.float64)
        if self.learning_window is LearningWindow.EXPONENTIAL:
            return np.asarray(np.exp(-d / self.tau_plus)), np.asarray(np.exp(-d / self.tau_minus))
        gaussian = np.asarray(np.exp(-np.square(d) / (2.0 * self.sigma**2)))
        return gaussian, gaussian

    def declaration(self, steps: int) -> Declaration:
        """The rule as a declared one, for windows of that many steps."""
        silent = silent_time(steps)
        kernels = self.learning_windows(np.arange(silent + 1))
        amplitudes = (self.a_plus, self.a_baseline)
        plus, minus = (tuple((a * k).tolist()) for a, k in zip(amplitudes, kernels, strict=True))
        model = WindowSSDP(self.spike_time is SpikeTime.LAST, self.silent_pairs is SilentPairs.SKIP)
        return Declaration(model, {"plus": plus, "minus": minus, "silent": silent, "time_shift": 0})

    def observe(self, pre: Bool, post: Bool) -> Observation[Registers]:
        return Observation(spike_registers(pre, self.spike_time), spike_registers(post, self.spike_time))

    def from_recorded(self, pre: Recorded, post: Recorded, steps: int) -> Observation[Registers]:
        never = silent_time(steps)
        first, second = (Registers(t != never, np.asarray(t, np.int64), never) for t in (pre, post))
        return Observation(first, second)

    def step(self, observed: Observed, window: int, rows: Int, cols: Int) -> Float:
        fired_pre, fired_post = observed.pre.fired[window][cols], observed.post.fired[window][rows]
        plus, minus = self.learning_windows(np.abs(observed.post.time[window][rows] - observed.pre.time[window][cols]))
        step = np.where(fired_pre & fired_post, self.a_plus * plus, -self.a_baseline * minus)
        if self.silent_pairs is SilentPairs.SKIP:
            step[~fired_pre & ~fired_post] = 0.0
        return step
